//! A path that is dead without a word: how long it takes to notice, and what is not taken for one.

use super::*;

/// A bench of this role, accepted by a relay that pings a connection which it does not read.
fn accepted(role: Role) -> SessionBench {
    let mut bench = SessionBench::of(role);
    bench.drain();
    bench.on(Input::Connected);
    bench.on(ack_with(false, Some(30), Some(5)));
    bench
}

fn answer(bench: &mut SessionBench) {
    bench.on(Input::Heard);
    bench.on(Input::Message(ServerMessage::HbAck));
}

/// Lets time go on until the connection is given up. How long that took, and how often it asked.
fn until_lost(
    bench: &mut SessionBench,
    mut each_tick: impl FnMut(&mut SessionBench, &[Action]),
) -> (Duration, usize) {
    let (start, mut asked) = (bench.now, 0);
    loop {
        let did = bench.after(bench.due_in(), Input::Tick);
        asked += did.iter().filter(|did| matches!(did, Action::Send(_))).count();
        if let Some(Action::Tell(ClientEvent::Reconnecting { why: Lost::Silent(_), .. })) = did.last() {
            return (bench.now - start, asked);
        }
        assert!(bench.now - start < 600 * SEC);
        each_tick(bench, &did);
    }
}

#[test]
fn a_desk_asks_every_ten_seconds_and_a_phone_as_often_as_the_relay_wants() {
    for (role, every) in [(Role::Workstation, 10), (Role::Phone, 30)] {
        let mut bench = accepted(role);
        for _ in 0..5 {
            assert_eq!(bench.due_in(), every * SEC);
            assert_eq!(bench.after(every * SEC, Input::Tick), [Action::Send(HEARTBEAT.into())]);
            answer(&mut bench);
        }
    }
}

/// Fault 62.
#[test]
fn nobody_waits_longer_than_promised() {
    for (role, bound) in [(Role::Workstation, 20), (Role::Phone, 50)] {
        let idle = until_lost(&mut accepted(role), |_, _| {});
        assert!(idle.0 <= bound * SEC && idle.1 == 1, "{role}: {idle:?}");
    }
    for role in [Role::Workstation, Role::Phone] {
        // Whenever the path dies, and whatever was heard before: a sender sends on.
        for heard_for in [0, 1, 9, 29] {
            let mut bench = accepted(role);
            bench.now += heard_for * SEC;
            bench.on(Input::Sent);
            let (took, asked) = until_lost(&mut bench, |bench, _| drop(bench.on(Input::Sent)));
            assert!(
                took >= 8 * SEC && took <= 20 * SEC && asked >= 1,
                "{role} after {heard_for} s: {took:?}"
            );
        }
    }
}

#[test]
fn a_ping_of_a_relay_that_hears_nothing_answers_no_question() {
    let mut bench = accepted(Role::Phone);
    assert_eq!(bench.after(30 * SEC, Input::Tick), [Action::Send(HEARTBEAT.into())]);
    bench.on(Input::Heard);
    let (took, _) = until_lost(&mut bench, |_, _| {});
    assert_eq!(took, 15 * SEC);
}

#[test]
fn a_relay_that_answers_is_asked_only_when_nothing_is_heard() {
    let mut bench = accepted(Role::Phone);
    for _ in 0..14 {
        bench.on(Input::Sent);
        assert_eq!(bench.after(2 * SEC, Input::Tick), [Action::Look], "no question yet");
        bench.on(Input::Delivered(1));
        answer(&mut bench);
    }
    // A relay that passes frames on and says nothing itself is asked once.
    let mut bench = accepted(Role::Phone);
    bench.on(Input::Sent);
    assert_eq!(bench.after(3 * SEC, Input::Tick), [Action::Look, Action::Send(HEARTBEAT.into())]);
    assert_eq!(bench.after(4 * SEC, Input::Tick), [Action::Look]);
    answer(&mut bench);
    assert!(bench.due_in() > 20 * SEC, "{:?}", bench.due_in());
}

/// Fault 62.
#[test]
fn a_large_upload_on_a_slow_line_is_no_dead_path() {
    let mut bench = accepted(Role::Phone);
    bench.on(Input::Sent);
    // For ten minutes nothing is heard, and a little leaves the queue every ten seconds.
    let start = bench.now;
    while bench.now - start < 600 * SEC {
        let did = bench.after(bench.due_in(), Input::Tick);
        assert!(did.iter().all(|did| matches!(did, Action::Look | Action::Send(_))), "{did:?}");
        if did.contains(&Action::Look) {
            bench.on(Input::Delivered((bench.now - start).as_secs() / 10));
        }
    }
    // Once it stops shrinking it is silence like any other.
    let (took, _) = until_lost(&mut bench, |bench, did| {
        if did.contains(&Action::Look) {
            bench.on(Input::Delivered(60));
        }
    });
    assert!(took >= 14 * SEC && took <= 27 * SEC, "{took:?}");
}

#[test]
fn a_queue_that_never_moved_says_nothing_for_the_path() {
    let mut bench = accepted(Role::Phone);
    bench.on(Input::Sent);
    let (took, _) = until_lost(&mut bench, |bench, did| {
        if did.contains(&Action::Look) {
            bench.on(Input::Delivered(4_711));
        }
    });
    assert_eq!(took, 15 * SEC);
}

#[test]
fn a_sender_that_is_paused_hears_pings_and_stays() {
    let mut bench = accepted(Role::Phone);
    let start = bench.now;
    while bench.now - start < 120 * SEC {
        bench.on(Input::Sent);
        let next = bench.due_in().min(5 * SEC);
        let did = bench.after(next, Input::Tick);
        assert!(did.iter().all(|did| matches!(did, Action::Look | Action::Send(_))), "{did:?}");
        bench.on(Input::Delivered(1));
        if next == 5 * SEC || (bench.now - start).as_secs().is_multiple_of(5) {
            bench.on(Input::Heard);
        }
    }
}

#[test]
fn of_an_older_relay_silence_is_borne_for_130_s_whatever_was_sent() {
    let mut bench = SessionBench::waiting();
    bench.on(Input::Sent);
    let (took, asked) = until_lost(&mut bench, |bench, did| {
        assert!(!did.contains(&Action::Look));
        bench.on(Input::Sent);
    });
    assert_eq!((took, asked), (130 * SEC, 4));
}

#[test]
fn after_a_sleep_in_which_the_relay_gave_up_the_connection_is_made_again_at_once() {
    let slept = |pings_paused: Option<u64>, span| {
        let mut bench = SessionBench::new();
        bench.drain();
        bench.on(Input::Connected);
        bench.on(ack_with(true, Some(30), pings_paused));
        !matches!(bench.on(Input::Woke(span))[..], [Action::Send(_)])
    };
    assert!(slept(Some(5), 45 * SEC) && !slept(Some(5), 44 * SEC));
    assert!(slept(None, 90 * SEC) && !slept(None, 89 * SEC));
}

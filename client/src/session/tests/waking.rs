//! What a sleep, a change of network and the app's going out of sight do to the machine.

use super::*;

#[test]
fn after_a_long_sleep_the_connection_is_made_anew_at_once() {
    let mut bench = SessionBench::linked();
    assert!(bench.delay_after(Input::Woke(8 * 3600 * SEC)) <= 300 * MS);
}

#[test]
fn after_a_short_sleep_or_a_change_of_network_the_connection_has_two_seconds() {
    for change in [Input::Woke(10 * SEC), Input::NetworkChanged] {
        let mut bench = SessionBench::linked();
        assert_eq!(bench.on(change), [Action::Send(HEARTBEAT.into())]);
        assert_eq!(bench.due_in(), 2 * SEC);
        assert_eq!(bench.after(SEC, Input::Heard), [], "an answer");
        assert_eq!(bench.after(2 * SEC, Input::Tick), []);

        assert_eq!(bench.on(Input::NetworkChanged), [Action::Send(HEARTBEAT.into())]);
        bench.now += 2 * SEC;
        assert!(bench.delay_after(Input::Tick) <= 300 * MS);
    }
}

#[test]
fn a_wait_between_two_tries_is_cut_short_by_news() {
    for change in [|| Input::Woke(10 * SEC), || Input::NetworkChanged, || Input::RetryNow] {
        let mut bench = SessionBench::new();
        bench.drain();
        // The bound of the waits grows, so that one of them is long.
        while bench.delay_after(broken()) < 10 * SEC {
            bench.now += bench.due_in();
            bench.on(Input::Tick);
        }
        assert_eq!(bench.on(change()), []);
        assert!(bench.due_in() <= 300 * MS);
        assert_eq!(bench.after(300 * MS, Input::Tick), [Action::Connect]);

        let mut bench = SessionBench::waiting();
        bench.delay_after(Input::Closed(Some(4429)));
        assert_eq!(bench.on(change()), []);
        assert!(bench.due_in() >= 10 * SEC, "the relay asked for patience");
    }
}

#[test]
fn nothing_is_tried_out_of_sight() {
    let mut bench = SessionBench::waiting();
    assert_eq!(bench.on(Input::Foreground(false)), []);
    bench.delay_after(broken());
    assert_eq!(bench.session.next_deadline(), None);
    assert_eq!(bench.after(3600 * SEC, Input::Tick), []);
    assert_eq!(bench.on(Input::Foreground(true)), []);
    assert!(bench.due_in() <= 300 * MS);
    assert_eq!(bench.after(300 * MS, Input::Tick), [Action::Connect]);
    assert_eq!(bench.on(Input::Foreground(true)), [], "no news");
}

/// A bench on its way to the relay: in the connect, and after it.
fn on_their_way() -> [SessionBench; 2] {
    [false, true].map(|is_connected| {
        let mut bench = SessionBench::new();
        bench.drain();
        if is_connected {
            bench.on(Input::Connected);
        }
        bench
    })
}

#[test]
fn a_connect_that_slept_is_begun_anew_at_once() {
    for mut bench in on_their_way() {
        let did = bench.on(Input::Woke(8 * 3600 * SEC));
        let [Action::Disconnect, Action::Tell(ClientEvent::Reconnecting { after, .. })] = did[..] else {
            panic!("{did:?}")
        };
        assert!(after <= 300 * MS);
        assert_eq!(bench.after(after, Input::Tick), [Action::Connect]);
    }
}

#[test]
fn a_connect_under_way_has_two_seconds_after_a_change_of_network() {
    for mut bench in on_their_way() {
        assert_eq!(bench.on(Input::NetworkChanged), []);
        assert_eq!(bench.due_in(), 2 * SEC);
        assert_eq!(bench.after(SEC, Input::NetworkChanged), [], "no change puts it off");
        bench.now += SEC;
        assert!(bench.delay_after(Input::Tick) <= 300 * MS);
    }
}

#[test]
fn no_move_and_no_session_that_is_back_begins_a_connect_out_of_sight() {
    let (session, token) = elsewhere();
    for (is_gone, input) in [(false, Input::Move { session, token }), (true, Input::Registered)] {
        let mut bench = SessionBench::linked();
        bench.on(Input::Foreground(false));
        if is_gone {
            bench.gone_after(Input::Closed(Some(4401)));
        }
        let did = bench.on(input);
        assert!(!did.contains(&Action::Connect), "{did:?}");
        assert_eq!(bench.after(3600 * SEC, Input::Tick), []);
        bench.on(Input::Foreground(true));
        assert_eq!(bench.after(300 * MS, Input::Tick), [Action::Connect]);
    }
}

#[test]
fn who_does_not_want_to_wait_changes_nothing_where_no_try_is_waited_for() {
    for mut bench in [SessionBench::waiting(), SessionBench::linked()].into_iter().chain(on_their_way()) {
        let due_in = bench.due_in();
        assert_eq!(bench.on(Input::RetryNow), []);
        assert_eq!(bench.due_in(), due_in);
    }
}

//! The session has ended, or was replaced, or the data that came through it is damaged.

use super::*;

#[test]
fn a_session_that_is_gone_may_be_had_again_or_left_for_another() {
    let mut bench = SessionBench::linked();
    let gone = bench.on(Input::Closed(Some(4401)));
    assert!(matches!(gone[..], [Action::Disconnect, Action::SessionGone(_)]), "{gone:?}");
    assert_eq!(bench.due_in(), 30 * SEC, "the app finds out");
    assert_eq!(bench.on(Input::Registered), [Action::Unlink, Action::Connect]);

    let mut bench = SessionBench::linked();
    bench.gone_after(Input::Closed(Some(4410)));
    assert!(bench.delay_after(Input::NotRegistered(Lost::SessionUnknown)) >= 10 * SEC);

    let mut bench = SessionBench::waiting();
    bench.gone_after(Input::Closed(Some(4410)));
    let (session, token) = elsewhere();
    assert_eq!(bench.on(Input::Move { session, token }), [Action::Disconnect, Action::Connect]);
    let [Action::Send(hello)] = &bench.on(Input::Connected)[..] else { panic!() };
    assert_eq!(Hello::parse(hello.as_bytes(), true).unwrap().credentials.map(|it| it.0), Some(session));

    let mut bench = SessionBench::waiting();
    bench.gone_after(Input::Closed(Some(4401)));
    assert_eq!(bench.stop_after(Input::Close), Stop::Closed);
}

#[test]
fn a_move_ends_the_link_and_waits_for_nothing() {
    let (session, token) = elsewhere();
    let moved = SessionBench::linked().on(Input::Move { session, token });
    assert_eq!(moved, [Action::Unlink, Action::Disconnect, Action::Connect]);
}

#[test]
fn damage_ends_the_connection_and_not_the_client() {
    let mut bench = SessionBench::linked();
    assert!(bench.delay_after(Input::Damaged("a gap".into())) <= 300 * MS);
}

#[test]
fn an_app_that_never_finds_out_about_its_session_tries_again() {
    let mut bench = SessionBench::linked();
    bench.gone_after(Input::Closed(Some(4401)));
    let again = bench.after(30 * SEC, Input::Tick);
    assert!(
        matches!(again[..], [Action::Unlink, Action::Tell(ClientEvent::Reconnecting { .. })]),
        "{again:?}"
    );
    assert_eq!(bench.on(Input::Registered), [], "too late");
}

#[test]
fn a_client_that_may_return_takes_its_role_back_so_often_and_no_more() {
    let mut bench = SessionBench::linked();
    bench.on(Input::MayReturn(2));
    for linked in [true, false] {
        let actions = bench.on(Input::Closed(Some(4409)));
        let (after, why) = (RETURN_AFTER, Lost::Displaced);
        let again = [Action::Disconnect, Action::Tell(ClientEvent::Reconnecting { after, why })];
        assert_eq!(actions[usize::from(linked)..], again);
        assert_eq!(actions.first() == Some(&Action::Unlink), linked);
        assert_eq!(bench.due_in(), RETURN_AFTER, "the other one is to be refused meanwhile");
        assert_eq!(bench.after(RETURN_AFTER, Input::Tick), [Action::Connect]);
        bench.on(Input::Connected);
        bench.on(ack(false, Some(30)));
    }
    assert_eq!(bench.stop_after(Input::Closed(Some(4409))), Stop::Replaced);

    let mut bench = SessionBench::linked();
    bench.on(Input::MayReturn(2));
    bench.on(Input::MayReturn(0));
    assert_eq!(bench.stop_after(Input::Closed(Some(4409))), Stop::Replaced, "it has its answer");

    let mut bench = SessionBench::linked();
    bench.on(Input::MayReturn(2));
    bench.on(Input::Close);
    assert_eq!(bench.stop_after(Input::Closed(Some(4409))), Stop::Closed);
}

#[test]
fn a_refusal_that_nothing_proves_is_tried_again_with_patience() {
    let mut bench = SessionBench::linked();
    let why = Lost::Refused(crate::tunnel::Refusal::UnknownKey);
    assert!(bench.delay_after(Input::Refused(why)) >= 10 * SEC);
    assert_eq!(bench.after(60 * SEC, Input::Tick), [Action::Connect]);
}

#[test]
fn each_register_passes_the_back_off_and_one_that_was_of_no_use_is_told() {
    let mut bench = SessionBench::new();
    bench.drain();
    let (mut registers, mut waits) = (0, Vec::new());
    let start = bench.now;
    while bench.now - start < 60 * SEC {
        bench.on(Input::Connected);
        match &bench.on(Input::Closed(Some(4401)))[..] {
            [Action::Disconnect, Action::SessionGone(_)] => {
                registers += 1;
                assert_eq!(bench.on(Input::Registered), [Action::Connect]);
            }
            [Action::Disconnect, Action::Tell(ClientEvent::Reconnecting { after, why })] => {
                assert_eq!(*why, Lost::RegisteredAndUnknown);
                assert!(why.to_string().contains("several relays without a common Redis"), "{why}");
                waits.push(*after);
                bench.now += *after;
                assert_eq!(bench.on(Input::Tick), [Action::Connect]);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(registers <= 14 && waits.len() + 1 >= registers, "{registers} registers, {waits:?}");
}

#[test]
fn a_session_that_is_lost_again_and_again_is_registered_no_faster() {
    let mut bench = SessionBench::new();
    bench.drain();
    let mut registers = 0;
    for _ in 0..20 {
        bench.on(Input::Connected);
        bench.on(ack(false, None));
        bench.now += SEC;
        match &bench.on(Input::Closed(Some(4401)))[..] {
            [Action::Disconnect, Action::SessionGone(_)] => {
                registers += 1;
                assert_eq!(bench.on(Input::Registered), [Action::Connect]);
            }
            [Action::Disconnect, Action::Tell(ClientEvent::Reconnecting { after, why })] => {
                assert_eq!(*why, Lost::SessionUnknown);
                bench.now += *after;
                assert_eq!(bench.on(Input::Tick), [Action::Connect]);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(registers, 10, "a wait lies between two of them");
    // One that was stable is forgiven.
    bench.on(Input::Connected);
    bench.on(ack(false, None));
    bench.now += 10 * SEC;
    bench.gone_after(Input::Closed(Some(4401)));
}

#[test]
fn a_desk_that_is_away_is_waited_for_and_the_user_may_look_at_once() {
    let away = || Lost::WorkstationAway { since: std::time::UNIX_EPOCH };
    assert_eq!(
        away().to_string(),
        "the workstation has been away since 1970-01-01 00:00 UTC; waiting for it"
    );
    let mut bench = SessionBench::waiting();
    for _ in 0..200 {
        bench.gone_after(Input::Closed(Some(4410)));
        let delay = bench.delay_after(Input::NotRegistered(away()));
        assert!(delay >= 10 * SEC && delay <= 60 * SEC, "{delay:?}");
        assert_eq!(bench.after(delay, Input::Tick), [Action::Connect]);
        bench.on(Input::Connected);
    }
    for news in [|| Input::RetryNow, || Input::NetworkChanged, || Input::Foreground(true)] {
        bench.gone_after(Input::Closed(Some(4401)));
        bench.delay_after(Input::NotRegistered(away()));
        assert_eq!(bench.on(news()), []);
        assert!(bench.due_in() <= 300 * MS, "nobody asked for patience");
        assert_eq!(bench.after(300 * MS, Input::Tick), [Action::Connect]);
        bench.on(Input::Connected);
    }
}

//! The session is no more, or another one, or what came through it is spoilt.

use super::*;

#[test]
fn a_session_that_is_gone_may_be_had_again_or_left_for_another() {
    let mut bench = Bench::linked();
    let gone = bench.on(Input::Closed(Some(4401)));
    assert!(matches!(gone[..], [Action::Disconnect, Action::SessionGone(_)]), "{gone:?}");
    assert_eq!(bench.due_in(), 30 * SEC, "the app finds out");
    assert_eq!(bench.on(Input::Registered), [Action::Unlink, Action::Connect]);

    bench.on(Input::Connected);
    bench.gone_after(Input::Closed(Some(4410)));
    assert!(bench.delay_after(Input::NotRegistered) >= 10 * SEC);

    let mut bench = Bench::waiting();
    bench.gone_after(Input::Closed(Some(4410)));
    let (session, token) = elsewhere();
    assert_eq!(bench.on(Input::Move { session, token }), [Action::Disconnect, Action::Connect]);
    let [Action::Send(hello)] = &bench.on(Input::Connected)[..] else { panic!() };
    assert_eq!(Hello::parse(hello.as_bytes(), true).unwrap().credentials.map(|it| it.0), Some(session));

    let mut bench = Bench::waiting();
    bench.gone_after(Input::Closed(Some(4401)));
    assert_eq!(bench.stop_after(Input::Close), Stop::Closed);
}

#[test]
fn a_move_ends_the_link_and_waits_for_nothing() {
    let (session, token) = elsewhere();
    let moved = Bench::linked().on(Input::Move { session, token });
    assert_eq!(moved, [Action::Unlink, Action::Disconnect, Action::Connect]);
}

#[test]
fn damage_ends_the_connection_and_not_the_client() {
    let mut bench = Bench::linked();
    assert!(bench.delay_after(Input::Spoilt("a gap".into())) <= 300 * MS);
}

#[test]
fn an_app_that_never_finds_out_about_its_session_tries_again() {
    let mut bench = Bench::linked();
    bench.gone_after(Input::Closed(Some(4401)));
    let again = bench.after(30 * SEC, Input::Tick);
    assert!(matches!(again[..], [Action::Unlink, Action::Tell(Event::Reconnecting { .. })]), "{again:?}");
    assert_eq!(bench.on(Input::Registered), [], "too late");
}

#[test]
fn a_client_that_may_return_takes_its_role_back_so_often_and_no_more() {
    let mut bench = Bench::linked();
    bench.on(Input::MayReturn(2));
    for linked in [true, false] {
        let actions = bench.on(Input::Closed(Some(4409)));
        let (after, why) = (RETURN_AFTER, Lost::Displaced);
        let again = [Action::Disconnect, Action::Tell(Event::Reconnecting { after, why })];
        assert_eq!(actions[usize::from(linked)..], again);
        assert_eq!(actions.first() == Some(&Action::Unlink), linked);
        assert_eq!(bench.due_in(), RETURN_AFTER, "the other one is to be refused meanwhile");
        assert_eq!(bench.after(RETURN_AFTER, Input::Tick), [Action::Connect]);
        bench.on(Input::Connected);
        bench.on(ack(false, Some(30)));
    }
    assert_eq!(bench.stop_after(Input::Closed(Some(4409))), Stop::Replaced);

    let mut bench = Bench::linked();
    bench.on(Input::MayReturn(2));
    bench.on(Input::MayReturn(0));
    assert_eq!(bench.stop_after(Input::Closed(Some(4409))), Stop::Replaced, "it has its answer");

    let mut bench = Bench::linked();
    bench.on(Input::MayReturn(2));
    bench.on(Input::Close);
    assert_eq!(bench.stop_after(Input::Closed(Some(4409))), Stop::Closed);
}

#[test]
fn a_refusal_that_nothing_proves_is_tried_again_with_patience() {
    let mut bench = Bench::linked();
    let why = Lost::Refused(crate::tunnel::Refusal::UnknownKey);
    assert!(bench.delay_after(Input::Refused(why)) >= 10 * SEC);
    assert_eq!(bench.after(60 * SEC, Input::Tick), [Action::Connect]);
}

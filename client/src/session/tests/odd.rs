//! The server that answers is not a relay: the end at the first contact, and a passing fault of a relay that
//! was met before.

use super::*;

/// What a proxy, a portal or damage make of an answer.
fn odd() -> Input {
    Input::Odd("ws://h/ws answered 404 Not Found where a WebSocket was expected".into())
}

#[test]
fn at_the_first_contact_it_stops_with_the_question_whether_the_address_is_right() {
    for has_upgraded in [false, true] {
        let mut bench = SessionBench::new();
        bench.drain();
        if has_upgraded {
            bench.on(Input::Connected);
        }
        let words = bench.stop_after(odd()).to_string();
        assert!(
            words.ends_with("where a WebSocket was expected; is this the address of a relay?"),
            "{words}"
        );
    }
}

#[test]
fn a_relay_that_was_met_is_tried_again_for_ever_and_never_more_than_a_minute_apart() {
    let mut bench = SessionBench::waiting();
    let mut longest = Duration::ZERO;
    for round in 0..200 {
        let delay = bench.delay_after(odd());
        assert!(round > 0 || delay <= 300 * MS, "at once the first time: {delay:?}");
        longest = longest.max(delay);
        assert_eq!(bench.after(delay, Input::Tick), [Action::Connect]);
        if round % 2 == 0 {
            bench.on(Input::Connected);
        }
    }
    assert!(longest > 15 * SEC && longest <= 60 * SEC, "{longest:?}");
    // The exit of it all: the relay answers.
    bench.on(Input::Connected);
    assert_eq!(bench.on(ack(true, None)), [Action::Tell(ClientEvent::Connected), link(0)]);
}

#[test]
fn a_pair_that_is_gone_on_with_has_met_its_relay() {
    let mut bench = SessionBench::new();
    bench.drain();
    assert_eq!(bench.on(Input::WasPaired), []);
    bench.delay_after(odd());
}

#[test]
fn odd_bytes_within_a_connection_end_it_and_its_link() {
    let did = SessionBench::linked().on(odd());
    assert!(
        matches!(
            &did[..],
            [
                Action::Unlink,
                Action::Disconnect,
                Action::Tell(ClientEvent::Reconnecting { why: Lost::Odd(_), .. })
            ]
        ),
        "{did:?}"
    );
}

/// Every state in which a connection may end, with the inputs that lead there.
fn states() -> [(&'static str, SessionBench); 6] {
    let connecting = || {
        let mut bench = SessionBench::waiting();
        let delay = bench.delay_after(broken());
        assert_eq!(bench.after(delay, Input::Tick), [Action::Connect]);
        bench
    };
    let mut greeting = connecting();
    greeting.on(Input::Connected);
    let mut backing_off = SessionBench::waiting();
    backing_off.delay_after(broken());
    let mut gone = SessionBench::linked();
    gone.gone_after(Input::Closed(Some(4401)));
    [
        ("connecting", connecting()),
        ("hello", greeting),
        ("waiting", SessionBench::waiting()),
        ("linked", SessionBench::linked()),
        ("back-off", backing_off),
        ("gone", gone),
    ]
}

#[test]
fn from_every_state_there_is_a_way_out_without_any_input_but_time() {
    for (name, mut bench) in states() {
        let mut silent_for = Duration::ZERO;
        // Nobody answers anything; within three minutes each state has begun another connect.
        let tried = std::iter::from_fn(|| {
            let due_in = bench.due_in();
            silent_for += due_in;
            Some(bench.after(due_in, Input::Tick))
        });
        let found = tried.take(500).any(|did| did.contains(&Action::Connect));
        assert!(found && silent_for < 180 * SEC, "{name}: {silent_for:?}");
    }
}

#[test]
fn a_relay_that_was_away_for_an_hour_is_found_within_half_a_minute() {
    let mut bench = SessionBench::linked();
    let mut delay = bench.delay_after(broken());
    let (mut away, mut tries) = (Duration::ZERO, 0);
    while away < 3600 * SEC {
        assert!(delay <= 30 * SEC, "{delay:?} after {tries} tries");
        away += delay;
        tries += 1;
        assert_eq!(bench.after(delay, Input::Tick), [Action::Connect]);
        delay = bench.delay_after(broken());
    }
    // Half a minute is the longest wait, so the mean is a quarter.
    assert!((150..500).contains(&tries), "{tries} tries in an hour");
    bench.after(delay, Input::Tick);
    bench.on(Input::Connected);
    let did = bench.on(ack(true, None));
    assert!(did.contains(&Action::Tell(ClientEvent::Connected)) && did.contains(&link(0)), "{did:?}");
}

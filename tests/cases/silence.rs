//! A silent client is pinged, and closed if it does not answer.

use std::time::{Duration, Instant};

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::ws::{FrameSpec, Message, Opcode};
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::{on_each_setup, on_one_node};

on_each_setup!(a_silent_client_is_pinged_then_closed);
on_one_node!(
    a_client_may_be_silent_for_16_s_however_short_the_interval,
    a_client_that_answers_stays,
    any_byte_counts_as_a_sign_of_life,
);

/// The first byte of a ping.
const PING: u8 = 0x89;

/// The first byte of a Close frame.
const CLOSE: u8 = 0x88;

const INTERVAL: Duration = Duration::from_secs(2);

/// No client is closed for a shorter silence.
const SILENCE_MIN: Duration = Duration::from_secs(16);

fn start(set_up: SetUp) -> Relay {
    let secs = INTERVAL.as_secs().to_string();
    Relay::start_with(set_up, &Options::new().env("HEARTBEAT_INTERVAL_SECS", &secs))
}

/// Fault 43.
fn a_silent_client_is_pinged_then_closed(set_up: SetUp) {
    let relay = start(set_up);
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    let started = Instant::now();
    let mut pings = 0;
    // The other end keeps talking until it is told, so that only one is silent.
    let mut is_told = false;
    while !is_told {
        is_told = hears_of_the_end(&mut workstation);
        if phone.ws().wire().pending().first() == Some(&CLOSE) {
            break;
        }
        let more = phone.ws().wire().fill_for(INTERVAL / 10).expect("a Close before the end");
        while more && phone.ws().wire().pending().first() == Some(&PING) {
            assert!(matches!(phone.ws().message(), Ok(Message::Ping(_))));
            pings += 1;
        }
    }
    phone.ws().expect_close(4408);
    if !is_told {
        workstation.expect(&Event::Left);
    }
    workstation.fence();
    assert!(pings >= 1, "it was closed without being asked");
    assert!(started.elapsed() >= SILENCE_MIN - INTERVAL, "closed after {:?}", started.elapsed());
}

/// Sends a heartbeat. True if the peer's end was told before the answer.
fn hears_of_the_end(peer: &mut Peer) -> bool {
    peer.text(r#"{"type":"hb"}"#);
    match peer.event() {
        Event::HbAck => false,
        Event::Left => true,
        other => panic!("{other:?}"),
    }
}

/// The client says hello, and then neither reads nor sends for a while.
///
/// Fault 43.
fn a_client_may_be_silent_for_16_s_however_short_the_interval(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().env("HEARTBEAT_INTERVAL_SECS", "1"));
    let mut peer = Peer::join(&relay, &Session::register(&relay), Role::Phone);
    let_pass(Duration::from_secs(5));
    peer.fence();
    let_pass(SILENCE_MIN - Duration::from_secs(3));
    peer.fence();
}

fn a_client_that_answers_stays(set_up: SetUp) {
    let relay = start(set_up);
    let mut pair = Pair::link(&relay);
    // Longer than a client may be silent, with answered pings only.
    for _ in 0..9 {
        for peer in [&mut pair.workstation, &mut pair.phone] {
            match peer.ws().message() {
                Ok(Message::Ping(payload)) => peer.ws().send(&FrameSpec::new(Opcode::Pong, payload)),
                other => panic!("{other:?} instead of a ping"),
            }
        }
    }
    pair.expect_alive();
}

fn any_byte_counts_as_a_sign_of_life(set_up: SetUp) {
    let relay = start(set_up);
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    let text = FrameSpec::text("a text that takes its time").encode();
    let started = Instant::now();
    // One byte now and then: the frame takes longer than a client may be silent, but the client is never
    // silent.
    for byte in &text {
        phone.fence();
        workstation.ws().wire().send(&[*byte]);
        workstation.ws().wire().fill_for(INTERVAL / 4).unwrap();
    }
    assert!(started.elapsed() > SILENCE_MIN);
    phone.expect_text("a text that takes its time");
    workstation.fence();
}

//! A stop waits for a slow reader as long as allowed: what was accepted arrives whole.

use std::time::{Duration, Instant};

use relay_tests::harness::wire::{End, Wire};
use relay_tests::harness::ws::Upgrade;
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, Role, Session, SetUp};

const BYTES: usize = 16 << 20;
/// At this rate the message takes longer than a Close alone may, and less than the stop may.
const BYTES_PER_SEC: usize = 1_000_000;
const DRAIN_SECS: u64 = 60;

#[test]
fn a_slow_reader_gets_all_of_a_large_message_and_then_the_close() {
    let options = Options::new().arg("--drain-secs", &DRAIN_SECS.to_string());
    let mut relay = Relay::start_with(SetUp::Memory, &options);
    let session = Session::register(&relay);
    let workstation = Peer::join(&relay, &session, Role::Workstation);
    let wire = Wire::connect_narrow(relay.addr(), 64 << 10);
    let phone = Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Phone));
    let Pair { mut workstation, mut phone, .. } = Pair::linked(session, workstation, phone);
    let text = "d".repeat(BYTES);
    workstation.text(&text);
    // Once its first byte arrives, the server has all of it.
    phone.ws().wire().sip(1).unwrap();
    relay.first().process().signal("TERM");
    let started = Instant::now();
    assert_eq!(phone.ws().wire().sip_at(BYTES_PER_SEC, || true), Err(End::Eof));
    assert!(started.elapsed() > Duration::from_secs(10), "that was no slow reader");
    phone.expect_text(&text);
    let mut events = phone.until_closed(1001);
    events.retain(|event| *event != Event::Left);
    assert_eq!(events, []);
    drop((workstation, phone));
    let (status, log) = relay.first().wait_end(Duration::from_secs(DRAIN_SECS));
    assert_eq!(status.code(), Some(0), "{log}");
}

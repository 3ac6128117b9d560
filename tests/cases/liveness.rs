//! Version 3: a dead path is noticed within seconds, whatever is queued for it.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Message, Opcode, Upgrade};
use relay_tests::harness::{Event, Hello, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(a_reader_that_died_silently_is_noticed);

/// How much longer than an interval a client may be silent.
const GRACE: Duration = Duration::from_secs(15);

fn start(set_up: SetUp, interval: Duration) -> Relay {
    let secs = interval.as_secs().to_string();
    Relay::start_with(set_up, &Options::new().env("HEARTBEAT_INTERVAL_SECS", &secs))
}

/// Fault 43: A client dies silently.
/// Played: No byte and no FIN, also while frames wait for it.
/// Holds: Version 3: closed after one interval and 15 s. Older versions: after three intervals and at least
/// 16 s, or as a reader that does not read. Its peer is told. A sender that is paused meanwhile is not called
/// silent, and learns that the relay lives.
#[test]
fn a_silent_client_is_closed_after_an_interval_and_15_s() {
    let interval = Duration::from_secs(20);
    let relay = start(SetUp::Memory, interval);
    let session = Session::register(&relay);
    let mut phone = Peer::join_as(relay.next_addr(&session, Role::Phone), &session.hello(Role::Phone).v3());
    let joined = Instant::now();
    assert!(matches!(phone.ws().message(), Ok(Message::Ping(_))), "it is asked once");
    match phone.ws().message() {
        Ok(Message::Text(text)) => assert!(text.contains(r#""code":"timed_out""#), "{text}"),
        other => panic!("{other:?} instead of an error"),
    }
    phone.ws().expect_close(4408);
    let silent = joined.elapsed();
    let limits = interval + GRACE - Duration::from_secs(1)..interval * 3;
    assert!(limits.contains(&silent), "closed after {silent:?}");
}

/// Its queue is full, and it ends before the stall time of two minutes.
///
/// Fault 43.
fn a_reader_that_died_silently_is_noticed(set_up: SetUp) {
    let relay = start(set_up, Duration::from_secs(1));
    let session = Session::register(&relay);
    let join = |role| {
        let wire = Wire::connect_narrow(relay.next_addr(&session, role), 32 << 10);
        Peer::join_over(Upgrade::default().open_over(wire).0, &Hello::v3(session.hello(role)))
    };
    let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
    let Pair { mut workstation, phone, .. } = Pair::linked(session.clone(), workstation, phone);
    let frame = FrameSpec::new(Opcode::Binary, vec![7; 100_000]).encode();
    let mut sender = workstation.ws().wire().sender();
    thread::scope(|scope| {
        // More than all buffers hold. Once the phone is gone, the rest is dropped as in any absence.
        scope.spawn(move || (0..300).for_each(|_| sender.write_all(&frame).unwrap()));
        // Pings are not answered, as a pong would be put inside the message that is being sent.
        while !matches!(workstation.ws().message(), Ok(Message::Text(text)) if text.contains("peer-left")) {}
    });
    workstation.expect(&Event::Absent);
    workstation.fence();
    drop(phone);
}

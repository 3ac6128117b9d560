//! A reader that never reads again is closed, and its peer is told.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use relay_tests::harness::guard::{GUARD, read_until};
use relay_tests::harness::wire::{End, Wire};
use relay_tests::harness::ws::{FrameSpec, Message, Opcode, Upgrade};
use relay_tests::harness::{Bystander, Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    a_stalled_reader_is_closed_and_its_peer_told,
    a_trickling_reader_is_closed_too,
    a_slow_reader_stays,
    if_both_stop_for_good_both_are_closed,
);

const STALL: Duration = Duration::from_secs(2);

fn start(set_up: SetUp) -> Relay {
    Relay::start_with(set_up, &Options::new().arg("--stall-secs", &STALL.as_secs().to_string()))
}

/// Waits for the notice that the reader was closed, for ten times the stall time instead of a minute.
fn expect_cut(relay: &Relay, workstation: &mut Peer) {
    let started = Instant::now();
    workstation.expect(&Event::Left);
    assert!(started.elapsed() < STALL * 10, "cut after {:?}", started.elapsed());
    assert_eq!(cut_so_far(relay), 1, "it was closed for something else");
}

/// Connections closed 4408, on all nodes.
fn cut_so_far(relay: &Relay) -> u64 {
    relay.nodes().iter().map(|node| node.metric(r#"relay_closes_total{code="4408"}"#)).sum()
}

fn link(relay: &Relay) -> Pair {
    let session = Session::register(relay);
    let workstation = Peer::join(relay, &session, Role::Workstation);
    let phone = join_narrow(relay, &session, Role::Phone);
    Pair::linked(session, workstation, phone)
}

fn join_narrow(relay: &Relay, session: &Session, role: Role) -> Peer {
    let wire = Wire::connect_narrow(relay.next_addr(session, role), 32 << 10);
    Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(role))
}

/// Fault 20: Readers that stall or trickle, on one side or both.
/// Played: No byte, or one now and then. Both ends flood, and neither reads.
/// Holds: 4408 after the stall time, and the peer is told. If both stop for good, both are closed. A slow
/// reader stays.
/// Fault 43.
fn a_stalled_reader_is_closed_and_its_peer_told(set_up: SetUp) {
    let relay = start(set_up);
    let bystander = Bystander::start(&relay);
    let Pair { session, mut workstation, mut phone } = link(&relay);
    let frame = FrameSpec::new(Opcode::Binary, vec![7; 100_000]).encode();
    let mut sender = workstation.ws().wire().sender();
    thread::scope(|scope| {
        // More than all buffers hold. Once the phone is closed, the rest is dropped as in any absence.
        scope.spawn(move || (0..300).for_each(|_| sender.write_all(&frame).unwrap()));
        expect_cut(&relay, &mut workstation);
    });
    workstation.fence();
    // A Close cannot be put into the middle of an unread frame. Then the connection just ends.
    if let Err(end) = until_end(&mut phone) {
        eprintln!("{end:?} without a Close");
    }
    drop(phone);
    let mut phone = Peer::join(&relay, &session, Role::Phone);
    phone.expect(&Event::Joined(0));
    assert!(matches!(workstation.event(), Event::Joined(_)));
    workstation.text("to the one who reads");
    phone.expect_text("to the one who reads");
    bystander.done();
}

/// Fault 20.
fn a_trickling_reader_is_closed_too(set_up: SetUp) {
    let relay = start(set_up);
    let Pair { mut workstation, mut phone, .. } = link(&relay);
    let frame = FrameSpec::new(Opcode::Binary, vec![7; 100_000]).encode();
    let mut sender = workstation.ws().wire().sender();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(move || (0..300).for_each(|_| sender.write_all(&frame).unwrap()));
        // One byte now and then is not enough: the socket takes far less than the minimum.
        scope.spawn(|| {
            let (_never, pace) = mpsc::channel::<()>();
            let started = Instant::now();
            let goes_on = || !done.load(Ordering::Relaxed) && started.elapsed() < GUARD;
            while goes_on() && phone.ws().wire().sip(1).is_ok() {
                let _ = pace.recv_timeout(Duration::from_millis(50));
            }
        });
        expect_cut(&relay, &mut workstation);
        done.store(true, Ordering::Relaxed);
    });
    workstation.fence();
}

/// Fault 20.
fn a_slow_reader_stays(set_up: SetUp) {
    let relay = start(set_up);
    let Pair { mut workstation, mut phone, .. } = link(&relay);
    let text = "s".repeat(100_000);
    let frame = FrameSpec::text(&text).encode();
    let mut sender = workstation.ws().wire().sender();
    thread::scope(|scope| {
        scope.spawn(move || (0..100).for_each(|_| sender.write_all(&frame).unwrap()));
        let (_never, pace) = mpsc::channel::<()>();
        for _ in 0..100 {
            // Ten megabytes in eight seconds, well over the minimum.
            let _ = pace.recv_timeout(Duration::from_millis(80));
            phone.expect_text(&text);
        }
    });
    phone.text("still here");
    workstation.expect_text("still here");
}

/// Fault 20.
fn if_both_stop_for_good_both_are_closed(set_up: SetUp) {
    let relay = start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let join = |role| join_narrow(&relay, &session, role);
    let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
    let mut pair = Pair::linked(session.clone(), workstation, phone);
    let frame = FrameSpec::new(Opcode::Binary, vec![7; 100_000]).encode();
    let senders = [pair.workstation.ws().wire().sender(), pair.phone.ws().wire().sender()];
    thread::scope(|scope| {
        for mut sender in senders {
            // Each is closed in the middle of it, and then the rest has no receiver.
            let frame = &frame;
            scope.spawn(move || (0..300).try_for_each(|_| sender.write_all(frame)));
        }
        read_until("both to be cut", || (cut_so_far(&relay) == 2).then_some(()));
        read_until("what waited for them to be given back", || {
            relay.nodes().iter().all(|node| node.metric("relay_buffer_bytes") == 0).then_some(())
        });
    });
    assert_eq!(cut_so_far(&relay), 2, "each once");
    for role in Role::BOTH {
        let Err(end) = until_end(pair.from(role).0) else { continue };
        eprintln!("{role}: {end:?} without a Close, as it had stopped within a frame");
    }
    bystander.done();
}

/// Reads what is left: whole frames, then a Close 4408, or only the end if there was no room for a Close.
fn until_end(peer: &mut Peer) -> Result<(), End> {
    loop {
        match peer.ws().message()? {
            Message::Text(_) | Message::Ping(_) => {}
            Message::Close(code, _) => {
                assert_eq!(code, 4408);
                return Ok(());
            }
            other => panic!("{other:?}"),
        }
    }
}

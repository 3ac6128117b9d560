//! A peer that does not read slows down its own sender and no other. Nothing is lost, and memory stays
//! bounded.

use std::thread;
use std::time::Duration;

use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Opcode, Upgrade};
use relay_tests::harness::{Bystander, Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    a_reader_that_stops_blocks_its_sender_and_loses_nothing,
    a_paused_sender_does_not_count_as_silent,
    both_ends_may_stop_reading,
    bytes_of_a_paused_sender_arrive_before_its_end,
);

/// What the sender tries to send, in frames of [`FRAME_BYTES`].
const TOTAL_BYTES: usize = 64 << 20;
const FRAME_BYTES: usize = 32 << 10;
/// A write that moves nothing for this long is blocked.
const PATIENCE: Duration = Duration::from_secs(1);

/// Links a pair whose ends keep little in their own kernel buffers.
fn link_narrow(relay: &Relay) -> Pair {
    let session = Session::register(relay);
    let join = |role| {
        let wire = Wire::connect_narrow(relay.next_addr(&session, role), 64 << 10);
        Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(role))
    };
    let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
    Pair::linked(session, workstation, phone)
}

/// All frames that `from` will send, as bytes, and their number.
fn flood(session: &Session, from: Role, bytes: usize) -> (Vec<u8>, u64) {
    let mut numbered = Numbered::new(session, from);
    let mut out = Vec::with_capacity(bytes + bytes / 100);
    while out.len() < bytes {
        out.extend(FrameSpec::text(&numbered.text(FRAME_BYTES)).encode());
    }
    (out, numbered.count())
}

fn read_all(reader: &mut Peer, checker: &mut Checker, count: u64) {
    while checker.count() < count {
        match reader.event() {
            Event::Text(text) => checker.take(&text),
            Event::Pong(_) => {}
            other => panic!("{other:?} instead of frame {}", checker.count()),
        }
    }
}

/// Fault 19: A phone stops reading.
/// Played: Its workstation sends at full speed. Soak: for 60 s, beside 99 other pairs.
/// Holds: The workstation is paused, and not called silent. Nothing is lost, and other pairs do not notice.
/// RSS grows by less than 12 MiB on each node (soak: 2).
fn a_reader_that_stops_blocks_its_sender_and_loses_nothing(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for from in Role::BOTH {
        let mut pair = link_narrow(&relay);
        let session = pair.session.clone();
        pair.expect_alive();
        let (bytes, count) = flood(&pair.session, from, TOTAL_BYTES);
        let mut checker = Checker::new(&pair.session, from);
        let resident = || relay.node_of(&session, from).process().resident_kib();
        let before = resident();
        let (sender, reader) = pair.from(from);
        let sent = sender.ws().wire().send_until_blocked(&bytes, PATIENCE);
        assert!(sent < TOTAL_BYTES / 2, "{sent} bytes were taken though the phone does not read");
        let grown = resident().saturating_sub(before);
        assert!(grown < 8 * 1024, "{grown} KiB more for one reader that stopped");
        thread::scope(|scope| {
            scope.spawn(|| sender.ws().wire().send(&bytes[sent..]));
            read_all(reader, &mut checker, count);
        });
        pair.expect_alive();
    }
    bystander.done();
}

/// Fault 19.
fn a_paused_sender_does_not_count_as_silent(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().env("HEARTBEAT_INTERVAL_SECS", "2"));
    let mut pair = link_narrow(&relay);
    let (bytes, count) = flood(&pair.session, Role::Workstation, TOTAL_BYTES / 2);
    let mut checker = Checker::new(&pair.session, Role::Workstation);
    let sender = pair.workstation.ws().wire();
    let mut sent = sender.send_until_blocked(&bytes, PATIENCE);
    // Longer than a silent client is given. The reader does not read, but it is not silent either.
    for _ in 0..40 {
        pair.phone.ws().send(&FrameSpec::new(Opcode::Pong, "here"));
        sent += pair.workstation.ws().wire().send_until_blocked(&bytes[sent..], PATIENCE / 2);
    }
    assert!(sent < bytes.len(), "the sender was not paused");
    let Pair { workstation, phone, .. } = &mut pair;
    thread::scope(|scope| {
        scope.spawn(|| workstation.ws().wire().send(&bytes[sent..]));
        read_all(phone, &mut checker, count);
    });
    phone.text("both are there");
    workstation.expect_text("both are there");
}

/// Fault 20.
fn both_ends_may_stop_reading(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let mut pair = link_narrow(&relay);
    let floods = Role::BOTH.map(|role| flood(&pair.session, role, TOTAL_BYTES / 4));
    let mut checkers = Role::BOTH.map(|role| Checker::new(&pair.session, role));
    let sent = [0, 1].map(|at| {
        let (sender, _) = pair.from(Role::BOTH[at]);
        sender.ws().wire().send_until_blocked(&floods[at].0, PATIENCE)
    });
    assert!(sent[0] < floods[0].0.len() && sent[1] < floods[1].0.len(), "both must have been blocked");
    let Pair { workstation, phone, .. } = &mut pair;
    let senders = [workstation.ws().wire().sender(), phone.ws().wire().sender()];
    thread::scope(|scope| {
        for (at, mut sender) in senders.into_iter().enumerate() {
            let rest = &floods[at].0[sent[at]..];
            scope.spawn(move || std::io::Write::write_all(&mut sender, rest).unwrap());
        }
        let [from_workstation, from_phone] = &mut checkers;
        scope.spawn(|| read_all(phone, from_workstation, floods[0].1));
        read_all(workstation, from_phone, floods[1].1);
    });
    pair.expect_alive();
    bystander.done();
}

/// Fault 20b.
fn bytes_of_a_paused_sender_arrive_before_its_end(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = link_narrow(&relay);
    let (bytes, count) = flood(&pair.session, Role::Workstation, TOTAL_BYTES / 4);
    let mut checker = Checker::new(&pair.session, Role::Workstation);
    let wire = pair.workstation.ws().wire();
    let sent = wire.send_until_blocked(&bytes, PATIENCE);
    assert!(sent < bytes.len(), "the sender was not paused");
    let Pair { workstation, phone, .. } = &mut pair;
    thread::scope(|scope| {
        scope.spawn(|| {
            // The rest, the Close and the FIN, all behind unread bytes.
            workstation.ws().wire().send(&[&bytes[sent..], &FrameSpec::close(1000, "").encode()].concat());
            workstation.ws().wire().shutdown_write();
        });
        read_all(phone, &mut checker, count);
    });
    phone.expect(&Event::Left);
    phone.fence();
}

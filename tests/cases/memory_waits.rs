//! Memory has no room for all large messages at once. Their senders wait, no reader is closed, and all arrive
//! whole.

use std::thread;
use std::time::Duration;

use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Opcode, Upgrade};
use relay_tests::harness::{Bystander, Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::{on_each_setup, on_one_node};

on_each_setup!(senders_wait_for_room_and_no_reader_is_closed);
// Not between nodes: each link has its credit before its sender can be paused. See docs/faults.md, Known
// limits.
on_one_node!(small_frames_wait_too, senders_one_after_another_wait_too);

const PAIRS: usize = 60;
const LARGE: usize = 1 << 20;
/// A sender whose socket takes nothing for this long waits.
const PATIENCE: Duration = Duration::from_millis(500);

/// A pair whose phone takes little before it reads.
fn link(relay: &Relay) -> Pair {
    let session = Session::register(relay);
    let workstation = Peer::join(relay, &session, Role::Workstation);
    let wire = Wire::connect_narrow(relay.next_addr(&session, Role::Phone), 16 << 10);
    let phone = Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Phone));
    Pair::linked(session, workstation, phone)
}

/// One large message: binary, text of which each byte becomes six, or binary in fragments.
fn message(number: usize) -> (Vec<u8>, Event) {
    match number % 3 {
        0 => {
            let bytes = vec![number as u8; LARGE];
            (FrameSpec::new(Opcode::Binary, bytes.clone()).encode(), Event::Binary(bytes))
        }
        1 => {
            let text = "\u{1}".repeat(LARGE);
            (FrameSpec::text(&text).encode(), Event::Text(text))
        }
        _ => (in_fragments(number as u8), Event::Binary(vec![number as u8; LARGE])),
    }
}

fn in_fragments(byte: u8) -> Vec<u8> {
    const PARTS: usize = 16;
    let part = |number| {
        let opcode = if number == 0 { Opcode::Binary } else { Opcode::Continuation };
        let frame = FrameSpec::new(opcode, vec![byte; LARGE / PARTS]);
        if number == PARTS - 1 { frame.encode() } else { frame.unfinished().encode() }
    };
    (0..PARTS).flat_map(part).collect()
}

/// Each workstation sends `bytes` until all of them wait, or all is taken. Then all phones read, as the
/// message of one may wait for room that another one uses.
fn play(
    pairs: &mut [Pair],
    patience: Duration,
    bytes: impl Fn(usize) -> Vec<u8> + Sync,
    read: impl Fn(usize, &mut Peer) + Sync,
) {
    let (bytes, read) = (&bytes, &read);
    let mut senders: Vec<_> = pairs.iter_mut().map(|pair| pair.workstation.ws().wire().sender()).collect();
    let sent: Vec<usize> = thread::scope(|scope| {
        let send = |(number, pair): (usize, &mut Pair)| {
            let wire = pair.workstation.ws().wire();
            // Each thread has its own wire.
            let sender = wire.sender();
            scope.spawn(move || Wire::over(sender).send_until_blocked(&bytes(number), patience))
        };
        // With little patience, one after another, so that the last ones find the first ones' messages in the
        // queues.
        if patience < PATIENCE {
            return pairs
                .iter_mut()
                .enumerate()
                .map(send)
                .map(|thread| thread.join().expect("sending"))
                .collect();
        }
        let threads: Vec<_> = pairs.iter_mut().enumerate().map(send).collect();
        threads.into_iter().map(|thread| thread.join().expect("sending")).collect()
    });
    thread::scope(|scope| {
        for (number, sender) in senders.drain(..).enumerate() {
            let at = sent[number];
            scope.spawn(move || Wire::over(sender).send(&bytes(number)[at..]));
        }
        for (number, pair) in pairs.iter_mut().enumerate() {
            scope.spawn(move || read(number, &mut pair.phone));
        }
    });
}

fn expect_none_cut(relay: &Relay, pairs: Vec<Pair>) {
    for mut pair in pairs {
        pair.expect_alive();
    }
    for node in relay.nodes() {
        assert_eq!(node.metric(r#"relay_closes_total{code="1013"}"#), 0);
    }
}

/// Fault 21b: Large messages to readers that stall.
/// Played: 60 messages of 1 MiB, of each kind, with a limit of 32 MiB. Half-sent messages that use all of it.
/// Holds: Senders wait, and no connection is closed. All messages arrive whole when they are read. A sender
/// that waited for the stall time gets room.
fn senders_wait_for_room_and_no_reader_is_closed(set_up: SetUp) {
    large_messages_wait(set_up, PATIENCE);
}

/// Fault 21b.
fn senders_one_after_another_wait_too(set_up: SetUp) {
    large_messages_wait(set_up, PATIENCE / 5);
}

fn large_messages_wait(set_up: SetUp, patience: Duration) {
    let relay = Relay::start_with(set_up, &Options::new().arg("--memory-max", "32MiB"));
    let bystander = Bystander::start(&relay);
    let mut pairs: Vec<Pair> = (0..PAIRS).map(|_| link(&relay)).collect();
    play(
        &mut pairs,
        patience,
        |number| message(number).0,
        |number, phone| {
            let event = phone.event();
            assert!(
                event == message(number).1,
                "message {number} is not what was sent: {:.60}",
                format!("{event:?}")
            );
        },
    );
    expect_none_cut(&relay, pairs);
    bystander.done();
}

/// With enough room, 256 KiB may be queued for each, and 64 KiB behind it. Here there is less.
///
/// Fault 21b.
fn small_frames_wait_too(set_up: SetUp) {
    const FRAMES: usize = 60;
    const FRAME: usize = 10_000;
    let options = Options::new().arg("--memory-max", "16MiB").env("MAX_MESSAGE_BYTES", "1000000");
    let relay = Relay::start_with(set_up, &options);
    let bystander = Bystander::start(&relay);
    let mut pairs: Vec<Pair> = (0..PAIRS).map(|_| link(&relay)).collect();
    let frame = |number: usize| vec![number as u8; FRAME];
    play(
        &mut pairs,
        PATIENCE,
        |number| FrameSpec::new(Opcode::Binary, frame(number)).encode().repeat(FRAMES),
        |number, phone| (0..FRAMES).for_each(|_| phone.expect(&Event::Binary(frame(number)))),
    );
    expect_none_cut(&relay, pairs);
    bystander.done();
}

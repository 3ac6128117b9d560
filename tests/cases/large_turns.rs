//! Memory is short: large messages go one after another, and a slow sender does not keep others out for good.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Message, Opcode, Upgrade};
use relay_tests::harness::{Hello, Options, Pair, Peer, Relay, Role, Session, SetUp};

/// Memory is short above three quarters of this.
const MEMORY_MAX: u64 = 16 << 20;
/// What the server holds for each half-sent message that is not large.
const SMALL: u64 = 64 << 10;
const LARGE: usize = 400_000;

/// Fault 21b.
#[test]
fn a_trickled_large_message_does_not_block_another() {
    allow_descriptors(2048);
    let options = Options::new().arg("--memory-max", "16MiB").env("MAX_MESSAGE_BYTES", "500000");
    // A long heartbeat, so that only the message itself ends the wait.
    let options = options.env("HEARTBEAT_INTERVAL_SECS", "600");
    let relay = Relay::start_with(SetUp::Memory, &options);
    let _half_sent = fill_memory(&relay);
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    let (slow, quick) = ("s".repeat(LARGE), "q".repeat(LARGE));
    let bytes = FrameSpec::text(&slow).encode();
    let (begun, rest) = bytes.split_at(LARGE / 4);
    let held = buffered(&relay);
    workstation.ws().wire().send(begun);
    read_until("it to be let through", || (buffered(&relay) > held + SMALL).then_some(()));
    thread::scope(|scope| {
        let (stop, stopped) = channel();
        let wire = workstation.ws().wire();
        scope.spawn(move || trickle(wire, rest, &stopped));
        let mut others: Vec<Pair> = (0..2).map(|_| Pair::link(&relay)).collect();
        others.iter_mut().for_each(|pair| pair.workstation.text(&quick));
        // Read together: either may come first, and one that waits for an unread phone keeps the other out.
        thread::scope(|readers| {
            for pair in &mut others {
                readers.spawn(|| pair.phone.expect_text(&quick));
            }
        });
        drop(stop);
    });
    phone.expect_text(&slow);
}

/// Half-sent messages, none of them large, until memory is short.
fn fill_memory(relay: &Relay) -> Vec<Peer> {
    fill_memory_to(relay, MEMORY_MAX / 4 * 3 + 2 * SMALL)
}

/// The same, until as many bytes are held.
fn fill_memory_to(relay: &Relay, bytes: u64) -> Vec<Peer> {
    let half_sent = || {
        let mut peer = Peer::join(relay, &Session::register(relay), Role::Phone);
        peer.ws().wire().send(&FrameSpec::text(&"h".repeat(60_000)).encode()[..50_000]);
        peer
    };
    let count = bytes.div_ceil(SMALL);
    let peers = (0..count).map(|_| half_sent()).collect();
    read_until("memory to be short", || (buffered(relay) == count * SMALL).then_some(()));
    peers
}

fn buffered(relay: &Relay) -> u64 {
    relay.node().metric("relay_buffer_bytes")
}

/// One byte now and then, until told to go fast.
fn trickle(wire: &mut Wire, mut bytes: &[u8], quickly: &Receiver<()>) {
    while quickly.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
        let (byte, rest) = bytes.split_at(1);
        wire.send(byte);
        bytes = rest;
    }
    wire.send(bytes);
}

/// Its message waits for longer than a client may be silent, and it can send nothing behind it.
///
/// Fault 21b.
#[test]
fn a_sender_that_waits_for_room_does_not_count_as_silent() {
    allow_descriptors(2048);
    let options = Options::new().arg("--memory-max", "16MiB").env("MAX_MESSAGE_BYTES", "500000");
    let relay = Relay::start_with(SetUp::Memory, &options.env("HEARTBEAT_INTERVAL_SECS", "1"));
    let mut half_sent = fill_memory_to(&relay, MEMORY_MAX / 8 * 7 + SMALL);
    let mut pairs = [link_as(&relay, |hello| hello), link_as(&relay, Hello::v3)];
    let large = "l".repeat(LARGE);
    pairs.iter_mut().for_each(|pair| pair.workstation.text(&large));
    // Pings of a pause come every five seconds.
    for ping in 0..4 {
        let said = pairs[1].workstation.ws().message();
        assert!(matches!(said, Ok(Message::Ping(_))), "{said:?} instead of ping {ping}");
        // The others are not silent either.
        let byte = &FrameSpec::text(&"h".repeat(60_000)).encode()[50_000 + ping..=50_000 + ping];
        half_sent.iter_mut().for_each(|peer| peer.ws().wire().send(byte));
        pairs.iter_mut().for_each(|pair| pair.phone.ws().send(&FrameSpec::new(Opcode::Pong, "here")));
    }
    drop(half_sent);
    for mut pair in pairs {
        pair.phone.expect_text(&large);
        pair.expect_alive();
    }
}

fn link_as(relay: &Relay, with: impl Fn(Hello) -> Hello) -> Pair {
    let session = Session::register(relay);
    let [workstation, phone] = [Role::Workstation, Role::Phone].map(|role| {
        let hello = session.hello(role);
        let hello = if role == Role::Workstation { with(hello) } else { hello };
        let wire = Wire::connect(relay.addr());
        Peer::join_over(Upgrade::default().open_over(wire).0, &hello)
    });
    Pair::linked(session, workstation, phone)
}

/// Half-sent messages that never end hold nearly all of the memory, so a large one has no room.
///
/// Fault 21b.
#[test]
fn half_sent_messages_do_not_block_a_large_one_forever() {
    allow_descriptors(2048);
    let options = Options::new().arg("--memory-max", "16MiB").env("MAX_MESSAGE_BYTES", "500000");
    let relay = Relay::start_with(SetUp::Memory, &options.arg("--stall-secs", "3"));
    let _half_sent = fill_memory_to(&relay, MEMORY_MAX / 8 * 7 + SMALL);
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    let large = "l".repeat(LARGE);
    workstation.text(&large);
    phone.expect_text(&large);
    // Only as many of them were closed as necessary.
    let cut = relay.node().metric(r#"relay_closes_total{code="1013"}"#);
    assert!((1..=20).contains(&cut), "{cut} were closed");
}

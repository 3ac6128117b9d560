//! A crowd of greedy or stuck clients costs no more than the stated bounds.

use std::time::Duration;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Message, Opcode, Upgrade, Ws};
use relay_tests::harness::{Bystander, Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;
use relay_tests::stuck_readers::stuck;

on_each_setup!(
    pings_whose_pongs_are_never_read_are_bounded,
    pings_whose_pongs_are_read_are_answered_one_by_one,
    many_stuck_readers_stay_within_the_memory_bound,
    memory_is_given_back,
);

const PATIENCE: Duration = Duration::from_millis(500);
const STUCK: usize = 250;
/// The most that one turn reads from every sender before it checks the bound.
const TURN_KIB: u64 = 64 * STUCK as u64;
/// The memory of the bus, both ways, at a node that receives many frames from it.
const BUS_KIB: u64 = 16 * 1024;

/// Fault 14: Pings whose pongs are not read.
/// Played: 300,000 pings.
/// Holds: The sender is blocked. RSS grows by less than 4 MiB. The last ping is answered, in order. Where
/// pongs are read, each ping gets its own.
fn pings_whose_pongs_are_never_read_are_bounded(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let wire = Wire::connect_narrow(relay.addr(), 32 << 10);
    let mut peer = Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Phone));
    let before = relay.node().process().resident_kib();
    let count = 300_000u32;
    let mut flood = Vec::new();
    for number in 0..count {
        flood.extend(FrameSpec::new(Opcode::Ping, [&number.to_be_bytes()[..], &[0; 100]].concat()).encode());
    }
    let sent = peer.ws().wire().send_until_blocked(&flood, PATIENCE);
    assert!(sent < flood.len(), "all was taken though no pong is read");
    let grown = relay.node().process().resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB for unread pongs");
    let mut sender = peer.ws().wire().sender();
    std::thread::scope(|scope| {
        scope.spawn(|| std::io::Write::write_all(&mut sender, &flood[sent..]).unwrap());
        // Some may be answered together with a later one. The order is kept, and the last one is answered.
        let mut next = 0;
        while next < count {
            let Event::Pong(payload) = peer.event() else { panic!("no pong") };
            let number = u32::from_be_bytes(payload[..4].try_into().unwrap());
            assert!(number >= next, "{number} after {next}");
            next = number + 1;
        }
    });
    bystander.done();
}

/// Pongs are merged only if there is no room for each.
///
/// Fault 14.
fn pings_whose_pongs_are_read_are_answered_one_by_one(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let mut peer = Peer::join(&relay, &session, Role::Phone);
    for start in (0..20_000u32).step_by(100) {
        let numbers = start..start + 100;
        let ping = |number: u32| FrameSpec::new(Opcode::Ping, number.to_be_bytes()).encode();
        peer.ws().wire().send(&numbers.clone().flat_map(ping).collect::<Vec<u8>>());
        numbers.for_each(|number| peer.expect(&Event::Pong(number.to_be_bytes().to_vec())));
    }
}

/// Fault 21: Many readers that do not read.
/// Played: 250 of them. Soak: 1,000.
/// Holds: Memory stays within `--memory-max` and one turn's input (soak: 69 MiB, with a limit of 64 and a
/// bound of 142). It is given back.
fn many_stuck_readers_stay_within_the_memory_bound(set_up: SetUp) {
    allow_descriptors(8192);
    let options = Options::new().arg("--memory-max", "16MiB").env("MAX_MESSAGE_BYTES", "1000000");
    let relay = Relay::start_with(set_up, &options);
    let bystander = Bystander::start(&relay);
    let resident = || relay.nodes().iter().map(|node| node.process().resident_kib());
    let before: Vec<u64> = resident().collect();
    // 256 KiB may wait for each, which is four times the room.
    let stuck = stuck(&relay, STUCK);
    for (at, (node, (now, before))) in relay.nodes().iter().zip(resident().zip(before)).enumerate() {
        let grown = now.saturating_sub(before);
        let bus = if at == 0 { 0 } else { BUS_KIB };
        assert!(grown < 17 * 1024 + TURN_KIB + bus, "node {at}: {grown} KiB where 16 MiB are the bound");
        read_until("the buffers of a node to be within the bound", || {
            (node.metric("relay_buffer_bytes") <= 16 << 20).then_some(())
        });
    }
    bystander.done();
    drop(stuck);
}

/// Fault 21.
fn memory_is_given_back(set_up: SetUp) {
    let options = Options::new().arg("--memory-max", "16MiB").env("MAX_MESSAGE_BYTES", "4000000");
    let relay = Relay::start_with(set_up, &options);
    for _ in 0..3 {
        drop(stuck(&relay, 100));
        // A large message passes as soon as they are gone.
        let mut pair = Pair::link(&relay);
        let large = "l".repeat(4_000_000);
        std::thread::scope(|scope| {
            scope.spawn(|| pair.workstation.text(&large));
            pair.phone.expect_text(&large);
        });
        let mut ws: Ws = Ws::connect(relay.addr());
        ws.send(&FrameSpec::new(Opcode::Ping, "room"));
        assert_eq!(ws.message(), Ok(Message::Pong(b"room".to_vec())));
    }
}

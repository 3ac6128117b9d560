//! Random bytes, and connections that come and go: no other connection may notice.

#[cfg(target_os = "linux")]
use std::net::Ipv4Addr;

use relay_tests::harness::http::{Http, fetch, request};
use relay_tests::harness::random::Random;
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Opcode, Upgrade};
use relay_tests::harness::{Bystander, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    random_bytes_affect_no_client,
    mutated_frames_affect_no_client,
    connections_reset_at_once_affect_no_client
);

/// Fault 18: Random and mutated bytes.
/// Played: Over sockets here, and in the fuzz targets (`./run-test.sh --fuzz`).
/// Holds: No other connection notices.
fn random_bytes_affect_no_client(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let length = 1 + random.below(5000);
        let bytes: Vec<u8> = (0..length).map(|_| random.any() as u8).collect();
        let mut wire = Wire::connect(relay.addr());
        let upgraded = seed % 2 == 0;
        if upgraded {
            wire.send(&Upgrade::default().encode());
        }
        // Whatever the answer, it ends once everything was sent.
        let _ = wire.try_send(&bytes);
        wire.shutdown_write();
        let _ = wire.read_to_end("the end of noise");
    }
    fetch(relay.addr(), "/health").expect(200);
    bystander.done();
}

/// Fault 18.
fn mutated_frames_affect_no_client(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let session = Session::register(&relay);
        let hello = session.hello(Role::Phone).v2().instance("0123456789abcdef", 3);
        let mut stream = FrameSpec::text(&hello.json()).encode();
        for payload in ["text", "{\"type\":\"hb\"}", "", &"long".repeat(100)] {
            stream.extend(FrameSpec::text(payload).encode());
            stream.extend(
                FrameSpec::new(Opcode::Ping, payload.as_bytes()[..payload.len().min(125)].to_vec()).encode(),
            );
            stream.extend(FrameSpec::new(Opcode::Binary, payload).unfinished().encode());
            stream.extend(FrameSpec::new(Opcode::Continuation, payload).encode());
        }
        // The seed decides where the damage is, and how much.
        for _ in 0..1 + random.below(4) {
            let at = random.below(stream.len());
            match random.below(3) {
                0 => stream[at] ^= 1 << random.below(8),
                1 => drop(stream.remove(at)),
                _ => stream.insert(at, random.any() as u8),
            }
        }
        let mut wire = Wire::connect(relay.addr());
        wire.send(&Upgrade::default().encode());
        let _ = wire.try_send(&stream);
        wire.shutdown_write();
        let _ = wire.read_to_end("the end of a damaged stream");
        // The session itself is not affected.
        Peer::join(&relay, &session, Role::Phone).leave();
    }
    bystander.done();
}

/// Ten thousand, from as many addresses, so that no limit per address applies.
///
/// Fault 24.
#[cfg(target_os = "linux")]
#[test]
fn connections_from_many_addresses_reset_at_once_affect_no_client() {
    let relay = Relay::start(SetUp::Memory);
    let bystander = Bystander::start(&relay);
    for number in 0..10_000u32 {
        let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number * 7);
        Wire::connect_from(relay.addr(), source.into()).reset();
    }
    Pair::link(&relay).expect_alive();
    bystander.done();
}

/// They wait for a stopped server, almost as many as can wait, and are gone when it resumes.
///
/// Fault 24.
#[test]
fn connections_reset_while_it_is_stopped_affect_no_client() {
    let relay = Relay::start(SetUp::Memory);
    let bystander = Bystander::start(&relay);
    relay.node().process().signal("STOP");
    for _ in 0..4000 {
        Wire::connect(relay.addr()).reset();
    }
    let mut last = Http::connect(relay.addr());
    last.send(request("GET", "/health", &[], ""));
    relay.node().process().signal("CONT");
    last.response().expect(200);
    Pair::link(&relay).expect_alive();
    bystander.done();
}

/// Fault 24: Connections that are reset at once.
/// Played: 3,000. 10,000 from as many addresses. 4,000 while the server is stopped.
/// Holds: No other connection notices.
fn connections_reset_at_once_affect_no_client(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for _ in 0..3000 {
        Wire::connect(relay.addr()).reset();
    }
    Pair::link(&relay).expect_alive();
    bystander.done();
}

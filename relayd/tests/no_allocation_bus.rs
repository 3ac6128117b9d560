//! In steady state, publishing and receiving packets allocates nothing on the reactor's thread.

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::thread;
use std::time::Instant;

use common::{GUARD, Node, Server, fresh_prefix, publish};
use protocol::ids::NodeId;
use relayd::backend::{Backend, BusCounts, PACKET_BYTES_MAX};

/// Packets under way at once: more than one write carries, and fewer than the queues hold.
const BURST: usize = 50;

const BURSTS: usize = 40;

#[test]
fn a_packet_allocates_nothing_on_the_thread_that_publishes_and_takes_it() {
    let server = Server::start(&[]);
    let mut node = Node::connect(&server.url(), &fresh_prefix(), 3600);
    node.until_bus(true);
    let (own, packet) = (node.id, vec![7; PACKET_BYTES_MAX]);
    counting::count_this_thread();
    // Allocates all buffers that will ever exist: a publisher that can't write returns none.
    server.signal("STOP");
    let mut queued = 0;
    while publish(node.backend(), own, &packet) {
        queued += 1;
    }
    server.signal("CONT");
    take_what_came_of(node.backend(), queued);
    let before = counting::allocations();
    assert!(before > 0, "the counter counts: the first buffers are allocated");
    for burst in 1..=BURSTS {
        pass(node.backend(), own, &packet[..packet.len() / burst], BURST);
    }
    assert_eq!(counting::allocations() - before, 0, "{} packets", BURST * BURSTS);
}

/// Publishes packets to the node itself and waits until it has them all.
fn pass(backend: &mut Backend, own: NodeId, packet: &[u8], count: usize) {
    for _ in 0..count {
        assert!(publish(backend, own, packet));
    }
    take(backend, packet, count);
}

/// Waits until each of these packets has come or was dropped, and takes those that came.
fn take_what_came_of(backend: &mut Backend, queued: u64) {
    let since = Instant::now();
    loop {
        let BusCounts { received, overflowed, .. } = backend.bus_counts();
        if received + overflowed == queued {
            break;
        }
        assert!(since.elapsed() < GUARD, "{received} + {overflowed} of {queued}");
        thread::yield_now();
    }
    while let Some(came) = backend.poll_packet() {
        backend.recycle(came);
    }
}

fn take(backend: &mut Backend, packet: &[u8], count: usize) {
    let since = Instant::now();
    let mut seen = 0;
    while seen < count {
        match backend.poll_packet() {
            Some(came) => {
                assert!(came == packet);
                backend.recycle(came);
                seen += 1;
            }
            None => thread::yield_now(),
        }
        assert!(since.elapsed() < GUARD, "{seen} packets came of {count}");
    }
}

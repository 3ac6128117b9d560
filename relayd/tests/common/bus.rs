//! Shared by the tests of the bus: nodes that hear each other, and packets.

use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::NodeId;
use relayd::backend::BusCounts;

use super::{GUARD, Node, Server, fresh_prefix};

pub const IDLE_SECS: u64 = 3600;

/// A call that takes this long has blocked: it is much longer than a busy machine delays a thread.
pub const AT_ONCE: Duration = Duration::from_secs(1);

pub fn node(server: &Server, prefix: &str) -> Node {
    let mut node = Node::connect(&server.url(), prefix, IDLE_SECS);
    node.until_bus(true);
    node
}

pub fn pair(server: &Server) -> (Node, Node) {
    let prefix = fresh_prefix();
    (node(server, &prefix), node(server, &prefix))
}

pub fn publish(from: &mut Node, to: NodeId, packet: &[u8]) -> bool {
    let since = Instant::now();
    let is_taken = super::publish(from.backend(), to, packet);
    assert!(since.elapsed() < AT_ONCE, "publishing took {:?}", since.elapsed());
    is_taken
}

pub fn counts(node: &mut Node) -> BusCounts {
    node.backend().bus_counts()
}

/// Waits until the counts fulfil a condition. The threads count after the fact.
pub fn until_counts(node: &mut Node, is_so: impl Fn(&BusCounts) -> bool) -> BusCounts {
    let deadline = Instant::now() + GUARD;
    loop {
        let counts = counts(node);
        if is_so(&counts) {
            return counts;
        }
        assert!(Instant::now() < deadline, "{counts:?}");
        thread::yield_now();
    }
}

/// A packet with its number at the end, and a length that depends on the number.
pub fn numbered(number: usize) -> Vec<u8> {
    let mut packet = vec![number as u8; number * 31 % 5000];
    packet.extend_from_slice(&number.to_be_bytes());
    packet
}

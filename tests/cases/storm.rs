//! A node with thousands of clients is stopped cleanly, and all of them reconnect at once, to the other node.

use relay_tests::storm;

const PAIRS: usize = 1000;

/// Fault 42.
#[test]
fn all_clients_of_a_stopped_node_meet_again_at_another() {
    storm::play(PAIRS);
}

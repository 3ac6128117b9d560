//! A phone on another node stops reading: its workstation waits, both nodes' memory stays bounded, others go on.

use std::time::Duration;

use relay_tests::slow_reader::SlowReader;

const GROWN_KIB_MAX: u64 = 12 * 1024;

#[test]
fn a_reader_that_stops_blocks_its_sender_alone() {
    let seen = SlowReader { bystanders: 20, hold: Duration::ZERO }.play();
    for (node, resident) in seen.resident.into_iter().enumerate() {
        let grown = resident.most.saturating_sub(resident.before);
        assert!(grown < GROWN_KIB_MAX, "node {node}: {grown} KiB more for one reader that stopped");
    }
}

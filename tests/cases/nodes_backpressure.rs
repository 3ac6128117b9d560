//! A phone on another node stops reading: its workstation waits, both nodes' memory stays bounded, others go on.

use std::time::Duration;

use relay_tests::slow_reader::SlowReader;

#[test]
fn a_reader_that_stops_blocks_its_sender_alone() {
    let seen = SlowReader { bystanders: 20, hold: Duration::ZERO }.play();
    assert_eq!(seen.breaches(), [""; 0]);
}

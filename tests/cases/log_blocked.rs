//! Whoever reads the log may stop reading or go away, and its disk may be full: the relay goes on.

use relay_tests::harness::relayd::LogEnd;
use relay_tests::harness::ws::Ws;
use relay_tests::harness::{Options, Pair, Relay, Relayd, Role, Session};

#[test]
fn a_log_that_is_not_read_blocks_nobody() {
    goes_on(LogEnd::Blocked);
}

#[test]
fn a_log_that_is_closed_ends_nobody() {
    goes_on(LogEnd::Closed);
}

/// As on a full disk: every write fails, for want of room.
#[test]
fn a_log_without_room_ends_nobody() {
    goes_on(LogEnd::Full);
}

fn goes_on(how: LogEnd) {
    let options = Options::new().arg("--store", "memory").env("RELAY_LOG", "trace").log_ends(how);
    let relay = Relay::of(vec![Relayd::start_ready(&options)]);
    let mut pair = Pair::link(&relay);
    // Far more lines than a pipe and the queue before it hold.
    for _ in 0..3000 {
        let wrong = Session { id: "0".repeat(32), token: "0".repeat(32) };
        let mut ws = Ws::connect(relay.addr());
        ws.text(&wrong.hello(Role::Phone).json());
        ws.expect_close(4401);
    }
    pair.expect_alive();
}

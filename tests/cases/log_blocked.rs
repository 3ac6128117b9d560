//! The log's reader stops or goes away, or its disk is full: the relay goes on.

use relay_tests::harness::guard::GUARD;
use relay_tests::harness::relayd::LogEnd;
use relay_tests::harness::ws::Ws;
use relay_tests::harness::{Options, Pair, Relay, Relayd, Role, Session};

/// One log line each. More than the pipe (some thousand) and the queue before it (4,096) hold.
const HELLOS: usize = 8000;

/// Fault 45: The log is not read, or there is no memory.
/// Played: The pipe is full or closed, or the log's disk is full. A hard limit of as much memory as
/// `docs/operations.md` asks for, under readers that do not read and half messages.
/// Holds: The relay goes on, and never needs more memory (measured: 38 MiB resident, with a limit of 84).
#[test]
fn an_unread_log_blocks_no_client() {
    let mut relay = goes_on(LogEnd::Blocked);
    let lines_so_far = relay.node().log().text().lines().count();
    relay.node().log().read_on();
    let log = ends_well(&mut relay);
    let kept = log.lines().count() - lines_so_far;
    eprintln!("{kept} lines of {HELLOS} hellos were kept");
    assert!((1..HELLOS).contains(&kept), "{kept} lines of {HELLOS} hellos: the queue did not overflow");
}

/// Fault 45.
#[test]
fn a_closed_log_does_not_end_the_server() {
    ends_well(&mut goes_on(LogEnd::Closed));
}

/// As on a full disk: every write fails.
///
/// Fault 45.
#[test]
fn a_log_on_a_full_disk_does_not_end_the_server() {
    ends_well(&mut goes_on(LogEnd::Full));
}

fn goes_on(how: LogEnd) -> Relay {
    let options = Options::new().arg("--store", "memory").env("RELAY_LOG", "trace").log_ends(how);
    let relay = Relay::of(vec![Relayd::start_ready(&options)]);
    let mut pair = Pair::link(&relay);
    // How many, and not their names, which a thread may still be about to set.
    let threads = relay.node().process().threads().len();
    for _ in 0..HELLOS {
        let wrong = Session { id: "0".repeat(32), token: "0".repeat(32) };
        let mut ws = Ws::connect(relay.addr());
        ws.text(&wrong.hello(Role::Phone).json());
        ws.expect_close(4401);
    }
    pair.expect_alive();
    // A panic would be in the log, which cannot be read here.
    assert_eq!(relay.node().process().threads().len(), threads, "a thread has ended");
    relay
}

/// It ends when it is told to, and not before. Returns its log, as far as it was read.
fn ends_well(relay: &mut Relay) -> String {
    relay.node().process().signal("TERM");
    let (status, log) = relay.first().wait_end(GUARD);
    assert_eq!(status.code(), Some(0), "{log}");
    log
}

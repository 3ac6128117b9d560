//! Thousands of connections that never close are released together, without more stack than for one.

use std::time::Duration;

use relay_tests::harness::guard::{let_pass, read_until};
use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::wire::End;
use relay_tests::harness::ws::{FrameSpec, Message, Ws};
use relay_tests::harness::{Options, Pair, Relay, Relayd};

const COUNT: usize = 3000;
/// From a Close frame to the end of a client that does not close.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// `--drain-secs`, with room for a loaded machine.
const END: Duration = Duration::from_secs(60);

/// A server whose stack is too small for one call per connection.
fn start(drain_secs: u64) -> Relay {
    allow_descriptors(8192);
    let options = Options::new().arg("--store", "memory").arg("--drain-secs", &drain_secs.to_string());
    Relay::of(vec![Relayd::start_ready(&options.stack_kib(256))])
}

fn upgrade_many(relay: &Relay) -> Vec<Ws> {
    (0..COUNT).map(|_| Ws::connect(relay.addr())).collect()
}

/// All of them get a Close, and do not answer.
fn expect_close_frames(many: &mut [Ws], expected: u16) {
    for ws in many {
        match ws.message() {
            Ok(Message::Close(code, _)) => assert_eq!(code, expected),
            other => panic!("{other:?} instead of a Close {expected}"),
        }
    }
}

fn expect_stop(drain_secs: u64) {
    let mut relay = start(drain_secs);
    let mut many = upgrade_many(&relay);
    relay.first().process().signal("TERM");
    expect_close_frames(&mut many, 1001);
    let (status, log) = relay.first().wait_end(END);
    assert_eq!(status.code(), Some(0), "{status}: {log}");
}

/// Fault 42.
#[test]
fn they_do_not_delay_a_stop() {
    expect_stop(1);
}

#[test]
fn they_do_not_delay_a_stop_that_lasts_longer_than_their_close() {
    expect_stop(CLOSE_WITHIN.as_secs() + 2);
}

/// Fault 16.
#[test]
fn they_are_released_when_all_are_overdue_at_once() {
    let relay = start(1);
    let mut many = upgrade_many(&relay);
    for ws in &mut many {
        ws.send(&FrameSpec::text("no mask").unmasked());
    }
    expect_close_frames(&mut many, 1002);
    // The server is stopped past every deadline, so it finds all of them due in one turn.
    let process = relay.nodes()[0].process();
    process.signal("STOP");
    let_pass(CLOSE_WITHIN + Duration::from_secs(1));
    process.signal("CONT");
    for ws in &mut many {
        assert!(matches!(ws.wire().read_to_end("an end without our Close"), End::Eof | End::Reset));
    }
    read_until("all of them to be gone", || {
        (relay.nodes()[0].metric(r#"relay_connections{protocol="websocket"}"#) == 0).then_some(())
    });
    Pair::link(&relay).expect_alive();
}

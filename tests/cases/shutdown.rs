//! SIGTERM: what was taken in is delivered, everybody is told, and the process ends well.

use std::net::TcpStream;
use std::time::Duration;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::ws::{FrameSpec, Ws};
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::{on_each_setup, on_one_node};

on_each_setup!(a_client_that_does_not_read_delays_it_no_longer_than_allowed, an_idle_node_ends_at_once,);

// Only the stopping node's own clients are told 1001.
on_one_node!(everybody_is_told_and_the_process_ends_well, what_was_taken_in_is_delivered);

/// `--drain-secs`, with room for a loaded machine.
const END: Duration = Duration::from_secs(60);

fn expect_end(mut relay: Relay) {
    let (status, log) = relay.first().wait_end(END);
    assert_eq!(status.code(), Some(0), "{log}");
}

fn everybody_is_told_and_the_process_ends_well(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let (mut new, mut old) = (Pair::link_v2(&relay), Pair::link(&relay));
    let lonely_session = Session::register(&relay);
    let mut lonely = Peer::join(&relay, &lonely_session, Role::Phone);
    let mut unjoined = Ws::connect(relay.addr());
    relay.node().process().signal("TERM");
    for role in Role::BOTH {
        // Version 2 is told that this is a drain; what is said of the peer may come before it.
        let (peer, _) = new.from(role);
        let mut events = peer.until_closed(1001);
        events.retain(|event| *event != Event::Left);
        assert_eq!(events, [Event::GoingAway]);
        let (peer, _) = old.from(role);
        let mut events = peer.until_closed(1001);
        events.retain(|event| *event != Event::Left);
        assert_eq!(events, []);
    }
    lonely.expect_closed(1001);
    unjoined.expect_close(1001);
    let addr = relay.addr();
    expect_end(relay);
    assert!(TcpStream::connect(addr).is_err(), "the port is free again");
}

fn what_was_taken_in_is_delivered(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    for number in 0..150 {
        workstation.text(&format!("{number:01000}"));
    }
    // The server has read all of them, and the phone none; fewer bytes than would pause the workstation.
    workstation.fence();
    relay.node().process().signal("TERM");
    for number in 0..150 {
        phone.expect_text(&format!("{number:01000}"));
    }
    phone.until_closed(1001);
    workstation.until_closed(1001);
    expect_end(relay);
}

fn a_client_that_does_not_read_delays_it_no_longer_than_allowed(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().arg("--drain-secs", "2"));
    let Pair { mut workstation, phone, .. } = Pair::link(&relay);
    let plenty = FrameSpec::text(&"p".repeat(100_000)).encode().repeat(300);
    workstation.ws().wire().send_until_blocked(&plenty, Duration::from_millis(500));
    relay.node().process().signal("TERM");
    expect_end(relay);
    drop(phone);
}

fn an_idle_node_ends_at_once(set_up: SetUp) {
    for signal in ["TERM", "INT"] {
        let relay = Relay::start(set_up);
        relay.node().process().signal(signal);
        read_until("the listener to close", || TcpStream::connect(relay.addr()).is_err().then_some(()));
        expect_end(relay);
    }
}

//! Joining, the notice about the peer, and the notice about its end.

use relay_tests::harness::ws::FrameSpec;
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    the_ack_says_how_to_behave,
    a_client_of_version_3_is_told_how_often_a_paused_one_is_pinged,
    the_heartbeat_interval_is_at_most_a_third_of_the_idle_time,
    both_are_told_in_either_order,
    an_orderly_close_is_told,
    an_abrupt_end_is_told,
    a_role_that_left_can_be_taken_again_and_again,
);

fn the_ack_says_how_to_behave(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let workstation = Peer::join(&relay, &session, Role::Workstation);
    let ack = workstation.ack();
    assert_eq!(ack.names(), ["hb", "maxMessage", "peer", "sessionId", "ttl", "type"]);
    assert!(!ack.flag("peer"), "the peer is not there yet");
    assert_eq!((ack.number("ttl"), ack.number("hb")), (7200, 30));
    assert_eq!(ack.number("maxMessage"), 16_777_216);
    let phone = Peer::join(&relay, &session, Role::Phone);
    // "peer" may be true only if the link is open. Either way both get a peer-joined.
    let _either = phone.ack().flag("peer");
    Pair::linked(session, workstation, phone).expect_alive();
}

fn a_client_of_version_3_is_told_how_often_a_paused_one_is_pinged(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let paused_ping = |version: &str| {
        let session = Session::register(&relay);
        let hello = session.hello(Role::Phone).member("v", version);
        let peer = Peer::join_as(relay.next_addr(&session, Role::Phone), &hello);
        let secs = peer.ack().has("pausedPing").then(|| peer.ack().number("pausedPing"));
        peer.leave();
        secs
    };
    for version in ["3", "4", "18446744073709551615"] {
        assert_eq!(paused_ping(version), Some(5), "version {version}");
    }
    // Anything except a whole number counts as absent.
    for version in ["1", "2", r#""3""#, "3.5", "-3", "[3]", "null"] {
        assert_eq!(paused_ping(version), None, "version {version}");
    }
}

fn the_heartbeat_interval_is_at_most_a_third_of_the_idle_time(set_up: SetUp) {
    for (interval, idle, expected) in [("30", "60", 20), ("7", "60", 7), ("30", "10", 3), ("30", "5", 1)] {
        let options = Options::new().env("HEARTBEAT_INTERVAL_SECS", interval).env("SESSION_IDLE_SECS", idle);
        let relay = Relay::start_with(set_up, &options.env("MAX_MESSAGE_BYTES", "70000"));
        let session = Session::register(&relay);
        let peer = Peer::join(&relay, &session, Role::Phone);
        assert_eq!(peer.ack().number("hb"), expected, "interval {interval}, idle {idle}");
        assert_eq!(peer.ack().number("ttl"), idle.parse::<u64>().unwrap());
        assert_eq!(peer.ack().number("maxMessage"), 70_000);
    }
}

fn both_are_told_in_either_order(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for first in Role::BOTH {
        let session = Session::register(&relay);
        let mut early = Peer::join(&relay, &session, first);
        // Alone, it gets only the answer to its heartbeat.
        early.fence();
        let mut late = Peer::join(&relay, &session, first.other());
        early.expect(&Event::Joined(0));
        late.expect(&Event::Joined(0));
        early.fence();
        late.fence();
    }
}

fn an_orderly_close_is_told(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for leaver in Role::BOTH {
        for awaits_the_echo in [true, false] {
            let Pair { workstation, phone, session } = Pair::link(&relay);
            let (mut leaving, mut stayer) =
                if leaver == Role::Phone { (phone, workstation) } else { (workstation, phone) };
            if awaits_the_echo {
                leaving.leave();
            } else {
                leaving.ws().send(&FrameSpec::close(1001, "tab closed"));
                drop(leaving);
            }
            stayer.expect(&Event::Left);
            stayer.fence();
            let mut back = Peer::join(&relay, &session, leaver);
            stayer.expect(&Event::Joined(0));
            back.expect(&Event::Joined(0));
        }
    }
}

fn an_abrupt_end_is_told(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for leaver in Role::BOTH {
        for by_reset in [false, true] {
            let Pair { workstation, phone, .. } = Pair::link(&relay);
            let (leaving, mut stayer) =
                if leaver == Role::Phone { (phone, workstation) } else { (workstation, phone) };
            let wire = leaving.into_ws().into_wire();
            if by_reset {
                wire.reset();
            } else {
                drop(wire);
            }
            stayer.expect(&Event::Left);
            stayer.fence();
        }
    }
}

fn a_role_that_left_can_be_taken_again_and_again(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    // More often than takeovers are allowed, as joining an empty role is not a takeover. If the phone changes
    // nodes, its leave and its next claim reach the store from two nodes, in any order.
    let rounds = if set_up == SetUp::ThreeNodes { 5 } else { 8 };
    for round in 0..rounds {
        let mut phone = Peer::join(&relay, &session, Role::Phone);
        workstation.expect(&Event::Joined(0));
        phone.expect(&Event::Joined(0));
        let text = format!("round {round}");
        phone.text(&text);
        workstation.expect_text(&text);
        phone.leave();
        workstation.expect(&Event::Left);
    }
}

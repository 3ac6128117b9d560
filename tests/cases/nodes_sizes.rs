//! Nodes with different message limits: the smaller one applies to a link, and a sender that exceeds it is
//! told.

use relay_tests::harness::json::Object;
use relay_tests::harness::redis::{Keep, Redis};
use relay_tests::harness::ws::{FrameSpec, Message, Opcode};
use relay_tests::harness::{Event, Options, Peer, Relay, Relayd, Role, Session};

const LARGER: usize = 300_000;
const SMALLER: usize = 100_000;

/// The workstation's node has a higher limit than the phone's.
fn start() -> (Redis, Relay) {
    let redis = Redis::start(Keep::Nothing);
    let node = |bytes_max: usize| {
        let options = Options::new().env("REDIS_URL", &redis.url());
        Relayd::start_ready(&options.env("MAX_MESSAGE_BYTES", &bytes_max.to_string()))
    };
    let relay = Relay::of(vec![node(LARGER), node(SMALLER)]);
    (redis, relay)
}

/// The limit for messages to the peer, from `peer-joined`.
fn told_max(peer: &mut Peer) -> Option<u64> {
    let Ok(Message::Text(text)) = peer.ws().message() else { panic!("no peer-joined") };
    let joined = Object::parse(&text);
    assert_eq!(joined.text("type"), "peer-joined", "{text}");
    joined.has("maxMessage").then(|| joined.number("maxMessage"))
}

#[test]
fn the_smaller_limit_applies_and_the_sender_is_told() {
    let (_redis, relay) = start();
    let session = Session::register(&relay);
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    assert_eq!(workstation.ack().number("maxMessage"), LARGER as u64);
    let mut phone = Peer::join(&relay, &session, Role::Phone);
    assert_eq!(phone.ack().number("maxMessage"), SMALLER as u64);
    assert_eq!((told_max(&mut workstation), told_max(&mut phone)), (Some(SMALLER as u64), None));
    // What both nodes allow arrives, both ways.
    let most = "x".repeat(SMALLER);
    workstation.text(&most);
    phone.expect_text(&most);
    phone.text(&most);
    workstation.expect_text(&most);
    // One byte more closes the sender. Its peer stays, and talks to the next one.
    workstation.ws().send(&FrameSpec::new(Opcode::Text, "").length64(SMALLER as u64 + 1));
    workstation.expect_closed(1009);
    phone.expect(&Event::Left);
    phone.fence();
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    assert_eq!((told_max(&mut workstation), told_max(&mut phone)), (Some(SMALLER as u64), None));
    workstation.text("again");
    phone.expect_text("again");
    // Linked on one node, each may send up to that node's limit.
    let mut phone = Peer::join_as(relay.addr(), &session.hello(Role::Phone));
    workstation.expect(&Event::Left);
    assert_eq!((told_max(&mut workstation), told_max(&mut phone)), (None, None));
    let most = "y".repeat(LARGER);
    workstation.text(&most);
    phone.expect_text(&most);
}

#[test]
fn a_message_begun_before_the_link_is_judged_once_it_is_whole() {
    let (_redis, relay) = start();
    let session = Session::register(&relay);
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    let half = vec![b'z'; LARGER / 2];
    workstation.ws().send(&FrameSpec::new(Opcode::Text, half).unfinished());
    // A ping between the fragments: once it is answered, the first half was read.
    workstation.ws().send(&FrameSpec::new(Opcode::Ping, "here"));
    workstation.expect(&Event::Pong(b"here".to_vec()));
    let mut phone = Peer::join(&relay, &session, Role::Phone);
    assert_eq!((told_max(&mut workstation), told_max(&mut phone)), (Some(SMALLER as u64), None));
    workstation.ws().send(&FrameSpec::new(Opcode::Continuation, ""));
    workstation.expect_closed(1009);
    phone.expect(&Event::Left);
    phone.fence();
}

//! Hellos with members in any order, in any segments, and with frames right behind them.

use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Message, Opcode, Upgrade, Ws};
use relay_tests::harness::{Bystander, Event, Hello, Peer, Relay, Role, Session, SetUp};
use relay_tests::{on_each_setup, on_one_node};

on_each_setup!(
    members_come_in_any_order_and_unknown_ones_are_ignored,
    four_kib_are_allowed,
    it_may_be_fragmented,
    a_ping_before_it_is_answered,
    odd_versions_and_instances_are_ignored,
);

// Across nodes the link opens after the answer, so frames right behind a hello have no receiver and are
// counted.
on_one_node!(
    it_may_come_in_the_same_segment_as_the_upgrade,
    it_may_come_byte_by_byte,
    frames_behind_it_arrive_in_order,
);

fn members_come_in_any_order_and_unknown_ones_are_ignored(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let Session { id, token } = &session;
    for text in [
        format!(r#"{{"r":"phone","t":"{token}","s":"{id}","type":"hello"}}"#),
        format!(r#" {{ "t" : "{token}", "s":"{id}","r":"phone" , "type":"hello" }} "#),
        format!(
            r#"{{"x":[{{}},null],"type":"h\u0065llo","s":"{id}","t":"{token}","r":"phone","y":{{"s":1}}}}"#
        ),
    ] {
        let mut ws = Ws::connect(relay.next_addr(&session, Role::Phone));
        ws.text(&text);
        Peer::joined(ws, &session.hello(Role::Phone)).leave();
    }
}

fn four_kib_are_allowed(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let of_length = |pad: usize| session.hello(Role::Phone).member("x", &format!("\"{}\"", "y".repeat(pad)));
    let bare = of_length(0).json().len();
    let hello = of_length(4096 - bare);
    assert_eq!(hello.json().len(), 4096);
    Peer::join_as(relay.next_addr(&session, Role::Phone), &hello).leave();
    let mut ws = Ws::connect(relay.next_addr(&session, Role::Phone));
    ws.text(&of_length(4097 - bare).json());
    ws.expect_close(1009);
}

fn it_may_be_fragmented(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let hello = session.hello(Role::Phone);
    let json = hello.json();
    let mut ws = Ws::connect(relay.next_addr(&session, Role::Phone));
    let pieces: Vec<&[u8]> = json.as_bytes().chunks(1).collect();
    ws.fragments(Opcode::Text, &pieces);
    Peer::joined(ws, &hello).leave();
}

/// Fault 2.
fn it_may_come_in_the_same_segment_as_the_upgrade(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    let hello = session.hello(Role::Phone);
    let together = [request_with_hello(&hello), FrameSpec::text("first").encode()].concat();
    let mut wire = Wire::connect(relay.next_addr(&session, Role::Phone));
    wire.send(&together);
    let mut phone = Peer::joined(Upgrade::accepted(wire).0, &hello);
    workstation.expect(&Event::Joined(0));
    workstation.expect_text("first");
    phone.expect(&Event::Joined(0));
    phone.fence();
    bystander.done();
}

/// Fault 2: A request in single bytes, or with frames in the same segment.
/// Played: One write for each byte. One write for everything.
/// Holds: 101, and the early frames are processed.
fn it_may_come_byte_by_byte(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    let hello = session.hello(Role::Phone);
    let mut wire = Wire::connect(relay.next_addr(&session, Role::Phone));
    for byte in [request_with_hello(&hello), FrameSpec::text("slow").encode()].concat() {
        wire.send(&[byte]);
    }
    let phone = Peer::joined(Upgrade::accepted(wire).0, &hello);
    workstation.expect(&Event::Joined(0));
    workstation.expect_text("slow");
    drop(phone);
    workstation.expect(&Event::Left);
    bystander.done();
}

fn request_with_hello(hello: &Hello) -> Vec<u8> {
    [Upgrade::default().encode(), FrameSpec::text(&hello.json()).encode()].concat()
}

/// Fault 8.
fn frames_behind_it_arrive_in_order(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for role in Role::BOTH {
        let session = Session::register(&relay);
        let mut waiting = Peer::join(&relay, &session, role.other());
        let hello = session.hello(role);
        let mut pipelined = FrameSpec::text(&hello.json()).encode();
        for number in 0..200 {
            pipelined.extend(FrameSpec::text(&format!("frame {number}")).encode());
        }
        pipelined.extend(FrameSpec::text(r#"{"type":"hb"}"#).encode());
        let mut ws = Ws::connect(relay.next_addr(&session, role));
        ws.wire().send(&pipelined);
        let mut eager = Peer::joined(ws, &hello);
        waiting.expect(&Event::Joined(0));
        for number in 0..200 {
            waiting.expect_text(&format!("frame {number}"));
        }
        eager.expect(&Event::Joined(0));
        eager.expect(&Event::HbAck);
        waiting.fence();
    }
}

/// Fault 2.
fn a_ping_before_it_is_answered(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let ping = FrameSpec::new(Opcode::Ping, "early").encode();
    let mut wire = Wire::connect(relay.addr());
    wire.send(&[Upgrade::default().encode(), ping].concat());
    let (mut ws, _) = Upgrade::accepted(wire);
    assert_eq!(ws.message(), Ok(Message::Pong(b"early".to_vec())));
    Peer::join_over(ws, &session.hello(Role::Workstation)).leave();
    bystander.done();
}

fn odd_versions_and_instances_are_ignored(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    for (name, value) in [
        ("v", "\"2\""),
        ("v", "null"),
        ("v", "1"),
        ("v", "-2"),
        ("i", "7"),
        ("i", "\"xyz\""),
        ("n", "\"1\""),
        ("n", "[]"),
    ] {
        let hello = session.hello(Role::Workstation).member(name, value);
        let mut peer = Peer::join_as(relay.addr(), &hello);
        peer.text("to nobody");
        // It has version 1, so it is not told about the absence.
        peer.fence();
        peer.leave();
    }
}

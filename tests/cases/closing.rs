//! The closing handshake, and ends without one.

use relay_tests::harness::wire::End;
use relay_tests::harness::ws::{FrameSpec, Message, Opcode, Ws};
use relay_tests::harness::{Bystander, Event, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    a_close_is_echoed,
    frames_after_a_close_are_ignored,
    a_close_before_the_hello_is_echoed,
    a_half_closed_connection_ends_after_what_it_sent,
    the_peer_is_told_though_the_closer_keeps_its_connection,
);

fn a_close_is_echoed(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for code in
        [1000u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
        workstation.ws().send(&FrameSpec::close(code, &"r".repeat(123)));
        // RFC 6455 §5.5.1: typically the code that was received.
        match workstation.event() {
            Event::Closed(echoed) => assert!(echoed == code || echoed == 1000, "{echoed} for {code}"),
            other => panic!("{other:?} for {code}"),
        }
        workstation.ws().expect_eof();
        phone.expect(&Event::Left);
    }
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    workstation.ws().send(&FrameSpec::new(Opcode::Close, ""));
    let echo = workstation.event();
    assert!(matches!(echo, Event::Closed(1000 | 1005)), "{echo:?}");
    workstation.ws().expect_eof();
    phone.expect(&Event::Left);
}

fn frames_after_a_close_are_ignored(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    let behind = [FrameSpec::text("late").encode(), FrameSpec::new(Opcode::Ping, "late").encode()].concat();
    let all = [FrameSpec::text("in time").encode(), FrameSpec::close(1000, "").encode(), behind].concat();
    workstation.ws().wire().send(&all);
    workstation.expect_closed(1000);
    phone.expect_text("in time");
    phone.expect(&Event::Left);
    phone.fence();
}

fn a_close_before_the_hello_is_echoed(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut ws = Ws::connect(relay.addr());
    ws.send(&FrameSpec::close(1001, "never mind"));
    let answer = ws.message();
    assert!(matches!(answer, Ok(Message::Close(1000 | 1001, _))), "{answer:?}");
    ws.expect_eof();
}

/// Fault 16.
fn a_half_closed_connection_ends_after_what_it_sent(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    for number in 0..100 {
        workstation.text(&format!("{number}"));
    }
    workstation.ws().wire().shutdown_write();
    for number in 0..100 {
        phone.expect_text(&format!("{number}"));
    }
    phone.expect(&Event::Left);
    // A client that sent no Close may get one or not. The connection ends either way.
    let end = workstation.ws().wire().read_to_end("the end of a half-closed connection");
    assert_eq!(end, End::Eof);
    bystander.done();
}

/// Fault 16: A client that closes and keeps its connection, or closes only one half.
/// Played: A Close without FIN, and FIN without a Close.
/// Holds: The peer is told. Everything is released at the deadline.
fn the_peer_is_told_though_the_closer_keeps_its_connection(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let mut phone = Peer::join(&relay, &session, Role::Phone);
    let mut kept = Vec::new();
    for _ in 0..5 {
        let mut workstation = Peer::join(&relay, &session, Role::Workstation);
        workstation.expect(&Event::Joined(0));
        phone.expect(&Event::Joined(0));
        workstation.ws().send(&FrameSpec::close(1000, ""));
        phone.expect(&Event::Left);
        kept.push(workstation);
    }
    // The server does not wait for the client's FIN to send its own.
    for mut closed in kept {
        let echo = closed.event();
        assert!(matches!(echo, Event::Closed(1000 | 1005)), "{echo:?}");
        assert_eq!(closed.ws().wire().read_to_end("the server's end"), End::Eof);
    }
    bystander.done();
}

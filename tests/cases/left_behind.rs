//! However a connection ends, it leaves nothing behind: no byte, no descriptor, no session.

use std::time::Duration;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{Http, request};
use relay_tests::harness::wire::{End, Wire};
use relay_tests::harness::ws::{FrameSpec, Opcode, Upgrade, Ws};
use relay_tests::harness::{Event, Pair, Peer, Relay, Relayd, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    every_kind_of_end_releases_everything,
    a_closed_client_that_keeps_its_connection_holds_nothing_else
);

/// Every way to end.
const WAYS: [fn(&Relay); 10] = [
    leave,
    reset,
    reset_in_the_middle_of_a_message,
    reset_while_stuck,
    reset_before_the_hello,
    be_taken_over,
    be_deleted,
    break_the_protocol,
    end_an_http_connection,
    end_within_a_request,
];

/// What `/metrics` shows if the asker is the only client.
const NOTHING_LEFT: [&str; 8] = [
    r#"relay_connections{protocol="http"} 1"#,
    r#"relay_connections{protocol="websocket"} 0"#,
    r#"relay_links{to="local"} 0"#,
    r#"relay_links{to="remote"} 0"#,
    "relay_links_opening 0",
    "relay_window_bytes 0",
    "relay_sessions 0",
    "relay_buffer_bytes 0",
];

/// Fault 16.
fn every_kind_of_end_releases_everything(set_up: SetUp) {
    let relay = Relay::start(set_up);
    // Once, for what is opened once and kept.
    WAYS.iter().for_each(|end| end(&relay));
    let before: Vec<usize> = relay.nodes().iter().map(descriptors_when_empty).collect();
    for end in WAYS.iter().cycle().take(5 * WAYS.len()) {
        end(&relay);
    }
    let after: Vec<usize> = relay.nodes().iter().map(descriptors_when_empty).collect();
    assert_eq!(after, before, "by node");
}

/// The closing handshake is over, and the client keeps its side open. The server ends it at its deadline.
///
/// Fault 16.
fn a_closed_client_that_keeps_its_connection_holds_nothing_else(set_up: SetUp) {
    let relay = Relay::start(set_up);
    leave(&relay);
    let before: Vec<usize> = relay.nodes().iter().map(descriptors_when_empty).collect();
    let keep = |_| {
        let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
        for peer in [&mut workstation, &mut phone] {
            peer.ws().send(&FrameSpec::close(1000, ""));
        }
        assert!(matches!(workstation.event(), Event::Closed(_)));
        assert_eq!(workstation.ws().wire().read_to_end("the server's end"), End::Eof);
        (workstation, phone)
    };
    let kept: Vec<(Peer, Peer)> = (0..5).map(keep).collect();
    let after: Vec<usize> = relay.nodes().iter().map(descriptors_when_empty).collect();
    assert_eq!(after, before, "by node");
    drop(kept);
}

/// Waits until nothing is left on a node. Returns its descriptors, including the one of this request.
fn descriptors_when_empty(node: &Relayd) -> usize {
    let mut watch = Http::connect(node.addr());
    for gauge in NOTHING_LEFT {
        read_until(gauge, || {
            watch.send(request("GET", "/metrics", &[], ""));
            let page = watch.response().expect(200);
            page.text().lines().any(|line| line == gauge).then_some(())
        });
    }
    node.process().descriptors()
}

fn leave(relay: &Relay) {
    let Pair { workstation, mut phone, .. } = Pair::link(relay);
    workstation.leave();
    phone.expect(&Event::Left);
    phone.leave();
}

fn reset(relay: &Relay) {
    let Pair { workstation, mut phone, .. } = Pair::link(relay);
    workstation.into_ws().into_wire().reset();
    phone.expect(&Event::Left);
    phone.into_ws().into_wire().reset();
}

fn reset_in_the_middle_of_a_message(relay: &Relay) {
    let Pair { mut workstation, mut phone, .. } = Pair::link(relay);
    let frame = FrameSpec::new(Opcode::Binary, vec![9; 1_000_000]).encode();
    workstation.ws().wire().send(&frame[..700_000]);
    phone.ws().wire().send(&frame[..1_000]);
    workstation.into_ws().into_wire().reset();
    phone.expect(&Event::Left);
}

fn reset_while_stuck(relay: &Relay) {
    let session = Session::register(relay);
    let workstation = Peer::join(relay, &session, Role::Workstation);
    let wire = Wire::connect_narrow(relay.addr(), 16 << 10);
    let phone = Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Phone));
    let Pair { mut workstation, phone, .. } = Pair::linked(session, workstation, phone);
    let flood = FrameSpec::new(Opcode::Binary, vec![7; 10_000]).encode().repeat(1000);
    workstation.ws().wire().send_until_blocked(&flood, Duration::from_millis(100));
    phone.into_ws().into_wire().reset();
    workstation.into_ws().into_wire().reset();
}

fn reset_before_the_hello(relay: &Relay) {
    let mut ws = Ws::connect(relay.addr());
    ws.wire().send(&FrameSpec::text("half a hello").encode()[..9]);
    ws.into_wire().reset();
}

fn be_taken_over(relay: &Relay) {
    for role in Role::BOTH {
        let Pair { session, workstation, phone } = Pair::link(relay);
        let (mut older, mut stayer) =
            if role == Role::Workstation { (workstation, phone) } else { (phone, workstation) };
        let newer = Peer::join(relay, &session, role);
        older.expect_closed(4409);
        stayer.expect(&Event::Left);
        newer.leave();
    }
}

fn be_deleted(relay: &Relay) {
    let Pair { session, mut workstation, mut phone } = Pair::link(relay);
    session.delete(relay.addr()).expect(204);
    workstation.until_closed(4410);
    phone.until_closed(4410);
}

fn break_the_protocol(relay: &Relay) {
    let Pair { mut workstation, mut phone, .. } = Pair::link(relay);
    workstation.ws().send(&FrameSpec::text("no mask").unmasked());
    workstation.expect_closed(1002);
    phone.expect(&Event::Left);
    phone.ws().send(&FrameSpec::new(Opcode::Text, vec![0xFF]));
    phone.expect_closed(1007);
}

fn end_an_http_connection(relay: &Relay) {
    let mut http = Http::connect(relay.addr());
    http.send(request("POST", "/api/register", &[], "{}"));
    http.response().expect(200);
    http.send(request("GET", "/health", &["Connection: close"], ""));
    http.response().expect(200);
    http.expect_closed();
    let mut http = Http::connect(relay.addr());
    http.send("no request at all\r\n\r\n");
    http.response().expect(400);
}

fn end_within_a_request(relay: &Relay) {
    let mut half = Http::connect(relay.addr());
    half.send("GET /health HTTP/1.1\r\nHost: h\r\nX: ");
    let mut waiting = Wire::connect(relay.addr());
    waiting.send(request("POST", "/api/register", &[], "{}").as_bytes());
    waiting.reset();
}

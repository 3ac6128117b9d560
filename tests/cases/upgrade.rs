//! The opening handshake: what is accepted, and what is refused.

use relay_tests::harness::http::{exchange, read_head};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{Message, Upgrade};
use relay_tests::harness::{Bystander, Event, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    every_correct_form_is_accepted,
    other_requests_get_426,
    another_version_is_answered_with_the_right_one,
    a_broken_handshake_is_refused,
    a_missing_proxy_directive_is_named,
    a_client_that_waits_for_100_gets_it,
    compression_is_not_accepted,
    another_implementation_can_connect,
);

fn every_correct_form_is_accepted(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let base = Upgrade::default;
    for upgrade in [
        base(),
        base().target("/ws?a=0badcafe"),
        base().target("/ws?"),
        base().target("/ws?x=%20&y=/ws"),
        base().replace("Connection", "keep-alive, Upgrade"),
        base().replace("Connection", "upgrade"),
        base().replace("Upgrade", "WebSocket"),
        base().without("Upgrade").header("uPGRADE", "websocket"),
        base().header("Cookie", &"c".repeat(4000)),
        base().header("Authorization", "Bearer whatever"),
        base().header("Origin", "https://anything.example"),
    ] {
        Peer::join_over(upgrade.open(relay.addr()), &session.hello(Role::Phone)).leave();
    }
}

/// Fault 1.
fn other_requests_get_426(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    exchange(relay.addr(), "GET /ws HTTP/1.1\r\nHost: h\r\n\r\n").expect(426);
    Upgrade::default().without("Upgrade").refused(relay.addr()).unwrap().expect(426);
    bystander.done();
}

/// Fault 1.
fn another_version_is_answered_with_the_right_one(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for version in ["8", "12", "14", "0", "13, 8"] {
        let upgrade = Upgrade::default().replace("Sec-WebSocket-Version", version);
        let response = upgrade.refused(relay.addr()).unwrap().expect(426);
        assert_eq!(response.header("sec-websocket-version"), Some("13"), "{version:?}");
    }
    bystander.done();
}

/// Fault 1: Malformed handshakes.
/// Played: Each header is missing, too short or wrong. Also POST, and HTTP/1.0.
/// Holds: 4xx, and never 101. Another version gets 426 with `Sec-WebSocket-Version: 13`. If a proxy dropped a
/// header, the answer names it and the directive that keeps it.
fn a_broken_handshake_is_refused(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let base = Upgrade::default;
    let text = |upgrade: Upgrade| String::from_utf8(upgrade.encode()).unwrap();
    for broken in [
        text(base().without("Sec-WebSocket-Key")),
        text(base().replace("Sec-WebSocket-Key", "")),
        text(base().replace("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")),
        text(base().replace("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub24=")),
        text(base().replace("Sec-WebSocket-Key", "!!!!IHNhbXBsZSBub25jZQ==")),
        text(base().header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")),
        text(base().without("Sec-WebSocket-Version")),
        text(base().without("Connection")),
        text(base().replace("Connection", "close")),
        text(base().replace("Upgrade", "h2c")),
        text(base().without("Host")),
        text(base()).replace("GET", "POST"),
        text(base()).replace("GET", "PUT"),
        text(base()).replace("HTTP/1.1", "HTTP/1.0"),
        text(base()).replace("/ws", "/wss"),
        text(base()).replace("/ws", "/"),
        text(base()).replace("/ws", "/ws/"),
    ] {
        let response = exchange(relay.addr(), &broken);
        assert!((400..500).contains(&response.status), "{broken}\n{response:?}");
    }
    bystander.done();
}

/// Fault 1.
fn a_missing_proxy_directive_is_named(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let base = Upgrade::default;
    let text = |upgrade: Upgrade| String::from_utf8(upgrade.encode()).unwrap();
    let old = |text: String| text.replace("HTTP/1.1", "HTTP/1.0");
    for (status, request, directive) in [
        (400, old(text(base())), "proxy_http_version 1.1;"),
        (426, old(text(base().without("Upgrade").without("Connection"))), "proxy_http_version 1.1;"),
        (426, text(base().without("Upgrade")), "proxy_set_header Upgrade $http_upgrade;"),
        (426, text(base().replace("Connection", "close")), "proxy_set_header Connection upgrade;"),
    ] {
        let answer = exchange(relay.addr(), &request).expect(status).json();
        assert!(answer.text("message").contains(directive), "{request}{}", answer.text("message"));
    }
}

/// RFC 9110 §7.8: it must get the 100 before the 101.
fn a_client_that_waits_for_100_gets_it(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let mut wire = Wire::connect(relay.addr());
    wire.send(&Upgrade::default().header("Expect", "100-continue").encode());
    assert_eq!(read_head(&mut wire).unwrap().status, 100);
    let (ws, _) = Upgrade::accepted(wire);
    Peer::join_over(ws, &session.hello(Role::Phone)).leave();
}

/// Fault 17: Compression is offered.
/// Played: Several forms of the offer.
/// Holds: It is not accepted, and the connection works without it.
fn compression_is_not_accepted(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    // Every upgrade in these tests checks that the answer names no extension.
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9, permessage-deflate",
    ] {
        let join = |role| {
            let upgrade = Upgrade::default().header("Sec-WebSocket-Extensions", offer);
            Peer::join_over(upgrade.open(relay.next_addr(&session, role)), &session.hello(role))
        };
        let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
        let mut pair = Pair::linked(session.clone(), workstation, phone);
        pair.expect_alive();
        pair.workstation.leave();
        pair.phone.expect(&Event::Left);
        pair.phone.leave();
    }
    bystander.done();
}

fn another_implementation_can_connect(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    let addr = relay.next_addr(&session, Role::Phone);
    let stream = std::net::TcpStream::connect(addr).unwrap();
    let (mut phone, _) = tungstenite::client(format!("ws://{addr}/ws"), stream).unwrap();
    phone.send(session.hello(Role::Phone).json().into()).unwrap();
    let read = |phone: &mut tungstenite::WebSocket<_>| phone.read().unwrap().into_text().unwrap().to_string();
    assert!(read(&mut phone).contains("hello-ack"));
    assert!(read(&mut phone).contains("peer-joined"));
    phone.send("from another hand".into()).unwrap();
    let joined = workstation.ws().message();
    assert!(matches!(&joined, Ok(Message::Text(text)) if text.contains("peer-joined")), "{joined:?}");
    workstation.expect_text("from another hand");
    workstation.text(&"back ".repeat(50_000));
    assert!(read(&mut phone).contains(&"back ".repeat(50_000)));
    phone.close(None).unwrap();
    let end = loop {
        match phone.read() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end}");
}

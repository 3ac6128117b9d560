//! Several requests on one connection, in order, and how the connection ends.

use relay_tests::harness::http::{Http, read_head, request};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::Upgrade;
use relay_tests::harness::{Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    a_connection_serves_many_requests,
    pipelined_requests_are_answered_in_order,
    an_upgrade_may_follow_requests,
    connection_close_is_respected,
    http_1_0_is_answered_and_closed,
    a_client_that_closes_its_side_gets_its_answer,
    a_client_that_closes_its_side_gets_every_answer,
);

fn a_connection_serves_many_requests(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut http = Http::connect(relay.addr());
    for _ in 0..20 {
        http.send(request("GET", "/health", &[], ""));
        http.response().expect(200);
        http.send(request("POST", "/api/register", &[], "{}"));
        http.response().expect(200);
        http.send(request("GET", "/nowhere", &[], ""));
        http.response().expect(404);
    }
}

fn pipelined_requests_are_answered_in_order(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let target = format!("/api/session/{}", session.id);
    let mut http = Http::connect(relay.addr());
    // Requests that ask the store must not be overtaken by faster ones.
    let all = [
        request("POST", "/api/register", &[], "{}"),
        request("GET", "/health", &[], ""),
        request("DELETE", &target, &[], ""),
        request("GET", "/nowhere", &[], ""),
        request("DELETE", &target, &[], ""),
        request("GET", "/ready", &[], ""),
        request("PUT", "/health", &[], ""),
    ];
    http.send(all.concat());
    assert!(http.response().expect(200).text().contains("sessionId"));
    assert_eq!(http.response().expect(200).text(), r#"{"ok":true}"#);
    http.response().expect(204);
    http.response().expect(404);
    http.response().expect(404);
    assert!(http.response().expect(200).text().contains("store"));
    http.response().expect(405);
    http.wire().shutdown_write();
    http.expect_closed();
}

fn an_upgrade_may_follow_requests(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let mut wire = Wire::connect(relay.addr());
    let upgrade = Upgrade::default();
    wire.send(&[request("GET", "/health", &[], "").into_bytes(), upgrade.encode()].concat());
    let health = read_head(&mut wire).unwrap();
    let length: usize = health.header("content-length").unwrap().parse().unwrap();
    while wire.pending().len() < length {
        wire.fill("a body").unwrap();
    }
    wire.take(length);
    let (ws, _) = Upgrade::accepted(wire);
    Peer::join_over(ws, &session.hello(Role::Phone)).leave();
}

fn connection_close_is_respected(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for value in ["close", "Close", "keep-alive, close"] {
        let mut http = Http::connect(relay.addr());
        let first = request("GET", "/health", &[&format!("Connection: {value}")], "");
        http.send(first + &request("GET", "/ready", &[], ""));
        let response = http.response().expect(200);
        assert!(response.header("connection").is_some_and(|said| said.eq_ignore_ascii_case("close")));
        http.expect_closed();
    }
}

fn http_1_0_is_answered_and_closed(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for headers in ["", "Host: h\r\n", "Connection: keep-alive\r\n"] {
        let mut http = Http::connect(relay.addr());
        http.send(format!("GET /health HTTP/1.0\r\n{headers}\r\n"));
        assert_eq!(http.response().expect(200).text(), r#"{"ok":true}"#);
        http.expect_closed();
    }
}

fn a_client_that_closes_its_side_gets_its_answer(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut http = Http::connect(relay.addr());
    http.send(request("POST", "/api/register", &[], "{}"));
    http.wire().shutdown_write();
    http.response().expect(200);
    http.expect_closed();
}

fn a_client_that_closes_its_side_gets_every_answer(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let (fresh, mut used) = (Http::connect(relay.addr()), Http::connect(relay.addr()));
    used.send(request("GET", "/health", &[], ""));
    used.response().expect(200);
    let process = relay.node().process();
    // The server is stopped meanwhile, so that it gets the requests and the end together.
    process.signal("STOP");
    let mut all = [fresh, used];
    for http in &mut all {
        http.send(request("POST", "/api/register", &[], "{}") + &request("GET", "/health", &[], ""));
        http.wire().shutdown_write();
    }
    process.signal("CONT");
    for http in &mut all {
        assert!(http.response().expect(200).text().contains("sessionId"));
        assert_eq!(http.response().expect(200).text(), r#"{"ok":true}"#);
        http.expect_closed();
    }
}

//! Requests that two readers could understand differently: refused, so that no second request hides in one.

use relay_tests::harness::http::{Http, exchange, request};
use relay_tests::harness::ws::Upgrade;
use relay_tests::harness::{Bystander, Relay, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(an_ambiguous_head_is_refused_and_closed, a_body_is_read_exactly, a_duplicate_key_is_refused);

fn an_ambiguous_head_is_refused_and_closed(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let hidden = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    for head in [
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length : 2\r\n\r\n{}",
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: +2\r\n\r\n{}",
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 2, 2\r\n\r\n{}",
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 0x2\r\n\r\n{}",
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: h\r\nX: a\r\n folded\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: h\r\nX: a\r\n\tfolded\r\n\r\n",
        "GET /health HTTP/1.1\nHost: h\n\n",
        "GET /health HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: a@b\r\nHost: c\r\n\r\n",
    ] {
        let mut http = Http::connect(relay.addr());
        http.send(format!("{head}{hidden}"));
        let response = http.response_or_end().unwrap_or_else(|end| panic!("{end:?} for {head:?}"));
        assert!(matches!(response.status, 400 | 411), "{head:?}: {response:?}");
        http.expect_closed();
    }
    bystander.done();
}

fn a_body_is_read_exactly(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let mut http = Http::connect(relay.addr());
    // The body looks like a request; what follows it is one.
    let body = r#"{"x":"\r\n\r\nDELETE / HTTP/1.1\r\n\r\n"}"#;
    let unread = "GET /nowhere HTTP/1.1\r\n\r\n";
    http.send(request("POST", "/api/register", &[], body) + &request("GET", "/health", &[], ""));
    http.response().expect(200);
    assert_eq!(http.response().expect(200).text(), r#"{"ok":true}"#);
    // A body where none is looked at is read past all the same.
    let with_body =
        format!("GET /health HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{unread}", unread.len());
    http.send(with_body + &request("GET", "/ready", &[], ""));
    match http.response().status {
        200 => assert!(http.response().expect(200).text().contains("store")),
        // Or it is not wanted at all, and the connection ends before the body could pass for a request.
        400 | 413 => http.expect_closed(),
        other => panic!("{other}"),
    }
    bystander.done();
}

fn a_duplicate_key_is_refused(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for (name, value) in [
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Host", "other.example"),
    ] {
        let doubled = Upgrade::default().header(name, value).encode();
        let response = exchange(relay.addr(), doubled);
        assert!((400..500).contains(&response.status), "{name}: {response:?}");
    }
    bystander.done();
}

//! Requests that two parsers could read differently are refused, so that no second request hides in one.

use relay_tests::harness::http::{Http, chunked, exchange, request};
use relay_tests::harness::ws::Upgrade;
use relay_tests::harness::{Bystander, Relay, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    an_ambiguous_head_is_refused_and_closed,
    an_ambiguous_chunk_is_refused_and_closed,
    a_body_is_read_exactly,
    a_chunked_body_is_read_exactly,
    a_duplicate_key_is_refused,
);

/// Fault 5: Heads and chunks that two parsers could read differently (request smuggling).
/// Played: Folded and repeated fields, a bare LF, both lengths, transfer codings other than `chunked`, chunks
/// whose size is wrong.
/// Holds: 400, 501 or 413, and a close. Bodies are read exactly, in chunks too.
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
        assert_eq!(response.status, 400, "{head:?}: {response:?}");
        http.expect_closed();
    }
    bystander.done();
}

/// A lenient parser, or one that reads it differently, sees a different end.
///
/// Fault 5.
fn an_ambiguous_chunk_is_refused_and_closed(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let hidden = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked";
    for (status, version, fields, body) in [
        (400, "1.1", "Content-Length: 4\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        (400, "1.1", "Transfer-Encoding: chunked\r\nContent-Length: 0", "0\r\n\r\n"),
        (400, "1.0", chunked, "0\r\n\r\n"),
        (400, "1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
        (400, "1.1", "Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
        (400, "1.1", "Transfer-Encoding: xchunked", "0\r\n\r\n"),
        (400, "1.1", "Transfer-Encoding : chunked", "0\r\n\r\n"),
        (400, "1.1", "Transfer-Encoding:\r\n chunked", "0\r\n\r\n"),
        (501, "1.1", "Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
        (400, "1.1", chunked, "0\n\n"),
        (400, "1.1", chunked, "2\n{}\n0\n\n"),
        (400, "1.1", chunked, "2;a\n{}\r\n0\r\n\r\n"),
        (400, "1.1", chunked, "2\r{}\r\n0\r\n\r\n"),
        (400, "1.1", chunked, "2\r\n{}0\r\n\r\n"),
        (400, "1.1", chunked, "3\r\n{}\r\n0\r\n\r\n"),
        (400, "1.1", chunked, "0x2\r\n{}\r\n0\r\n\r\n"),
        (400, "1.1", chunked, "-0\r\n\r\n"),
        (400, "1.1", chunked, " 0\r\n\r\n"),
        (400, "1.1", chunked, "0\r\nX\r\n\r\n"),
        (400, "1.1", chunked, "0\r\nX: y\n\r\n"),
        (413, "1.1", chunked, "fffffffffffffffffffffffffffffff0\r\n"),
    ] {
        let mut http = Http::connect(relay.addr());
        http.send(format!("POST /api/register HTTP/{version}\r\nHost: h\r\n{fields}\r\n\r\n{body}{hidden}"));
        let response = http.response_or_end().unwrap_or_else(|end| panic!("{end:?} for {fields:?} {body:?}"));
        assert_eq!(response.status, status, "{fields:?} {body:?}: {response:?}");
        http.expect_closed();
    }
    bystander.done();
}

/// Fault 5.
fn a_chunked_body_is_read_exactly(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    // Its content looks like an end and a request, and its trailer field like a length. A request follows it.
    let text = r#"{"x":"0\r\n\r\nDELETE / HTTP/1.1\r\n\r\n"}"#;
    let first = chunked("/api/register", &[], &[&text[..9], &text[9..]]);
    let first = first.replacen("\r\n0\r\n\r\n", "\r\n0;e=\"1\"\r\nContent-Length: 50\r\n\r\n", 1);
    let bare = chunked("/api/register", &[], &["\r\n0\r\n\r\n"]);
    let all = [&first, &bare, &chunked("/nowhere", &[], &["x", "y"]), &request("GET", "/health", &[], "")];
    let all = all.map(String::as_str).concat();
    let expect = |http: &mut Http| {
        assert!(http.response().expect(200).text().contains("sessionId"));
        assert_eq!(http.response().expect(400).json().text("error"), "bad_body");
        http.response().expect(404);
        assert_eq!(http.response().expect(200).text(), r#"{"ok":true}"#);
    };
    let mut http = Http::connect(relay.addr());
    http.send(&all);
    expect(&mut http);
    // On the same connection, byte by byte.
    for byte in all.as_bytes() {
        http.send([*byte]);
    }
    expect(&mut http);
    bystander.done();
}

/// Fault 5.
fn a_body_is_read_exactly(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let mut http = Http::connect(relay.addr());
    // The body looks like a request. A request follows it.
    let body = r#"{"x":"\r\n\r\nDELETE / HTTP/1.1\r\n\r\n"}"#;
    let unread = "GET /nowhere HTTP/1.1\r\n\r\n";
    http.send(request("POST", "/api/register", &[], body) + &request("GET", "/health", &[], ""));
    http.response().expect(200);
    assert_eq!(http.response().expect(200).text(), r#"{"ok":true}"#);
    // A body of a request that needs none is skipped.
    let with_body =
        format!("GET /health HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{unread}", unread.len());
    http.send(with_body + &request("GET", "/ready", &[], ""));
    match http.response().status {
        200 => assert!(http.response().expect(200).text().contains("store")),
        // Or the connection ends, before the body could be taken for a request.
        400 | 413 => http.expect_closed(),
        other => panic!("{other}"),
    }
    bystander.done();
}

/// Fault 5.
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

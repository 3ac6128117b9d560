//! The opening handshake. RFC 6455 §4.2.

use super::*;

/// A good request with `more` field lines.
pub(super) fn request(more: &str) -> String {
    format!(
        "GET /ws?client=1&s=/x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// The 101 and whether raw mode was granted.
fn switched(policy: &Policy, request: &str) -> (String, bool) {
    let (parsed, out) = ask(policy, request.as_bytes());
    let Parsed::Upgraded { consumed, raw, .. } = parsed else { panic!("{request:?}: {parsed:?} {out}") };
    assert_eq!(consumed, request.find("\r\n\r\n").unwrap() + 4);
    assert_eq!(ask_in_bytes(policy, request.as_bytes()).1, out);
    (out, raw)
}

#[test]
fn a_good_request_is_switched_and_frames_behind_it_are_left_alone() {
    let request = request("") + "\u{1}\u{0}ping";
    let (out, raw) = switched(&Policy::default(), &request);
    assert_eq!(
        out,
        "HTTP/1.1 101 Switching Protocols\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
    );
    assert!(!raw);
}

#[test]
fn raw_mode_is_granted_where_asked_for_and_nothing_else_is() {
    for (more, granted) in [
        ("Sec-WebSocket-Protocol: relay.raw.v1\r\n", true),
        ("Sec-WebSocket-Protocol: chat,relay.raw.v1 , x\r\n", true),
        ("Sec-WebSocket-Protocol: chat\r\nsec-websocket-protocol: relay.raw.v1\r\n", true),
        ("Sec-WebSocket-Protocol: Relay.Raw.v1\r\n", false),
        ("Sec-WebSocket-Protocol: relay.raw.v11, relay\r\n", false),
        ("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", false),
    ] {
        let (out, raw) = switched(&Policy::default(), &request(more));
        assert_eq!((raw, field(&out, "Sec-WebSocket-Protocol").is_some()), (granted, granted), "{more}");
        assert_eq!(field(&out, "Sec-WebSocket-Extensions"), None);
    }
    let spaces = format!("Sec-WebSocket-Protocol: a{}, b\r\n", " ".repeat(7_000));
    assert!(!switched(&Policy::default(), &request(&spaces)).1);
    let too_many = format!("Sec-WebSocket-Protocol: a{}, b\r\n", " ".repeat(8_000));
    assert_eq!(status(&Policy::default(), &request(&too_many)), (431, true));
}

#[test]
fn whatever_the_rfc_forbids_is_never_switched() {
    let policy = Policy::default();
    let good = request("");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (expected, request) in [
        (405, good.replace("GET", "POST")),
        (426, good.replace("GET", "HEAD")),
        (400, good.replace("HTTP/1.1", "HTTP/1.0")),
        (400, good.replace("Host: h\r\n", "")),
        (426, good.replace("keep-alive, Upgrade", "keep-alive")),
        (426, good.replace("Connection: keep-alive, Upgrade\r\n", "")),
        (426, good.replace("Upgrade: websocket\r\n", "")),
        (426, good.replace("Upgrade: websocket", "Upgrade: h2c")),
        (426, good.replace("Upgrade: websocket", "Upgrade: websocket2")),
        (400, good.replace(key, "")),
        (400, good.replace(key, &key.repeat(2))),
        (400, good.replace("dGhlIHNhbXBsZSBub25jZQ==", "")),
        (400, good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j")),
        (400, good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWVlZQ==")),
        (400, good.replace("dGhlIHNhbXBsZSBub25jZQ==", "not base64, 24 letters!!")),
        (400, good.replace("Version: 13\r\n", "Version: 13\r\nSec-WebSocket-Version: 13\r\n")),
        (426, good.replace("Version: 13", "Version: 8")),
        (426, good.replace("Version: 13", "Version: 13, 8")),
        (426, good.replace("Sec-WebSocket-Version: 13\r\n", "")),
        (400, request("Content-Length: 3\r\n") + "abc"),
        (400, request("Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n"),
        (400, request("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n"),
        (404, good.replace("/ws?", "/ws/?")),
    ] {
        let (found, closes) = status(&policy, &request);
        assert_eq!((found, closes), (expected, expected != 404), "{request}");
    }
    let (_, out) = ask(&policy, good.replace("Version: 13", "Version: 8").as_bytes());
    assert_eq!(field(&out, "Sec-WebSocket-Version"), Some("13"));
    assert_eq!(field(&out, "Upgrade"), Some("websocket"));
    assert_eq!(field(&out, "Connection"), Some("Upgrade, close"));
}

/// What nginx passes on with a part of its directives.
#[test]
fn a_proxy_that_lacks_a_directive_is_told_which() {
    let good = request("");
    let (upgrade, connection) = ("Upgrade: websocket\r\n", "Connection: keep-alive, Upgrade\r\n");
    let (version, pass_upgrade, pass_connection) = (
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection upgrade;",
    );
    let without = |field: &str| good.replace(field, "");
    for (expected, request, named) in [
        (400, good.replace("HTTP/1.1", "HTTP/1.0"), &[version][..]),
        (400, without(connection).replace("HTTP/1.1", "HTTP/1.0"), &[version, pass_connection]),
        (426, without(connection), &[pass_connection]),
        (426, without(upgrade), &[pass_upgrade, pass_connection]),
        (
            426,
            without(upgrade).replace(connection, "Connection: close\r\n"),
            &[pass_upgrade, pass_connection],
        ),
        (
            426,
            without(upgrade).replace(connection, "Connection: close\r\n").replace("HTTP/1.1", "HTTP/1.0"),
            &[version, pass_upgrade, pass_connection],
        ),
        (426, "GET /ws HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), &[]),
        (426, "GET /ws HTTP/1.0\r\n\r\n".to_owned(), &[]),
    ] {
        let (_, out) = ask(&Policy::default(), request.as_bytes());
        assert_eq!(status(&Policy::default(), &request).0, expected, "{request}");
        for directive in [version, pass_upgrade, pass_connection] {
            assert_eq!(out.contains(directive), named.contains(&directive), "{request}{out}");
        }
    }
}

/// RFC 9110 §7.8: the client may wait for the 100 before it takes the 101.
#[test]
fn an_upgrade_that_waits_for_100_gets_it_first() {
    let waiting = request("Expect: 100-continue\r\n");
    let (out, _) = switched(&Policy::default(), &waiting);
    let (first, second) = out.split_once("\r\n\r\n").unwrap();
    assert!(first == "HTTP/1.1 100 Continue" && second.starts_with("HTTP/1.1 101 "), "{out}");
    // A refusal is answered at once.
    let refused = waiting.replace("Version: 13", "Version: 8");
    assert!(ask(&Policy::default(), refused.as_bytes()).1.starts_with("HTTP/1.1 426 "));
}

#[test]
fn a_plain_get_is_told_to_upgrade_and_may_go_on() {
    let (parsed, out) = ask(&Policy::default(), b"GET /ws HTTP/1.1\r\nHost: h\r\n\r\n");
    let Parsed::Answered { answered, .. } = parsed else { panic!("{parsed:?}") };
    assert_eq!((answered.status, answered.close), (426, false));
    assert_eq!((field(&out, "Upgrade"), field(&out, "Connection")), (Some("websocket"), Some("Upgrade")));
}

#[test]
fn with_a_list_only_its_origins_and_those_without_get_in() {
    let policy = Policy { origins: "https://app.example,null".parse().unwrap(), ..Policy::default() };
    for origin in ["https://app.example", "https://APP.example:443", "null"] {
        let (out, _) = switched(&policy, &request(&format!("Origin: {origin}\r\n")));
        assert!(field(&out, "Access-Control-Allow-Origin").is_some(), "{origin}");
    }
    let (out, _) = switched(&policy, &request(""));
    assert_eq!(field(&out, "Access-Control-Allow-Origin"), None);
    for origin in
        ["https://app.example.evil.example", "http://app.example", "https://app.example:8443", "", "x"]
    {
        assert_eq!(status(&policy, &request(&format!("Origin: {origin}\r\n"))), (403, false), "{origin}");
    }
    let twice = request("Origin: https://app.example\r\nOrigin: https://app.example\r\n");
    assert_eq!(status(&policy, &twice), (400, true));
    let (out, _) = switched(&Policy::default(), &request("Origin: https://anyone.example\r\n"));
    assert_eq!(field(&out, "Access-Control-Allow-Origin"), Some("*"));
}

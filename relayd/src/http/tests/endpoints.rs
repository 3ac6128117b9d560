//! Each endpoint: which requests it accepts, and how it answers.

use protocol::qr::Pairing;
use relayd_core::store::{Deleted, Registered};

use super::*;

fn request(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost:3001\r\n{fields}\r\n")
}

fn call(policy: &Policy, request: &str) -> (ApiCall, Reply) {
    let (parsed, out) = ask(policy, request.as_bytes());
    let Parsed::Call { consumed, call, reply, .. } = parsed else { panic!("{request:?}: {parsed:?} {out}") };
    assert_eq!((consumed, out.as_str()), (request.len(), ""));
    (call, reply)
}

/// The answer that a deferred reply appended.
fn written(write: impl FnOnce(&mut Vec<u8>) -> Answered) -> (u16, String) {
    let mut out = Vec::new();
    let answered = write(&mut out);
    let out = String::from_utf8(out).unwrap();
    check_answer(answered, &out);
    (answered.status, out)
}

#[test]
fn paths_and_methods() {
    let policy = Policy::default();
    let session = format!("/api/session/{ID}");
    for (expected, line) in [
        (200, "GET /health"),
        (200, "GET /health?probe=1"),
        (200, "GET http://relay.example/health"),
        (200, "GET HTTPS://relay.example:443/health?x"),
        (200, "HEAD /health"),
        (404, "GET /"),
        (404, "GET /health/"),
        (404, "GET /Health"),
        (404, "GET /x?u=http://a/health"),
        (404, "GET http://relay.example"),
        (404, "GET health"),
        (404, "CONNECT h:443"),
        (404, "POST /api/session/"),
        (404, "DELETE /api/session"),
        (404, "DELETE /api/session/a/b"),
        (404, "GET /metrics"),
        (405, "POST /health"),
        (405, "get /health"),
        (405, "BREW /ready"),
        (405, "GET /api/register"),
        (405, "HEAD /api/register"),
        (405, &format!("GET {session}")),
        (405, "PUT /api/session/x"),
        (405, "DELETE /ws"),
        (426, "GET /ws?token=x"),
        (426, "HEAD /ws"),
        (204, "OPTIONS /health"),
        (204, "OPTIONS /api/register"),
        (204, &format!("OPTIONS {session}")),
        (204, "OPTIONS *"),
    ] {
        assert_eq!(status(&policy, &request(line, "")), (expected, false), "{line}");
    }
    for (line, allowed) in [
        ("POST /ready", "GET, HEAD, OPTIONS"),
        ("POST /ws", "GET, HEAD, OPTIONS"),
        ("GET /api/register", "POST, OPTIONS"),
        ("POST /api/session/x", "DELETE, OPTIONS"),
    ] {
        let (_, out) = ask(&policy, request(line, "").as_bytes());
        assert_eq!(field(&out, "Allow"), Some(allowed), "{line}");
    }
}

#[test]
fn head_is_get_without_the_body() {
    let policy = Policy::default();
    let (_, get) = ask(&policy, request("GET /health", "").as_bytes());
    let (_, head) = ask(&policy, request("HEAD /health", "").as_bytes());
    assert_eq!(get, format!("{head}{{\"ok\":true}}"));
    let (_, reply) = call(&policy, &request("HEAD /ready", ""));
    let (status, out) = written(|out| reply.ready(&context(&policy), Ok("redis"), out));
    assert!(
        status == 200 && out.ends_with("\r\n\r\n") && field(&out, "Content-Length") == Some("17"),
        "{out}"
    );
}

#[test]
fn a_page_learns_what_it_may_do() {
    let open = Policy::default();
    let (_, out) = ask(&open, request("OPTIONS /api/register", "Origin: https://a\r\n").as_bytes());
    for (name, value) in [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "GET, POST, DELETE"),
        ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
        ("Access-Control-Max-Age", "7200"),
    ] {
        assert_eq!(field(&out, name), Some(value));
    }
    assert_eq!(field(&out, "Vary"), None);

    let listed = Policy { origins: "https://a.example".parse().unwrap(), ..Policy::default() };
    let mine = "Origin: https://a.example\r\n";
    for line in ["GET /health", "GET /nope", "POST /health", "OPTIONS /api/register", "GET /api/register"] {
        let (_, out) = ask(&listed, request(line, mine).as_bytes());
        assert_eq!(field(&out, "Access-Control-Allow-Origin"), Some("https://a.example"), "{line}");
        assert_eq!(field(&out, "Vary"), Some("Origin"), "{line}");
    }
    let large = format!("{mine}Content-Length: 5000\r\n");
    let (_, out) = ask(&listed, request("POST /api/register", &large).as_bytes());
    assert_eq!(field(&out, "Access-Control-Allow-Origin"), Some("https://a.example"));
    for (expected, line) in [
        (200, "GET /health"),
        (404, "GET /nope"),
        (403, "OPTIONS /api/register"),
        (403, "POST /api/register"),
        (403, "DELETE /api/session/x"),
        (403, "GET /ws"),
    ] {
        let foreign = request(line, "Origin: https://b.example\r\n");
        assert_eq!(status(&listed, &foreign), (expected, false), "{line}");
        assert_eq!(field(&ask(&listed, foreign.as_bytes()).1, "Access-Control-Allow-Origin"), None);
    }
    assert!(matches!(call(&listed, &request("POST /api/register", "")).0, ApiCall::Register { again: None }));
}

#[test]
fn registering_needs_the_key_where_one_is_set() {
    let policy = Policy { register_keys: Some("s3cret".parse().unwrap()), ..Policy::default() };
    for fields in [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Basic s3cret\r\n",
        "Authorization: s3cret\r\n",
    ] {
        let post = request("POST /api/register", fields);
        assert_eq!(status(&policy, &post), (401, false), "{fields}");
        assert_eq!(field(&ask(&policy, post.as_bytes()).1, "WWW-Authenticate"), Some("Bearer"));
    }
    call(&policy, &request("POST /api/register", "authorization: bearer s3cret\r\n"));
    let twice = "Authorization: Bearer s3cret\r\n".repeat(2);
    assert_eq!(status(&policy, &request("POST /api/register", &twice)), (400, true));
    let again = request("POST /api/register", "Authorization: Bearer s3cret\r\nContent-Length: 13\r\n")
        + r#"{"token":"x"}"#;
    assert_eq!(status(&policy, &again), (400, false));
}

#[test]
fn a_registered_session_is_told_whole() {
    let policy = Policy::default();
    let body = format!(r#"{{"sessionId":"{ID}","token":"{ID}"}}"#);
    let post = request("POST /api/register", &format!("Content-Length: {}\r\n", body.len())) + &body;
    let (call, reply) = call(&policy, &post);
    let ApiCall::Register { again: Some((session, token)) } = call else { panic!("{call:?}") };
    let pairing = Pairing { ws: "wss://relay.example/ws".into(), session, token };
    let (status, out) =
        written(|out| reply.registered(&context(&policy), Registered::Made, &pairing, 7200, out));
    assert_eq!((status, field(&out, "Cache-Control")), (200, Some("no-store")));
    let body = out.split_once("\r\n\r\n").unwrap().1;
    let payload = pairing.to_json();
    let picture = qr_picture::data_url(&payload).unwrap();
    assert_eq!(
        body,
        format!(
            r#"{{"sessionId":"{ID}","token":"{ID}","ws":"wss://relay.example/ws","ttl":7200,"qrDataUrl":"{picture}","qrPayload":{payload}}}"#
        )
    );
    for (outcome, expected, word, retry) in [
        (Registered::Exists, 409, "session_exists", None),
        (Registered::WasDeleted, 409, "session_deleted", None),
        (Registered::Full, 503, "store_full", Some("30")),
        (Registered::Away, 503, "store_away", Some("2")),
    ] {
        let (status, out) = written(|out| reply.registered(&context(&policy), outcome, &pairing, 1, out));
        assert_eq!((status, field(&out, "Retry-After")), (expected, retry));
        assert!(out.contains(&format!(r#""error":"{word}""#)) && !out.contains(ID), "{out}");
    }
    let (status, out) = written(|out| reply.too_many(&context(&policy), 0, out));
    assert_eq!((status, field(&out, "Retry-After")), (429, Some("1")));
}

#[test]
fn an_id_or_token_that_cant_be_valid_is_unknown() {
    let policy = Policy::default();
    let upper = ID.to_uppercase();
    let long = "0".repeat(7000);
    for id in [
        "x",
        &ID[1..],
        &upper,
        &long,
        "%30%30",
        "00112233445566778899aabbccddee*f",
        "\u{e9}",
        "..",
        "*",
        "%00",
    ] {
        assert_eq!(status(&policy, &request(&format!("DELETE /api/session/{id}"), "")), (404, false), "{id}");
    }
    for token in ["", "x", &upper, "00112233445566778899aabbccddeeff0", "\u{e9}"] {
        let fields = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(
            status(&policy, &request(&format!("DELETE /api/session/{ID}"), &fields)),
            (404, false),
            "{token}"
        );
    }
    let cr_lf = format!("DELETE /api/session/{ID}\r\nX: y HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&policy, &cr_lf), (400, true));
}

#[test]
fn a_token_is_needed_to_delete_only_where_configured() {
    let strict = Policy { delete_needs_token: true, ..Policy::default() };
    let line = format!("DELETE /api/session/{ID}");
    assert_eq!(status(&strict, &request(&line, "")), (401, false));
    assert_eq!(status(&strict, &request(&line, "Authorization: Basic eA==\r\n")), (401, false));
    let bearer = format!("Authorization: Bearer {ID}\r\n");
    for policy in [&strict, &Policy::default()] {
        let (call, reply) = call(policy, &request(&line, &bearer));
        let ApiCall::Delete { session, token: Some(token) } = call else { panic!("{call:?}") };
        assert_eq!((session.to_string(), token.reveal()), (ID.to_owned(), ID.to_owned()));
        for (outcome, expected) in [
            (Deleted::Gone { holders: [None; 2] }, 204),
            (Deleted::Before { holders: [None; 2] }, 404),
            (Deleted::Missing, 404),
            (Deleted::Away, 503),
        ] {
            assert_eq!(written(|out| reply.deleted(&context(policy), &outcome, out)).0, expected);
        }
    }
    let (call, _) = call(&Policy::default(), &request(&line, "Authorization: Basic eA==\r\n"));
    assert!(matches!(call, ApiCall::Delete { token: None, .. }));
}

#[test]
fn ready_says_which_store_answers_or_why_none_does() {
    let policy = Policy::default();
    let (call, reply) = call(&policy, &request("GET /ready", "Connection: close\r\n"));
    assert!(matches!(call, ApiCall::Ready));
    let (status, out) = written(|out| reply.ready(&context(&policy), Ok("memory"), out));
    assert!(status == 200 && out.ends_with(r#"{"store":"memory"}"#), "{out}");
    let (status, out) = written(|out| reply.ready(&context(&policy), Err("Redis \"a\" is away\n"), out));
    assert!(status == 503 && out.contains(r#""message":"Redis \"a\" is away\n""#), "{out}");
    assert!(field(&out, "Retry-After").is_some());
}

#[test]
fn metrics_are_for_this_machine_unless_public() {
    let get = request("GET /metrics", "");
    let sees = |policy: &Policy, peer: &str, get: &str| {
        matches!(
            ask_from(policy, peer.parse().unwrap(), get.as_bytes()).0,
            Parsed::Call { call: ApiCall::Metrics, .. }
        )
    };
    let closed = Policy::default();
    for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        assert!(sees(&closed, peer, &get), "{peer}");
    }
    for peer in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
        assert!(!sees(&closed, peer, &get), "{peer}");
        assert!(sees(&Policy { metrics_public: true, ..Policy::default() }, peer, &get), "{peer}");
    }
    assert!(!sees(&closed, "127.0.0.1", &request("GET /metrics", "X-Forwarded-For: 192.0.2.1\r\n")));
    let (parsed, _) = ask_from(&closed, "::1".parse().unwrap(), get.as_bytes());
    let Parsed::Call { reply, .. } = parsed else { panic!("{parsed:?}") };
    let (status, out) =
        written(|out| reply.metrics(&context(&closed), "text/plain; version=0.0.4", "a 1\n", out));
    assert!(status == 200 && out.ends_with("\r\n\r\na 1\n"), "{out}");
    assert_eq!(field(&out, "Content-Type"), Some("text/plain; version=0.0.4"));
}

#[test]
fn a_page_open_on_this_machine_does_not_count_as_local() {
    let (policy, local) = (Policy::default(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let open = Policy { metrics_public: true, ..Policy::default() };
    let rebound = request("", "").replace("localhost", "evil.example");
    let without_host = " HTTP/1.0\r\n\r\n".to_owned();
    for (is_program, rest) in [
        (true, request("", "")),
        (true, request("", "").replace("localhost", "127.0.0.1")),
        (true, request("", "").replace("localhost", "[::1]")),
        (true, without_host),
        // Node's own fetch sends this one.
        (true, request("", "Sec-Fetch-Mode: cors\r\n")),
        (true, request("", "Sec-Fetch-Site: none\r\n")),
        (false, request("", "Origin: https://evil.example\r\n")),
        (false, request("", "Origin: http://localhost:3001\r\n")),
        (false, request("", "origin: null\r\n")),
        (false, request("", "Origin:\r\n")),
        (false, request("", "Sec-Fetch-Site: cross-site\r\n")),
        (false, request("", "sec-fetch-site: same-origin\r\n")),
        (false, request("", "Sec-Fetch-Site: none\r\nSec-Fetch-Site: same-site\r\n")),
        (false, rebound),
    ] {
        let get = format!("GET /metrics{rest}");
        let sees = |policy| match ask_from(policy, local, get.as_bytes()).0 {
            Parsed::Call { call: ApiCall::Metrics, .. } => true,
            Parsed::Answered { answered, .. } if answered.status == 404 => false,
            other => panic!("{get:?}: {other:?}"),
        };
        assert_eq!((sees(&policy), sees(&open)), (is_program, true), "{get:?}");
        let upgrade = handshake::request("").replace(" HTTP/1.1\r\nHost: h\r\n", &rest[..rest.len() - 2]);
        for asked in [format!("POST /api/register{rest}"), format!("DELETE /api/session/{ID}{rest}"), upgrade]
        {
            let caller = match ask_from(&policy, local, asked.as_bytes()).0 {
                Parsed::Call { caller, .. } | Parsed::Upgraded { caller, .. } => caller,
                // The upgrade of HTTP/1.0.
                Parsed::Answered { .. } if rest.contains("HTTP/1.0") => continue,
                other => panic!("{asked:?}: {other:?}"),
            };
            assert_eq!(caller.is_local_program(), is_program, "{asked:?}");
            assert_eq!(caller.limited().is_none(), is_program, "{asked:?}");
        }
    }
}

#[test]
fn whom_a_request_comes_from_is_told_by_trusted_proxies_alone() {
    let policy = Policy { trusted_proxies: "10.0.0.0/8".parse().unwrap(), ..Policy::default() };
    let forged = "X-Forwarded-For: 192.0.2.9\r\nx-forwarded-for: 192.0.2.1, 10.0.0.2\r\n";
    for (peer, fields, address, is_forwarded) in [
        ("10.0.0.1", forged, "192.0.2.1", true),
        ("::ffff:10.0.0.1", forged, "192.0.2.1", true),
        ("10.0.0.1", "", "10.0.0.1", false),
        ("10.0.0.1", "Via: 1.1 x\r\n", "10.0.0.1", true),
        ("10.0.0.1", "Forwarded: for=192.0.2.1\r\n", "10.0.0.1", true),
        ("198.51.100.1", forged, "198.51.100.1", true),
        ("127.0.0.1", forged, "127.0.0.1", true),
        ("127.0.0.1", "", "127.0.0.1", false),
    ] {
        let post = request("POST /api/register", fields);
        let parsed = ask_from(&policy, peer.parse().unwrap(), post.as_bytes()).0;
        let Parsed::Call { caller, .. } = parsed else { panic!("{parsed:?}") };
        assert_eq!(caller.address.to_canonical(), address.parse::<IpAddr>().unwrap(), "{peer} {fields}");
        assert_eq!(caller.is_forwarded, is_forwarded, "{peer} {fields}");
        let get = request("GET /api/address", fields);
        let (_, out) = ask_from(&policy, peer.parse().unwrap(), get.as_bytes());
        let is_limited = peer != "127.0.0.1" || is_forwarded;
        let told = format!("\r\n\r\n{{\"address\":\"{address}\",\"limited\":{is_limited}}}");
        assert!(out.starts_with("HTTP/1.1 200 ") && out.ends_with(&told), "{out}");
    }
}

#[test]
fn answers_that_belong_to_no_request_end_the_connection() {
    let policy = Policy::default();
    assert_eq!(written(|out| timed_out(&context(&policy), out)).0, 408);
    for refuse in [bad_proxy_header, untrusted_proxy_header] {
        assert_eq!(written(|out| refuse(&context(&policy), out)).0, 400);
    }
    let (status, out) = written(|out| too_many_connections(&context(&policy), out));
    assert!(status == 429 && field(&out, "Retry-After").is_some());
    let (status, out) = written(|out| overloaded(&context(&policy), out));
    assert!(status == 503 && field(&out, "Retry-After").is_some());
}

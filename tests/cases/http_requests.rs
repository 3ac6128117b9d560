//! The table of endpoints: which method gets what.

use std::process::Command;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{Http, chunked, exchange, fetch, post, read_head, request};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::Upgrade;
use relay_tests::harness::{Options, Pair, Relay, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    health_ready_and_metrics_answer,
    an_unknown_path_is_404,
    a_wrong_method_gets_the_list_of_right_ones,
    head_is_answered_like_get_without_the_body,
    options_answer_a_browsers_preflight,
    a_register_body_is_read_up_to_1_kib,
    a_register_body_may_come_in_chunks,
    every_answer_has_a_date_and_says_what_a_page_may_read,
    metrics_count_what_happens,
);

fn health_ready_and_metrics_answer(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let health = fetch(relay.addr(), "/health").expect(200);
    assert_eq!((health.text(), health.header("content-type")), (r#"{"ok":true}"#, Some("application/json")));
    let ready = fetch(relay.addr(), "/ready").expect(200).json();
    assert_eq!(ready.text("store"), if set_up == SetUp::Memory { "memory" } else { "redis" });
    let metrics = fetch(relay.addr(), "/metrics").expect(200);
    assert!(metrics.text().contains("# TYPE "), "{}", metrics.text());
    let content_type = metrics.header("content-type").unwrap_or_default();
    assert!(content_type.contains("text"), "{content_type}");
    // A query changes nothing.
    fetch(relay.addr(), "/health?x=1").expect(200);
}

fn an_unknown_path_is_404(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for target in
        ["/healthz", "/health/", "/api", "/api/register/x", "/api/session", "//health", "/%2e/health"]
    {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            exchange(relay.addr(), request(method, target, &[], "")).expect(404);
        }
    }
    exchange(relay.addr(), request("GET", "/favicon.ico", &[], "")).expect(404);
}

fn a_wrong_method_gets_the_list_of_right_ones(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = format!("/api/session/{}", "0".repeat(32));
    for (target, right) in [
        ("/health", "GET"),
        ("/ready", "GET"),
        ("/metrics", "GET"),
        ("/ws", "GET"),
        ("/api/register", "POST"),
        (&session, "DELETE"),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "get"] {
            if method == right {
                continue;
            }
            let response = exchange(relay.addr(), request(method, target, &[], "")).expect(405);
            let allow = response.header("allow").unwrap_or_else(|| panic!("{method} {target}: no Allow"));
            let allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
            assert!(allowed.contains(&right) && !allowed.contains(&method), "{method} {target}: {allow}");
        }
    }
}

fn head_is_answered_like_get_without_the_body(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut http = Http::connect(relay.addr());
    for target in ["/health", "/ready"] {
        http.send(request("HEAD", target, &[], ""));
        let head = http.response_to_head();
        http.send(request("GET", target, &[], ""));
        let full = http.response();
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-length"), full.header("content-length"));
        assert_eq!(head.header("content-type"), full.header("content-type"));
    }
    http.send(request("HEAD", "/nowhere", &[], ""));
    assert_eq!(http.response_to_head().status, 404);
    http.send(request("HEAD", "/api/register", &[], ""));
    assert_eq!(http.response_to_head().status, 405);
    http.send(request("GET", "/health", &[], ""));
    http.response().expect(200);
}

fn options_answer_a_browsers_preflight(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let asks = ["Origin: https://a.example", "Access-Control-Request-Method: DELETE"];
    for target in ["/api/register", &format!("/api/session/{}", "0".repeat(32)), "/health"] {
        let response = exchange(relay.addr(), request("OPTIONS", target, &asks, "")).expect(204);
        let list = |name: &str| -> Vec<String> {
            let value = response.header(name).unwrap_or_else(|| panic!("{target}: no {name}"));
            value.split(',').map(|one| one.trim().to_owned()).collect()
        };
        assert_eq!(list("access-control-allow-methods"), ["GET", "POST", "DELETE"]);
        assert_eq!(list("access-control-allow-headers"), ["Authorization", "Content-Type"]);
        assert_eq!(response.header("access-control-max-age"), Some("7200"));
        let origin = response.header("access-control-allow-origin");
        assert!(matches!(origin, Some("*" | "https://a.example")), "{origin:?}");
    }
}

fn a_register_body_is_read_up_to_1_kib(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let padded = |length: usize| format!(r#"{{"x":"{}"}}"#, "y".repeat(length - 8));
    assert_eq!(padded(1024).len(), 1024);
    post(relay.addr(), "/api/register", &padded(1024)).expect(200);
    post(relay.addr(), "/api/register", &padded(1025)).expect(413);
    // Refused from the head alone: the body is never sent.
    let huge = "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n";
    exchange(relay.addr(), huge).expect(413);
}

/// Node, a streamed `fetch` and HTTP/2 clients behind a proxy do not know the length when they begin.
///
/// Fault 5.
fn a_register_body_may_come_in_chunks(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let post = |chunks: &[&str]| exchange(relay.addr(), chunked("/api/register", &[], chunks));
    post(&[]).expect(200);
    post(&["{", "}"]).expect(200);
    let (start, end) = (r#"{"x":""#, r#""}"#);
    let padded = |length: usize| "y".repeat(length - start.len() - end.len());
    post(&[start, &padded(1024), end]).expect(200);
    post(&[start, &padded(1025), end]).expect(413);
    // The ids are read correctly, wherever the body was cut.
    let session = Session::register(&relay);
    let ids = format!(r#"{{"sessionId":"{}","token":"{}"}}"#, session.id, session.token);
    let single: Vec<&str> = (0..ids.len()).map(|at| &ids[at..=at]).collect();
    let again = post(&single).expect(200).json();
    assert_eq!((again.text("sessionId"), again.text("token")), (&*session.id, &*session.token));
    // A client that waits for "100 Continue" gets it.
    let whole = chunked("/api/register", &["Expect: 100-continue"], &["{", "}"]);
    let (head, body) = whole.split_at(whole.find("\r\n\r\n").unwrap() + 4);
    let mut http = Http::connect(relay.addr());
    http.send(head);
    assert_eq!(read_head(http.wire()).unwrap().status, 100);
    for byte in body.as_bytes() {
        http.send([*byte]);
    }
    http.response().expect(200);
}

fn every_answer_has_a_date_and_says_what_a_page_may_read(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for (method, target, status) in [
        ("POST", "/api/register", 200),
        ("OPTIONS", "/api/register", 204),
        ("GET", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/metrics", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/health", 405),
        ("GET", "/ws", 426),
    ] {
        // Both readings of the clock must be in the same second, so that the answer must be, too.
        let response = read_until("an answer within one second of the clock", || {
            let before = now();
            let response = exchange(relay.addr(), request(method, target, &[], "")).expect(status);
            (before == now()).then_some((before, response))
        });
        let (now, response) = response;
        assert_eq!(response.header("date"), Some(&*now), "{method} {target}");
        assert_eq!(response.header("access-control-expose-headers"), Some("Retry-After"));
    }
    let (_, switched) = Upgrade::default().open_over(Wire::connect(relay.addr()));
    assert!(switched.header("date").is_some_and(|date| date.len() == 29), "{switched:?}");
    let broken = exchange(relay.addr(), "GET /health HTTP/1.1\r\n\r\n").expect(400);
    assert!(broken.header("date").is_some(), "{broken:?}");
}

/// The output of `date`, in the format of RFC 9110.
fn now() -> String {
    let mut date = Command::new("date");
    let out = date.env("LC_ALL", "C").args(["-u", "+%a, %d %b %Y %H:%M:%S GMT"]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn metrics_count_what_happens(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().flag("--metrics-public"));
    let frames = || {
        let page = fetch(relay.addr(), "/metrics").expect(200);
        let lines = page.text().lines().filter(|line| line.starts_with("relay_frames_total"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let before = frames();
    let mut pair = Pair::link(&relay);
    pair.expect_alive();
    // Counters may be published once a second, so read until they change.
    read_until("a metric to move", || (frames() != before).then_some(()));
    // They show nothing about a session.
    let now = fetch(relay.addr(), "/metrics").expect(200);
    assert!(!now.text().contains(&pair.session.id) && !now.text().contains(&pair.session.token));
}

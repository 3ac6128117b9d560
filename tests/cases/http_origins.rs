//! Which web pages may talk to the relay.

use relay_tests::harness::http::{exchange, request};
use relay_tests::harness::ws::Upgrade;
use relay_tests::harness::{Bystander, Options, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    by_default_every_page_is_allowed,
    with_a_list_only_listed_pages_are_allowed,
    the_origin_null_is_allowed_only_if_listed,
    requests_without_an_origin_are_always_allowed,
    every_answer_tells_an_allowed_page_so,
);

const LIST: &str = "https://app.example, http://localhost:5173,null";

fn listed(set_up: SetUp) -> Relay {
    Relay::start_with(set_up, &Options::new().env("ALLOWED_ORIGINS", LIST))
}

/// Fault 7.
fn by_default_every_page_is_allowed(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    for origin in ["https://anything.example", "null", "http://localhost:1"] {
        let header = format!("Origin: {origin}");
        let response = exchange(relay.addr(), request("POST", "/api/register", &[&header], "")).expect(200);
        let allowed = response.header("access-control-allow-origin");
        assert!(allowed == Some("*") || allowed == Some(origin), "{allowed:?}");
        let ws = Upgrade::default().header("Origin", origin).open(relay.addr());
        Peer::join_over(ws, &session.hello(Role::Phone)).leave();
    }
}

/// Fault 7.
fn with_a_list_only_listed_pages_are_allowed(set_up: SetUp) {
    let relay = listed(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    for origin in ["https://app.example", "http://localhost:5173", "null"] {
        let header = format!("Origin: {origin}");
        let response = exchange(relay.addr(), request("POST", "/api/register", &[&header], "")).expect(200);
        assert_eq!(response.header("access-control-allow-origin"), Some(origin));
        // Caches must not give one page's answer to another.
        assert!(response.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("origin")));
        let ws = Upgrade::default().header("Origin", origin).open(relay.addr());
        Peer::join_over(ws, &session.hello(Role::Phone)).leave();
    }
    for foreign in [
        "https://evil.example",
        "https://app.example.evil.example",
        "https://evil.example/https://app.example",
        "http://app.example",
        "https://app.example:8443",
        "https://sub.app.example",
        "https://app.exampl",
        "http://localhost",
        "http://localhost:51730",
        "https://app.example, https://evil.example",
        "*",
        "",
    ] {
        let header = format!("Origin: {foreign}");
        let response = exchange(relay.addr(), request("POST", "/api/register", &[&header], "")).expect(403);
        assert_eq!(response.header("access-control-allow-origin"), None, "{foreign:?}");
        let refused = Upgrade::default().header("Origin", foreign).refused(relay.addr());
        assert_eq!(refused.unwrap().expect(403).status, 403, "{foreign:?}");
        exchange(relay.addr(), request("DELETE", &format!("/api/session/{}", session.id), &[&header], ""))
            .expect(403);
    }
    session.delete(relay.addr()).expect(204);
    bystander.done();
}

/// Browsers send `null` for a sandboxed page, which any site can create.
///
/// Fault 7.
fn the_origin_null_is_allowed_only_if_listed(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().env("ALLOWED_ORIGINS", "https://app.example"));
    let header = "Origin: null";
    let response = exchange(relay.addr(), request("POST", "/api/register", &[header], "")).expect(403);
    assert_eq!(response.header("access-control-allow-origin"), None);
    Upgrade::default().header("Origin", "null").refused(relay.addr()).unwrap().expect(403);
}

/// Fault 7.
fn requests_without_an_origin_are_always_allowed(set_up: SetUp) {
    let relay = listed(set_up);
    let session = Session::register(&relay);
    Peer::join(&relay, &session, Role::Phone).leave();
    session.delete(relay.addr()).expect(204);
}

fn every_answer_tells_an_allowed_page_so(set_up: SetUp) {
    let relay = listed(set_up);
    let origin = "Origin: https://app.example";
    for (method, target, status) in [
        ("POST", "/api/register", 200),
        ("GET", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/ws", 426),
        ("PUT", "/api/register", 405),
        ("DELETE", "/api/session/x", 404),
        ("OPTIONS", "/api/register", 204),
    ] {
        let response = exchange(relay.addr(), request(method, target, &[origin], "")).expect(status);
        let allowed = response.header("access-control-allow-origin");
        assert_eq!(allowed, Some("https://app.example"), "{method} {target}");
    }
}

//! A web page that is open on the relay's own machine. It connects from loopback, but may be from any site.

use std::net::SocketAddr;

use relay_tests::harness::http::{Response, exchange, fetch, request};
use relay_tests::harness::ws::Upgrade;
use relay_tests::harness::{Options, Relay, Session, SetUp};
use relay_tests::on_one_node;

on_one_node!(
    a_local_page_sees_no_metrics,
    a_local_page_is_limited_like_any_client,
    connections_of_a_local_page_are_counted
);

/// How to recognise a page: by the browser's headers, or by a name that the page's own DNS server resolves to
/// this machine.
const SIGNS: [&str; 5] = [
    "Origin: https://evil.example",
    "Origin: null",
    "Origin: http://localhost:3001",
    "Sec-Fetch-Site: cross-site",
    "Host: evil.example",
];

fn ask(addr: SocketAddr, method: &str, target: &str, sign: &str) -> Response {
    let plain = request(method, target, &[], "");
    let asked = match sign.split_once(": ") {
        Some(("Host", host)) => plain.replace("Host: localhost", &format!("Host: {host}")),
        _ => request(method, target, &[sign], ""),
    };
    exchange(addr, asked)
}

/// Fault 7: Web pages of other sites, on any machine, also on the relay's own.
/// Played: A list of origins, and twelve look-alikes of its entries. The origin `null`, listed and not. From
/// 127.0.0.1 with an `Origin`, a `Sec-Fetch-Site`, or another name in `Host`.
/// Holds: 403 for HTTP and upgrades. Clients without an Origin pass. A page on this machine is limited like
/// any client, and sees no metrics.
fn a_local_page_sees_no_metrics(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for sign in SIGNS {
        ask(relay.addr(), "GET", "/metrics", sign).expect(404);
        ask(relay.addr(), "GET", "/health", sign).expect(200);
    }
    // The user's own requests, with a browser or without.
    ask(relay.addr(), "GET", "/metrics", "Sec-Fetch-Site: none").expect(200);
    fetch(relay.addr(), "/metrics").expect(200);
    exchange(relay.addr(), format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", relay.addr())).expect(200);
    exchange(relay.addr(), "GET /metrics HTTP/1.0\r\n\r\n").expect(200);
    let open = Relay::start_with(set_up, &Options::new().flag("--metrics-public"));
    ask(open.addr(), "GET", "/metrics", SIGNS[0]).expect(200);
}

/// Fault 7.
fn a_local_page_is_limited_like_any_client(set_up: SetUp) {
    let options = Options::new().arg("--registers-per-minute", "2").arg("--failed-hellos-per-minute", "2");
    let relay = Relay::start_with(set_up, &options);
    let register = |sign| ask(relay.addr(), "POST", "/api/register", sign);
    for _ in 0..2 {
        register(SIGNS[0]).expect(200);
    }
    for sign in SIGNS {
        let refused = register(sign).expect(429);
        assert_eq!(refused.header("access-control-expose-headers"), Some("Retry-After"));
        assert!(refused.header("retry-after").is_some());
    }
    // A page's guesses, by delete or by hello, are counted, too.
    let unknown = format!("/api/session/{}", "0".repeat(32));
    for _ in 0..2 {
        ask(relay.addr(), "DELETE", &unknown, SIGNS[0]).expect(404);
    }
    ask(relay.addr(), "DELETE", &unknown, SIGNS[0]).expect(429);
    // Programs on this machine are not affected.
    for _ in 0..5 {
        let session = Session::register(&relay);
        ask(relay.addr(), "DELETE", &unknown, "X: y").expect(404);
        session.delete(relay.addr()).expect(204);
    }
}

/// Fault 7.
fn connections_of_a_local_page_are_counted(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().arg("--connections-per-address", "2"));
    let page = || Upgrade::default().header("Origin", "https://evil.example");
    let open = [page().open(relay.addr()), page().open(relay.addr())];
    let refused = page().refused(relay.addr()).unwrap().expect(429);
    assert_eq!(refused.json().text("error"), "too_many_connections");
    Upgrade::default().replace("Host", "evil.example").refused(relay.addr()).unwrap().expect(429);
    let programs: Vec<_> = (0..3).map(|_| Upgrade::default().open(relay.addr())).collect();
    drop((open, programs));
}

//! Limits for clients: a client over a limit is told so, and no other client notices.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use relay_tests::harness::guard::{GUARD, read_until};
use relay_tests::harness::http::{Http, Response, exchange, fetch, request};
use relay_tests::harness::ws::{Message, Upgrade, Ws};
use relay_tests::harness::{Bystander, Event, Options, Pair, Peer, Relay, Relayd, Role, Session, SetUp};
use relay_tests::on_one_node;

on_one_node!(
    registers_over_the_limit_are_told_when_to_come_back,
    past_the_limit_failed_hellos_get_4429,
    past_the_limit_right_hellos_pass,
    a_right_hello_passes_a_full_queue_of_wrong_ones,
    clients_that_leave_lose_their_place_in_the_queue,
    failed_deletes_count_as_failed_hellos
);

/// Plays a trusted proxy, so that many clients can come from here.
fn proxied(set_up: SetUp, limit: &str, value: &str) -> Relay {
    Relay::start_with(set_up, &Options::new().env("TRUSTED_PROXY", "127.0.0.1/32").arg(limit, value))
}

fn from(client: &str) -> String {
    format!("X-Forwarded-For: {client}")
}

fn register(addr: SocketAddr, fields: &[&str]) -> Response {
    exchange(addr, request("POST", "/api/register", fields, ""))
}

fn open_from(addr: SocketAddr, client: &str) -> Ws {
    Upgrade::default().header("X-Forwarded-For", client).open(addr)
}

/// Fault 29: Too many registers or connections, or a full Redis.
/// Played: More than the limit per minute or per address, behind proxies and from other machines' addresses.
/// `maxmemory 1`.
/// Holds: 429, or a close at accept, for that address or network alone, whatever an untrusted proxy claims.
/// New sessions get 503, and open ones go on. Every key expires.
fn registers_over_the_limit_are_told_when_to_come_back(set_up: SetUp) {
    let relay = proxied(set_up, "--registers-per-minute", "2");
    let addr = relay.addr();
    for _ in 0..2 {
        register(addr, &[&from("192.0.2.1")]).expect(200);
    }
    let refused = register(addr, &[&from("192.0.2.1")]).expect(429);
    assert_eq!(refused.json().text("error"), "too_many_requests");
    let secs: u64 = refused.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=30).contains(&secs), "{secs}");
    // What the client itself writes comes before what the proxy adds.
    register(addr, &[&from("198.51.100.1, 192.0.2.1")]).expect(429);
    register(addr, &[&from("198.51.100.2"), &from("192.0.2.1")]).expect(429);
    // A network of IPv6 is one client.
    for (client, status) in [("2001:db8:1:2::1", 200), ("2001:db8:1:2::2", 200), ("2001:db8:1:2:f::3", 429)] {
        register(addr, &[&from(client)]).expect(status);
    }
    // One connection of a proxy carries many clients.
    let mut proxy = Http::connect(addr);
    for (client, status) in [("192.0.2.1", 429), ("192.0.2.2", 200), ("192.0.2.1", 429), ("192.0.2.2", 200)] {
        proxy.send(request("POST", "/api/register", &[&from(client)], ""));
        proxy.response().expect(status);
    }
    // Programs of this machine are not limited.
    for _ in 0..5 {
        register(addr, &[]).expect(200);
    }
    assert_eq!(relay.node().metric("relay_refused_total{why=\"registers_per_minute\"}"), 6);
}

/// Fault 27.
fn past_the_limit_failed_hellos_get_4429(set_up: SetUp) {
    let relay = proxied(set_up, "--failed-hellos-per-minute", "2");
    let addr = relay.addr();
    let session = Session::register(&relay);
    let join = |role| Peer::join_over(open_from(addr, "192.0.2.1"), &session.hello(role));
    let (workstation, phone) = (join(Role::Workstation), join(Role::Phone));
    let mut pair = Pair::linked(session.clone(), workstation, phone);
    let wrong = Session { token: "0".repeat(32), ..session.clone() };
    for _ in 0..2 {
        let mut ws = open_from(addr, "192.0.2.1");
        ws.text(&wrong.hello(Role::Phone).json());
        ws.expect_close(4401);
    }
    // Past the limit a wrong one gets 4429, which is not counted again.
    for _ in 0..5 {
        let mut ws = open_from(addr, "192.0.2.1");
        ws.text(&wrong.hello(Role::Phone).json());
        ws.expect_close(4429);
    }
    let mut ws = open_from(addr, "192.0.2.1");
    ws.text(&wrong.hello(Role::Phone).v2().json());
    let told = ws.message().expect("an error");
    assert!(format!("{told:?}").contains("too_many"), "{told:?}");
    ws.expect_close(4429);
    pair.expect_alive();
    // From another address it gets the usual answer.
    let mut ws = open_from(addr, "192.0.2.2");
    ws.text(&wrong.hello(Role::Phone).json());
    ws.expect_close(4401);
    assert_eq!(relay.node().metric("relay_refused_total{why=\"failed_hellos_per_minute\"}"), 6);
}

/// One address may have one client that guesses and many that are right.
///
/// Fault 27.
fn past_the_limit_right_hellos_pass(set_up: SetUp) {
    let relay = proxied(set_up, "--failed-hellos-per-minute", "2");
    let addr = relay.addr();
    let sessions: Vec<Session> = (0..20).map(|_| Session::register(&relay)).collect();
    let wrong = Session { token: "0".repeat(32), ..sessions[0].clone() };
    for _ in 0..3 {
        let mut guesses = open_from(addr, "192.0.2.1");
        guesses.text(&wrong.hello(Role::Phone).json());
        assert!(matches!(guesses.message(), Ok(Message::Close(..))));
    }
    // All come at once, and each right one comes behind a wrong one.
    let said: Vec<(Ws, Ws)> = sessions
        .iter()
        .map(|session| {
            let (mut guesses, mut is_right) = (open_from(addr, "192.0.2.1"), open_from(addr, "192.0.2.1"));
            guesses.text(&wrong.hello(Role::Phone).json());
            is_right.text(&session.hello(Role::Phone).json());
            (guesses, is_right)
        })
        .collect();
    let mut phones = Vec::new();
    for ((mut guesses, is_right), session) in said.into_iter().zip(&sessions) {
        guesses.expect_close(4429);
        phones.push(Peer::joined(is_right, &session.hello(Role::Phone)));
    }
    // Their peers come from the same address.
    for (session, mut phone) in sessions.iter().zip(phones) {
        let hello = session.hello(Role::Workstation);
        let mut workstation = Peer::join_over(open_from(addr, "192.0.2.1"), &hello);
        workstation.expect(&Event::Joined(0));
        phone.expect(&Event::Joined(0));
    }
}

/// However many retry with the same wrong token, a right one passes before them. If more come than may wait,
/// the rest are told to come again, and each gets an answer.
///
/// Fault 27.
fn a_right_hello_passes_a_full_queue_of_wrong_ones(set_up: SetUp) {
    let relay = proxied(set_up, "--failed-hellos-per-minute", "1");
    let addr = relay.addr();
    let session = Session::register(&relay);
    let wrong = Session { token: "0".repeat(32), ..session.clone() };
    let fail = || {
        let mut ws = open_from(addr, "192.0.2.1");
        ws.text(&wrong.hello(Role::Phone).json());
        ws
    };
    fail().expect_close(4401);
    let started = Instant::now();
    let mut all: Vec<Ws> = (0..800).map(|_| fail()).collect();
    // The queue is full once the last one is answered before the first ones.
    all.pop().expect("many").expect_close(4429);
    let begun = Instant::now();
    Peer::join_over(open_from(addr, "192.0.2.1"), &session.hello(Role::Phone));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for mut ws in all {
        ws.expect_close(4429);
    }
    // 500 of them had to wait for their turn, at 50 per second.
    assert!(started.elapsed() >= Duration::from_secs(9), "{:?}", started.elapsed());
}

/// A queue full of clients that left because they had waited too long.
///
/// Fault 27.
fn clients_that_leave_lose_their_place_in_the_queue(set_up: SetUp) {
    let relay = proxied(set_up, "--failed-hellos-per-minute", "1");
    let addr = relay.addr();
    let session = Session::register(&relay);
    let fail = |number: u32| {
        let wrong = Session { token: format!("{number:032x}"), ..session.clone() };
        let mut ws = open_from(addr, "192.0.2.1");
        ws.text(&wrong.hello(Role::Phone).json());
        ws
    };
    fail(0).expect_close(4401);
    let mut all: Vec<Ws> = (1..800).map(fail).collect();
    all.pop().expect("many").expect_close(4429);
    drop(all);
    let begun = Instant::now();
    Peer::join_over(open_from(addr, "192.0.2.1"), &session.hello(Role::Phone));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// Fault 27.
fn failed_deletes_count_as_failed_hellos(set_up: SetUp) {
    let relay = proxied(set_up, "--failed-hellos-per-minute", "2");
    let addr = relay.addr();
    let session = Session::register(&relay);
    let unknown = Session { id: "0".repeat(32), ..session.clone() };
    let delete = |session: &Session, client: &str| session.delete_with(addr, &[&from(client)]);
    for _ in 0..2 {
        delete(&unknown, "192.0.2.1").expect(404);
    }
    // Past the limit a wrong one is told so, in a delete and in a hello.
    for _ in 0..3 {
        let refused = delete(&unknown, "192.0.2.1").expect(429);
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
    }
    let mut ws = open_from(addr, "192.0.2.1");
    ws.text(&unknown.hello(Role::Phone).json());
    ws.expect_close(4429);
    delete(&unknown, "192.0.2.2").expect(404);
    // Right ones pass.
    delete(&session, "192.0.2.1").expect(204);
    assert_eq!(relay.node().metric("relay_refused_total{why=\"failed_hellos_per_minute\"}"), 4);
}

#[test]
fn connections_of_one_address_are_counted_until_they_end() {
    let relay = proxied(SetUp::Memory, "--connections-per-address", "3");
    let addr = relay.addr();
    let mut open: Vec<Ws> = (0..3).map(|_| open_from(addr, "192.0.2.1")).collect();
    let upgrade = Upgrade::default().header("X-Forwarded-For", "192.0.2.1");
    let refused = upgrade.refused(addr).unwrap().expect(429);
    assert_eq!(refused.json().text("error"), "too_many_connections");
    assert!(refused.header("retry-after").is_some() && refused.header("connection") == Some("close"));
    let other = open_from(addr, "192.0.2.2");
    let local: Vec<Ws> = (0..5).map(|_| Ws::connect(addr)).collect();
    open.pop();
    read_until("room for one more", || (upgrade.refused(addr).unwrap().status == 101).then_some(()));
    assert!(relay.node().metric("relay_refused_total{why=\"connections_per_address\"}") >= 1);
    drop((open, other, local));
}

#[test]
fn a_forged_address_has_no_effect_and_an_untrusted_proxy_is_logged_once() {
    let options = Options::new().arg("--registers-per-minute", "2");
    let mut relay = Relay::start_with(SetUp::Memory, &options);
    for client in 0..5 {
        let status = if client < 2 { 200 } else { 429 };
        register(relay.addr(), &[&from(&format!("192.0.2.{client}"))]).expect(status);
    }
    register(relay.addr(), &["Forwarded: for=192.0.2.9"]).expect(429);
    drop(open_from(relay.addr(), "192.0.2.7"));
    register(relay.addr(), &[]).expect(200);
    // Only after its end is the log complete.
    relay.node().process().signal("TERM");
    let (_, log) = relay.first().wait_end(GUARD);
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("--trusted-proxy")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("WARN"), "{log}");
}

#[test]
fn at_the_limit_of_connections_the_rest_wait() {
    let options = Options::new().arg("--store", "memory").arg("--connections-max", "6");
    let relay = Relay::of(vec![Relayd::start_ready(&options)]);
    let mut pair = Pair::link(&relay);
    let mut all: Vec<Http> = (0..10).map(|_| Http::connect(relay.addr())).collect();
    for http in &mut all {
        http.send(Upgrade::default().encode());
    }
    assert_eq!(all[0].response().status, 101);
    let window = Duration::from_millis(500);
    assert!(!all[9].wire().fill_for(window).unwrap(), "two and four are in, so the last one can't be");
    fetch(relay.addr(), "/health").expect(200);
    pair.expect_alive();
    // For each that leaves, one gets in.
    drop(all.remove(0));
    for mut http in all {
        assert_eq!(http.response().status, 101);
    }
    pair.expect_alive();
    let log = relay.node().log().text();
    assert!(log.contains("raise --connections-max"), "{log}");
}

#[test]
fn a_full_embedded_store_says_when_to_come_back() {
    let relay = Relay::start_with(SetUp::Memory, &Options::new().arg("--sessions-max", "3"));
    let bystander = Bystander::start(&relay);
    let sessions = [Session::register(&relay), Session::register(&relay)];
    let refused = register(relay.addr(), &[]).expect(503);
    assert_eq!(refused.json().text("error"), "store_full");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(relay.node().metric("relay_refused_total{why=\"store_full\"}"), 1);
    sessions[0].delete(relay.addr()).expect(204);
    Session::register(&relay);
    fetch(relay.addr(), "/ready").expect(200);
    bystander.done();
}

/// The log line about what limits refused.
const REFUSED: &str = "limits turned clients away";

#[test]
fn refusals_are_logged_with_the_addresses_that_had_most() {
    let mut relay = proxied(SetUp::Memory, "--registers-per-minute", "1");
    let addr = relay.addr();
    // The first request of each address passes.
    for (client, count) in [("192.0.2.1", 4), ("192.0.2.2", 9), ("2001:db8::1", 2), ("192.0.2.3", 1)] {
        (0..count).for_each(|_| drop(register(addr, &[&from(client)])));
    }
    let line = relay.node().log().wait_for(REFUSED, |line| line.contains(REFUSED).then(|| line.to_owned()));
    let line = line.expect("a server that runs");
    for part in ["WARN", "registers_per_minute=12", "192.0.2.2 (8), 192.0.2.1 (3), 2001:db8::/64 (1)"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!line.contains("192.0.2.3") && !line.contains("failed_hellos"), "{line}");
    // The next line would come after a minute. The rest is logged at the end.
    (0..3).for_each(|_| drop(register(addr, &[&from("192.0.2.3")]).expect(429)));
    relay.node().process().signal("TERM");
    let (_, log) = relay.first().wait_end(GUARD);
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(REFUSED)).collect();
    assert!(lines.len() == 2 && lines[1].contains("192.0.2.3 (3)"), "{log}");
}

#[test]
fn the_version_is_in_the_first_line_and_in_the_metrics() {
    let mut relay = Relay::start(SetUp::Memory);
    let info = format!("relay_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(relay.node().metric(&info), 1);
    relay.node().process().signal("TERM");
    let (_, log) = relay.first().wait_end(GUARD);
    let first = log.lines().next().unwrap_or_default();
    assert!(first.contains(concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"")), "{log}");
    // If nothing was refused, there is no such line.
    assert!(!log.contains(REFUSED), "{log}");
}

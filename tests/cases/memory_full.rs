//! Memory is full: the connections that hold most are closed, only as many as necessary, and none that holds
//! little.

use std::time::Duration;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{Http, fetch};
use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Opcode, Upgrade};
use relay_tests::harness::{Bystander, Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    only_as_many_stuck_readers_are_closed_as_necessary,
    half_requests_are_closed_before_a_websocket,
    half_requests_do_not_close_a_phone,
);

const MEMORY_MAX: u64 = 2 << 20;
const STUCK: u64 = 12;
/// The most that one stuck reader and its paused sender hold: a full queue, and a read that waits.
const EACH_MAX: u64 = (288 + 72) << 10;

fn start(set_up: SetUp) -> Relay {
    let options = Options::new().arg("--memory-max", "2MiB").env("MAX_MESSAGE_BYTES", "100000");
    Relay::start_with(set_up, &options)
}

/// A pair with a half-sent message, for which the server holds a little.
struct Holder {
    pair: Pair,
    rest: Vec<u8>,
}

impl Holder {
    fn begin(relay: &Relay) -> Self {
        let mut pair = Pair::link(relay);
        let bytes = FrameSpec::new(Opcode::Binary, vec![5; 3000]).encode();
        let (half, rest) = bytes.split_at(1500);
        pair.workstation.ws().wire().send(half);
        Self { pair, rest: rest.to_vec() }
    }

    fn finish(mut self) {
        self.pair.workstation.ws().wire().send(&self.rest);
        self.pair.phone.expect(&Event::Binary(vec![5; 3000]));
        self.pair.expect_alive();
    }
}

/// A pair whose phone does not read, with as much sent to it as the server takes.
fn stuck(relay: &Relay) -> Pair {
    let session = Session::register(relay);
    let workstation = Peer::join(relay, &session, Role::Workstation);
    let wire = Wire::connect_narrow(relay.addr(), 16 << 10);
    let phone = Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Phone));
    let mut pair = Pair::linked(session, workstation, phone);
    let flood = FrameSpec::new(Opcode::Binary, vec![7; 10_000]).encode().repeat(1000);
    // If its phone is closed, the rest is dropped as in any absence.
    pair.workstation.ws().wire().send_until_blocked(&flood, Duration::from_millis(300));
    pair
}

/// Fault 21.
fn only_as_many_stuck_readers_are_closed_as_necessary(set_up: SetUp) {
    let relay = start(set_up);
    let bystander = Bystander::start(&relay);
    let holders: Vec<Holder> = (0..5).map(|_| Holder::begin(&relay)).collect();
    let stuck: Vec<Pair> = (0..STUCK).map(|_| stuck(&relay)).collect();
    holders.into_iter().for_each(Holder::finish);
    bystander.done();
    let node = relay.node();
    let cut = node.metric(r#"relay_closes_total{code="1013"}"#);
    assert!(cut >= 1, "all of them fit: {} bytes", node.metric("relay_buffer_bytes"));
    assert!(STUCK - cut >= MEMORY_MAX / EACH_MAX - 1, "{cut} of {STUCK} were cut, though more fit in");
    // The rest stay linked and still wait for their readers. The others have just ended.
    read_until("the links of those that stay alone", || {
        (node.metric(r#"relay_links{to="local"}"#) == STUCK - cut).then_some(())
    });
    assert!(node.metric("relay_buffer_bytes") <= MEMORY_MAX);
    drop(stuck);
}

/// Fault 21c.
fn half_requests_are_closed_before_a_websocket(set_up: SetUp) {
    let relay = start(set_up);
    let holder = Holder::begin(&relay);
    let head = format!("GET /health HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(7000));
    let mut half: Vec<Http> = (0..300).map(|_| Http::connect(relay.addr())).collect();
    for http in &mut half {
        // Some are closed before the last are sent.
        let _ = http.wire().try_send(head.as_bytes());
    }
    // A new client is served, and by then the server has seen all of them.
    fetch(relay.addr(), "/health").expect(200);
    holder.finish();
    let node = relay.node();
    assert_eq!(node.metric(r#"relay_closes_total{code="1013"}"#), 0);
    let left = node.metric(r#"relay_connections{protocol="http"}"#);
    // They get a quarter of the memory, 16 KiB for each.
    assert!((20..300).contains(&left), "{left} of 300 half requests are left");
    assert!(node.metric("relay_buffer_bytes") <= MEMORY_MAX);
}

/// Connections before their hello have their own share of memory. It runs out before a joined client is
/// closed.
///
/// Fault 21c: Half requests fill the memory.
/// Played: 1,100 heads of 8 KB that never end. 300 with a small memory limit.
/// Holds: They get a quarter of `--memory-max`. No connection that has a role is closed for them.
fn half_requests_do_not_close_a_phone(set_up: SetUp) {
    allow_descriptors(4096);
    let relay = Relay::start_with(
        set_up,
        &Options::new().arg("--memory-max", "16MiB").env("MAX_MESSAGE_BYTES", "1000000"),
    );
    let bystander = Bystander::start(&relay);
    // The phone that does not read holds most of all.
    let stuck = stuck(&relay);
    let head = format!("GET /health HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(8_060));
    let mut half: Vec<Http> = (0..1100).map(|_| Http::connect(relay.addr())).collect();
    for http in &mut half {
        // Some are closed before the last are sent.
        let _ = http.wire().try_send(head.as_bytes());
    }
    fetch(relay.addr(), "/health").expect(200);
    let node = relay.node();
    assert_eq!(node.metric(r#"relay_closes_total{code="1013"}"#), 0, "one who is in was cut");
    let (held, early_max) = (node.metric("relay_buffer_bytes"), 16 << 20 >> 2);
    assert!(held <= early_max + EACH_MAX, "{held} bytes are held, mostly for half requests");
    let left = node.metric(r#"relay_connections{protocol="http"}"#);
    assert!((100..1100).contains(&left), "{left} of 1100 half requests are left");
    drop(stuck);
    bystander.done();
}

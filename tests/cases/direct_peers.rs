//! Limits for clients with other machines' addresses, and what a proxy at such an address may say about its
//! clients. All of this is in the case's own network.

use std::net::{IpAddr, SocketAddr};

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{Http, Response, request};
use relay_tests::harness::wire::{End, Wire};
use relay_tests::harness::ws::{Upgrade, Ws};
use relay_tests::harness::{Namespace, Options, Pair, Peer, Relay, Relayd, Role, Session};

/// Two IPv4 addresses, two IPv6 addresses in one network, and one in another.
const ONE: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";
const ONE_V6: &str = "2001:db8:0:1::1";
const NEAR_V6: &str = "2001:db8:0:1:ffff::2";
const OTHER_V6: &str = "2001:db8:0:2::1";
const LOCAL: &str = "127.0.0.1";

/// Starts a server on every address of a network that has all of these.
fn play(case: &str, options: &Options, body: impl FnOnce(&Relay)) {
    Namespace::play(case, |network| {
        [ONE, OTHER].iter().for_each(|address| network.add_address(&format!("{address}/32")));
        [ONE_V6, NEAR_V6, OTHER_V6].iter().for_each(|address| network.add_address(&format!("{address}/128")));
        let options = options.clone().arg("--store", "memory").listen("::");
        let relay = Relay::of(vec![Relayd::start_ready(&options)]);
        body(&relay);
    });
}

/// Connects from this address to the same one.
fn from(relay: &Relay, address: &str) -> Wire {
    let address: IpAddr = address.parse().unwrap();
    Wire::connect_from(SocketAddr::new(address, relay.addr().port()), address)
}

fn ask(relay: &Relay, address: &str, request: String) -> Response {
    let mut http = Http::over(from(relay, address));
    http.send(request);
    http.response()
}

fn get(relay: &Relay, address: &str, path: &str) -> Response {
    ask(relay, address, request("GET", path, &[], ""))
}

fn register(relay: &Relay, address: &str, fields: &[&str]) -> Response {
    ask(relay, address, request("POST", "/api/register", fields, ""))
}

/// The PROXY protocol's, version 2, of this client.
fn proxy_header(client: &str) -> Vec<u8> {
    let (family, address) = match client.parse().unwrap() {
        IpAddr::V4(address) => (0x11, address.octets().to_vec()),
        IpAddr::V6(address) => (0x21, address.octets().to_vec()),
    };
    let addresses = [&address[..], &address, &[0x12, 0x34, 0, 80]].concat();
    [b"\r\n\r\n\0\r\nQUIT\n", &[0x21, family, 0, addresses.len() as u8][..], &addresses].concat()
}

/// Fault 29.
#[test]
fn more_connections_than_one_address_may_have_are_closed_at_accept() {
    let options = Options::new().arg("--connections-per-address", "3");
    play(
        "direct_peers::more_connections_than_one_address_may_have_are_closed_at_accept",
        &options,
        |relay| {
            for (address, near, other) in [(ONE, ONE, OTHER), (ONE_V6, NEAR_V6, OTHER_V6)] {
                let mut open: Vec<Wire> = (0..3).map(|_| from(relay, address)).collect();
                for address in [address, near] {
                    let mut refused = from(relay, address);
                    assert_eq!(refused.read_to_end("the close at accept"), End::Eof);
                    assert!(refused.pending().is_empty(), "{:?}", refused.pending());
                }
                get(relay, other, "/health").expect(200);
                // Connected clients stay.
                let mut ws = Upgrade::default().open_over(open.pop().unwrap()).0;
                ws.text("no hello");
                ws.expect_close(4400);
                drop(ws);
                read_until("room for one more", || try_get_in(relay, near).then_some(()));
            }
            let all: Vec<Wire> = (0..10).map(|_| from(relay, LOCAL)).collect();
            get(relay, LOCAL, "/health").expect(200);
            assert!(relay.node().metric("relay_refused_total{why=\"connections_per_address\"}") >= 4);
            drop(all);
        },
    );
}

fn try_get_in(relay: &Relay, address: &str) -> bool {
    let mut http = Http::over(from(relay, address));
    // It may be closed by then.
    let _ = http.wire().try_send(request("GET", "/health", &[], "").as_bytes());
    http.response_or_end().is_ok_and(|response| response.status == 200)
}

/// Fault 29.
#[test]
fn registers_of_one_address_or_network_are_limited() {
    let options = Options::new().arg("--registers-per-minute", "2");
    play("direct_peers::registers_of_one_address_or_network_are_limited", &options, |relay| {
        for (address, near, other) in [(ONE, ONE, OTHER), (ONE_V6, NEAR_V6, OTHER_V6)] {
            register(relay, address, &[]).expect(200);
            register(relay, near, &[]).expect(200);
            for address in [address, near] {
                let refused = register(relay, address, &[]).expect(429);
                assert_eq!(refused.json().text("error"), "too_many_requests");
            }
            // What a client says about itself is not trusted.
            register(relay, address, &["X-Forwarded-For: 198.51.100.1"]).expect(429);
            register(relay, other, &[]).expect(200);
        }
        (0..5).for_each(|_| drop(register(relay, LOCAL, &[]).expect(200)));
        assert_eq!(relay.node().metric("relay_refused_total{why=\"registers_per_minute\"}"), 6);
    });
}

/// Fault 27.
#[test]
fn failed_hellos_count_for_one_address_or_network() {
    let options = Options::new().arg("--failed-hellos-per-minute", "2");
    play("direct_peers::failed_hellos_count_for_one_address_or_network", &options, |relay| {
        let open = |address| Upgrade::default().open_over(from(relay, address)).0;
        for (address, near, other) in [(ONE, ONE, OTHER), (ONE_V6, NEAR_V6, OTHER_V6)] {
            let session = Session::register(relay);
            let wrong = Session { token: "0".repeat(32), ..session.clone() };
            let hello = |ws: &mut Ws, session: &Session, code| {
                ws.text(&session.hello(Role::Phone).json());
                ws.expect_close(code);
            };
            hello(&mut open(address), &wrong, 4401);
            hello(&mut open(near), &wrong, 4401);
            hello(&mut open(address), &wrong, 4429);
            hello(&mut open(near), &wrong, 4429);
            hello(&mut open(other), &wrong, 4401);
            let workstation = Peer::join_over(open(other), &session.hello(Role::Workstation));
            let phone = Peer::join_over(open(LOCAL), &session.hello(Role::Phone));
            Pair::linked(session, workstation, phone).expect_alive();
        }
        assert_eq!(relay.node().metric("relay_refused_total{why=\"failed_hellos_per_minute\"}"), 4);
    });
}

/// Fault 29.
#[test]
fn no_remote_proxy_can_make_a_client_local() {
    let options =
        Options::new().arg("--registers-per-minute", "2").arg("--trusted-proxy", &format!("{ONE},{ONE_V6}"));
    play("direct_peers::no_remote_proxy_can_make_a_client_local", &options, |relay| {
        for (proxy, local) in [(ONE, proxy_header(LOCAL)), (ONE_V6, proxy_header("::1"))] {
            let connect = || {
                let mut http = Http::over(from(relay, proxy));
                http.send(&local);
                http
            };
            for status in [200, 200, 429, 429] {
                let mut http = connect();
                http.send(request("POST", "/api/register", &[], ""));
                http.response().expect(status);
            }
            let mut http = connect();
            http.send(request("GET", "/metrics", &[], ""));
            http.response().expect(404);
        }
        // What it writes into a request does not, either.
        for status in [200, 200, 429] {
            register(relay, ONE, &["X-Forwarded-For: 127.0.0.1"]).expect(status);
        }
        for untrusted in [OTHER, OTHER_V6, LOCAL] {
            let mut http = Http::over(from(relay, untrusted));
            http.send(proxy_header(LOCAL));
            assert_eq!(http.response().expect(400).json().text("error"), "untrusted_proxy_header");
            http.expect_closed();
        }
    });
}

/// Fault 29.
#[test]
fn metrics_are_only_for_this_machine_unless_made_public() {
    play("direct_peers::metrics_are_only_for_this_machine_unless_made_public", &Options::new(), |relay| {
        for (address, status) in [(ONE, 404), (ONE_V6, 404), (LOCAL, 200), ("::1", 200)] {
            get(relay, address, "/metrics").expect(status);
        }
        let public = Options::new().arg("--store", "memory").listen("::").flag("--metrics-public");
        let public = Relay::of(vec![Relayd::start_ready(&public)]);
        [ONE, ONE_V6].iter().for_each(|address| drop(get(&public, address, "/metrics").expect(200)));
    });
}

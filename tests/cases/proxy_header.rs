//! The PROXY protocol, version 2: accepted from trusted peers, in any pieces; from others, or malformed, 400.

use std::net::SocketAddr;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{Http, request};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::Upgrade;
use relay_tests::harness::{Options, Relay, SetUp};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header with this version, command and family.
fn header(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let len = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &len, addresses].concat()
}

/// A header for a client at 192.0.2.`host`.
fn client(host: u8) -> Vec<u8> {
    header(0x21, 0x11, &[192, 0, 2, host, 10, 0, 0, 1, 0x12, 0x34, 0, 80])
}

fn local() -> Vec<u8> {
    header(0x20, 0, &[])
}

fn relay(limit: &str, value: &str) -> Relay {
    let options = Options::new().arg("--trusted-proxy", "127.0.0.1").arg(limit, value);
    Relay::start_with(SetUp::Memory, &options)
}

fn connect(addr: SocketAddr, header: &[u8]) -> Http {
    let mut http = Http::connect(addr);
    http.send(header);
    http
}

fn register_with(http: &mut Http, fields: &[&str], status: u16) {
    http.send(request("POST", "/api/register", fields, ""));
    http.response().expect(status);
}

#[test]
fn limits_apply_to_the_client_that_it_names() {
    let relay = relay("--registers-per-minute", "2");
    let addr = relay.addr();
    let mut one = connect(addr, &client(1));
    for status in [200, 200, 429, 429] {
        // The client is not a trusted proxy, so what it says about others is ignored.
        register_with(&mut one, &["X-Forwarded-For: 198.51.100.1"], status);
    }
    register_with(&mut connect(addr, &client(1)), &[], 429);
    register_with(&mut connect(addr, &client(2)), &[], 200);
    for exempt in [local(), Vec::new()] {
        let mut here = connect(addr, &exempt);
        for _ in 0..4 {
            register_with(&mut here, &[], 200);
        }
    }
    // What only this machine may see is hidden from others.
    for (header, status) in [(client(3), 404), (local(), 200)] {
        let mut http = connect(addr, &header);
        http.send(request("GET", "/metrics", &[], ""));
        http.response().expect(status);
    }
}

#[test]
fn it_may_come_byte_by_byte_and_a_request_right_behind_it() {
    let relay = relay("--registers-per-minute", "1");
    let mut slow = Http::connect(relay.addr());
    for byte in [client(1), request("POST", "/api/register", &[], "").into_bytes()].concat() {
        slow.send([byte]);
    }
    slow.response().expect(200);
    register_with(&mut slow, &[], 429);
    let mut wire = Wire::connect(relay.addr());
    wire.send(&[client(2), Upgrade::default().encode()].concat());
    Upgrade::accepted(wire);
}

#[test]
fn connections_per_named_client_are_counted() {
    let relay = relay("--connections-per-address", "2");
    let mut two = [1, 1].map(|host| connect(relay.addr(), &client(host)));
    for http in &mut two {
        http.send(request("GET", "/health", &[], ""));
        http.response().expect(200);
    }
    let mut third = connect(relay.addr(), &client(1));
    let refused = third.response().expect(429);
    assert!(refused.header("retry-after").is_some());
    third.expect_closed();
    connect(relay.addr(), &[client(2), request("GET", "/health", &[], "").into_bytes()].concat())
        .response()
        .expect(200);
    drop(two);
    read_until("room for one more", || {
        let mut http = connect(relay.addr(), &client(1));
        http.send(request("GET", "/health", &[], ""));
        (http.response_or_end().ok()?.status == 200).then_some(())
    });
}

#[test]
fn garbage_and_untrusted_peers_are_refused() {
    let trusting = relay("--registers-per-minute", "0");
    for garbage in [
        [SIGNATURE, &[0x11]].concat(),
        [SIGNATURE, &[0x21, 0x11, 0xFF, 0xFF]].concat(),
        header(0x21, 0x11, &[1, 2, 3]),
        header(0x21, 0x21, &[0; 35]),
    ] {
        let mut http = connect(trusting.addr(), &garbage);
        assert_eq!(http.response().expect(400).json().text("error"), "bad_proxy_header");
        http.expect_closed();
    }
    let plain = Relay::start(SetUp::Memory);
    for header in [client(1), local(), [SIGNATURE, &[0]].concat()] {
        let mut http = connect(plain.addr(), &header);
        assert_eq!(http.response().expect(400).json().text("error"), "untrusted_proxy_header");
        http.expect_closed();
    }
    // It is a PROXY header only at the very start.
    let mut http = connect(trusting.addr(), &local());
    http.send(local());
    http.response().expect(400);
}

#[test]
fn one_that_never_ends_is_not_waited_for() {
    let relay = relay("--registers-per-minute", "0");
    let mut http = connect(relay.addr(), &client(1)[..20]);
    http.response().expect(408);
    http.expect_closed();
}

//! TLS handshakes that are slow, unfinished or too many: they cost little, and hold nobody up.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use relay_tests::harness::Authority;
use relay_tests::harness::guard::{GUARD, read_until};
use relay_tests::harness::http::{Http, request};
use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::tls_client::{TlsClient, TlsConnection};
use relay_tests::harness::wire::Wire;

use crate::tls::{link, metric, start};

const NAME: &str = "localhost";

/// Sends one byte at a time.
struct Drip(TcpStream);

impl Write for Drip {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Drip {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(1);
        self.0.read(&mut out[..most])
    }
}

fn client_hello(client: &TlsClient) -> Vec<u8> {
    let mut hello = Vec::new();
    client.begin(NAME).write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    for version in rustls::ALL_VERSIONS {
        let client = TlsClient::with_versions(&authority, &[version]);
        let socket = TcpStream::connect(relayd.addr()).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(GUARD)).unwrap();
        let (mut drip, mut connection) = (Drip(socket), client.begin(NAME));
        connection.writer().write_all(request("GET", "/health", &[], "").as_bytes()).unwrap();
        while connection.is_handshaking() || connection.wants_write() {
            connection.complete_io(&mut drip).unwrap();
        }
        let mut http = Http::over(TlsConnection::over(connection, drip.0).into_wire());
        assert_eq!(http.response().status, 200);
    }
}

#[test]
fn a_thousand_slow_handshakes_hold_nobody_up() {
    allow_descriptors(4000);
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    let client = TlsClient::new(&authority);
    let mut pair = link(&relayd, &client);
    let hello = client_hello(&client);
    let (begin, rest) = hello.split_at(hello.len() - 1);
    let mut slow: Vec<Wire> = (0..1000)
        .map(|_| {
            let mut wire = Wire::connect(relayd.addr());
            wire.send(begin);
            wire
        })
        .collect();
    pair.expect_alive();
    link(&relayd, &client).expect_alive();
    // All at once become work.
    slow.iter_mut().for_each(|wire| wire.send(rest));
    pair.expect_alive();
    link(&relayd, &client).expect_alive();
    // None goes on. Their time ends, and the pair talks on.
    for wire in &mut slow {
        wire.read_to_end("the end of a handshake that stopped");
    }
    let timeouts = metric(&relayd, &client, "relay_tls_failures_total{why=\"timeout\"}");
    assert_eq!(timeouts, 1000);
    pair.expect_alive();
}

#[test]
fn a_handshake_that_stops_at_any_stage_ends() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    let client = TlsClient::with_versions(&authority, &[&rustls::version::TLS13]);
    let hello = client_hello(&client);
    let stop_after = |sent: &[u8]| {
        let mut wire = Wire::connect(relayd.addr());
        wire.send(sent);
        wire
    };
    let mut stopped = [&hello[..0], &hello[..1], &hello[..5], &hello[..6], &hello].map(stop_after);
    // One that has keys, and then says nothing.
    let mut silent = client.wire(relayd.addr(), NAME);
    for wire in &mut stopped {
        wire.read_to_end("the end of a handshake that stopped");
    }
    silent.read_to_end("the end of a connection that asks for nothing");
    assert!(String::from_utf8_lossy(silent.pending()).starts_with("HTTP/1.1 408 "));
    // One that goes away in the middle.
    drop(stop_after(&hello));
    drop(stop_after(&hello[..9]));
    read_until("two that left", || {
        (metric(&relayd, &client, "relay_tls_failures_total{why=\"left\"}") == 2).then_some(())
    });
}

#[test]
fn failures_are_counted_by_their_reason() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| options);
    let client = TlsClient::new(&authority);
    // A client that does not trust the certificate.
    let stranger = TlsClient::new(&Authority::new());
    stranger.try_over(TcpStream::connect(relayd.addr()).unwrap(), NAME).unwrap_err();
    // A damaged record, and the alert that says so.
    let mut hello = client_hello(&client);
    let middle = hello.len() / 2;
    hello[5] = 0xFF;
    hello.truncate(middle.max(600));
    let mut wire = Wire::connect(relayd.addr());
    wire.send(&hello);
    wire.read_to_end("the alert");
    assert_eq!(wire.pending().first(), Some(&21), "an alert");
    for why in ["certificate_refused", "malformed"] {
        let sample = format!("relay_tls_failures_total{{why=\"{why}\"}}");
        read_until(&sample, || (metric(&relayd, &client, &sample) == 1).then_some(()));
    }
}

/// A PROXY header comes before TLS, and its client is the one that limits count.
#[test]
fn an_address_may_begin_so_many_in_a_minute() {
    let authority = Authority::new();
    let relayd = start(&authority, |options| {
        options.arg("--trusted-proxy", "127.0.0.1").arg("--tls-handshakes-per-minute", "3")
    });
    let client = TlsClient::new(&authority);
    let connect = |host: u8| {
        let mut socket = TcpStream::connect(relayd.addr()).unwrap();
        let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
        socket.write_all(&[header, &[192, 0, 2, host, 10, 0, 0, 1, 0, 1, 0, 1][..]].concat()).unwrap();
        client.try_over(socket, NAME)
    };
    for _ in 0..3 {
        connect(1).unwrap();
    }
    connect(1).unwrap_err();
    connect(2).unwrap();
    let refused = metric(&relayd, &client, "relay_refused_total{why=\"tls_handshakes_per_minute\"}");
    assert_eq!(refused, 1);
}

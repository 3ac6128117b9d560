//! The port for plain HTTP, with real sockets; and what handshakes show.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConnection, ServerConnection};

use super::super::certificate;
use super::super::challenges::HttpTokens;
use super::super::http_port::HttpPort;
use super::fake_ca::{Asked, FakeCa};
use super::identity;
use crate::tls::Presenter;

/// It serves until the test program ends.
fn start() -> (SocketAddr, HttpTokens) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, tokens) = (listener.local_addr().unwrap(), HttpTokens::default());
    let port = HttpPort::new(listener, vec!["a.example".to_owned()], 443, tokens.clone());
    thread::spawn(move || port.run());
    (address, tokens)
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket
}

fn ask(address: SocketAddr, path: &str) -> String {
    let mut socket = connect(address);
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn slow_clients_do_not_hold_up_a_challenge() {
    let (address, tokens) = start();
    tokens.set([("abc".to_owned(), "abc.thumb".to_owned())].into_iter());
    let mut slow: Vec<TcpStream> = (0..100).map(|_| connect(address)).collect();
    slow.iter_mut().for_each(|socket| drop(socket.write_all(b"GET /")));
    assert!(ask(address, "/.well-known/acme-challenge/abc").ends_with("abc.thumb"));
    assert!(ask(address, "/p").contains("Location: https://a.example/p\r\n"));
    // The address had the most places, so its oldest had to go; the newest still has its place.
    assert!(matches!(slow[0].read(&mut [0; 16]), Ok(0) | Err(_)));
    let newest = slow.last_mut().unwrap();
    newest.write_all(b" HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    newest.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
}

/// Shakes hands without sockets: what the client gets to know.
fn shake(presenter: &mut Presenter, trusted: &FakeCa, alpn: &[&str]) -> Result<Vec<u8>, rustls::Error> {
    let mut config = (*trusted.trusted()).clone();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.dangerous().set_certificate_verifier(Arc::new(Anything));
    let name = ServerName::try_from("a.example").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(presenter.current().config.clone()).unwrap();
    while client.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        let _ = server.process_new_packets();
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(client.peer_certificates().unwrap()[0].to_vec())
}

#[test]
fn a_ca_sees_the_proof_and_clients_the_certificate() {
    let ca = FakeCa::start(Asked::usual);
    let (mut presenter, feed) = Presenter::new().unwrap();
    let denied = Err(rustls::Error::AlertReceived(AlertDescription::AccessDenied));
    assert_eq!(shake(&mut presenter, &ca, &["http/1.1"]), denied);
    assert_eq!(shake(&mut presenter, &ca, &["acme-tls/1"]), denied, "nothing is to be proven");

    let proofs = certificate::proofs([("a.example", "token.thumb")].into_iter()).unwrap();
    feed.show(&[], &proofs).unwrap();
    let shown = shake(&mut presenter, &ca, &["acme-tls/1"]).unwrap();
    // RFC 8737 §3: a critical extension with the hash in it.
    let extension = [0x06, 0x08, 0x2B, 6, 1, 5, 5, 7, 1, 31, 1, 1, 0xFF];
    assert!(shown.windows(extension.len()).any(|part| part == extension));
    assert_eq!(shake(&mut presenter, &ca, &["http/1.1"]), denied);

    let identity = identity();
    feed.show(std::slice::from_ref(&identity), &proofs).unwrap();
    let certificate = shake(&mut presenter, &ca, &["http/1.1"]).unwrap();
    assert_ne!(certificate, shown);
    assert_eq!(shake(&mut presenter, &ca, &[]).unwrap(), certificate);
    assert_eq!(shake(&mut presenter, &ca, &["h2", "http/1.1", "acme-tls/1"]).unwrap(), certificate);
    feed.show(std::slice::from_ref(&identity), &[]).unwrap();
    assert_eq!(shake(&mut presenter, &ca, &["acme-tls/1"]), denied);
    drop(presenter);
    assert!(!feed.is_wanted());
}

/// Believes every certificate: tests look at them themselves.
#[derive(Debug)]
struct Anything;

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

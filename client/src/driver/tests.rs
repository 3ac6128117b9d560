//! A name with two addresses, of which the first does not lead to a relay: over real sockets, with a resolver
//! of the test's own.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use protocol::ids::{Role, SessionId, Token};
use protocol::limits::MESSAGE_BYTES_DEFAULT;
use tungstenite::Message;

use crate::net::endpoint::Endpoint;
use crate::{Client, ClientEvent, ConnectionSettings};

/// Only a broken client takes longer.
const LIMIT: Duration = Duration::from_secs(60);
const ACK: &str = r#"{"type":"hello-ack","sessionId":"x","peer":false,"hb":30}"#;

/// Two listeners on one port of two addresses; `None` where this system has one address only.
fn two() -> Option<[TcpListener; 2]> {
    let second = TcpListener::bind("127.0.0.1:0").unwrap();
    let first = TcpListener::bind(("127.0.0.2", second.local_addr().unwrap().port())).ok()?;
    Some([first, second])
}

fn settings(listeners: &[TcpListener; 2], scheme: &str) -> ConnectionSettings {
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let endpoint = Endpoint::parse_ws(&format!("{scheme}://two.test:{}/ws", addresses[0].port())).unwrap();
    settings_of(endpoint.found_at(&addresses))
}

fn settings_of(endpoint: Endpoint) -> ConnectionSettings {
    ConnectionSettings {
        endpoint,
        session: SessionId::from_bytes([1; 16]),
        token: Token::from_bytes([2; 16]),
        role: Role::Phone,
        raw: false,
        message_bytes_max: MESSAGE_BYTES_DEFAULT,
    }
}

/// Every connection that comes to `listener` is handed to `treat`.
fn serve(listener: &TcpListener, treat: impl Fn(TcpStream) + Send + 'static) {
    let listener = listener.try_clone().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(treat));
}

/// A relay that takes every hello, and stays until the client leaves.
fn relay(stream: TcpStream) {
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    let _ = socket.read().and_then(|_| socket.send(Message::text(ACK)));
    while socket.read().is_ok() {}
}

/// How many tries it took until the relay accepted the client.
fn tries_until_connected(client: &Client) -> usize {
    for tries in 1..100 {
        match client.next_event(LIMIT).expect("an event") {
            ClientEvent::Connected => return tries,
            ClientEvent::Reconnecting { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("the second address was never tried");
}

#[test]
fn the_second_address_is_tried_behind_one_that_fails_its_upgrade_hello_or_tls() {
    let hangs_up = |stream: TcpStream| drop(stream);
    let answers_nothing_to_a_hello = |stream: TcpStream| {
        if let Ok(mut socket) = tungstenite::accept(stream) {
            let _ = socket.read();
        }
    };
    let unavailable = |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    };
    for treat in [hangs_up as fn(TcpStream), answers_nothing_to_a_hello, unavailable] {
        let Some(listeners) = two() else { return };
        serve(&listeners[0], treat);
        serve(&listeners[1], relay);
        let client = Client::connect(settings(&listeners, "ws")).unwrap();
        assert_eq!(tries_until_connected(&client), 2);
    }
    // A port without TLS; what matters is that both were asked.
    let Some(listeners) = two() else { return };
    let (sender, asked) = channel();
    for (at, listener) in listeners.iter().enumerate() {
        let sender = sender.clone();
        serve(listener, move |stream| {
            unavailable(stream);
            let _ = sender.send(at);
        });
    }
    let _client = Client::connect(settings(&listeners, "wss")).unwrap();
    let order: Vec<usize> = (0..4).map(|_| asked.recv_timeout(LIMIT).unwrap()).collect();
    assert_eq!(order, [0, 1, 0, 1]);
}

#[test]
fn the_second_address_is_tried_behind_one_that_accepts_and_says_nothing() {
    let Some(listeners) = two() else { return };
    // The kernel accepts; nobody ever reads.
    serve(&listeners[1], relay);
    let client = Client::connect(settings(&listeners, "ws")).unwrap();
    assert_eq!(tries_until_connected(&client), 2);
}

#[test]
fn the_second_address_is_tried_behind_one_that_the_proxy_cant_reach() {
    // Of a name with two addresses the proxy reaches the second.
    let [first, second] = [1, 2].map(|last| SocketAddr::from(([192, 0, 2, last], 80)));
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let (sender, asked) = channel();
    serve(&proxy, move |mut stream| {
        let (mut greeting, mut request) = ([0; 3], [0; 10]);
        let _ = stream.read_exact(&mut greeting).and_then(|()| stream.write_all(&[5, 0]));
        let _ = stream.read_exact(&mut request);
        let _ = sender.send(request[7]);
        let is_second = request[7] == 2;
        let _ = stream.write_all(&[5, if is_second { 0 } else { 4 }, 0, 1, 0, 0, 0, 0, 0, 0]);
        if is_second {
            relay(stream);
        }
    });
    let endpoint = Endpoint::parse_ws("ws://two.test/ws").unwrap().found_at(&[first, second]);
    let endpoint = endpoint.with_proxy(format!("socks5://{address}").parse().unwrap());
    let client = Client::connect(settings_of(endpoint)).unwrap();
    assert_eq!(tries_until_connected(&client), 1, "both are asked for in one try");
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [1, 2]);
}

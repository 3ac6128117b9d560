//! A relay that does what a test tells it, on port 0: the other end of every test of the clients' sockets.
//!
//! Waits are for something to happen, with a limit that only a broken test reaches.

#![allow(dead_code, missing_docs, reason = "each test file uses its part")]
#![allow(clippy::result_large_err, reason = "the shape of an upgrade callback is not ours")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

pub const LIMIT: Duration = Duration::from_secs(20);
pub const ID: &str = "00112233445566778899aabbccddeeff";

pub struct Fake {
    pub address: SocketAddr,
    streams: Receiver<TcpStream>,
}

/// One client's WebSocket, seen from the relay.
pub struct Peer {
    pub socket: WebSocket<TcpStream>,
}

impl Fake {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, streams) = channel();
        thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| sender.send(stream)));
        Fake { address, streams }
    }

    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    pub fn pairing(&self) -> String {
        format!(r#"{{"u":"{}","s":"{ID}","t":"{ID}"}}"#, self.ws_url())
    }

    pub fn next_stream(&self) -> TcpStream {
        let stream = self.streams.recv_timeout(LIMIT).expect("a connection");
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// Accepts a WebSocket; says yes to raw mode if asked.
    pub fn accept(&self) -> Peer {
        let raw_mode = |request: &Request, mut response: Response| {
            if request.headers().contains_key("sec-websocket-protocol") {
                let raw = HeaderValue::from_static("relay.raw.v1");
                response.headers_mut().insert("sec-websocket-protocol", raw);
            }
            Ok(response)
        };
        Peer { socket: tungstenite::accept_hdr(self.next_stream(), raw_mode).unwrap() }
    }

    /// Accepts a WebSocket and its hello, and says that the other role (`other`) is there.
    pub fn accept_and_link(&self, other: &str) -> Peer {
        let mut peer = self.accept();
        peer.text();
        peer.say(
            r#"{"type":"hello-ack","sessionId":"x","peer":false,"ttl":60,"hb":30,"maxMessage":16777216}"#,
        );
        peer.say(&format!(r#"{{"type":"peer-joined","role":"{other}"}}"#));
        peer
    }

    /// Takes one HTTP request, checks nothing, gives `answer`; returns the request's head.
    pub fn answer_http(&self, answer: &str) -> String {
        let stream = self.next_stream();
        let mut lines = BufReader::new(&stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).unwrap(), 0, "{head:?}");
        }
        (&stream).write_all(answer.as_bytes()).unwrap();
        head
    }

    /// Takes one registration.
    pub fn answer_register(&self, ws: &str) -> String {
        let body =
            format!(r#"{{"sessionId":"{ID}","token":"{ID}","ws":"{ws}","ttl":7200,"qrDataUrl":"data:"}}"#);
        self.answer_http(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }
}

impl Peer {
    pub fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    pub fn frame(&mut self, payload: &str, b64: bool) {
        self.say(&format!(
            r#"{{"type":"frame","sid":"x","fromRole":"x","at":1,"frame":"{payload}","b64":{b64}}}"#
        ));
    }

    /// The next message that is no ping or pong.
    pub fn read(&mut self) -> Message {
        loop {
            match self.socket.read().expect("a message") {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    pub fn text(&mut self) -> String {
        match self.read() {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?} instead of a text"),
        }
    }

    /// Sends a close frame; the stream stays open.
    pub fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: Default::default() };
        let _ = self.socket.close(Some(frame));
    }

    /// Reads until the client's close frame, and answers it.
    pub fn read_close_code(&mut self) -> Option<u16> {
        loop {
            if let Message::Close(frame) = self.read() {
                let _ = self.socket.flush();
                return frame.map(|frame| frame.code.into());
            }
        }
    }

    /// Reads until the stream ends.
    pub fn read_to_end(mut self) {
        let mut rest = Vec::new();
        let _ = self.socket.get_mut().read_to_end(&mut rest);
    }
}

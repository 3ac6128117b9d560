//! The opening handshake, with any headers a case wants.

use std::net::SocketAddr;

use tungstenite::handshake::derive_accept_key;

use super::message::Ws;
use crate::harness::http::{self, Response};
use crate::harness::wire::{End, Wire};

/// One upgrade request. Starts as a correct one for `/ws`.
#[derive(Clone, Debug)]
pub struct Upgrade {
    target: String,
    headers: Vec<(String, String)>,
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

impl Default for Upgrade {
    fn default() -> Self {
        let headers = [
            ("Host", "localhost"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self { target: "/ws".to_owned(), headers: headers.into_iter().map(owned).collect() }
    }
}

impl Upgrade {
    /// Asks for raw mode.
    pub fn raw() -> Self {
        Self::default().header("Sec-WebSocket-Protocol", "relay.raw.v1")
    }

    /// Another request target.
    pub fn target(mut self, target: &str) -> Self {
        self.target = target.to_owned();
        self
    }

    /// Adds a header, beside one of the same name if there is one.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces a header's value.
    pub fn replace(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    /// The request's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let lines: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("GET {} HTTP/1.1\r\n{lines}\r\n", self.target).into_bytes()
    }

    /// Connects and upgrades.
    ///
    /// # Panics
    /// When the answer is not a correct 101.
    pub fn open(&self, addr: SocketAddr) -> Ws {
        self.open_over(Wire::connect(addr)).0
    }

    /// Upgrades a connection; the response too, for its headers.
    pub fn open_over(&self, mut wire: Wire) -> (Ws, Response) {
        wire.send(&self.encode());
        Self::accepted(wire)
    }

    /// Reads the answer to an upgrade that was sent already.
    pub fn accepted(mut wire: Wire) -> (Ws, Response) {
        let response =
            http::read_head(&mut wire).unwrap_or_else(|end| panic!("{end:?} instead of an answer"));
        assert_eq!(response.status, 101, "{response:?}");
        let is =
            |name: &str, value: &str| response.header(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
        assert!(is("upgrade", "websocket") && is("connection", "upgrade"), "{response:?}");
        assert_eq!(response.header("sec-websocket-accept"), Some(&*derive_accept_key(KEY.as_bytes())));
        // No extension is ever accepted.
        assert_eq!(response.header("sec-websocket-extensions"), None);
        (Ws::over(wire), response)
    }

    /// Sends a request that must be refused. Returns the answer, or how the connection ended.
    pub fn refused(&self, addr: SocketAddr) -> Result<Response, End> {
        let mut http = http::Http::connect(addr);
        http.send(self.encode());
        http.response_or_end()
    }
}

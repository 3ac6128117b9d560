//! Addresses of a relay: `http(s)://` for registering, `ws(s)://` for the connection; the CAs that are
//! trusted there, and the proxy that leads there.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use rustls::ClientConfig;
use thiserror::Error;
use tungstenite::http::Uri;

use super::ca::{self, Ca, CaError};
use super::proxy::{Proxy, ProxyError, Through};

/// A relay's address: scheme, host, port and path, without user or query; the CAs to trust there, and the
/// proxy to reach it through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    /// Without the brackets of an IPv6 address.
    host: String,
    /// As written; `None`: the scheme's default.
    port: Option<u16>,
    /// Starts with `/`.
    path: String,
    /// The CAs trusted there instead of this machine's.
    ca: Option<Ca>,
    /// How it is reached.
    proxy: Proxy,
    /// In tests a name has the addresses that the test says.
    #[cfg(test)]
    found: Option<Vec<SocketAddr>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Ws,
    Wss,
}

/// Why a text is not the address of a relay.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Not `http(s)://host[:port][/path]`.
    #[error(
        "{0:?} is not a server address; write it like http://localhost:3001 or https://relay.example.org"
    )]
    NotHttp(String),
    /// Not `ws(s)://host[:port][/path]`.
    #[error(
        "{0:?} is not a WebSocket address; write it like ws://localhost:3001/ws or wss://relay.example.org/ws"
    )]
    NotWebSocket(String),
}

impl Endpoint {
    /// Parses an `http://` or `https://` address.
    ///
    /// # Errors
    /// Another scheme, no host, a user or a query in it.
    pub fn parse_http(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text)
            .filter(|endpoint| matches!(endpoint.scheme, Scheme::Http | Scheme::Https))
            .ok_or_else(|| EndpointError::NotHttp(shortened(text)))
    }

    /// Parses a `ws://` or `wss://` address.
    ///
    /// # Errors
    /// Another scheme, no host, a user or a query in it.
    pub fn parse_ws(text: &str) -> Result<Self, EndpointError> {
        Self::parse(text)
            .filter(|endpoint| matches!(endpoint.scheme, Scheme::Ws | Scheme::Wss))
            .ok_or_else(|| EndpointError::NotWebSocket(shortened(text)))
    }

    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.trim().parse().ok()?;
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return None;
        }
        let host = authority.host();
        // The parser takes "h:" and "h:99999" for "no port"; better to say no than to guess.
        let port = match authority.as_str().strip_prefix(host)? {
            "" => None,
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        // RFC 3986 §3.2.2: brackets enclose an IPv6 address and nothing else.
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|inner| inner.parse::<Ipv6Addr>().is_ok())?,
            None => host,
        };
        if host.is_empty() {
            return None;
        }
        let scheme = Scheme::parse(uri.scheme_str()?)?;
        let path = uri.path().to_owned();
        Some(Endpoint {
            scheme,
            host: host.to_owned(),
            port,
            path,
            ca: None,
            proxy: Proxy::FromEnvironment,
            #[cfg(test)]
            found: None,
        })
    }

    /// The host: a name, or an IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// The path, starting with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// True for `https` and `wss`.
    pub fn is_tls(&self) -> bool {
        matches!(self.scheme, Scheme::Https | Scheme::Wss)
    }

    /// The scheme that would be used without TLS.
    pub(crate) fn plain_scheme(&self) -> &'static str {
        match self.scheme {
            Scheme::Http | Scheme::Https => Scheme::Http.as_str(),
            Scheme::Ws | Scheme::Wss => Scheme::Ws.as_str(),
        }
    }

    /// True if only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        let is_name = ["localhost", "localhost."].iter().any(|name| self.host.eq_ignore_ascii_case(name));
        is_name || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback() || ip.is_unspecified())
    }

    /// The same with another host.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The same, where only certificates are believed that `ca` vouches for. It holds for every address made
    /// from this one.
    #[must_use]
    pub fn with_ca(self, ca: Option<Ca>) -> Self {
        Endpoint { ca, ..self }
    }

    /// The same, reached as `proxy` says. It holds for every address made from this one.
    #[must_use]
    pub fn with_proxy(self, proxy: Proxy) -> Self {
        Endpoint { proxy, ..self }
    }

    /// The proxy that leads there, in words and without a password; `None`: the way is direct.
    ///
    /// # Errors
    /// The environment names something that is not a proxy.
    pub fn proxy_words(&self) -> Result<Option<String>, ProxyError> {
        Ok(self.through()?.map(|through| through.to_string()))
    }

    /// The proxy that leads there; `None`: the way is direct.
    ///
    /// # Errors
    /// The environment names something that is not a proxy.
    pub(crate) fn through(&self) -> Result<Option<Through>, ProxyError> {
        self.proxy.towards(self)
    }

    /// The CAs that are trusted at a TLS address; `None` for a plain one.
    ///
    /// # Errors
    /// This machine's CAs can't be read.
    pub(crate) fn trust(&self) -> Result<Option<Arc<ClientConfig>>, CaError> {
        match &self.ca {
            _ if !self.is_tls() => Ok(None),
            Some(ca) => Ok(Some(ca.config())),
            None => ca::default_config().map(Some),
        }
    }

    /// The addresses of the host, in the system's order. Blocks as long as the system's resolver does.
    pub(crate) fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        #[cfg(test)]
        if let Some(found) = &self.found {
            return Ok(found.clone());
        }
        Ok((self.host(), self.port()).to_socket_addrs()?.collect())
    }

    #[cfg(test)]
    pub(crate) fn found_at(self, addresses: &[SocketAddr]) -> Self {
        Endpoint { found: Some(addresses.to_vec()), ..self }
    }

    /// The address `path` below this one: below `https://h/relay`, `/ws` is `https://h/relay/ws`.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        let path = format!("{}{path}", self.path.trim_end_matches('/'));
        Endpoint { path, ..self.clone() }
    }

    /// The WebSocket address of a server: `/ws` below its `http(s)://` address.
    #[must_use]
    pub fn web_socket(&self) -> Self {
        let scheme = if self.is_tls() { Scheme::Wss } else { Scheme::Ws };
        Endpoint { scheme, ..self.below("/ws") }
    }

    /// The server whose WebSocket this is: the `http(s)://` address above it.
    #[must_use]
    pub fn server(&self) -> Self {
        let scheme = if self.is_tls() { Scheme::Https } else { Scheme::Http };
        let above = self.path.rsplit_once('/').map_or("", |(above, _)| above);
        let path = if above.is_empty() { "/" } else { above };
        Endpoint { scheme, path: path.to_owned(), ..self.clone() }
    }

    /// `host` or `host:port` as a `Host` header has it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }
}

impl Scheme {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            _ => return None,
        })
    }

    const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path == "/" { "" } else { &self.path };
        write!(f, "{}://{}{path}", self.scheme.as_str(), self.authority())
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_apart_and_back() {
        for (text, host, port, path) in [
            ("ws://localhost:3001/ws", "localhost", 3001, "/ws"),
            ("wss://relay.example.org/ws", "relay.example.org", 443, "/ws"),
            ("ws://[::1]:80/ws", "::1", 80, "/ws"),
            ("ws://10.0.0.1", "10.0.0.1", 80, "/"),
        ] {
            let endpoint = Endpoint::parse_ws(text).unwrap();
            assert_eq!((endpoint.host(), endpoint.port(), endpoint.path()), (host, port, path), "{text}");
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "localhost:3001",
            "ws://",
            "ws:///ws",
            "ftp://h",
            "ws://u@h",
            "ws://h:99999",
            "ws://h:",
            "ws://[h]",
        ] {
            assert!(Endpoint::parse_ws(bad).is_err(), "{bad}");
            assert!(Endpoint::parse_http(&bad.replace("ws:", "http:")).is_err(), "{bad}");
        }
        assert!(Endpoint::parse_ws("http://h").is_err() && Endpoint::parse_http("ws://h").is_err());
        assert!(Endpoint::parse_http("http://h/?x=1").is_err());
    }

    #[test]
    fn a_servers_web_socket_stands_below_it() {
        for (server, ws) in [
            ("http://localhost:3001", "ws://localhost:3001/ws"),
            ("https://h/relay/", "wss://h/relay/ws"),
            ("http://[::1]:3001/", "ws://[::1]:3001/ws"),
        ] {
            let endpoint = Endpoint::parse_http(server).unwrap().web_socket();
            assert_eq!(endpoint.to_string(), ws);
            assert_eq!(endpoint.server().to_string(), server.trim_end_matches('/'));
        }
        assert_eq!(Endpoint::parse_ws("ws://h").unwrap().server().to_string(), "http://h");
    }

    #[test]
    fn loopback_is_known_in_all_its_spellings() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "0.0.0.0"] {
            assert!(Endpoint::parse_ws(&format!("ws://{host}:1/ws")).unwrap().is_loopback(), "{host}");
        }
        for host in ["localhost.example.org", "10.0.0.1", "[2001:db8::1]"] {
            assert!(!Endpoint::parse_ws(&format!("ws://{host}:1/ws")).unwrap().is_loopback(), "{host}");
        }
        let lan = Endpoint::parse_ws("ws://localhost:3001/ws").unwrap().with_host("2001:db8::1");
        assert_eq!(lan.to_string(), "ws://[2001:db8::1]:3001/ws");
    }
}

//! Where a server is: the parts of an address such as `wss://relay.example.org/ws`.

/// A server, and the path of its WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// TLS is spoken there.
    pub is_tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, with its slash.
    pub path: String,
}

impl Place {
    /// Reads a WebSocket address, which was checked when it was configured. `None` if it is not one.
    pub fn of_ws_url(url: &str) -> Option<Self> {
        let (is_tls, rest) = match url.strip_prefix("wss://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("ws://")?),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None => {
                if is_tls {
                    443
                } else {
                    80
                }
            }
        };
        (!host.is_empty()).then(|| Place { is_tls, host: host.to_owned(), port, path: format!("/{path}") })
    }

    /// Host and port, for people and for a `Host` field.
    pub fn address(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default = if self.is_tls { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }

    /// The address of its WebSocket.
    pub fn ws_url(&self) -> String {
        format!("{}://{}{}", if self.is_tls { "wss" } else { "ws" }, self.address(), self.path)
    }

    /// The path of something beside `/ws`, such as `/api/address`.
    pub fn beside(&self, path: &str) -> String {
        let before = self.path.strip_suffix("/ws").unwrap_or_default();
        format!("{before}{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_put_together() {
        for (url, is_tls, host, port, beside) in [
            ("wss://relay.example.org/ws", true, "relay.example.org", 443, "/health"),
            ("ws://localhost:3001/ws", false, "localhost", 3001, "/health"),
            ("wss://[2001:db8::1]:8443/relay/ws", true, "2001:db8::1", 8443, "/relay/health"),
            ("ws://10.0.0.1/other", false, "10.0.0.1", 80, "/health"),
        ] {
            let place = Place::of_ws_url(url).unwrap();
            assert_eq!((place.is_tls, place.host.as_str(), place.port), (is_tls, host, port), "{url}");
            assert_eq!((place.ws_url().as_str(), place.beside("/health").as_str()), (url, beside));
        }
        for wrong in ["https://a/ws", "ws:///ws", "ws://a:b/ws", "ws://a:99999/ws"] {
            assert_eq!(Place::of_ws_url(wrong), None, "{wrong}");
        }
    }
}

//! A Redis with a TLS port. The harness itself uses the plain port.

use super::authority::{Authority, Identity};
use super::redis::{Keep, Redis, free_port};

/// A private server with both ports.
#[derive(Debug)]
pub struct TlsRedis {
    redis: Redis,
    port: u16,
}

impl TlsRedis {
    /// Starts it under a certificate for `name`.
    pub fn start(authority: &Authority, name: &str) -> Self {
        Self::start_with(authority, name, &[])
    }

    /// The same with more arguments.
    pub fn start_with(authority: &Authority, name: &str, more: &[String]) -> Self {
        let identity = authority.issue(name);
        let mut port = 0;
        let redis = Redis::start_with(Keep::Nothing, || {
            port = free_port();
            let tls = tls_settings(authority, &identity, port);
            let tls = tls.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]);
            tls.chain(more.iter().cloned()).collect()
        });
        Self { redis, port }
    }

    /// Its TLS URL, with a name that its certificate may or may not have.
    pub fn url(&self, user_info: &str, host: &str) -> String {
        format!("rediss://{user_info}{host}:{}", self.port)
    }

    /// The TLS port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server, by its plain port.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }
}

/// The arguments with which a server or a sentinel speaks TLS at `port`, without client certificates.
pub(super) fn tls_settings(
    authority: &Authority,
    identity: &Identity,
    port: u16,
) -> [(&'static str, String); 5] {
    [
        ("tls-port", port.to_string()),
        ("tls-cert-file", identity.certificate.clone()),
        ("tls-key-file", identity.key.clone()),
        ("tls-ca-cert-file", authority.file()),
        ("tls-auth-clients", "no".to_owned()),
    ]
}

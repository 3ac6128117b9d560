//! Which Redis, and as whom. Owns the URL and sees to it that its password is in no log line.

use std::fmt;
use std::time::Duration;

use protocol::ids::NodeId;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisResult,
};
use socket2::TcpKeepalive;

use super::dialer::{Dialer, Sentinels};
use super::sentinel_url::SentinelUrl;
use super::tls::{self, CaBundle};
use crate::backend::BackendError;

/// How to reach the shared store.
#[derive(Clone)]
pub struct RedisSettings {
    /// `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS; or `redis+sentinel://…`, `rediss+sentinel://…`.
    pub url: String,
    /// Whose signature under a server's certificate is believed; `None`: what this machine believes. For TLS only.
    pub ca: Option<CaBundle>,
    /// Stands before every key and channel.
    pub prefix: String,
    /// Seconds without activity after which a session ends. The same on every node.
    pub idle_secs: u64,
    /// This process.
    pub node: NodeId,
}

impl RedisSettings {
    /// What dials for requests. Opens no connection. A claim that was given up must not be carried out later, so what the
    /// kernel holds unsent goes with its connection.
    pub(super) fn dialer(&self) -> Result<Dialer, BackendError> {
        self.dialer_as(|redis| redis, |tcp| with_user_timeout(tcp).set_linger_time(Duration::ZERO))
    }

    /// What dials for the bus, where one connection is never read and one never written: who only writes learns of a
    /// peer that vanished by a timeout alone.
    pub(super) fn bus_dialer(&self) -> Result<Dialer, BackendError> {
        self.dialer_as(|redis| redis.set_protocol(ProtocolVersion::RESP2), with_user_timeout)
    }

    fn dialer_as(
        &self,
        redis_as: impl Fn(RedisConnectionInfo) -> RedisConnectionInfo,
        tcp_as: impl Fn(TcpSettings) -> TcpSettings,
    ) -> Result<Dialer, BackendError> {
        let server = |url: &str| {
            let info = url.into_connection_info()?;
            let redis = redis_as(info.redis_settings().clone());
            self.client(info.set_redis_settings(redis), &tcp_as)
        };
        let dialer = match SentinelUrl::parse(&self.url) {
            None => server(&self.url).map(Dialer::At),
            Some(url) => server(&url.of_master()).and_then(|master| {
                let sentinels = url.sentinels().map(|sentinel| self.sentinel(&sentinel, &url));
                let sentinels = sentinels.collect::<RedisResult<_>>()?;
                Ok(Dialer::Through(Sentinels { sentinels, name: url.master.to_owned(), master }))
            }),
        };
        dialer.map_err(|error| BackendError::Url { reason: self.redact(&error.to_string()) })
    }

    fn sentinel(&self, address: &str, url: &SentinelUrl<'_>) -> RedisResult<Client> {
        let info = address.into_connection_info()?;
        let mut redis = info.redis_settings().clone();
        if let Some(username) = url.sentinel_username() {
            redis = redis.set_username(username);
        }
        if let Some(password) = url.sentinel_password() {
            redis = redis.set_password(password);
        }
        self.client(info.set_redis_settings(redis), |tcp| tcp)
    }

    fn client(
        &self,
        info: ConnectionInfo,
        tcp_as: impl Fn(TcpSettings) -> TcpSettings,
    ) -> RedisResult<Client> {
        // Requests are small and waited for; a peer that vanished must show even without traffic.
        let tcp = info.tcp_settings().clone().set_nodelay(true).set_keepalive(keepalive());
        let redis = info.redis_settings().clone().set_skip_set_lib_name();
        let info = info.set_tcp_settings(tcp_as(tcp)).set_redis_settings(redis);
        match info.addr() {
            ConnectionAddr::TcpTls { .. } => tls::client(info, self.ca.as_ref()),
            _ => Client::open(info),
        }
    }

    /// Host and port, of the sentinels too, for logs.
    pub fn address(&self) -> String {
        let host = |url: &str| match url.into_connection_info() {
            Ok(info) => info.addr().to_string(),
            Err(_) => "an unusable URL".to_owned(),
        };
        match SentinelUrl::parse(&self.url) {
            None => host(&self.url),
            Some(url) => url.sentinels().map(|url| host(&url)).collect::<Vec<_>>().join(","),
        }
    }

    /// A reason as it may be shown: one short line without the password. A server may echo what it was sent.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        for secret in self.secrets() {
            text = text.replace(&secret, "***");
        }
        text.chars().take(REASON_CHARS_MAX).collect()
    }

    /// Each password as it stands in the URL and as it is sent.
    fn secrets(&self) -> Vec<String> {
        let sentinels = SentinelUrl::parse(&self.url);
        let server = sentinels.as_ref().map_or_else(|| self.url.clone(), SentinelUrl::of_master);
        let sent = server.as_str().into_connection_info().ok();
        let sent = sent.and_then(|info| info.redis_settings().password().map(str::to_owned));
        let user_info = server.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        let written =
            user_info.and_then(|(user_info, _)| user_info.split_once(':')).map(|(_, it)| it.to_owned());
        let of_sentinels = sentinels.iter().flat_map(|url| {
            [url.sentinel_password(), url.written_sentinel_password().map(str::to_owned)]
                .into_iter()
                .flatten()
        });
        let secrets = sent.into_iter().chain(written).chain(of_sentinels);
        secrets.filter(|secret| !secret.is_empty()).collect()
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("address", &self.address())
            .field("prefix", &self.prefix)
            .field("idle_secs", &self.idle_secs)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new().with_time(KEEPALIVE_AFTER)
}

/// Gives up a connection whose bytes nobody acknowledges. Where the system can't, the node's own probe shows it.
#[cfg(target_os = "linux")]
fn with_user_timeout(tcp: TcpSettings) -> TcpSettings {
    tcp.set_user_timeout(UNACKNOWLEDGED_FOR_MAX)
}

#[cfg(not(target_os = "linux"))]
fn with_user_timeout(tcp: TcpSettings) -> TcpSettings {
    tcp
}

/// Longest reason shown. A server's error line may be of any length.
const REASON_CHARS_MAX: usize = 200;

const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);

#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_FOR_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> RedisSettings {
        let node = NodeId::from_bytes([7; 16]);
        RedisSettings { url: url.to_owned(), ca: None, prefix: "relay:".to_owned(), idle_secs: 60, node }
    }

    #[test]
    fn no_line_shows_the_password() {
        let settings = settings("redis://me:s%21cret@127.0.0.1:6379/3");
        assert_eq!(settings.redact("bad s!cret or s%21cret\r\nnext"), "bad *** or ***  next");
        let shown = format!("{settings:?}");
        assert!(shown.contains("127.0.0.1:6379") && !shown.contains("cret"), "{shown}");
    }

    #[test]
    fn nor_that_of_the_sentinels() {
        let settings = settings(
            "redis+sentinel://me:s%21cret@[::1]:7,h/master/3?sentinel_username=u&sentinel_password=hid%64en",
        );
        assert_eq!(settings.redact("s!cret s%21cret hidden hid%64en"), "*** *** *** ***");
        let shown = format!("{settings:?} {:?}", settings.dialer().unwrap());
        assert!(shown.contains("h:26379") && !shown.contains("cret") && !shown.contains("hid"), "{shown}");
    }

    #[test]
    fn an_unusable_url_is_named_as_such_without_its_password() {
        for url in ["", "http://localhost", "redis://:hidden@host/nodb", "redis://:hidden@:0x", "host:6379"] {
            let error = settings(url).dialer().unwrap_err().to_string();
            assert!(error.contains("redis://") && !error.contains("hidden"), "{url}: {error}");
        }
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let shown = settings("redis://localhost").redact(&"x\n".repeat(10_000));
        assert_eq!(shown.chars().count(), REASON_CHARS_MAX);
        assert!(!shown.contains('\n'));
    }
}

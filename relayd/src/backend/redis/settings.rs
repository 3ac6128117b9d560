//! The address and the user of Redis. Owns the URL, and keeps its password out of log lines.

use std::fmt;

use protocol::ids::NodeId;
use redis::IntoConnectionInfo;

use super::password::RedisPassword;
use super::sentinel_url::SentinelUrl;
use crate::tls::CaBundle;

/// How to reach the shared store.
#[derive(Clone)]
pub struct RedisSettings {
    /// `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS; `unix:///path`; or
    /// `redis+sentinel://…`, `rediss+sentinel://…`.
    pub url: String,
    /// Where the password is, if not in the URL. That of sentinels is in the URL.
    pub password: RedisPassword,
    /// The CAs that may have signed the server's certificate, for TLS. `None`: the CAs that this machine
    /// trusts.
    pub ca: Option<CaBundle>,
    /// The start of every key and channel.
    pub prefix: String,
    /// Seconds without activity after which a session ends. The same on every node.
    pub idle_secs: u64,
    /// This process.
    pub node: NodeId,
}

impl RedisSettings {
    /// Host and port of Redis or of its sentinels, or the path of its socket, for logs.
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

    /// The text as one short line without passwords. A server may echo what it was sent.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        for secret in self.secrets() {
            text = text.replace(&secret, "***");
        }
        text.chars().take(REASON_CHARS_MAX).collect()
    }

    /// Each password, as written in the URL and as sent.
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

/// The longest reason that is shown. A server's error line may be of any length.
const REASON_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> RedisSettings {
        let node = NodeId::from_bytes([7; 16]);
        RedisSettings {
            url: url.to_owned(),
            password: RedisPassword::InUrl,
            ca: None,
            prefix: "relay:".to_owned(),
            idle_secs: 60,
            node,
        }
    }

    #[test]
    fn no_line_shows_the_password() {
        let settings = settings("redis://me:s%21cret@127.0.0.1:6379/3");
        assert_eq!(settings.redact("bad s!cret or s%21cret\r\nnext"), "bad *** or ***  next");
        let shown = format!("{settings:?}");
        assert!(shown.contains("127.0.0.1:6379") && !shown.contains("cret"), "{shown}");
    }

    #[test]
    fn no_line_shows_the_password_of_the_sentinels() {
        let settings = settings(
            "redis+sentinel://me:s%21cret@[::1]:7,h/master/3?sentinel_username=u&sentinel_password=hid%64en",
        );
        assert_eq!(settings.redact("s!cret s%21cret hidden hid%64en"), "*** *** *** ***");
        let shown = format!("{settings:?}");
        assert!(shown.contains("h:26379") && !shown.contains("cret") && !shown.contains("hid"), "{shown}");
    }

    #[test]
    fn a_socket_is_shown_by_its_path_and_without_its_password() {
        for scheme in ["unix", "redis+unix", "valkey+unix"] {
            let url = format!("{scheme}:///run/redis.sock?user=me&pass=s%21cret&db=3");
            let settings = settings(&url);
            assert_eq!(settings.address(), "/run/redis.sock");
            assert_eq!(settings.redact("bad s!cret"), "bad ***");
            let shown = format!("{settings:?}");
            assert!(shown.contains("\"/run/redis.sock\"") && !shown.contains("cret"), "{shown}");
        }
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let shown = settings("redis://localhost").redact(&"x\n".repeat(10_000));
        assert_eq!(shown.chars().count(), REASON_CHARS_MAX);
        assert!(!shown.contains('\n'));
    }
}

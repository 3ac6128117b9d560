//! Which store to use, decided once at start.
//!
//! Unless the operator chooses, the default address decides. The embedded store is used only if that address
//! refuses connections for two seconds. A server that accepts or stays silent there may be a Redis that other
//! nodes share.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// The Redis to look for when none is named.
pub const DEFAULT_URL: &str = "redis://127.0.0.1:6379";

/// The address of [`DEFAULT_URL`].
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6379);

/// One of the two stores, as `--store` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// A shared Redis.
    Redis,
    /// Embedded.
    Memory,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The store to use.
    pub store: StoreKind,
    /// The Redis to use if the store is Redis. May hold a password.
    pub redis_url: String,
    /// The reason, as one sentence for the log. Holds no secret.
    pub because: String,
}

/// Decides by `--store`, by `REDIS_URL`, or by dialing the default address. Blocks for up to two seconds.
pub fn decide(asked: Option<StoreKind>, redis_url: Option<&str>) -> Decision {
    decide_at(asked, redis_url, DEFAULT_ADDRESS, GAP)
}

fn decide_at(
    asked: Option<StoreKind>,
    redis_url: Option<&str>,
    address: SocketAddr,
    gap: Duration,
) -> Decision {
    let (store, because) = match (asked, redis_url) {
        (Some(StoreKind::Memory), _) => (StoreKind::Memory, format!("--store says memory: {LOCAL}")),
        (Some(StoreKind::Redis), _) => (StoreKind::Redis, format!("--store says redis: {SHARED}")),
        (None, Some(_)) => (StoreKind::Redis, format!("REDIS_URL is set: {SHARED}")),
        (None, None) if refuses_for_good(address, gap) => (
            StoreKind::Memory,
            format!(
                "REDIS_URL is not set and nothing listens at {address}: {LOCAL}; set REDIS_URL to share them"
            ),
        ),
        (None, None) => (
            StoreKind::Redis,
            format!(
                "REDIS_URL is not set and {address} did not refuse the connection: {SHARED}; --store memory needs no Redis"
            ),
        ),
    };
    Decision { store, redis_url: redis_url.unwrap_or(DEFAULT_URL).to_owned(), because }
}

/// True if three attempts within two seconds were refused. A restarting Redis may refuse once.
fn refuses_for_good(address: SocketAddr, gap: Duration) -> bool {
    let deadline = Instant::now() + LOOK_FOR;
    (0..TRIES).all(|attempt| {
        if attempt > 0 {
            thread::sleep(gap);
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let dialed = TcpStream::connect_timeout(&address, left);
        dialed.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    })
}

const LOCAL: &str = "sessions are kept in this process's memory and end with it";
const SHARED: &str = "sessions are kept in Redis";

const TRIES: u32 = 3;
const GAP: Duration = Duration::from_millis(700);
const LOOK_FOR: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn look_at(address: SocketAddr) -> Decision {
        decide_at(None, None, address, Duration::from_millis(1))
    }

    #[test]
    fn an_address_that_refuses_means_memory_and_one_that_takes_calls_means_redis() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(look_at(address).store, StoreKind::Redis);
        drop(listener);
        let decision = look_at(address);
        assert_eq!(decision.store, StoreKind::Memory);
        assert!(decision.because.contains("REDIS_URL"), "{}", decision.because);
    }

    #[test]
    fn what_the_operator_says_is_not_questioned() {
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let decide = |asked, url| decide_at(asked, url, nobody, Duration::from_millis(1));
        let named = decide(None, Some("redis://:hidden@elsewhere"));
        assert_eq!((named.store, named.redis_url.as_str()), (StoreKind::Redis, "redis://:hidden@elsewhere"));
        assert!(!named.because.contains("hidden"));
        assert_eq!(decide(Some(StoreKind::Memory), Some("redis://elsewhere")).store, StoreKind::Memory);
        let asked = decide(Some(StoreKind::Redis), None);
        assert_eq!((asked.store, asked.redis_url.as_str()), (StoreKind::Redis, DEFAULT_URL));
    }
}

//! Makes connections to Redis: at a fixed address, or at the address that sentinels name. Blocks for a few
//! seconds at most, even if sentinels are silent.

use std::time::{Duration, Instant};

use redis::{IntoConnectionInfo, RedisResult, Value};

use super::connection::RedisConnection;
use super::error::Fault;
use super::password::{PasswordSource, RedisPassword};
use super::rights;
use super::sentinel_url::SentinelUrl;
use super::server::{RedisServer, SocketOptions};
use super::settings::RedisSettings;
use crate::backend::BackendError;
use crate::tls;

/// Makes the connections of one thread.
#[derive(Clone, Debug)]
pub(super) enum Dialer {
    /// At this address.
    At(RedisServer),
    /// At the address that the sentinels name.
    Through(Sentinels),
}

/// The sentinels that watch one master.
#[derive(Clone, Debug)]
pub(super) struct Sentinels {
    /// At least one, in the order of asking.
    pub(super) sentinels: Vec<RedisServer>,
    /// The master's name at the sentinels.
    pub(super) name: String,
    /// How to dial the master, except for its address.
    pub(super) master: RedisServer,
}

/// Host and port.
type MasterAddress = (String, u16);

impl Dialer {
    /// Makes connections for requests. A claim that was given up must not be carried out later, so the kernel
    /// drops unsent bytes with their connection.
    pub(super) fn for_requests(settings: &RedisSettings) -> Result<Self, BackendError> {
        Self::new(
            settings,
            SocketOptions {
                is_lost_with_connection: true,
                unacknowledged_for_max: Some(UNACKNOWLEDGED_FOR_MAX),
            },
        )
    }

    /// Makes connections for the bus. One of them is rarely read and the other rarely written, and only a
    /// timeout shows a thread that only writes that its peer has vanished.
    pub(super) fn for_bus(settings: &RedisSettings) -> Result<Self, BackendError> {
        Self::new(
            settings,
            SocketOptions {
                is_lost_with_connection: false,
                unacknowledged_for_max: Some(UNACKNOWLEDGED_FOR_MAX),
            },
        )
    }

    /// Reads the URL. Opens no connection.
    fn new(settings: &RedisSettings, socket: SocketOptions) -> Result<Self, BackendError> {
        let dialer = match SentinelUrl::parse(&settings.url) {
            None => server(settings, &settings.url, socket).map(Dialer::At),
            Some(url) => Sentinels::new(settings, &url, socket).map(Dialer::Through),
        };
        dialer.map_err(|error| BackendError::Url { reason: settings.redact(&error.to_string()) })
    }

    /// Dials and logs in. Later reads and writes block for a few seconds at most.
    pub(super) fn dial(&self) -> Result<RedisConnection, Fault> {
        match self {
            Dialer::At(server) => RedisConnection::open(server, DIAL_TIMEOUT, ANSWER_TIMEOUT),
            Dialer::Through(sentinels) => sentinels.dial(),
        }
    }
}

/// Reads the URL of one server.
fn server(settings: &RedisSettings, url: &str, socket: SocketOptions) -> RedisResult<RedisServer> {
    let server =
        RedisServer::new(&url.into_connection_info()?, || tls::client_config(settings.ca.as_ref()), socket);
    let kept = Some(PasswordSource::Kept(settings.password.clone()))
        .filter(|_| settings.password != RedisPassword::InUrl);
    server
        .map(|server| RedisServer { password: kept.unwrap_or_else(|| server.password.clone()), ..server })
        .ok_or_else(|| (redis::ErrorKind::InvalidClientConfig, "it names neither a host nor a socket").into())
}

impl Sentinels {
    fn new(settings: &RedisSettings, url: &SentinelUrl<'_>, socket: SocketOptions) -> RedisResult<Self> {
        let master = server(settings, &url.of_master(), socket)?;
        let sentinel = |address: String| {
            let server = server(settings, &address, SocketOptions::default())?;
            let (username, password) =
                (url.sentinel_username(), PasswordSource::in_url(url.sentinel_password()));
            Ok(RedisServer { username, password, ..server })
        };
        let sentinels = url.sentinels().map(sentinel).collect::<RedisResult<_>>()?;
        Ok(Sentinels { sentinels, name: url.master.to_owned(), master })
    }

    /// Asks one sentinel after the other until one names a server that confirms that it is the master. After
    /// a failover some sentinels still name the old one. Every connection asks again, because only sentinels
    /// know of a failover.
    fn dial(&self) -> Result<RedisConnection, Fault> {
        let begun = Instant::now();
        let mut refused: Option<(MasterAddress, Fault)> = None;
        let mut unhelpful = None;
        for sentinel in &self.sentinels {
            match self.ask(sentinel) {
                Ok(address) if refused.as_ref().is_some_and(|(known, _)| *known == address) => {}
                Ok(address) => match self.dial_master(&address) {
                    Ok(connection) => return Ok(connection),
                    Err(fault) => refused = Some((address, fault)),
                },
                Err(fault) => unhelpful = Some((sentinel.address(), fault)),
            }
            if begun.elapsed() >= ASKED_FOR_MAX {
                break;
            }
        }
        Err(Fault::new(match (refused, unhelpful) {
            (Some(((host, port), fault)), _) => {
                format!("the master at {host}:{port}, named by sentinels: {}", fault.why())
            }
            (None, Some((sentinel, fault))) => {
                format!("no sentinel names a master; the one at {sentinel}: {}", fault.why())
            }
            (None, None) => "no sentinel is named".to_owned(),
        }))
    }

    /// The master's address, by this sentinel.
    fn ask(&self, sentinel: &RedisServer) -> Result<MasterAddress, Fault> {
        let count = u32::try_from(self.sentinels.len()).unwrap_or(u32::MAX);
        let share = (ASKED_FOR_MAX / count.max(1)).max(SHARE_MIN);
        let mut connection = RedisConnection::open(sentinel, share, share)?;
        let question = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name).to_owned();
        match connection.ask("sentinel", &question)? {
            Value::Array(words) => address(&words).ok_or_else(Fault::unexpected),
            Value::Nil => Err(Fault::new(format!("it does not know a master named {:?}", self.name))),
            _ => Err(Fault::unexpected()),
        }
    }

    fn dial_master(&self, (host, port): &MasterAddress) -> Result<RedisConnection, Fault> {
        let master = self.master.at(host, *port);
        let mut connection = RedisConnection::open(&master, DIAL_TIMEOUT, ANSWER_TIMEOUT)?;
        match connection.ask(rights::WITH_SENTINEL, &redis::cmd("ROLE"))? {
            Value::Array(words) if words.first().and_then(word) == Some("master") => Ok(connection),
            Value::Array(_) => Err(Fault::new("it is a replica")),
            _ => Err(Fault::unexpected()),
        }
    }
}

fn address(words: &[Value]) -> Option<MasterAddress> {
    let [host, port] = words else { return None };
    Some((word(host)?.to_owned(), word(port)?.parse().ok()?))
}

fn word(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// The limit for dialing, and for each answer during set-up.
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// A server that is silent for this long counts as away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// For all sentinels together: a silent one uses up its share. No further sentinel is asked after this time.
const ASKED_FOR_MAX: Duration = Duration::from_secs(3);

/// The least share of one sentinel, so that a distant one can answer.
const SHARE_MIN: Duration = Duration::from_millis(250);

/// A server that acknowledges no bytes for this long counts as gone.
const UNACKNOWLEDGED_FOR_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;

//! How a connection to Redis is had: from one address, or from the one that sentinels name. Blocks, but whatever they
//! do, not longer than a few seconds.

use std::time::{Duration, Instant};

use redis::{IntoConnectionInfo, RedisResult, Value};

use super::connection::Connection;
use super::error::Fault;
use super::rights;
use super::sentinel_url::SentinelUrl;
use super::server::{Server, SocketOptions};
use super::settings::RedisSettings;
use super::tls;
use crate::backend::BackendError;

/// Makes the connections of one thread.
#[derive(Clone, Debug)]
pub(super) enum Dialer {
    /// At this address.
    At(Server),
    /// Where the sentinels say.
    Through(Sentinels),
}

/// The sentinels that watch one master.
#[derive(Clone, Debug)]
pub(super) struct Sentinels {
    /// At least one, in the order in which they are asked.
    pub(super) sentinels: Vec<Server>,
    /// What they call the master.
    pub(super) name: String,
    /// How the master is dialed, but for its address.
    pub(super) master: Server,
}

/// Host and port.
type Address = (String, u16);

impl Dialer {
    /// Dials for requests. A claim that was given up must not be carried out later, so bytes that the kernel has not sent
    /// are dropped with their connection.
    pub(super) fn for_requests(settings: &RedisSettings) -> Result<Self, BackendError> {
        Self::new(
            settings,
            SocketOptions {
                is_lost_with_connection: true,
                unacknowledged_for_max: Some(UNACKNOWLEDGED_FOR_MAX),
            },
        )
    }

    /// Dials for the bus. One of its connections is hardly read and the other never written: a thread that only writes
    /// learns by a timeout alone that its peer has vanished.
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

    /// A connection that was let in. Neither reading nor writing blocks for long.
    pub(super) fn dial(&self) -> Result<Connection, Fault> {
        match self {
            Dialer::At(server) => Connection::open(server, DIAL_TIMEOUT, ANSWER_TIMEOUT),
            Dialer::Through(sentinels) => sentinels.dial(),
        }
    }
}

/// The server that this URL names.
fn server(settings: &RedisSettings, url: &str, socket: SocketOptions) -> RedisResult<Server> {
    let server = Server::new(&url.into_connection_info()?, || tls::config(settings.ca.as_ref()), socket);
    server
        .ok_or_else(|| (redis::ErrorKind::InvalidClientConfig, "it names neither a host nor a socket").into())
}

impl Sentinels {
    fn new(settings: &RedisSettings, url: &SentinelUrl<'_>, socket: SocketOptions) -> RedisResult<Self> {
        let master = server(settings, &url.of_master(), socket)?;
        let sentinel = |address: String| {
            let server = server(settings, &address, SocketOptions::default())?;
            let (username, password) = (url.sentinel_username(), url.sentinel_password());
            Ok(Server { username, password, ..server })
        };
        let sentinels = url.sentinels().map(sentinel).collect::<RedisResult<_>>()?;
        Ok(Sentinels { sentinels, name: url.master.to_owned(), master })
    }

    /// Asks one after the other, until one names a server that says itself that it is the master: after a failover
    /// some may not know of it yet. Anew for each connection, as only they know when the master is another.
    fn dial(&self) -> Result<Connection, Fault> {
        let begun = Instant::now();
        let mut refused: Option<(Address, Fault)> = None;
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
                format!("the master at {host}:{port}, as sentinels say: {}", fault.why())
            }
            (None, Some((sentinel, fault))) => {
                format!("no sentinel helps; the one at {sentinel}: {}", fault.why())
            }
            (None, None) => "no sentinel is named".to_owned(),
        }))
    }

    /// Where this sentinel sees the master.
    fn ask(&self, sentinel: &Server) -> Result<Address, Fault> {
        let count = u32::try_from(self.sentinels.len()).unwrap_or(u32::MAX);
        let share = (ASKED_FOR_MAX / count.max(1)).max(SHARE_MIN);
        let mut connection = Connection::open(sentinel, share, share)?;
        let question = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name).to_owned();
        match connection.ask("sentinel", &question)? {
            Value::Array(words) => address(&words).ok_or_else(Fault::unexpected),
            Value::Nil => Err(Fault::new(format!("it watches no master that is called {:?}", self.name))),
            _ => Err(Fault::unexpected()),
        }
    }

    fn dial_master(&self, (host, port): &Address) -> Result<Connection, Fault> {
        let master = self.master.at(host, *port);
        let mut connection = Connection::open(&master, DIAL_TIMEOUT, ANSWER_TIMEOUT)?;
        match connection.ask(rights::WITH_SENTINEL, &redis::cmd("ROLE"))? {
            Value::Array(words) if words.first().and_then(word) == Some("master") => Ok(connection),
            Value::Array(_) => Err(Fault::new("it is a replica")),
            _ => Err(Fault::unexpected()),
        }
    }
}

fn address(words: &[Value]) -> Option<Address> {
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

/// For dialing, and for each answer while the connection is set up.
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// A server that is silent for this long is away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// Shared by all sentinels: one that is silent holds up the others for its share. Once it is over, no other is asked.
const ASKED_FOR_MAX: Duration = Duration::from_secs(3);

/// Less than this would take a distant one for silent.
const SHARE_MIN: Duration = Duration::from_millis(250);

/// A server that has not acknowledged what it was sent for this long is gone.
const UNACKNOWLEDGED_FOR_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;

//! What an operator should know of a Redis before it hurts: asked once, by `relayd doctor`.
//!
//! Dials as a node does, so a missing right shows in the same words. What its user may not ask stays unknown.

use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use super::connection::RedisConnection;
use super::dialer::Dialer;
use super::error::Fault;
use super::keys::Keys;
use super::request_connection::{RequestConnection, SessionRoom};
use super::settings::RedisSettings;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Such as `7.0.15`. `None`, here and below: the user may not ask.
    pub version: Option<String>,
    /// The server's clock, in seconds since 1970.
    pub unix_secs: Option<i64>,
    /// From a request to its answer, the median of some.
    pub latency: Duration,
    /// From a message to this node's channel until it is back, or why it is not.
    pub message: Result<Duration, String>,
    /// There is no memory for a new session.
    pub is_full: bool,
    /// `maxmemory-policy`.
    pub eviction: Option<String>,
    /// `maxmemory` is set.
    pub is_bounded: bool,
    /// `client-output-buffer-limit` of subscribers: the hard limit, the soft one, and its seconds.
    pub output_buffer: Option<[u64; 3]>,
}

/// Asks. Blocks for some seconds at most.
///
/// # Errors
/// Why a node could not use this server, in words for an operator.
pub fn survey(settings: &RedisSettings) -> Result<Survey, String> {
    let dialer = Dialer::for_requests(settings).map_err(|error| error.to_string())?;
    let words = |fault: Fault| fault.why().to_owned();
    let (_, room) = RequestConnection::dial(&dialer, settings).map_err(words)?;
    let mut connection = dialer.dial().map_err(words)?;
    let info = text(ask(&mut connection, redis::cmd("INFO").arg("server")).map_err(words)?);
    let memory = text(ask(&mut connection, redis::cmd("INFO").arg("memory")).map_err(words)?);
    let line = |text: &Option<String>, name: &str| {
        let line = text.as_deref()?.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_end().to_owned())
    };
    let mut limits = redis::cmd("CONFIG");
    limits.arg("GET").arg("client-output-buffer-limit");
    let limits = ask(&mut connection, &limits).map_err(words)?;
    let time = ask(&mut connection, &redis::cmd("TIME")).map_err(words)?;
    Ok(Survey {
        version: line(&info, "redis_version:"),
        unix_secs: time.and_then(|time| seconds(&time)),
        latency: latency(&mut connection).map_err(words)?,
        message: message(&mut connection, &dialer, settings).map_err(words),
        is_full: room == SessionRoom::None,
        eviction: line(&memory, "maxmemory_policy:"),
        is_bounded: line(&memory, "maxmemory:").is_some_and(|bytes| bytes != "0"),
        output_buffer: limits.and_then(|limits| subscribers(&limits)),
    })
}

/// One command and its answer. `None`: the user may not ask, or the server does not know it.
fn ask(connection: &mut RedisConnection, cmd: &Cmd) -> Result<Option<Value>, Fault> {
    connection.write(&cmd.get_packed_command())?;
    Ok(match connection.read()? {
        Value::ServerError(_) => None,
        value => Some(value),
    })
}

fn latency(connection: &mut RedisConnection) -> Result<Duration, Fault> {
    let mut took = Vec::new();
    for _ in 0..PINGS {
        let begun = Instant::now();
        ask(connection, &redis::cmd("PING"))?;
        took.push(begun.elapsed());
    }
    took.sort();
    Ok(took[PINGS / 2])
}

/// Subscribes to this node's channel, and publishes to it over the other connection.
fn message(
    connection: &mut RedisConnection,
    dialer: &Dialer,
    settings: &RedisSettings,
) -> Result<Duration, Fault> {
    let channel = Keys::new(&settings.prefix).inbox(settings.node);
    let mut subscribed = dialer.dial()?;
    subscribed.ask("subscribe", redis::cmd("SUBSCRIBE").arg(&channel))?;
    let begun = Instant::now();
    connection.ask("publish", redis::cmd("PUBLISH").arg(&channel).arg(""))?;
    match subscribed.poll(MESSAGE_WITHIN)? {
        Some(Value::Array(_) | Value::Push { .. }) => Ok(begun.elapsed()),
        Some(_) => Err(Fault::unexpected()),
        None => Err(Fault::new("what is published does not arrive at its subscriber")),
    }
}

fn text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

fn seconds(time: &Value) -> Option<i64> {
    let Value::Array(parts) = time else { return None };
    text(parts.first().cloned())?.parse().ok()
}

/// Of `normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60`, the last class.
fn subscribers(limits: &Value) -> Option<[u64; 3]> {
    let Value::Array(parts) = limits else { return None };
    let limits = text(parts.get(1).cloned())?;
    let mut words = limits.split_whitespace().skip_while(|word| *word != "pubsub").skip(1);
    let mut number = || words.next()?.parse().ok();
    Some([number()?, number()?, number()?])
}

const PINGS: usize = 5;

const MESSAGE_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_subscribers_is_found() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let limits = |text| subscribers(&Value::Array(vec![bulk("client-output-buffer-limit"), bulk(text)]));
        let all = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(limits(all), Some([33_554_432, 8_388_608, 60]));
        assert_eq!(limits("normal 0 0 0"), None);
        assert_eq!(limits("pubsub 1 2"), None);
        assert_eq!(seconds(&Value::Array(vec![bulk("1700000000"), bulk("5")])), Some(1_700_000_000));
    }
}

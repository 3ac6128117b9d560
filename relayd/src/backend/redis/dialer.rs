//! How a connection to Redis is had: from one address, or from the one that sentinels name. Blocks, but whatever they
//! do, not longer than a few seconds.

use std::time::{Duration, Instant};

use redis::{Client, Connection, ConnectionAddr, Value};

use super::link::{self, Fault};

/// Makes the connections of one thread.
#[derive(Clone, Debug)]
pub(super) enum Dialer {
    /// At this address.
    At(Client),
    /// Where the sentinels say.
    Through(Sentinels),
}

/// The sentinels that watch one master.
#[derive(Clone, Debug)]
pub(super) struct Sentinels {
    /// At least one, in the order in which they are asked.
    pub(super) sentinels: Vec<Client>,
    /// What they call the master.
    pub(super) name: String,
    /// How the master is dialed, but for its address.
    pub(super) master: Client,
}

/// Host and port.
type Address = (String, u16);

impl Dialer {
    /// A connection that was let in. Neither reading nor writing blocks for long.
    pub(super) fn dial(&self) -> Result<Connection, Fault> {
        match self {
            Dialer::At(client) => open(client, DIAL_TIMEOUT, ANSWER_TIMEOUT),
            Dialer::Through(sentinels) => sentinels.dial(),
        }
    }
}

impl Sentinels {
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
                Err(Fault(why)) => unhelpful = Some((sentinel.get_connection_info().addr().to_string(), why)),
            }
            if begun.elapsed() >= ASKED_FOR_MAX {
                break;
            }
        }
        Err(match (refused, unhelpful) {
            (Some(((host, port), Fault(why))), _) => {
                Fault(format!("the master at {host}:{port}, as sentinels say: {why}"))
            }
            (None, Some((sentinel, why))) => {
                Fault(format!("no sentinel helps; the one at {sentinel}: {why}"))
            }
            (None, None) => Fault("no sentinel is named".to_owned()),
        })
    }

    /// Where this sentinel sees the master.
    fn ask(&self, sentinel: &Client) -> Result<Address, Fault> {
        let count = u32::try_from(self.sentinels.len()).unwrap_or(u32::MAX);
        let share = (ASKED_FOR_MAX / count.max(1)).max(SHARE_MIN);
        let mut connection = open(sentinel, share, share)?;
        let question = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name).to_owned();
        match link::ask(&mut connection, &question)? {
            Value::Array(words) => address(&words).ok_or_else(Fault::unexpected),
            Value::Nil => Err(Fault(format!("it watches no master that is called {:?}", self.name))),
            _ => Err(Fault::unexpected()),
        }
    }

    fn dial_master(&self, (host, port): &Address) -> Result<Connection, Fault> {
        let info = self.master.get_connection_info().clone();
        let (host, port) = (host.clone(), *port);
        let addr = match info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        let mut connection = open(&Client::open(info.set_addr(addr))?, DIAL_TIMEOUT, ANSWER_TIMEOUT)?;
        match link::ask(&mut connection, &redis::cmd("ROLE"))? {
            Value::Array(words) if words.first().and_then(word) == Some("master") => Ok(connection),
            Value::Array(_) => Err(Fault("it is a replica".to_owned())),
            _ => Err(Fault::unexpected()),
        }
    }
}

fn open(client: &Client, dial: Duration, answer: Duration) -> Result<Connection, Fault> {
    let connection = client.get_connection_with_timeout(dial)?;
    connection.set_read_timeout(Some(answer))?;
    connection.set_write_timeout(Some(answer))?;
    Ok(connection)
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

#[cfg(test)]
mod tests;

//! One connection to Redis, from dialing to its first fault. Blocks, but never longer than its timeouts.

use redis::{Cmd, Connection, RedisError, ServerError, Value};
use relayd_core::store::{Answer, Request};

use super::dialer::Dialer;
use super::keys::Keys;
use super::reply;
use super::scripts::{Call, Scripts};
use super::settings::RedisSettings;
use super::tls;

/// A connection that has proved that this Redis does its work.
pub(super) struct Link {
    connection: Connection,
    scripts: Scripts,
}

/// Why a connection is of no use any more, as an operator may read it. Not yet redacted.
#[derive(Debug)]
pub(super) struct Fault(pub(super) String);

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Exchanged {
    /// In the order of the requests that have one.
    pub(super) answers: Vec<Answer>,
    /// Requests that may or may not have been carried out.
    pub(super) unanswered: Vec<Request>,
    /// The connection is of no use any more.
    pub(super) fault: Option<Fault>,
}

/// What one reply is.
enum Reply {
    Answer(Option<Answer>),
    /// The server forgot its scripts.
    NoScript,
}

impl Link {
    /// Dials, and proves that the server is up, lets us in, and takes writes.
    pub(super) fn dial(dialer: &Dialer, settings: &RedisSettings) -> Result<Link, Fault> {
        let connection = dialer.dial()?;
        let keys = Keys::new(&settings.prefix);
        let mut probe = redis::cmd("DEL");
        probe.arg(keys.probe(settings.node));
        let scripts = Scripts::new(keys, settings.node, settings.idle_secs);
        let mut link = Link { connection, scripts };
        link.ping()?;
        // A replica answers PING, and so does a server that can't write its disk.
        match link.ask(&probe)? {
            Value::Int(_) => {}
            _ => return Err(Fault::unexpected()),
        }
        link.load_scripts()?;
        Ok(link)
    }

    /// Asks for a sign of life.
    pub(super) fn ping(&mut self) -> Result<(), Fault> {
        match self.ask(&redis::cmd("PING"))? {
            Value::SimpleString(word) if word == "PONG" => Ok(()),
            _ => Err(Fault::unexpected()),
        }
    }

    /// Carries out a batch in one round trip; in two where the server forgot its scripts.
    pub(super) fn exchange(&mut self, requests: Vec<Request>) -> Exchanged {
        let mut done = Exchanged::default();
        let forgotten = self.round(requests, Call::ByName, &mut done);
        if !forgotten.is_empty() {
            let refused = self.round(forgotten, Call::BySource, &mut done);
            if !refused.is_empty() {
                done.fail(refused, Fault("it takes no scripts".to_owned()));
            }
        }
        done
    }

    /// One round trip. Returns the requests whose script the server did not know.
    fn round(&mut self, requests: Vec<Request>, call: Call, done: &mut Exchanged) -> Vec<Request> {
        let mut bytes = Vec::with_capacity(requests.len() * CALL_BYTES);
        for request in &requests {
            self.scripts.write_call(request, call, &mut bytes);
        }
        if let Err(error) = self.connection.send_packed_command(&bytes) {
            done.fail(requests, error.into());
            return Vec::new();
        }
        self.receive(requests, done)
    }

    fn receive(&mut self, requests: Vec<Request>, done: &mut Exchanged) -> Vec<Request> {
        let mut forgotten = Vec::new();
        let mut waiting = requests.into_iter();
        while let Some(request) = waiting.next() {
            match self.receive_one(&request) {
                Ok(Reply::Answer(answer)) => done.answers.extend(answer),
                Ok(Reply::NoScript) => forgotten.push(request),
                Err(fault) => {
                    forgotten.push(request);
                    forgotten.extend(waiting);
                    done.fail(forgotten, fault);
                    return Vec::new();
                }
            }
        }
        forgotten
    }

    fn receive_one(&mut self, request: &Request) -> Result<Reply, Fault> {
        match self.next_reply()? {
            Value::ServerError(error) => match Trouble::of(&error) {
                Trouble::NoScript => Ok(Reply::NoScript),
                Trouble::Full => Ok(Reply::Answer(reply::full(request))),
                Trouble::ThisKey => Ok(Reply::Answer(reply::away(request))),
                Trouble::Server => Err(Fault::server(&error)),
            },
            value => reply::answer(request, &value).map(Reply::Answer).ok_or_else(Fault::unexpected),
        }
    }

    /// A server may keep no scripts for us: they are then sent with each call.
    fn load_scripts(&mut self) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        let loads = self.scripts.loads().map(|load| load.write_packed_command(&mut bytes)).count();
        self.connection.send_packed_command(&bytes)?;
        for index in 0..loads {
            let name = match self.next_reply()? {
                Value::BulkString(name) => String::from_utf8(name).ok(),
                _ => None,
            };
            self.scripts.on_loaded(index, name);
        }
        Ok(())
    }

    fn ask(&mut self, cmd: &Cmd) -> Result<Value, Fault> {
        ask(&mut self.connection, cmd)
    }

    fn next_reply(&mut self) -> Result<Value, Fault> {
        next_reply(&mut self.connection)
    }
}

/// One command and its answer. After a fault a late answer may still come, so the connection is of no use any more.
pub(super) fn ask(connection: &mut Connection, cmd: &Cmd) -> Result<Value, Fault> {
    connection.send_packed_command(&cmd.get_packed_command())?;
    match next_reply(connection)? {
        Value::ServerError(error) => Err(Fault::server(&error)),
        value => Ok(value),
    }
}

/// Nothing came in time, or a signal ended the wait (a process that was stopped and goes on): the connection may be sound.
pub(super) fn is_pause(error: &RedisError) -> bool {
    error.is_timeout() || (error.is_io_error() && !error.is_connection_dropped())
}

fn next_reply(connection: &mut Connection) -> Result<Value, Fault> {
    loop {
        match connection.recv_response()? {
            Value::Push { .. } => {}
            value => return Ok(value),
        }
    }
}

impl Exchanged {
    /// A batch that never left.
    pub(super) fn not_sent(requests: Vec<Request>) -> Self {
        Exchanged { unanswered: requests, ..Exchanged::default() }
    }

    fn fail(&mut self, requests: Vec<Request>, fault: Fault) {
        self.unanswered = requests;
        self.fault = Some(fault);
    }
}

/// What an error of the server means for the request and for the connection.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    NoScript,
    Full,
    /// Something that is no session of ours sits at this key.
    ThisKey,
    Server,
}

impl Trouble {
    /// Older servers wrap what went wrong inside a script into a text of their own, so the text is searched.
    fn of(error: &ServerError) -> Self {
        let says = |code: &str| error.code() == code || error.details().is_some_and(|it| it.contains(code));
        if error.code() == "NOSCRIPT" {
            Trouble::NoScript
        } else if error.code() == "OOM" || says("OOM command not allowed") {
            Trouble::Full
        } else if says("WRONGTYPE") {
            Trouble::ThisKey
        } else {
            Trouble::Server
        }
    }
}

impl Fault {
    pub(super) fn server(error: &ServerError) -> Self {
        Fault(
            format!("it answers {} {}", error.code(), error.details().unwrap_or_default())
                .trim_end()
                .to_owned(),
        )
    }

    pub(super) fn unexpected() -> Self {
        Fault(
            "it answers with something that Redis does not say; check that REDIS_URL names a Redis"
                .to_owned(),
        )
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Fault("it does not answer in time".to_owned());
        }
        Fault(tls::explain(&error).unwrap_or_else(|| error.to_string()))
    }
}

/// About what one call takes on the wire.
const CALL_BYTES: usize = 400;

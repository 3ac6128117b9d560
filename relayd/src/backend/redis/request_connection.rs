//! One connection to Redis that carries requests, from dialing to its first fault. Blocks, but never longer than its
//! timeouts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::ids::NodeId;
use redis::Value;
use relayd_core::store::{Answer, Request};

use super::connection::Connection;
use super::dialer::Dialer;
use super::error::{Fault, Refusal, Trouble};
use super::keys::Keys;
use super::reply;
use super::rights;
use super::scripts::{Call, Scripts};
use super::settings::RedisSettings;

/// A connection that has proved that this Redis does its work.
pub(super) struct RequestConnection {
    connection: Connection,
    scripts: Scripts,
    /// When a refused request was last told to the log.
    told: Option<Instant>,
}

/// Whether a Redis that does its work has room for a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    None,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Exchanged {
    /// In the order of the requests that have one.
    pub(super) answers: Vec<Answer>,
    /// Requests that may or may not have been carried out.
    pub(super) unanswered: Vec<Request>,
    /// What a probe said, if there was one.
    pub(super) room: Option<Room>,
    /// The server forgot the probe's script.
    is_probe_forgotten: bool,
    /// Requests that were refused as a server refuses everything.
    doubtful: Vec<(Request, Trouble)>,
    /// The connection is of no use any more.
    pub(super) fault: Option<Fault>,
}

/// What one reply is.
enum Reply {
    Answer(Option<Answer>),
    /// The server forgot its scripts.
    NoScript,
    /// The server says that it does no work.
    Doubtful(Trouble),
}

impl RequestConnection {
    /// Dials, and proves that the server is up, lets us in, takes writes, and lets us call each script.
    pub(super) fn dial(dialer: &Dialer, settings: &RedisSettings) -> Result<(Self, Room), Fault> {
        let connection = dialer.dial()?;
        let keys = Keys::new(&settings.prefix);
        let mut write = redis::cmd("DEL");
        write.arg(keys.probe(settings.node));
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(keys.inbox(NodeId::from_bytes([0; 16]))).arg("");
        let mut speak = redis::cmd("CLIENT");
        speak.arg("REPLY").arg("ON");
        let scripts = Scripts::new(keys, settings.node, settings.idle_secs);
        let mut dialed = RequestConnection { connection, scripts, told: None };
        // What does not need the scripts' names goes in one round trip.
        let mut bytes = redis::cmd("PING").get_packed_command();
        for cmd in [&write, &publish, &speak] {
            cmd.write_packed_command(&mut bytes);
        }
        dialed.scripts.write_probe(Call::BySource, &mut bytes);
        let loads = dialed.scripts.loads().map(|load| load.write_packed_command(&mut bytes)).count();
        dialed.connection.write(&bytes)?;
        match dialed.connection.answer("ping")? {
            Value::SimpleString(word) if word == "PONG" => {}
            _ => return Err(Fault::unexpected()),
        }
        // A replica answers PING, and so does a server that can't write its disk. The others are what the bus needs.
        for name in ["del", "publish", "client|reply"] {
            match dialed.connection.answer(name)? {
                Value::Int(_) | Value::Okay => {}
                _ => return Err(Fault::unexpected()),
            }
        }
        dialed.probed(Call::BySource)?;
        dialed.take_names(loads)?;
        let room = dialed.rehearse()?;
        Ok((dialed, room))
    }

    /// Proves again that the server takes writes and lets us call what we need.
    pub(super) fn probe(&mut self) -> Result<Room, Fault> {
        for call in [Call::ByName, Call::BySource] {
            let mut bytes = Vec::new();
            self.scripts.write_probe(call, &mut bytes);
            self.connection.write(&bytes)?;
            if let Some(room) = self.probed(call)? {
                return Ok(room);
            }
        }
        Err(Fault::unexpected())
    }

    /// Reads what a probe said. `None`: the server forgot the script.
    fn probed(&mut self, call: Call) -> Result<Option<Room>, Fault> {
        let name = if call == Call::ByName { "evalsha" } else { "eval" };
        match self.connection.read()? {
            Value::ServerError(error) => match Refusal::of(&error) {
                Refusal::NoScript => Ok(None),
                Refusal::Full => Ok(Some(Room::None)),
                _ => Err(Refusal::while_dialing(&error, rights::named(name))),
            },
            value => {
                let (command, how) = reply::probed(&value).ok_or_else(Fault::unexpected)?;
                let Some(command) = command else { return Ok(Some(Room::Enough)) };
                match Refusal::in_script(how) {
                    Refusal::Full => Ok(Some(Room::None)),
                    refusal => Err(refusal.into_fault(rights::named(command))),
                }
            }
        }
    }

    /// Calls each script once, for a key that is no session's, and the probe, which takes that key away.
    fn rehearse(&mut self) -> Result<Room, Fault> {
        let mut bytes = Vec::new();
        let count = self.scripts.write_rehearsal(Call::ByName, &mut bytes);
        self.scripts.write_probe(Call::ByName, &mut bytes);
        self.connection.write(&bytes)?;
        for _ in 0..count {
            if let Value::ServerError(error) = self.connection.read()? {
                match Refusal::of(&error) {
                    // A server that forgets its scripts at once gets their text; one that is full serves open sessions.
                    Refusal::NoScript | Refusal::Full => {}
                    _ => return Err(Refusal::while_dialing(&error, rights::named("evalsha"))),
                }
            }
        }
        match self.probed(Call::ByName)? {
            Some(room) => Ok(room),
            None => self.probe(),
        }
    }

    /// Carries out a batch in one round trip; in two where the server forgot its scripts. Requests about one session
    /// are carried out in their order. `is_probed`: the server is probed behind it, in the same round trip.
    pub(super) fn exchange(&mut self, requests: Vec<Request>, is_probed: bool) -> Exchanged {
        let mut done = Exchanged::default();
        let forgotten = self.round(requests, Call::ByName, is_probed, &mut done);
        if !forgotten.is_empty() {
            let refused = self.round(forgotten, Call::BySource, false, &mut done);
            if !refused.is_empty() {
                done.fail(refused, Fault::new("it takes no scripts"));
            }
        }
        if done.fault.is_none() && (done.is_probe_forgotten || !done.doubtful.is_empty()) {
            self.settle_doubts(&mut done);
        }
        done
    }

    /// A server that proves that it does its work has refused these requests alone.
    fn settle_doubts(&mut self, done: &mut Exchanged) {
        if done.room.is_none() {
            match self.probe() {
                Ok(room) => done.room = Some(room),
                Err(fault) => return done.fail(Vec::new(), fault),
            }
        }
        for (request, trouble) in std::mem::take(&mut done.doubtful) {
            let answer = self.refuse(&request, &trouble.words());
            done.answers.extend(answer);
        }
    }

    /// One round trip. Returns the requests whose script the server did not know.
    fn round(
        &mut self,
        requests: Vec<Request>,
        call: Call,
        is_probed: bool,
        done: &mut Exchanged,
    ) -> Vec<Request> {
        let mut bytes = Vec::with_capacity(requests.len() * CALL_BYTES);
        // Only the last of a session may be one that the server forgot: else a later one could be carried out before it.
        let mut last = HashMap::with_capacity(requests.len());
        for (at, request) in requests.iter().enumerate() {
            last.insert(request.session(), at);
        }
        for (at, request) in requests.iter().enumerate() {
            let is_last = last.get(&request.session()) == Some(&at);
            let call = if is_last { call } else { Call::BySource };
            self.scripts.write_call(request, call, &mut bytes);
        }
        if is_probed {
            self.scripts.write_probe(Call::ByName, &mut bytes);
        }
        if let Err(fault) = self.connection.write(&bytes) {
            done.fail(requests, fault);
            return Vec::new();
        }
        let forgotten = self.receive(requests, done);
        if is_probed && done.fault.is_none() {
            match self.probed(Call::ByName) {
                Ok(Some(room)) => done.room = Some(room),
                Ok(None) => done.is_probe_forgotten = true,
                Err(fault) => {
                    done.fail(forgotten, fault);
                    return Vec::new();
                }
            }
        }
        forgotten
    }

    fn receive(&mut self, requests: Vec<Request>, done: &mut Exchanged) -> Vec<Request> {
        let mut forgotten = Vec::new();
        let mut waiting = requests.into_iter();
        while let Some(request) = waiting.next() {
            match self.receive_one(&request) {
                Ok(Reply::Answer(answer)) => done.answers.extend(answer),
                Ok(Reply::NoScript) => forgotten.push(request),
                Ok(Reply::Doubtful(trouble)) => done.doubtful.push((request, trouble)),
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
        match self.connection.read()? {
            Value::ServerError(error) => match Refusal::of(&error) {
                Refusal::NoScript => Ok(Reply::NoScript),
                Refusal::Full => Ok(Reply::Answer(reply::full(request))),
                Refusal::Own(code) => Ok(Reply::Answer(self.refuse(request, code.as_str()))),
                Refusal::Server(trouble) => Ok(Reply::Doubtful(trouble)),
            },
            value @ (Value::Int(_) | Value::Array(_)) => {
                let answer = reply::answer(request, &value);
                Ok(Reply::Answer(answer.unwrap_or_else(|| self.refuse(request, "unreadable"))))
            }
            _ => Err(Fault::unexpected()),
        }
    }

    /// The answer to a request that failed by itself. One without an answer is dropped; the next check of the hold
    /// mends what it was to tell.
    fn refuse(&mut self, request: &Request, reason: &str) -> Option<Answer> {
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
            let session = request.session().log_tag();
            tracing::warn!(%session, request = word(request), reason, "Redis refused a request about one session");
        }
        reply::away(request)
    }

    /// Reads the names of the scripts. A server may keep none for us: they are then sent with each call.
    fn take_names(&mut self, loads: usize) -> Result<(), Fault> {
        let mut refused = None;
        for index in 0..loads {
            let name = match self.connection.read()? {
                Value::BulkString(name) => String::from_utf8(name).ok(),
                Value::ServerError(error) => {
                    refused = Some(Refusal::while_dialing(&error, rights::named("script|load")));
                    None
                }
                _ => return Err(Fault::unexpected()),
            };
            self.scripts.on_loaded(index, name);
        }
        if let Some(fault) = refused {
            tracing::warn!(reason = fault.why(), "Redis keeps no scripts: they are sent with each request");
        }
        Ok(())
    }
}

impl Exchanged {
    /// A batch that never left.
    pub(super) fn not_sent(requests: Vec<Request>) -> Self {
        Exchanged { unanswered: requests, ..Exchanged::default() }
    }

    fn fail(&mut self, requests: Vec<Request>, fault: Fault) {
        self.unanswered = requests;
        self.unanswered.extend(self.doubtful.drain(..).map(|(request, _)| request));
        self.fault = Some(fault);
    }
}

/// What the log calls it.
fn word(request: &Request) -> &'static str {
    match request {
        Request::Register { .. } => "register",
        Request::Delete { .. } => "delete",
        Request::Claim { .. } => "claim",
        Request::Check { .. } => "check",
        Request::Expire { .. } => "expire",
        Request::Release { .. } => "release",
        Request::Touch { .. } => "touch",
    }
}

/// About what one call takes on the wire.
const CALL_BYTES: usize = 400;

/// A line about refused requests is logged this often at most.
const TOLD_EVERY: Duration = Duration::from_secs(1);

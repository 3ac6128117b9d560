//! One connection to Redis that carries requests, from dialing to its first fault. Blocks, but not longer
//! than its timeouts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use protocol::ids::NodeId;
use redis::Value;
use relayd_core::store::{Answer, Request};

use super::connection::RedisConnection;
use super::dialer::Dialer;
use super::error::{Fault, ServerRefusal};
use super::keys::Keys;
use super::reply;
use super::rights;
use super::scripts::{CallBy, Scripts};
use super::settings::RedisSettings;
use super::trouble::Trouble;

/// A connection to a Redis that has proved to work.
pub(super) struct RequestConnection {
    connection: RedisConnection,
    scripts: Scripts,
    /// When a refused request was last logged.
    told: Option<Instant>,
}

/// Whether a working Redis has memory for a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionRoom {
    Enough,
    None,
}

/// The outcome of a batch.
#[derive(Debug, Default)]
pub(super) struct Exchanged {
    /// In the order of the requests that have an answer.
    pub(super) answers: Vec<Answer>,
    /// Requests that may or may not have been carried out.
    pub(super) unanswered: Vec<Request>,
    /// The outcome of a probe, if there was one.
    pub(super) room: Option<SessionRoom>,
    /// The server forgot the probe's script.
    is_probe_forgotten: bool,
    /// Requests with an error that concerns the whole server. A probe tells if it really does.
    doubtful: Vec<(Request, Trouble)>,
    /// How long it took, if it was sent.
    pub(super) took: Option<Duration>,
    /// Why the connection can't be used any more, if it can't.
    pub(super) fault: Option<Fault>,
}

/// One reply, read.
enum RequestReply {
    Answer(Option<Answer>),
    /// The server forgot its scripts.
    NoScript,
    /// The error concerns the whole server, by its text.
    Doubtful(Trouble),
}

impl RequestConnection {
    /// Dials, and proves that the server accepts us and our writes, and lets us call each script.
    pub(super) fn dial(dialer: &Dialer, settings: &RedisSettings) -> Result<(Self, SessionRoom), Fault> {
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
        // All commands that need no script name go in one round trip.
        let mut bytes = redis::cmd("PING").get_packed_command();
        for cmd in [&write, &publish, &speak] {
            cmd.write_packed_command(&mut bytes);
        }
        dialed.scripts.write_probe(CallBy::Source, &mut bytes);
        let loads = dialed.scripts.loads().map(|load| load.write_packed_command(&mut bytes)).count();
        dialed.connection.write(&bytes)?;
        match dialed.connection.answer("ping")? {
            Value::SimpleString(word) if word == "PONG" => {}
            _ => return Err(Fault::unexpected()),
        }
        // A replica answers PING, and so does a server that can't write its disk: DEL shows them. The bus
        // needs the rest.
        for name in ["del", "publish", "client|reply"] {
            match dialed.connection.answer(name)? {
                Value::Int(_) | Value::Okay => {}
                _ => return Err(Fault::unexpected()),
            }
        }
        dialed.probed(CallBy::Source)?;
        dialed.take_names(loads)?;
        let room = dialed.rehearse()?;
        Ok((dialed, room))
    }

    /// Proves again that the server accepts writes and lets us call what we need.
    pub(super) fn probe(&mut self) -> Result<SessionRoom, Fault> {
        for call in [CallBy::Name, CallBy::Source] {
            let mut bytes = Vec::new();
            self.scripts.write_probe(call, &mut bytes);
            self.connection.write(&bytes)?;
            if let Some(room) = self.probed(call)? {
                return Ok(room);
            }
        }
        Err(Fault::unexpected())
    }

    /// Reads the answer to a probe. `None`: the server forgot the script.
    fn probed(&mut self, call: CallBy) -> Result<Option<SessionRoom>, Fault> {
        let name = if call == CallBy::Name { "evalsha" } else { "eval" };
        match self.connection.read()? {
            Value::ServerError(error) => match ServerRefusal::of(&error) {
                ServerRefusal::NoScript => Ok(None),
                ServerRefusal::Full => Ok(Some(SessionRoom::None)),
                _ => Err(ServerRefusal::while_dialing(&error, rights::named(name))),
            },
            value => {
                let (command, how) = reply::probed(&value).ok_or_else(Fault::unexpected)?;
                let Some(command) = command else { return Ok(Some(SessionRoom::Enough)) };
                match ServerRefusal::in_script(how) {
                    ServerRefusal::Full => Ok(Some(SessionRoom::None)),
                    refusal => Err(refusal.into_fault(rights::named(command))),
                }
            }
        }
    }

    /// Calls each script once, with a key that belongs to no session, and then the probe, which deletes that
    /// key.
    fn rehearse(&mut self) -> Result<SessionRoom, Fault> {
        let mut bytes = Vec::new();
        let count = self.scripts.write_rehearsal(CallBy::Name, &mut bytes);
        self.scripts.write_probe(CallBy::Name, &mut bytes);
        self.connection.write(&bytes)?;
        for _ in 0..count {
            if let Value::ServerError(error) = self.connection.read()? {
                match ServerRefusal::of(&error) {
                    // A server that forgets scripts gets their text each time. A full one still serves open
                    // sessions.
                    ServerRefusal::NoScript | ServerRefusal::Full => {}
                    _ => return Err(ServerRefusal::while_dialing(&error, rights::named("evalsha"))),
                }
            }
        }
        match self.probed(CallBy::Name)? {
            Some(room) => Ok(room),
            None => self.probe(),
        }
    }

    /// Carries out a batch in one round trip, or in two if the server forgot its scripts. Requests about one
    /// session keep their order. `is_probed`: a probe follows in the same round trip.
    pub(super) fn exchange(&mut self, requests: Vec<Request>, is_probed: bool) -> Exchanged {
        let (mut done, sent) = (Exchanged::default(), Instant::now());
        let forgotten = self.round(requests, CallBy::Name, is_probed, &mut done);
        if !forgotten.is_empty() {
            let refused = self.round(forgotten, CallBy::Source, false, &mut done);
            if !refused.is_empty() {
                done.fail(refused, Fault::new("it forgets scripts at once"));
            }
        }
        if done.fault.is_none() && (done.is_probe_forgotten || !done.doubtful.is_empty()) {
            self.settle_doubts(&mut done);
        }
        done.took = Some(sent.elapsed());
        done
    }

    /// If a probe proves that the server works, it has refused only these requests.
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

    /// Makes one round trip. Returns the requests whose script the server did not know.
    fn round(
        &mut self,
        requests: Vec<Request>,
        call: CallBy,
        is_probed: bool,
        done: &mut Exchanged,
    ) -> Vec<Request> {
        let mut bytes = Vec::with_capacity(requests.len() * CALL_BYTES);
        // Only the last request of a session may name a forgotten script: it is repeated, after all others.
        let mut last = HashMap::with_capacity(requests.len());
        for (at, request) in requests.iter().enumerate() {
            last.insert(request.session(), at);
        }
        for (at, request) in requests.iter().enumerate() {
            let is_last = last.get(&request.session()) == Some(&at);
            let call = if is_last { call } else { CallBy::Source };
            self.scripts.write_call(request, call, &mut bytes);
        }
        if is_probed {
            self.scripts.write_probe(CallBy::Name, &mut bytes);
        }
        if let Err(fault) = self.connection.write(&bytes) {
            done.fail(requests, fault);
            return Vec::new();
        }
        let forgotten = self.receive(requests, done);
        if is_probed && done.fault.is_none() {
            match self.probed(CallBy::Name) {
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
                Ok(RequestReply::Answer(answer)) => done.answers.extend(answer),
                Ok(RequestReply::NoScript) => forgotten.push(request),
                Ok(RequestReply::Doubtful(trouble)) => done.doubtful.push((request, trouble)),
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

    fn receive_one(&mut self, request: &Request) -> Result<RequestReply, Fault> {
        match self.connection.read()? {
            Value::ServerError(error) => match ServerRefusal::of(&error) {
                ServerRefusal::NoScript => Ok(RequestReply::NoScript),
                ServerRefusal::Full => Ok(RequestReply::Answer(reply::full(request))),
                ServerRefusal::Own(code) => Ok(RequestReply::Answer(self.refuse(request, code.as_str()))),
                ServerRefusal::Server(trouble) => Ok(RequestReply::Doubtful(trouble)),
            },
            value @ (Value::Int(_) | Value::Array(_)) => {
                let answer = reply::answer(request, &value);
                Ok(RequestReply::Answer(answer.unwrap_or_else(|| self.refuse(request, "unreadable"))))
            }
            _ => Err(Fault::unexpected()),
        }
    }

    /// The answer to a request that failed alone. A request without an answer is dropped; the next check of
    /// its hold repairs that.
    fn refuse(&mut self, request: &Request, reason: &str) -> Option<Answer> {
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
            let session = request.session().log_tag();
            tracing::warn!(%session, request = word(request), reason, "Redis refused a request about one session");
        }
        reply::away(request)
    }

    /// Reads the names of the scripts. If the server refuses to keep them, each call carries the script's
    /// text.
    fn take_names(&mut self, loads: usize) -> Result<(), Fault> {
        let mut refused = None;
        for index in 0..loads {
            let name = match self.connection.read()? {
                Value::BulkString(name) => String::from_utf8(name).ok(),
                Value::ServerError(error) => {
                    refused = Some(ServerRefusal::while_dialing(&error, rights::named("script|load")));
                    None
                }
                _ => return Err(Fault::unexpected()),
            };
            self.scripts.on_loaded(index, name);
        }
        if let Some(fault) = refused {
            tracing::warn!(reason = fault.why(), "Redis keeps no scripts: each request carries its script");
        }
        Ok(())
    }
}

impl Exchanged {
    /// A batch that was not sent.
    pub(super) fn not_sent(requests: Vec<Request>) -> Self {
        Exchanged { unanswered: requests, ..Exchanged::default() }
    }

    fn fail(&mut self, requests: Vec<Request>, fault: Fault) {
        self.unanswered = requests;
        self.unanswered.extend(self.doubtful.drain(..).map(|(request, _)| request));
        self.fault = Some(fault);
    }
}

/// The request's name in the log.
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

/// The approximate length of one call on the wire.
const CALL_BYTES: usize = 400;

/// The least time between two log lines about refused requests.
const TOLD_EVERY: Duration = Duration::from_secs(1);

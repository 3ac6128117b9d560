//! HTTP requests: each is read, checked against the limits, and answered here or by the core and the store.

use protocol::ids::{RandomError, SessionId, Token};
use protocol::qr::Pairing;
use relayd_core::event::Input;
use relayd_core::store::{Conn, Deleted, Registered};

use super::Reactor;
use super::connection::Stage;
use super::exchanges::{Heard, Overdue, PendingRequest};
use super::read::Got;
use crate::admission::{Address, Caller};
use crate::http::{self, Answered, ApiCall, Context, Parsed, Reply};
use crate::metrics::{CONTENT_TYPE, Refused};

/// Why parsing stopped.
#[derive(Debug, PartialEq, Eq)]
enum Parsing {
    /// The request is not whole.
    NeedMore,
    /// An answer has to be made or taken first, or the connection does not speak HTTP any more.
    Wait,
}

impl Reactor {
    /// Gives an HTTP connection its turn.
    pub(super) fn serve_requests(&mut self, conn: Conn) {
        if !self.may_parse(conn) || self.defer_handshake(conn) {
            return;
        }
        let parked = self.unpark(conn);
        let (mut len, mut parsing) = self.parse_requests(conn, parked);
        if parsing == Parsing::NeedMore {
            match self.read_socket(conn, len) {
                Got::Bytes(count) => (len, parsing) = self.parse_requests(conn, len + count),
                Got::Nothing => {}
                // An answer may still be on its way to a client that has ended its side of the stream.
                Got::End if !self.conns.outbound(conn).is_empty() => {
                    return self.exchanges.close(conn, &mut self.conns, self.clock.now());
                }
                Got::End | Got::Failed => return self.gone(conn),
            }
        }
        let Some(connection) = self.conns.of(conn) else { return };
        let has_more = connection.flags.readable;
        if matches!(connection.stage, Stage::Closing) {
            return;
        }
        self.park(conn, len);
        if parsing == Parsing::NeedMore && has_more {
            self.conns.schedule(conn);
        }
    }

    /// The deadlines of HTTP connections that have passed.
    pub(super) fn on_exchanges_due(&mut self) {
        while let Some(overdue) = self.exchanges.poll_due(self.clock.now()) {
            match overdue {
                Overdue::Connection(conn) => self.gone(conn),
                Overdue::Request(conn) if self.is_before_tls(conn) => self.give_up_handshake(conn),
                Overdue::Request(conn) if self.waits_for_place(conn) && self.conns.has_parked(conn) => {
                    self.answer_overloaded(conn);
                }
                Overdue::Request(conn) => self.answer(conn, http::timed_out),
            }
        }
    }

    /// Writes an answer and queues it.
    pub(super) fn answer(&mut self, conn: Conn, write: impl FnOnce(&Context<'_>, &mut Vec<u8>) -> Answered) {
        let context = Context { policy: &self.settings.policy, date: self.clock.date() };
        let answered = self.exchanges.write(|out| write(&context, out));
        self.queue_answer(conn, answered);
    }

    /// Answers 429 to a request that a limit turned away.
    pub(super) fn answer_too_many(
        &mut self,
        conn: Conn,
        (limit, address): (Refused, Option<Address>),
        secs: u64,
        reply: Reply,
    ) {
        self.note_refused(limit, address);
        self.answer(conn, |context, out| reply.too_many(context, secs, out));
    }

    /// The store answered a register.
    pub(super) fn on_registered(&mut self, conn: Conn, outcome: Registered) {
        let pending = self.exchanges.take_pending(conn);
        let Some(PendingRequest { reply, pairing: Some(pairing), limited, .. }) = pending else { return };
        self.metrics.count_register(Some(outcome));
        match outcome {
            Registered::Made => {
                self.metrics.registers += 1;
                tracing::debug!(session = %pairing.session.log_tag(), "registered");
            }
            Registered::Full => self.note_refused(Refused::Session, limited),
            _ => {}
        }
        let ttl_secs = self.settings.limits.session_idle.as_secs();
        self.answer(conn, |context, out| reply.registered(context, outcome, &pairing, ttl_secs, out));
    }

    /// The store answered a delete.
    pub(super) fn on_deleted(&mut self, conn: Conn, outcome: &Deleted) {
        let Some(pending) = self.exchanges.take_pending(conn) else { return self.on_killed(conn, outcome) };
        if matches!(outcome, Deleted::Missing | Deleted::Before { .. }) {
            if pending.is_doubted {
                return self.refuse_delete(conn, &pending);
            }
            self.client_limits.note_failed(pending.limited, self.clock.now());
        }
        self.metrics.deletes += u64::from(matches!(outcome, Deleted::Gone { .. }));
        self.answer(conn, |context, out| pending.reply.deleted(context, outcome, out));
    }

    /// Answers 429 to a delete of an unknown session, or one that found no room to wait.
    pub(super) fn refuse_delete(
        &mut self,
        conn: Conn,
        &PendingRequest { reply, limited, .. }: &PendingRequest,
    ) {
        let secs = self.client_limits.secs_of_doubt(limited, self.clock.now()).unwrap_or(1);
        self.answer_too_many(conn, (Refused::Hello, limited), secs, reply);
    }

    fn may_parse(&self, conn: Conn) -> bool {
        self.exchanges.may_parse(conn) && self.conns.outbound(conn).is_under_low()
    }

    /// Parses and answers the requests in the first `len` bytes of the read buffer. Moves the rest to its
    /// front and gives its length.
    fn parse_requests(&mut self, conn: Conn, len: usize) -> (usize, Parsing) {
        let mut at = 0;
        let parsing = loop {
            if !self.may_parse(conn) {
                break Parsing::Wait;
            }
            let (consumed, done) = self.parse_request(conn, at, len);
            at += consumed;
            if let Some(parsing) = done {
                break parsing;
            }
        };
        self.read_buffer.copy_within(at..len, 0);
        (len - at, parsing)
    }

    /// One request. Gives the bytes it took, and why parsing stops, if it does.
    fn parse_request(&mut self, conn: Conn, at: usize, len: usize) -> (usize, Option<Parsing>) {
        let context = Context { policy: &self.settings.policy, date: self.clock.date() };
        let parsed = match self.exchanges.read(conn, &self.read_buffer[at..len], &context) {
            Heard::Request(parsed) => parsed,
            Heard::Client { consumed, client } => {
                if let Some(Err(address)) =
                    client.map(|client| self.client_limits.try_enter_client(conn, client))
                {
                    self.note_refused(Refused::Connection, Some(address));
                    if self.exchanges.expects_tls(conn) {
                        // There are no keys yet to write words with.
                        self.gone(conn);
                        return (consumed, Some(Parsing::Wait));
                    }
                    self.answer(conn, http::too_many_connections);
                }
                return (consumed, None);
            }
            Heard::Tls => {
                let is_begun = self.begin_tls(conn, at, len);
                return (len - at, (!is_begun).then_some(Parsing::Wait));
            }
        };
        match parsed {
            Parsed::NeedMore => {
                self.exchanges.note_part(conn, at < len, &mut self.conns, self.clock.now());
                (0, Some(Parsing::NeedMore))
            }
            Parsed::Answered { consumed, answered } => {
                self.queue_answer(conn, answered);
                (consumed, None)
            }
            Parsed::Upgraded { .. }
            | Parsed::Call { call: ApiCall::Register { .. } | ApiCall::Delete { .. }, .. }
                if self.waits_for_place(conn) =>
            {
                self.hold_request(conn);
                (0, Some(Parsing::Wait))
            }
            Parsed::Upgraded { consumed, raw, reply, caller } => {
                self.upgrade(conn, raw, reply, &caller);
                (consumed, Some(Parsing::Wait))
            }
            Parsed::Call { consumed, call, reply, caller } => {
                self.call(conn, call, reply, &caller);
                (consumed, None)
            }
        }
    }

    fn call(&mut self, conn: Conn, call: ApiCall, reply: Reply, caller: &Caller) {
        let is_last = self.stop.is_draining() || self.waits_for_place(conn);
        let reply = if is_last { reply.closing() } else { reply };
        match call {
            ApiCall::Ready => {
                let readiness = self.readiness();
                let readiness = readiness.as_ref().map(String::as_str).map_err(String::as_str);
                self.answer(conn, |context, out| reply.ready(context, readiness, out));
            }
            ApiCall::Metrics => {
                let text = self.metrics_text();
                self.answer(conn, |context, out| reply.metrics(context, CONTENT_TYPE, &text, out));
            }
            ApiCall::Register { again } => self.register(conn, again, reply, caller),
            ApiCall::Delete { session, token } => {
                let (limited, now) = (caller.limited(), self.clock.now());
                self.client_limits.warn_of_proxy(caller);
                let is_doubted = self.client_limits.secs_of_doubt(limited, now).is_some();
                self.exchanges.await_store(
                    conn,
                    PendingRequest { reply, pairing: None, limited, is_doubted },
                    now,
                );
                let token = token.map(|token| token.digest());
                self.handle(Input::Delete { ticket: conn, session, token });
            }
        }
    }

    fn register(&mut self, conn: Conn, again: Option<(SessionId, Token)>, reply: Reply, caller: &Caller) {
        let (limited, now) = (caller.limited(), self.clock.now());
        if let Err(secs) = self.client_limits.try_register(caller, now) {
            self.metrics.count_register(None);
            return self.answer_too_many(conn, (Refused::Register, limited), secs, reply);
        }
        let (session, token) = match again.map_or_else(new_ids, Ok) {
            Ok(ids) => ids,
            Err(error) => {
                tracing::error!(%error, "the operating system gave no random bits");
                return self.answer(conn, http::overloaded);
            }
        };
        let pairing = Some(Pairing { ws: self.settings.ws_url.clone(), session, token });
        self.exchanges.await_store(conn, PendingRequest { reply, pairing, limited, is_doubted: false }, now);
        let (token, again) = (token.digest(), again.is_some());
        self.handle(Input::Register { ticket: conn, session, token, again });
    }

    /// From here on the connection speaks WebSocket, and the core knows it.
    fn upgrade(&mut self, conn: Conn, raw: bool, reply: Reply, caller: &Caller) {
        if let Err(address) = self.client_limits.try_upgrade(conn, caller) {
            self.note_refused(Refused::Connection, Some(address));
            return self.answer(conn, |context, out| reply.too_many_connections(context, out));
        }
        self.metrics.count_answer(101);
        self.exchanges.upgrade(conn, &mut self.conns);
        if let Some(connection) = self.conns.of_mut(conn) {
            connection.stage = Stage::Open { raw };
            connection.flags.in_core = true;
        }
        self.handle(Input::Opened { conn });
        // Frames that came with the request are announced by no further event.
        self.conns.schedule(conn);
    }

    fn queue_answer(&mut self, conn: Conn, answered: Answered) {
        self.metrics.count_answer(answered.status);
        // One that waits for a place is answered once.
        let closes = answered.close || self.stop.is_draining() || self.waits_for_place(conn);
        let body = answered.body;
        self.exchanges.queue_answer(conn, closes, body, &mut self.conns, self.clock.now());
    }
}

fn new_ids() -> Result<(SessionId, Token), RandomError> {
    Ok((SessionId::random()?, Token::random()?))
}

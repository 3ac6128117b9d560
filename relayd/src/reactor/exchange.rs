//! HTTP connections: requests in, answers out, one at a time.
//!
//! What a request means is `http`'s to say, and what only the store can answer waits for it here.

use std::time::Duration;

use protocol::ids::{SessionId, Token};
use protocol::qr::Pairing;
use relayd_core::event::Input;
use relayd_core::store::{Conn, Deleted, Registered};

use super::clock::Clock;
use super::connection::{Exchange, Pending, Stage};
use super::conns::HEAD_WITHIN;
use super::read::Got;
use super::{Reactor, Settings};
use crate::admission::Caller;
use crate::backend::Status;
use crate::http::{self, Answered, Call, Context, Parsed, Reply};
use crate::metrics::{CONTENT_TYPE, Refused};

/// Between two requests of one connection, and for an answer to be taken.
const IDLE_WITHIN: Duration = Duration::from_secs(30);

/// From the last byte queued to the socket gone.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Why parsing stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsing {
    /// The request is not whole.
    NeedMore,
    /// An answer has to be made or taken first, or the connection is no HTTP connection any more.
    Wait,
}

impl Reactor {
    /// Gives an HTTP connection its turn.
    pub(super) fn serve_exchange(&mut self, conn: Conn) {
        if !self.may_parse(conn) {
            return;
        }
        let parked = self.unpark(conn);
        let (mut len, mut parsing) = self.parse_requests(conn, parked);
        if parsing == Parsing::NeedMore {
            match self.read_socket(conn, len) {
                Got::Bytes(count) => (len, parsing) = self.parse_requests(conn, len + count),
                Got::Nothing => {}
                Got::End if self.has_unsent(conn) => return self.begin_closing(conn),
                Got::End | Got::Failed => return self.gone(conn),
            }
        }
        if self.conns.of(conn).is_none_or(|connection| matches!(connection.stage, Stage::Closing)) {
            return;
        }
        self.park(conn, len);
        let has_more = self.conns.of(conn).is_some_and(|connection| connection.flags.readable);
        if parsing == Parsing::NeedMore && has_more {
            self.conns.schedule(conn);
        }
    }

    /// The store answered a register.
    pub(super) fn on_registered(&mut self, conn: Conn, outcome: Registered) {
        let Some(Pending { reply, pairing: Some(pairing), limited, .. }) = self.take_pending(conn) else {
            return;
        };
        let ttl_secs = self.settings.limits.session_idle.as_secs();
        self.answer.clear();
        let context = context_of(&self.settings, &self.clock);
        let answered = reply.registered(&context, outcome, &pairing, ttl_secs, &mut self.answer);
        if outcome == Registered::Made {
            self.metrics.registers += 1;
            tracing::debug!(session = %pairing.session.log_tag(), "registered");
        }
        if outcome == Registered::Full {
            self.note_refused(Refused::Session, limited);
        }
        self.queue_answer(conn, answered);
    }

    /// The store answered a delete.
    pub(super) fn on_deleted(&mut self, conn: Conn, outcome: &Deleted) {
        let Some(Pending { reply, limited, is_doubted, .. }) = self.take_pending(conn) else { return };
        let is_wrong = matches!(outcome, Deleted::Missing | Deleted::Before { .. });
        if is_wrong && is_doubted {
            return self.refuse_delete(conn, limited, reply);
        }
        if is_wrong {
            self.admission.note_failed(limited, self.clock.now());
        }
        self.answer.clear();
        let context = context_of(&self.settings, &self.clock);
        let answered = reply.deleted(&context, outcome, &mut self.answer);
        self.metrics.deletes += u64::from(matches!(outcome, Deleted::Gone { .. }));
        self.queue_answer(conn, answered);
    }

    /// A deadline of an HTTP connection passed.
    pub(super) fn on_exchange_due(&mut self, conn: Conn) {
        let Some(connection) = self.conns.of_mut(conn) else { return };
        connection.due = None;
        let Stage::Http(exchange) = &connection.stage else { return self.gone(conn) };
        if !exchange.in_request {
            return self.gone(conn);
        }
        if self.lobby.contains(conn) && connection.has_parked() {
            return self.answer_overloaded(conn);
        }
        self.answer.clear();
        let context = context_of(&self.settings, &self.clock);
        let answered = http::timed_out(&context, &mut self.answer);
        self.queue_answer(conn, answered);
    }

    /// The node stops: connections between requests go at once, the others with the answer to what they ask.
    pub(super) fn drain_exchanges(&mut self) {
        let all: Vec<Conn> = self.conns.iter().map(|(conn, _)| conn).collect();
        for conn in all {
            let Some(connection) = self.conns.of_mut(conn) else { continue };
            let has_parked = connection.has_parked();
            let Stage::Http(exchange) = &mut connection.stage else { continue };
            match &mut exchange.pending {
                Some(pending) => pending.reply = pending.reply.closing(),
                None if exchange.in_request && has_parked => {}
                None => self.begin_closing(conn),
            }
        }
    }

    /// The client ended its side of the stream, but an answer is on its way.
    fn has_unsent(&self, conn: Conn) -> bool {
        self.conns.of(conn).is_some_and(|connection| !connection.outbound().is_empty())
    }

    fn may_parse(&self, conn: Conn) -> bool {
        let Some(connection) = self.conns.of(conn) else { return false };
        let Stage::Http(exchange) = &connection.stage else { return false };
        exchange.pending.is_none() && connection.outbound().is_under_low()
    }

    /// Parses and answers what stands in the first `len` bytes of the read buffer; moves the rest to its front and
    /// gives its length.
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
        self.answer.clear();
        if let Some(taken) = self.take_proxy_header(conn, at, len) {
            return taken;
        }
        let Some(exchange) = exchange_of(&mut self.conns, conn) else { return (0, Some(Parsing::Wait)) };
        let context = context_of(&self.settings, &self.clock);
        let peer = exchange.address;
        let input = &self.read_buffer[at..len];
        match http::parse(input, peer, &mut exchange.progress, &context, &mut self.answer) {
            Parsed::NeedMore => {
                self.on_part(conn, at < len);
                (0, Some(Parsing::NeedMore))
            }
            Parsed::Answered { consumed, answered } => {
                // A place in the lobby is for one answer.
                let close = answered.close || self.lobby.contains(conn);
                self.queue_answer(conn, Answered { close, ..answered });
                (consumed, None)
            }
            Parsed::Upgraded { .. }
            | Parsed::Call { call: Call::Register { .. } | Call::Delete { .. }, .. }
                if self.hold_if_without_place(conn) =>
            {
                (0, Some(Parsing::Wait))
            }
            Parsed::Upgraded { consumed, raw, reply, caller } => {
                if self.try_admit(conn, &caller, reply) {
                    self.upgrade(conn, raw);
                }
                (consumed, Some(Parsing::Wait))
            }
            Parsed::Call { consumed, call, reply, caller } => {
                if let Some(exchange) = exchange_of(&mut self.conns, conn) {
                    exchange.in_request = false;
                }
                self.call(conn, call, reply, &caller);
                (consumed, None)
            }
        }
    }

    /// A request has begun, or none: the clock of a new one starts with its first byte and is not reset by later ones.
    pub(super) fn on_part(&mut self, conn: Conn, has_begun: bool) {
        self.queue_bytes(conn);
        let Some(exchange) = exchange_of(&mut self.conns, conn) else { return };
        if has_begun && !std::mem::replace(&mut exchange.in_request, true) {
            self.conns.set_due(conn, Some(self.clock.now() + HEAD_WITHIN));
        }
    }

    fn call(&mut self, conn: Conn, call: Call, reply: Reply, caller: &Caller) {
        let is_last = self.stop.is_draining() || self.lobby.contains(conn);
        let reply = if is_last { reply.closing() } else { reply };
        match call {
            Call::Ready => {
                let readiness = match self.backend.status() {
                    _ if self.stop.is_asked() => Err("this node is stopping: ask another one"),
                    Status::Available if self.is_deaf() => Err("this node does not hear the other nodes"),
                    Status::Available => Ok(self.backend.kind()),
                    Status::Full { reason } | Status::Away { reason } => Err(reason.as_str()),
                };
                let context = context_of(&self.settings, &self.clock);
                let answered = reply.ready(&context, readiness, &mut self.answer);
                self.queue_answer(conn, answered);
            }
            Call::Metrics => {
                let text = self.metrics_text();
                let context = context_of(&self.settings, &self.clock);
                let answered = reply.metrics(&context, CONTENT_TYPE, &text, &mut self.answer);
                self.queue_answer(conn, answered);
            }
            Call::Register { again } => {
                if self.try_count_register(conn, caller, reply) {
                    self.register(conn, again, reply, caller);
                }
            }
            Call::Delete { session, token } => {
                let (limited, token) = (caller.limited(), token.map(|token| token.digest()));
                self.warn_of_proxy(caller);
                let is_doubted = self.is_delete_doubted(limited);
                self.set_pending(conn, Pending { reply, pairing: None, limited, is_doubted });
                self.handle(Input::Delete { ticket: conn, session, token });
            }
        }
    }

    fn register(&mut self, conn: Conn, again: Option<(SessionId, Token)>, reply: Reply, caller: &Caller) {
        let ids = again.map_or_else(fresh_ids, Ok);
        let (session, token) = match ids {
            Ok(ids) => ids,
            Err(error) => {
                tracing::error!(%error, "the operating system gave no random bits");
                let context = context_of(&self.settings, &self.clock);
                let answered = http::overloaded(&context, &mut self.answer);
                return self.queue_answer(conn, answered);
            }
        };
        let pairing = Pairing { ws: self.settings.ws_url.clone(), session, token };
        let limited = caller.limited();
        self.set_pending(conn, Pending { reply, pairing: Some(pairing), limited, is_doubted: false });
        let (token, again) = (token.digest(), again.is_some());
        self.handle(Input::Register { ticket: conn, session, token, again });
    }

    /// From here on the connection speaks WebSocket, and the core knows it.
    fn upgrade(&mut self, conn: Conn, raw: bool) {
        self.metrics.count_answer(101);
        self.queue_bytes(conn);
        self.conns.set_due(conn, None);
        if let Some(connection) = self.conns.of_mut(conn) {
            connection.stage = Stage::Open { raw };
            connection.flags.in_core = true;
        }
        self.handle(Input::Opened { conn });
        // Frames that came with the request are announced by no further event.
        self.conns.schedule(conn);
    }

    pub(super) fn queue_answer(&mut self, conn: Conn, answered: Answered) {
        self.metrics.count_answer(answered.status);
        self.queue_bytes(conn);
        if answered.close || self.stop.is_draining() {
            return self.begin_closing(conn);
        }
        if let Some(exchange) = exchange_of(&mut self.conns, conn) {
            exchange.in_request = false;
            self.conns.set_due(conn, Some(self.clock.now() + IDLE_WITHIN));
            self.conns.schedule(conn);
        }
    }

    fn queue_bytes(&mut self, conn: Conn) {
        if self.answer.is_empty() {
            return;
        }
        if let Some((buffers, pool)) = self.conns.with_buffers(conn) {
            buffers.outbound.bytes(&self.answer, pool);
            self.conns.mark_dirty(conn);
        }
    }

    /// What waits is written, then the connection is shut down and drained.
    fn begin_closing(&mut self, conn: Conn) {
        self.conns.set_due(conn, Some(self.clock.now() + CLOSE_WITHIN));
        if let Some(connection) = self.conns.of_mut(conn) {
            connection.stage = Stage::Closing;
            self.conns.mark_dirty(conn);
            self.conns.schedule(conn);
        }
    }

    fn set_pending(&mut self, conn: Conn, pending: Pending) {
        if let Some(exchange) = exchange_of(&mut self.conns, conn) {
            exchange.pending = Some(pending);
            self.conns.set_due(conn, Some(self.clock.now() + IDLE_WITHIN));
        }
    }

    pub(super) fn take_pending(&mut self, conn: Conn) -> Option<Pending> {
        exchange_of(&mut self.conns, conn)?.pending.take()
    }

    fn metrics_text(&mut self) -> String {
        let (websockets, now) = (self.relay.connections() as u64, self.clock.now());
        self.metrics.http_connections = self.conns.len() as u64 - websockets;
        self.metrics.ws_connections = websockets;
        self.metrics.sessions = self.relay.sessions() as u64;
        self.metrics.links_local = self.relay.links() as u64;
        self.metrics.links_remote = self.relay.links_remote() as u64;
        self.metrics.links_opening = self.relay.links_opening() as u64;
        self.metrics.timers = self.relay.timers() as u64;
        self.metrics.nodes = self.relay.node_counts();
        // Without other nodes there is no probe, and nothing to hear.
        let probe_age = if self.relay.is_alone() { Duration::ZERO } else { self.relay.probe_age(now) };
        self.metrics.probe_age_secs = probe_age.as_secs();
        self.metrics.bus = self.backend.bus_counts();
        self.metrics.buffer_bytes = self.conns.pool.lent() as u64;
        self.metrics.store_up = *self.backend.status() == Status::Available;
        let mut text = String::new();
        self.metrics.write_text(self.backend.kind(), self.relay.node(), &mut text);
        text
    }
}

pub(super) fn exchange_of(conns: &mut super::conns::Conns, conn: Conn) -> Option<&mut Exchange> {
    match &mut conns.of_mut(conn)?.stage {
        Stage::Http(exchange) => Some(exchange),
        _ => None,
    }
}

/// What every answer of this turn follows.
pub(super) fn context_of<'a>(settings: &'a Settings, clock: &'a Clock) -> Context<'a> {
    Context { policy: &settings.policy, date: clock.date() }
}

fn fresh_ids() -> Result<(SessionId, Token), protocol::ids::RandomError> {
    Ok((SessionId::random()?, Token::random()?))
}

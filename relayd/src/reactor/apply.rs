//! The only way into the core's control plane: one input in, every action carried out.

use protocol::close::CloseCode;
use protocol::message::Notice;
use relayd_core::event::{Action, Goodbye, HelloOutcome, Input};
use relayd_core::store::{Answer, Claimed, Conn, Request};
use relayd_core::wire::outbound::close_words;

use super::{Reactor, notes};
use crate::admission::Address;
use crate::metrics::Refused;

impl Reactor {
    /// Gives the core an input, and carries out what it decides.
    pub(super) fn handle(&mut self, input: Input) {
        self.relay.handle(input, self.clock.now());
        self.carry_out();
    }

    /// Carries out what the core has decided. A connection without room for a notice is closed, and a request
    /// that found no room to wait is refused: both once the core's earlier decisions are carried out.
    pub(super) fn carry_out(&mut self) {
        loop {
            while let Some(action) = self.relay.poll_action() {
                let overflowed = self.apply(action).err();
                self.overflowed.extend(overflowed);
            }
            if let Some(conn) = self.overflowed.pop() {
                let fault = Input::Fault { conn, code: CloseCode::TimedOut };
                self.relay.handle(fault, self.clock.now());
            } else if let Some(request) = self.client_limits.pop_crowded_out() {
                self.refuse_crowded_out(&request);
            } else {
                return;
            }
        }
    }

    /// `Err` names a connection that had no room for a notice.
    fn apply(&mut self, action: Action) -> Result<(), Conn> {
        match action {
            Action::HelloDone { conn, outcome } => self.on_hello_done(conn, outcome),
            Action::Send { conn, notice } => {
                let Some((buffers, pool)) = self.conns.with_buffers(conn) else { return Ok(()) };
                if matches!(notice, Notice::PeerLeft { .. }) {
                    // A message that was under way over that link never becomes whole.
                    buffers.drop_arriving(pool);
                }
                let queued = buffers.outbound.notice(&notice, pool);
                self.conns.mark_dirty(conn);
                return queued.map_err(|_| conn);
            }
            Action::Ping { conn } => {
                if let Some((buffers, pool)) = self.conns.with_buffers(conn) {
                    buffers.outbound.ping(pool);
                    self.conns.mark_dirty(conn);
                }
            }
            Action::PausedPing { conn } => {
                // Bytes that wait tell the client as much. So no more than one ping ever waits.
                if self.conns.outbound(conn).is_empty()
                    && let Some((buffers, pool)) = self.conns.with_buffers(conn)
                {
                    buffers.outbound.ping(pool);
                    self.conns.mark_dirty(conn);
                }
            }
            Action::Close { conn, say } => self.queue_close(conn, say),
            Action::Abort { conn } => {
                tracing::debug!(name = conn.name, "cut off: its close was not taken in time");
                self.let_go(conn);
            }
            Action::Resume { conn } => self.conns.schedule(conn),
            Action::Submit(request) => self.submit(request),
            Action::CancelClaim { conn } => {
                self.client_limits.drop_claim(conn);
                self.backend.cancel(conn);
            }
            Action::Registered { ticket, outcome } => self.on_registered(ticket, outcome),
            Action::Deleted { ticket, outcome } => self.on_deleted(ticket, &outcome),
            Action::Note(note) => notes::log(note),
        }
        Ok(())
    }

    fn queue_close(&mut self, conn: Conn, say: Goodbye) {
        let Some((buffers, pool)) = self.conns.with_buffers(conn) else { return };
        let ((code, reason), at_once) = match say {
            Goodbye::Now(code) => (close_words(code), true),
            Goodbye::AfterAll(code) => (close_words(code), false),
            Goodbye::Echo(code) => ((code, ""), true),
        };
        buffers.outbound.close(code, reason, at_once, pool);
        buffers.release_incoming(pool);
        self.conns.begin_closing(conn);
        tracing::debug!(name = conn.name, code, "closing");
        if self.take_awaits_role(conn) {
            // The client's own code says that it left.
            self.metrics.count_hello(Err(code.and_then(CloseCode::parse).unwrap_or(CloseCode::Normal)));
        }
        if let Some(known) = code.and_then(CloseCode::parse) {
            self.metrics.count_close(known);
            self.admin.closes.note(Some(known), self.clock.now());
        }
    }

    /// True if the hello of a connection was not answered before. It is now.
    fn take_awaits_role(&mut self, conn: Conn) -> bool {
        let connection = self.conns.of_mut(conn);
        connection.is_some_and(|connection| std::mem::take(&mut connection.flags.awaits_role))
    }

    /// The outcome of a hello counts for its address.
    fn on_hello_done(&mut self, conn: Conn, outcome: HelloOutcome) {
        let address = self.client_limits.address_of(conn);
        match outcome {
            HelloOutcome::Joined { session, role } => {
                if self.take_awaits_role(conn) {
                    self.metrics.count_hello(Ok(()));
                }
                self.count_early(conn);
                tracing::debug!(session = %session.log_tag(), %role, name = conn.name, "joined");
            }
            HelloOutcome::Wrong => self.client_limits.note_failed(address, self.clock.now()),
            HelloOutcome::TurnedAway => self.note_refused(Refused::Hello, address),
        }
    }

    /// Hands a request to the store, or lets it wait for its turn.
    fn submit(&mut self, request: Request) {
        let now = self.clock.now();
        match self.address_of_doubted(&request) {
            Some(address) => self.client_limits.queue_lookup(address, request, now),
            None => self.backend.submit(request, now),
        }
    }

    /// The address of a request that must wait for its turn. A request that names a session held here with
    /// its token is right, so it need not wait.
    fn address_of_doubted(&self, request: &Request) -> Option<Address> {
        let (conn, session, token) = match *request {
            Request::Claim { conn, session, token, .. } => (conn, session, Some(token)),
            Request::Delete { ticket, session, token } => (ticket, session, token),
            _ => return None,
        };
        let is_right = token.is_some_and(|token| self.relay.knows(session, &token));
        match request {
            _ if is_right => None,
            Request::Claim { .. } if self.relay.is_doubted(conn) => self.client_limits.address_of(conn),
            Request::Delete { .. } => self.exchanges.doubted_address(conn),
            _ => None,
        }
    }

    /// Refuses a request that found no room to wait.
    fn refuse_crowded_out(&mut self, request: &Request) {
        match *request {
            Request::Claim { conn, session, role, .. } => {
                let answer = Answer::Claimed { conn, session, role, outcome: Claimed::TooMany };
                self.relay.handle(Input::Answered(answer), self.clock.now());
            }
            Request::Delete { ticket, .. } => {
                if let Some(pending) = self.exchanges.take_pending(ticket) {
                    self.refuse_delete(ticket, &pending);
                }
            }
            _ => {}
        }
    }

    /// A limit turned a client away: of this address, if it is known.
    pub(super) fn note_refused(&mut self, what: Refused, address: Option<Address>) {
        self.metrics.count_refused(what);
        self.client_limits.note_refused(what, address, self.clock.now());
    }
}

//! The only way into the core's control plane: one input in, every action carried out.

use protocol::close::CloseCode;
use protocol::message::Notice;
use relayd_core::event::{Action, Goodbye, Input};
use relayd_core::store::Conn;
use relayd_core::wire::outbound::close_words;

use super::connection::Stage;
use super::{Reactor, notes};

impl Reactor {
    /// Tells the core, and does what it says.
    pub(super) fn handle(&mut self, input: Input) {
        self.relay.handle(input, self.clock.now());
        self.carry_out();
    }

    /// Carries out whatever the core has decided. A notice without room is a fault of its reader, and what finds no room
    /// among the look-ups is refused: both once the core's earlier decisions are carried out.
    pub(super) fn carry_out(&mut self) {
        loop {
            while let Some(action) = self.relay.poll_action() {
                let overflowed = self.apply(action).err();
                self.overflowed.extend(overflowed);
            }
            if let Some(conn) = self.overflowed.pop() {
                let fault = Input::Fault { conn, code: CloseCode::TimedOut };
                self.relay.handle(fault, self.clock.now());
            } else if let Some(request) = self.crowded_out.pop() {
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
                    // What was under way over that link never becomes whole.
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
                // What waits says as much; and so no more than one ping ever waits.
                if self.conns.of(conn).is_some_and(|connection| connection.outbound().is_empty())
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
                self.forget_lookup(conn);
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
        if let Some(connection) = self.conns.of_mut(conn) {
            connection.stage = Stage::Closing;
        }
        tracing::debug!(name = conn.name, code, "closing");
        if let Some(known) = code.and_then(CloseCode::parse) {
            self.metrics.count_close(known);
        }
        self.conns.mark_dirty(conn);
        self.conns.schedule(conn);
    }
}

//! The limit on all parked and queued bytes together.
//!
//! Over three quarters of it no message grows large, one at a time apart; over the whole of it the connection that
//! holds most is closed. So memory is bounded however many connections there are.

use protocol::close::CloseCode;
use relayd_core::event::Input;
use relayd_core::store::Conn;

use super::Reactor;
use super::connection::Stage;

/// Who may receive a large message while memory is short, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct LargeGate {
    /// The one that is let through.
    holder: Option<Conn>,
    held: Vec<Conn>,
}

impl LargeGate {
    /// True if `conn` may gather a large message while memory is short.
    pub fn lets_through(&self, conn: Conn) -> bool {
        self.holder == Some(conn)
    }

    /// `conn` wants to. True if it may go on at once.
    pub fn on_held(&mut self, conn: Conn) -> bool {
        if self.holder.is_none() {
            self.holder = Some(conn);
        } else if !self.lets_through(conn) {
            self.held.push(conn);
        }
        self.lets_through(conn)
    }
}

impl Reactor {
    /// Looks at the sum at the end of a turn.
    pub(super) fn bound_memory(&mut self) {
        self.pass_gate();
        while self.conns.pool.lent() > self.settings.limits.memory_max {
            let open = self.conns.iter().filter(|(_, connection)| matches!(connection.stage, Stage::Open(_)));
            let largest = open.map(|(conn, connection)| (connection.held(), conn)).max();
            let Some((held, conn)) = largest.filter(|&(held, _)| held > 0) else { return };
            let lent = self.conns.pool.lent();
            tracing::warn!(
                held,
                lent,
                "memory is full: the connection that holds most is closed (see --memory-max)"
            );
            self.handle(Input::Fault { conn, code: CloseCode::TryLater });
        }
    }

    /// Lets the next one through when the last is done, and all when memory is no longer short.
    fn pass_gate(&mut self) {
        let now = self.clock.now();
        for &conn in &self.gate.held {
            // It is not read, so its silence says nothing.
            self.relay.note_read(conn, now);
        }
        let is_short = self.is_memory_short();
        if self.gate.holder.is_some_and(|holder| is_short && self.is_gathering(holder)) {
            return;
        }
        self.gate.holder = None;
        for conn in std::mem::take(&mut self.gate.held) {
            self.conns.schedule(conn);
        }
    }

    /// True if no new large message may begin.
    pub(super) fn is_memory_short(&self) -> bool {
        self.conns.pool.lent() > self.settings.limits.memory_tight()
    }

    fn is_gathering(&self, conn: Conn) -> bool {
        match self.conns.of(conn).map(|connection| &connection.stage) {
            Some(Stage::Open(open)) => open.inbound.held() > 0,
            _ => false,
        }
    }
}

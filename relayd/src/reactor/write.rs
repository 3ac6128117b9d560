//! From queues to sockets: one write for all that one read brought, and one at the end of the turn for the
//! rest.

use protocol::close::CloseCode;
use relayd_core::event::Input;
use relayd_core::store::Conn;
use relayd_core::wire::outbound::Flushed;

use super::Reactor;
use super::connection::Stage;

impl Reactor {
    /// Writes what was queued since the last time.
    pub(super) fn flush_dirty(&mut self) {
        while let Some(conn) = self.conns.pop_dirty() {
            self.flush(conn);
        }
    }

    fn flush(&mut self, conn: Conn) {
        let Some((connection, pool)) = self.conns.with_pool(conn) else { return };
        connection.flags.is_dirty = false;
        if !connection.flags.writable {
            return;
        }
        let flushed = connection.stream.flush_tls().and_then(|()| match &mut connection.buffers {
            None => Ok(Flushed::default()),
            Some(buffers) => buffers.outbound.flush(&mut connection.stream, pool),
        });
        let flushed = match flushed {
            Ok(flushed) => flushed,
            Err(error) => {
                tracing::debug!(%error, name = conn.name, "a socket failed while it was written");
                return self.gone(conn);
            }
        };
        if flushed.taken > 0 {
            self.metrics.histograms.writes.observe(flushed.taken as u64);
        }
        let is_tls = connection.stream.is_tls();
        connection.flags.writable = flushed.left == 0 || flushed.wants_more;
        let was_waiting = std::mem::replace(&mut connection.flags.is_waiting, flushed.left > 0);
        if was_waiting || flushed.left > 0 {
            self.relay.note_written(conn, flushed.taken, flushed.left, self.clock.now());
        }
        if is_tls {
            self.conns.count_tls(conn);
        }
        if flushed.wants_more {
            self.conns.flush_next_turn(conn);
        }
        if flushed.left == 0 {
            self.conns.settle(conn);
        }
        self.count_early(conn);
        self.after_flush(conn);
    }

    fn after_flush(&mut self, conn: Conn) {
        let Some(connection) = self.conns.of(conn) else { return };
        let (is_empty, is_under_low) =
            (connection.outbound().is_empty(), connection.outbound().is_under_low());
        match connection.stage {
            Stage::Open { .. } if is_under_low => {
                self.relay.note_relieved(conn);
                self.relay.note_taken(conn, self.clock.now());
                self.carry_out();
            }
            // The next request may be parsed.
            Stage::Http if is_empty => self.conns.schedule(conn),
            Stage::Closing if is_empty => self.shut_down(conn),
            _ => {}
        }
    }

    /// Everything is written, the Close frame last. Sends a FIN and waits for the peer's.
    fn shut_down(&mut self, conn: Conn) {
        let Some(connection) = self.conns.of_mut(conn) else { return };
        match connection.stream.shut_down() {
            Ok(true) => {}
            // The socket's next event brings us here again.
            Ok(false) => return,
            Err(_) => return self.gone(conn),
        }
        connection.stage = Stage::Lingering;
        connection.flags.readable = true;
        self.conns.schedule(conn);
    }

    /// Closes the socket, whatever waits.
    pub(super) fn gone(&mut self, conn: Conn) {
        self.let_go(conn);
        self.carry_out();
    }

    /// The same while actions are being carried out: what the core makes of it comes behind them.
    pub(super) fn let_go(&mut self, conn: Conn) {
        let Some(connection) = self.conns.remove(conn) else { return };
        let in_core = connection.flags.in_core;
        if matches!(connection.stage, Stage::Open { .. }) {
            self.admin.closes.note(None, self.clock.now());
            if connection.flags.awaits_role {
                self.metrics.count_hello(Err(CloseCode::Normal));
            }
        }
        drop(connection);
        self.exchanges.end(conn);
        self.client_limits.leave(conn);
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.leave(conn);
        }
        if in_core {
            self.relay.handle(Input::Gone { conn }, self.clock.now());
        }
    }

    /// The process ends: every socket is closed, and the store will be told which connections left.
    pub(super) fn abandon_all(&mut self) {
        let all: Vec<Conn> = self.conns.iter().map(|(conn, _)| conn).collect();
        for conn in all {
            self.gone(conn);
        }
    }
}

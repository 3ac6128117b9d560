//! The limit on all parked and queued bytes together.
//!
//! Near it large messages wait ([`super::large`]). Over it connections are closed: first those that came
//! least far, of these the ones that hold most. What comes before a hello has a share of its own. So memory
//! is bounded however many connections there are.

use std::cmp::Reverse;
use std::ops::RangeInclusive;
use std::time::Duration;

use protocol::close::CloseCode;
use relayd_core::event::Input;
use relayd_core::store::Conn;

use super::Reactor;
use super::connection::{Stage, Standing};
use super::large::Source;

/// Between two log lines about connections that have not said hello.
const LOG_EVERY: Duration = Duration::from_secs(60);

impl Reactor {
    /// Counts what a connection holds before it has a role. Called when it may hold more or less than before.
    pub(super) fn count_early(&mut self, conn: Conn) {
        let Some(connection) = self.conns.of(conn).filter(|connection| connection.buffers.is_some()) else {
            return;
        };
        let is_early = connection.standing(|| self.relay.has_role(conn)) < Standing::Leaving;
        self.conns.count_early(conn, is_early);
    }

    /// Enforces the limits at the end of a turn.
    pub(super) fn bound_memory(&mut self) {
        self.serve_large_messages();
        self.bound_early();
        let memory_max = self.settings.limits.memory_max;
        let closed = self.make_room(Standing::Http..=Standing::Joined, None, |reactor| {
            reactor.conns.pool.lent() > memory_max + reactor.large.overdraft()
        });
        if closed > 0 {
            let lent = self.conns.pool.lent();
            tracing::warn!(closed, lent, memory_max, "memory was full: those that held most were closed");
        }
    }

    /// Lets large messages in that wait and have room now. For one that has waited too long room is made.
    fn serve_large_messages(&mut self) {
        if self.large.is_idle() {
            return;
        }
        let now = self.clock.now();
        self.large.let_in_waiting(&mut self.conns, &mut self.relay, now);
        for source in [Source::Nodes, Source::Clients] {
            if let Some(first) = self.large.take_overdue(source, now) {
                let closed =
                    self.make_room(Standing::Leaving..=Standing::Joined, Some(first.conn), |reactor| {
                        reactor.large.lacks_room(&reactor.conns, first)
                    });
                tracing::warn!(
                    closed,
                    "a large message found no room for long: those that held most were closed"
                );
                self.large.let_in_held(&mut self.conns, &mut self.relay, source, now);
            }
        }
        self.large.settle_overdraft(&self.conns);
        self.carry_out();
    }

    /// Enforces the share of what comes before a hello. If it is used up, an eighth of it is freed at once,
    /// so that in a flood of half requests the connections are not searched for each of them.
    fn bound_early(&mut self) {
        let early_max = self.settings.limits.memory_early();
        if self.conns.early() <= early_max {
            return;
        }
        let closed = self.make_room(Standing::Http..=Standing::NotJoined, None, |reactor| {
            reactor.conns.early() > early_max / 8 * 7
        });
        let (now, early) = (self.clock.now(), self.conns.early());
        if self.early_logged_at.is_none_or(|at| now.since(at) >= LOG_EVERY) {
            self.early_logged_at = Some(now);
            tracing::warn!(
                closed,
                early,
                early_max,
                "connections that have not said hello held too much: the largest were closed"
            );
        }
    }

    /// Closes connections until `is_over` is false: those that came least far first, of these the ones that
    /// hold most, of these the oldest. Gives how many were closed.
    pub(super) fn make_room(
        &mut self,
        standings: RangeInclusive<Standing>,
        except: Option<Conn>,
        is_over: impl Fn(&Self) -> bool,
    ) -> usize {
        if !is_over(self) {
            return 0;
        }
        let mut holding: Vec<_> = self
            .conns
            .iter()
            .map(|(conn, connection)| {
                let standing = connection.standing(|| self.relay.has_role(conn));
                (standing, Reverse(connection.held()), conn.name, conn)
            })
            .filter(|&(standing, Reverse(held), ..)| held > 0 && standings.contains(&standing))
            .collect();
        holding.sort_unstable_by_key(|&(standing, held, name, _)| (standing, held, name));
        let mut closed = 0;
        for (.., conn) in holding.into_iter().filter(|&(.., conn)| Some(conn) != except) {
            self.close_for_room(conn, &is_over);
            closed += 1;
            if !is_over(self) {
                break;
            }
        }
        closed
    }

    /// A WebSocket gets a Close frame; one that reads then holds nothing any more. All others are cut off:
    /// their bytes are of a request that never ends, or wait for a reader that does not read.
    fn close_for_room(&mut self, conn: Conn, is_over: impl Fn(&Self) -> bool) {
        if self.conns.of(conn).is_some_and(|connection| matches!(connection.stage, Stage::Open { .. })) {
            self.handle(Input::Fault { conn, code: CloseCode::TryLater });
            self.flush_dirty();
            if !is_over(self) {
                return;
            }
        }
        self.gone(conn);
    }
}

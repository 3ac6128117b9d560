//! The limit on all parked and queued bytes together.
//!
//! Over three quarters of it no message grows large, one at a time apart; over the whole of it connections are closed:
//! first those that came least far, of these the ones that hold most. What comes before a hello has a share of its
//! own. So memory is bounded however many connections there are.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use protocol::close::CloseCode;
use relayd_core::event::Input;
use relayd_core::store::Conn;
use relayd_core::time::Time;

use super::Reactor;
use super::connection::{Stage, Standing};

/// Who may gather a large message while memory is short, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct LargeGate {
    /// The one that is let through, and since when.
    holder: Option<(Conn, Time)>,
    /// The others, in the order in which they asked.
    held: VecDeque<Conn>,
}

/// How long one is let through while others wait: whoever sends slowly must not keep the rest out.
const TURN: Duration = Duration::from_secs(5);

/// Between two log lines about connections that have not said hello.
const LOG_EVERY: Duration = Duration::from_secs(60);

impl LargeGate {
    /// True if `conn` may gather a large message while memory is short.
    pub fn lets_through(&self, conn: Conn) -> bool {
        self.holder.is_some_and(|(holder, _)| holder == conn)
    }

    /// When the holder's turn is over, if somebody waits for it.
    pub fn turn_over_at(&self) -> Option<Time> {
        let (_, since) = self.holder.filter(|_| !self.held.is_empty())?;
        Some(since + TURN)
    }

    /// `conn` has its message: the next one may.
    pub fn on_gathered(&mut self, conn: Conn) {
        if self.lets_through(conn) {
            self.holder = None;
        }
    }
}

impl Reactor {
    /// `conn` wants to gather a large message though memory is short. True if it may; else it waits.
    pub(super) fn try_enter_gate(&mut self, conn: Conn) -> bool {
        if self.gate.holder.is_none() && self.gate.held.is_empty() {
            self.gate.holder = Some((conn, self.clock.now()));
        }
        if self.gate.lets_through(conn) {
            return true;
        }
        if let Some(connection) = self.conns.of_mut(conn)
            && !std::mem::replace(&mut connection.flags.is_held, true)
        {
            self.gate.held.push_back(conn);
        }
        false
    }

    /// Looks at the sums at the end of a turn.
    pub(super) fn bound_memory(&mut self) {
        self.pass_gate();
        self.bound_early();
        let memory_max = self.settings.limits.memory_max;
        let closed = self.make_room(Standing::Joined, |reactor| reactor.conns.pool.lent() > memory_max);
        if closed > 0 {
            let lent = self.conns.pool.lent();
            tracing::warn!(closed, lent, memory_max, "memory was full: those that held most were closed");
        }
    }

    /// What comes before a hello has a share of its own. Where it is used up, an eighth of it is freed at once, so
    /// that a flood of half requests is not looked through for each of them.
    fn bound_early(&mut self) {
        let early_max = self.settings.limits.memory_early();
        if self.conns.early() <= early_max {
            return;
        }
        let closed = self.make_room(Standing::NotJoined, |reactor| reactor.conns.early() > early_max / 8 * 7);
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

    /// Closes connections until `is_over` is false: those that came least far first, of these the ones that hold most,
    /// of these the oldest. None that came farther than `last`. How many were closed.
    fn make_room(&mut self, last: Standing, is_over: impl Fn(&Self) -> bool) -> usize {
        if !is_over(self) {
            return 0;
        }
        let mut holding: Vec<_> = self
            .conns
            .iter()
            .map(|(conn, connection)| (connection.standing(), Reverse(connection.held()), conn.name, conn))
            .filter(|&(standing, Reverse(held), ..)| held > 0 && standing <= last)
            .collect();
        holding.sort_unstable_by_key(|&(standing, held, name, _)| (standing, held, name));
        let mut closed = 0;
        for (.., conn) in holding {
            self.close_for_room(conn, &is_over);
            closed += 1;
            if !is_over(self) {
                break;
            }
        }
        closed
    }

    /// A WebSocket is told; one that reads has the Close frame now and holds nothing any more. All others go without a
    /// word: their bytes are of a request that never ends, or wait for a reader that does not read.
    fn close_for_room(&mut self, conn: Conn, is_over: impl Fn(&Self) -> bool) {
        if self.conns.of(conn).is_some_and(|connection| matches!(connection.stage, Stage::Open(_))) {
            self.handle(Input::Fault { conn, code: CloseCode::TryLater });
            self.flush_dirty();
            if !is_over(self) {
                return;
            }
        }
        self.gone(conn);
    }

    /// Lets the next one through when the last is done or has had its turn, and all when memory is no longer short.
    fn pass_gate(&mut self) {
        let (now, is_short) = (self.clock.now(), self.is_memory_short());
        for &conn in &self.gate.held {
            // It is not read, so its silence says nothing.
            self.relay.note_read(conn, now);
        }
        let turn_is_over = self.gate.turn_over_at().is_some_and(|at| at <= now);
        if self.gate.holder.is_some_and(|(holder, _)| turn_is_over || !self.is_gathering(holder)) {
            self.gate.holder = None;
        }
        while self.gate.holder.is_none() || !is_short {
            let Some(conn) = self.gate.held.pop_front() else { return };
            let Some(connection) = self.conns.of_mut(conn) else { continue };
            connection.flags.is_held = false;
            self.gate.holder = Some((conn, now));
            self.conns.schedule(conn);
        }
    }

    /// True if no new large message may begin.
    pub(super) fn is_memory_short(&self) -> bool {
        self.conns.pool.lent() > self.settings.limits.memory_tight()
    }

    fn is_gathering(&self, conn: Conn) -> bool {
        self.conns.of(conn).is_some_and(|connection| connection.gathered() > 0)
    }
}

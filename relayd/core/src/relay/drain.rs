//! The stop of a node: clients are told to go, some at a time, and both ends of a pair together.
//!
//! All at once would send every client of this node to the others in the same moment.

use std::time::Duration;

use protocol::close::CloseCode;
use protocol::message::Notice;

use super::Relay;
use super::connection::Connection;
use crate::event::Goodbye;
use crate::store::Conn;
use crate::time::Time;

/// How far the stop is.
#[derive(Debug)]
pub(super) struct Drain {
    /// When the process ends.
    pub until: Time,
    /// By when all are told.
    told_by: Time,
    /// Connections that one step tells, or one more, as pairs go together.
    share: usize,
    /// Slots before this one are told.
    slot: usize,
    /// When the next step is due; `None` once all are told.
    next_step: Option<Time>,
}

/// Between two steps.
const STEP: Duration = Duration::from_millis(50);

/// Connections that one step tells at least: so few disturb no other node.
const SHARE_MIN: usize = 16;

impl Drain {
    fn new(connections: usize, told_by: Time, until: Time, now: Time) -> Self {
        let steps = told_by.since(now).as_millis() / STEP.as_millis();
        let share = connections.div_ceil(usize::try_from(steps).unwrap_or(usize::MAX).max(1));
        Drain { until, told_by, share: share.max(SHARE_MIN), slot: 0, next_step: Some(now) }
    }

    /// How many the step tells that is due now.
    fn begin_step(&mut self, now: Time) -> usize {
        self.next_step = Some(now + STEP);
        if self.told_by <= now { usize::MAX } else { self.share }
    }
}

impl Relay {
    /// Clients are told and closed, all of them by `told_by`. What was read is written first. Called again,
    /// it brings both times forward.
    pub(super) fn on_drain(&mut self, told_by: Time, until: Time, now: Time) {
        let connections = self.connections.len();
        let drain = self.draining.get_or_insert_with(|| Drain::new(connections, told_by, until, now));
        (drain.told_by, drain.until) = (drain.told_by.min(told_by), drain.until.min(until));
        self.tell_some_to_go(now);
    }

    /// True if the node stops and not all clients are told yet.
    pub fn has_untold(&self) -> bool {
        self.next_drain_step().is_some()
    }

    /// When the next clients are told.
    pub(super) fn next_drain_step(&self) -> Option<Time> {
        self.draining.as_ref()?.next_step
    }

    pub(super) fn tell_some_to_go(&mut self, now: Time) {
        let Some(drain) = self.draining.as_mut().filter(|drain| drain.next_step.is_some()) else { return };
        let mut left = drain.begin_step(now);
        while left > 0 {
            let Some(conn) = self.next_untold() else { return };
            let peer = self.other_end_here(conn);
            for conn in [conn].into_iter().chain(peer) {
                self.tell_to_go(conn, now);
                left = left.saturating_sub(1);
            }
        }
    }

    /// The next connection that is not told. New connections are refused, so none comes before it later.
    fn next_untold(&mut self) -> Option<Conn> {
        let drain = self.draining.as_mut()?;
        let open = |slot| {
            let (conn, connection) = self.connections.in_slot(slot)?;
            (!connection.is_closing()).then_some(conn)
        };
        let found = (drain.slot..self.connections.slots()).find_map(|slot| Some((slot, open(slot)?)));
        match found {
            Some((slot, conn)) => {
                drain.slot = slot + 1;
                Some(conn)
            }
            None => {
                drain.next_step = None;
                None
            }
        }
    }

    /// The connection of this node that has the other role of the session of `conn`.
    fn other_end_here(&self, conn: Conn) -> Option<Conn> {
        let (index, role) = self.connections.get(conn).and_then(Connection::holds)?;
        Some(self.sessions.at(index)?.end(role.other())?.conn)
    }

    fn tell_to_go(&mut self, conn: Conn, now: Time) {
        self.send(conn, Notice::GoingAway);
        self.end_link_of(conn, now);
        self.close(conn, Goodbye::AfterAll(CloseCode::GoingAway), now);
    }
}

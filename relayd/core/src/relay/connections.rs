//! The table of connections, by slot, and the one timer of each.

use super::connection::{ConnState, Connection, Finding};
use crate::deadlines::Deadlines;
use crate::limits::{HELLO_WITHIN, Limits, PAUSED_PING, RETRY_AFTER};
use crate::store::Conn;
use crate::time::Time;

/// Every connection that finished its upgrade and whose socket is not closed.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Limits,
    /// By [`Conn::slot`].
    by_slot: Vec<Option<Connection>>,
    /// `timers` = { slot at by_slot[slot].due }
    timers: Deadlines<u32>,
}

impl Connections {
    pub const fn new(limits: Limits) -> Self {
        Connections { limits, by_slot: Vec::new(), timers: Deadlines::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_slot.iter().flatten().count()
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.by_slot.len()
    }

    /// The connection in a slot.
    pub fn in_slot(&self, slot: usize) -> Option<(Conn, &Connection)> {
        let connection = self.by_slot.get(slot)?.as_ref()?;
        Some((Conn { slot: slot as u32, name: connection.name }, connection))
    }

    pub fn iter(&self) -> impl Iterator<Item = (Conn, &Connection)> {
        (0..self.slots()).filter_map(|slot| self.in_slot(slot))
    }

    pub fn get(&self, conn: Conn) -> Option<&Connection> {
        let connection = self.by_slot.get(conn.slot as usize)?.as_ref();
        connection.filter(|connection| connection.name == conn.name)
    }

    pub fn get_mut(&mut self, conn: Conn) -> Option<&mut Connection> {
        let connection = self.by_slot.get_mut(conn.slot as usize)?.as_mut();
        connection.filter(|connection| connection.name == conn.name)
    }

    /// A connection finished its upgrade. Its slot is free.
    pub fn open(&mut self, conn: Conn, now: Time) {
        let slot = conn.slot as usize;
        if self.by_slot.len() <= slot {
            self.by_slot.resize_with(slot + 1, || None);
        }
        debug_assert!(self.by_slot[slot].is_none(), "slot {slot} was not given back");
        let connection = Connection::new(conn.name, now, now + HELLO_WITHIN);
        self.timers.arm(conn.slot, connection.due);
        self.by_slot[slot] = Some(connection);
    }

    /// The socket of a connection is closed.
    pub fn remove(&mut self, conn: Conn) {
        let connection = self.by_slot.get_mut(conn.slot as usize);
        if let Some(gone) = connection.and_then(|it| it.take_if(|it| it.name == conn.name)) {
            self.timers.disarm(conn.slot, gone.due);
        }
    }

    /// Changes a connection's state and arms its timer for what the new one waits for.
    pub fn set_state(&mut self, conn: Conn, state: ConnState) {
        if let Some(connection) = self.get_mut(conn) {
            connection.state = state;
            self.rearm(conn);
        }
    }

    /// Arms the timer of a connection for what it waits for now.
    pub fn rearm(&mut self, conn: Conn) {
        let limits = self.limits;
        let Some(connection) = self.get_mut(conn) else { return };
        let (was, due) = (connection.due, connection.next_due(&limits));
        // The next ping of a pause is not put off by anything else.
        if due < was || (due > was && !connection.is_unread) {
            connection.due = due;
            self.timers.disarm(conn.slot, was);
            self.timers.arm(conn.slot, due);
        }
    }

    /// So many bytes came from `conn`.
    pub fn note_read(&mut self, conn: Conn, bytes: usize, now: Time) {
        let Some(connection) = self.get_mut(conn) else { return };
        connection.received += bytes as u64;
        if connection.note_read(now) {
            self.rearm(conn);
        }
    }

    /// The driver does not read `conn`, or reads it again.
    pub fn note_unread(&mut self, conn: Conn, is_unread: bool, now: Time) {
        let limits = self.limits;
        let Some(connection) = self.get_mut(conn) else { return };
        connection.note_unread(is_unread, now);
        // The first ping of a pause comes in time. The end of a pause can wait until the timer fires, unless
        // the next ping is due earlier.
        if is_unread || connection.next_due(&limits) < connection.due {
            self.rearm(conn);
        }
    }

    /// The socket of `conn` took `taken` bytes; `left` still wait.
    pub fn note_written(&mut self, conn: Conn, taken: usize, left: usize, now: Time) {
        if self.get_mut(conn).is_some_and(|connection| connection.note_written(taken, left, now)) {
            self.rearm(conn);
        }
    }

    /// When the next timer fires.
    pub fn next_due(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Takes out the next timer, if it is due. [`Connections::on_due`] arms it again.
    pub fn poll_due(&mut self, now: Time) -> Option<Conn> {
        let slot = self.timers.poll(now)?;
        self.in_slot(slot as usize).map(|(conn, _)| conn)
    }

    /// How many timers are armed.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// The timer of `conn` fired. `is_catching_up`: no client is read because the node has just been revived.
    pub fn on_due(&mut self, conn: Conn, is_paused: bool, is_catching_up: bool, now: Time) -> Finding {
        let limits = self.limits;
        let Some(connection) = self.get_mut(conn) else { return Finding::Nothing };
        if is_catching_up && let ConnState::ExpectHello { until } = &mut connection.state {
            // Its hello may have come: it is not read yet.
            *until = (*until).max(now + RETRY_AFTER);
        }
        // While this node stood still it asked no client for a sign of life.
        connection.note_late(now.since(connection.due), now);
        let finding = connection.on_due(is_paused, &limits, now);
        let next = connection.next_due(&limits);
        let due = if finding == Finding::PausedPing { next.min(now + PAUSED_PING) } else { next };
        connection.due = due;
        self.timers.arm(conn.slot, due);
        finding
    }

    /// What must hold between any two calls. Debug builds only.
    pub fn check_invariants(&self) {
        assert_eq!(self.timers.len(), self.len(), "each connection has one timer");
        for (_, connection) in self.iter() {
            let first = connection.next_due(&self.limits);
            assert!(connection.due <= first, "a timer is armed for what comes first: {connection:?}");
        }
    }
}

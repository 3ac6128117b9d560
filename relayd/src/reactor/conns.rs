//! All connections: the slab, the pool they borrow from, and the lists of those that have work.

use std::io;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use relayd_core::store::Conn;
use relayd_core::wire::outbound::Outbound;
use relayd_core::wire::pool::Pool;
use slab::Slab;

use super::connection::{Buffers, Connection, ConnectionFlags, NOTHING_QUEUED, Stage, Turn};
use super::stream::Stream;

/// Empty buffers that are kept: more than are lent at once while readers keep up.
const FREE_MAX: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Conns {
    slab: Slab<Connection>,
    next_name: u64,
    pub pool: Pool,
    /// Bytes held by connections that have not joined. `early` = sum of `buffers.early`
    early: usize,
    /// Empty buffers, for the next connection that needs some. `free.len() <= FREE_MAX`
    #[expect(
        clippy::vec_box,
        reason = "a connection takes the box as it is, so nothing is allocated or moved"
    )]
    free: Vec<Box<Buffers>>,
    ready: Vec<Conn>,
    /// The other of the two lists that take turns as `ready`.
    spare: Vec<Conn>,
    dirty: Vec<Conn>,
    /// Connections whose flush used up its budget: dirty again in the next turn.
    unfinished: Vec<Conn>,
}

impl Conns {
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Takes in a new connection. It speaks HTTP.
    pub fn add(&mut self, stream: TcpStream, registry: &Registry) -> io::Result<Conn> {
        // Frames are written once per turn: waiting for more to send with them would only delay.
        stream.set_nodelay(true)?;
        limit_unsent(&stream);
        let entry = self.slab.vacant_entry();
        let conn = Conn { slot: entry.key() as u32, name: self.next_name };
        let mut stream = stream;
        // Once and for both: edges cost nothing until they come, so no further call is ever made.
        registry.register(&mut stream, Token(entry.key()), Interest::READABLE | Interest::WRITABLE)?;
        entry.insert(Connection {
            stream: Stream::plain(stream),
            name: conn.name,
            stage: Stage::Http,
            buffers: None,
            flags: ConnectionFlags { writable: true, ..ConnectionFlags::default() },
        });
        self.next_name += 1;
        Ok(conn)
    }

    pub fn of(&self, conn: Conn) -> Option<&Connection> {
        self.slab.get(conn.slot as usize).filter(|connection| connection.name == conn.name)
    }

    pub fn of_mut(&mut self, conn: Conn) -> Option<&mut Connection> {
        self.slab.get_mut(conn.slot as usize).filter(|connection| connection.name == conn.name)
    }

    /// The queue for a connection's socket. Empty if the connection is gone.
    pub fn outbound(&self, conn: Conn) -> &Outbound {
        self.of(conn).map_or(NOTHING_QUEUED, Connection::outbound)
    }

    /// True if bytes of a connection were read and not parsed yet.
    pub fn has_parked(&self, conn: Conn) -> bool {
        self.of(conn).is_some_and(Connection::has_parked)
    }

    /// A connection and the pool it borrows from.
    pub fn with_pool(&mut self, conn: Conn) -> Option<(&mut Connection, &mut Pool)> {
        let connection = self.slab.get_mut(conn.slot as usize)?;
        (connection.name == conn.name).then_some((connection, &mut self.pool))
    }

    /// A connection's buffers, lent if it has none, and the pool they borrow from. A caller that puts nothing
    /// in, or takes something out, calls [`Conns::settle`].
    #[inline]
    pub fn with_buffers(&mut self, conn: Conn) -> Option<(&mut Buffers, &mut Pool)> {
        let connection = self.slab.get_mut(conn.slot as usize)?;
        if connection.name != conn.name {
            return None;
        }
        let buffers = connection.buffers.get_or_insert_with(|| self.free.pop().unwrap_or_default());
        Some((buffers, &mut self.pool))
    }

    /// Takes a connection's buffers back if nothing is in them.
    pub fn settle(&mut self, conn: Conn) {
        let Some(connection) = self.of_mut(conn) else { return };
        if let Some(empty) = connection.buffers.take_if(|buffers| buffers.is_empty()) {
            self.keep(empty);
        }
    }

    /// Counts what a connection holds, if it has not joined (`is_early`). Called when it may hold more or
    /// less than before.
    pub fn count_early(&mut self, conn: Conn, is_early: bool) {
        let Some(Connection { buffers: Some(buffers), .. }) = self.of_mut(conn) else { return };
        let held = if is_early { buffers.held() } else { 0 };
        let before = std::mem::replace(&mut buffers.early, held);
        self.early = self.early - before + held;
    }

    /// Counts what a connection holds under TLS. Called when it may hold more or less than before.
    pub fn count_tls(&mut self, conn: Conn) {
        let Some((connection, pool)) = self.with_pool(conn) else { return };
        let (before, now) = connection.stream.recount();
        pool.recount(before, now);
    }

    /// Bytes held by connections that have not joined, closing ones among them.
    pub fn early(&self) -> usize {
        self.early
    }

    fn keep(&mut self, mut empty: Box<Buffers>) {
        self.early -= std::mem::take(&mut empty.early);
        if self.free.len() < FREE_MAX {
            self.free.push(empty);
        }
    }

    /// What an open WebSocket needs in its turn. It goes back with [`Conns::end_turn`].
    pub fn begin_turn(&mut self, conn: Conn) -> Option<Turn> {
        let connection = self.of_mut(conn)?;
        let Stage::Open { .. } = connection.stage else { return None };
        let Some(buffers) = &mut connection.buffers else { return Some(Turn::default()) };
        let (inbound, outgoing) = (std::mem::take(&mut buffers.inbound), buffers.outgoing.take());
        Some(Turn { may_grow: connection.flags.may_grow, inbound, outgoing })
    }

    /// Keeps what is under way when a turn ends.
    pub fn end_turn(&mut self, conn: Conn, turn: Turn) {
        if turn.is_idle() {
            return self.settle(conn);
        }
        if let Some((buffers, _)) = self.with_buffers(conn) {
            (buffers.inbound, buffers.outgoing) = (turn.inbound, turn.outgoing);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Conn, &Connection)> {
        self.slab
            .iter()
            .map(|(slot, connection)| (Conn { slot: slot as u32, name: connection.name }, connection))
    }

    /// Takes a connection out and gives its memory back. Its socket closes with what is returned.
    pub fn remove(&mut self, conn: Conn) -> Option<Connection> {
        self.of(conn)?;
        let mut connection = self.slab.remove(conn.slot as usize);
        self.pool.recount(connection.stream.counted(), 0);
        if let Some(mut buffers) = connection.buffers.take() {
            buffers.release(&mut self.pool);
            self.keep(buffers);
        }
        Some(connection)
    }

    /// What waits is written, then the connection is shut down and drained.
    pub fn begin_closing(&mut self, conn: Conn) {
        if let Some(connection) = self.of_mut(conn) {
            connection.stage = Stage::Closing;
            self.mark_dirty(conn);
            self.schedule(conn);
        }
    }

    /// What the poll says of a socket. Edges are remembered until a read or write finds the socket drained or
    /// full.
    pub fn note_event(&mut self, slot: usize, event: &Event) {
        let Some(connection) = self.slab.get_mut(slot) else { return };
        let conn = Conn { slot: slot as u32, name: connection.name };
        let flags = &mut connection.flags;
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            flags.readable = true;
            flags.read_closed |= event.is_read_closed();
            flags.failed |= event.is_error() || (event.is_read_closed() && event.is_write_closed());
            self.schedule(conn);
        }
        if event.is_writable() {
            self.slab[slot].flags.writable = true;
            if !self.slab[slot].outbound().is_empty() || self.slab[slot].stream.wants_write() {
                self.mark_dirty(conn);
            }
        }
    }

    /// The connection is served in the next turn, or in this one if serving has not begun.
    pub fn schedule(&mut self, conn: Conn) {
        let Some(connection) = self.of_mut(conn) else { return };
        if !std::mem::replace(&mut connection.flags.is_ready, true) {
            self.ready.push(conn);
        }
    }

    /// The connection is flushed after the one that is served now, at the latest at the end of the turn.
    pub fn mark_dirty(&mut self, conn: Conn) {
        let Some(connection) = self.of_mut(conn) else { return };
        if !std::mem::replace(&mut connection.flags.is_dirty, true) {
            self.dirty.push(conn);
        }
    }

    /// True if a connection must be served or flushed though no event will come.
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.dirty.is_empty() || !self.unfinished.is_empty()
    }

    /// The connection has more to write than one turn allows.
    pub fn flush_next_turn(&mut self, conn: Conn) {
        self.unfinished.push(conn);
    }

    /// A new turn: connections whose flush used up its budget in the last one are dirty again.
    pub fn take_up_unfinished(&mut self) {
        while let Some(conn) = self.unfinished.pop() {
            self.mark_dirty(conn);
        }
    }

    /// The list of connections to serve. Those that are added meanwhile are for the next turn.
    pub fn take_ready(&mut self) -> Vec<Conn> {
        std::mem::replace(&mut self.ready, std::mem::take(&mut self.spare))
    }

    /// Gives an emptied list back for its capacity.
    pub fn return_emptied(&mut self, emptied: Vec<Conn>) {
        debug_assert!(emptied.is_empty());
        self.spare = emptied;
    }

    /// The next connection to flush.
    pub fn pop_dirty(&mut self) -> Option<Conn> {
        self.dirty.pop()
    }
}

/// The most that the kernel holds unsent for a slow reader, in bytes. The rest waits in our queue, where a
/// Close frame can pass a large message and a reader's progress shows.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

#[cfg(target_os = "linux")]
fn limit_unsent(stream: &TcpStream) {
    // Only a hint: without it more bytes wait in the kernel.
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT could not be set");
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_unsent(_: &TcpStream) {}

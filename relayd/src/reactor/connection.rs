//! One socket and its buffers.
//!
//! Knows its stage and nothing of what its messages mean. Small, and without buffers while it is idle.

use relayd_core::wire::inbound::{Inbound, Kind};
use relayd_core::wire::outbound::Outbound;
use relayd_core::wire::pool::Pool;

use super::stream::Stream;

/// A connection of any stage.
#[derive(Debug)]
pub(super) struct Connection {
    pub stream: Stream,
    /// Never reused; with the slot it is the core's name for it.
    pub name: u64,
    pub stage: Stage,
    /// Lent while there is anything in them.
    pub buffers: Option<Box<Buffers>>,
    pub flags: ConnectionFlags,
}

/// What the poll said of a connection, and the lists that it is on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionFlags {
    /// A read may bring something.
    pub readable: bool,
    /// A write may take something.
    pub writable: bool,
    /// The peer's FIN came: the end of the stream must be read though a read was short.
    pub read_closed: bool,
    /// The socket failed.
    pub failed: bool,
    /// It is on the list of connections to serve.
    pub is_ready: bool,
    /// It is on the list of connections to flush.
    pub is_dirty: bool,
    /// Its message waits for room.
    pub is_held: bool,
    /// It was not read when it was last served, as something else must come first.
    pub is_unread: bool,
    /// Its message was let in: there is room for all of it.
    pub may_grow: bool,
    /// Bytes were left at the last flush.
    pub is_waiting: bool,
    /// The core knows it.
    pub in_core: bool,
    /// Its hello came and is not answered.
    pub awaits_role: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// HTTP requests, one at a time. What it waits for is in [`super::exchanges`].
    Http,
    /// WebSocket. The core knows what came of its hello and what it may do.
    Open {
        /// Binary goes bare to it.
        raw: bool,
    },
    /// Its last bytes are queued. What comes in is discarded.
    Closing,
    /// They are written and the write side is shut down. It waits for the end of the peer's side.
    Lingering,
}

/// What a connection only needs while bytes wait or a message is under way.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Bytes that were read and not parsed yet. Lent.
    pub parked: Vec<u8>,
    pub inbound: Inbound,
    pub outbound: Outbound,
    /// A large message on its way to another node.
    pub outgoing: Option<Box<Outgoing>>,
    /// A large message on its way from another node.
    pub arriving: Option<Box<Arriving>>,
    /// Bytes of these that are counted as held before the hello, see [`super::conns::Conns::count_early`].
    pub early: usize,
}

/// What an open WebSocket needs in its turn. Moved out, so that answers to it can be queued meanwhile.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The message under way was let in: there is room for all of it.
    pub may_grow: bool,
    pub inbound: Inbound,
    pub outgoing: Option<Box<Outgoing>>,
}

/// A large message of this connection that goes out piece by piece. The connection is not read meanwhile.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub handle: u32,
    pub kind: Kind,
    /// Lent.
    pub chunk: Vec<u8>,
    /// Bytes that are in the stream. `0 <= at <= chunk.len()`
    pub at: usize,
}

/// A large message for this connection of which a part has come.
#[derive(Debug)]
pub(super) struct Arriving {
    /// The link over which it comes.
    pub link: u32,
    /// Lent.
    pub chunk: Vec<u8>,
}

impl Buffers {
    /// True if nothing is in them.
    pub fn is_empty(&self) -> bool {
        self.held() == 0
            && self.outbound.is_empty()
            && self.inbound.is_idle()
            && self.outgoing.is_none()
            && self.arriving.is_none()
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        let outgoing = self.outgoing.as_ref().map_or(0, |outgoing| outgoing.chunk.capacity());
        let arriving = self.arriving.as_ref().map_or(0, |arriving| arriving.chunk.capacity());
        self.parked.capacity() + self.outbound.held() + self.inbound.held() + outgoing + arriving
    }

    /// Gives back all but what is queued for the socket.
    pub fn release_incoming(&mut self, pool: &mut Pool) {
        self.inbound.release(pool);
        self.drop_arriving(pool);
        let outgoing = self.outgoing.take().map(|outgoing| outgoing.chunk);
        let parked = Some(std::mem::take(&mut self.parked));
        outgoing.into_iter().chain(parked).for_each(|chunk| pool.give_back(chunk));
    }

    /// Drops what has come of a message from another node.
    pub fn drop_arriving(&mut self, pool: &mut Pool) {
        if let Some(arriving) = self.arriving.take() {
            pool.give_back(arriving.chunk);
        }
    }

    /// Gives all memory back.
    pub fn release(&mut self, pool: &mut Pool) {
        self.release_incoming(pool);
        self.outbound.release(pool);
    }
}

impl Turn {
    /// True if nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.inbound.is_idle() && self.outgoing.is_none()
    }
}

/// How far a connection has come. If memory is full, those that came least far are closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// HTTP, or closing and never joined.
    Http,
    /// A WebSocket that holds no role.
    NotJoined,
    /// It held a role, and its Close frame is queued.
    Leaving,
    /// It holds a role.
    Joined,
}

impl Connection {
    /// How far it has come. `has_role`: what the core says of a WebSocket.
    pub fn standing(&self, has_role: impl FnOnce() -> bool) -> Standing {
        match &self.stage {
            Stage::Http => Standing::Http,
            Stage::Open { .. } if has_role() => Standing::Joined,
            Stage::Open { .. } => Standing::NotJoined,
            Stage::Closing | Stage::Lingering if self.early() > 0 => Standing::Http,
            Stage::Closing | Stage::Lingering => Standing::Leaving,
        }
    }

    /// Bytes that are counted as held before the hello.
    fn early(&self) -> usize {
        self.buffers.as_ref().map_or(0, |buffers| buffers.early)
    }

    /// The queue for its socket.
    pub fn outbound(&self) -> &Outbound {
        self.buffers.as_ref().map_or(NOTHING_QUEUED, |buffers| &buffers.outbound)
    }

    /// True if bytes were read and not parsed yet.
    pub fn has_parked(&self) -> bool {
        self.buffers.as_ref().is_some_and(|buffers| !buffers.parked.is_empty())
    }

    /// Bytes of memory it holds, as the limit on all of them counts.
    pub fn held(&self) -> usize {
        self.buffers.as_ref().map_or(0, |buffers| buffers.held()) + self.stream.counted()
    }
}

/// The queue of a connection without buffers.
pub(super) const NOTHING_QUEUED: &Outbound = &Outbound::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        let ours = size_of::<Connection>() - size_of::<mio::net::TcpStream>();
        assert!(ours <= 40, "{ours}");
    }
}

//! One socket and what is buffered for it.
//!
//! Knows what stage it is in and nothing of what its messages mean. Small, and without a buffer while it is idle.

use std::net::IpAddr;

use mio::net::TcpStream;
use protocol::ids::{Role, SessionId};
use protocol::qr::Pairing;
use relayd_core::time::Time;
use relayd_core::wire::inbound::{Inbound, Kind};
use relayd_core::wire::outbound::Outbound;
use relayd_core::wire::pool::Pool;

use crate::http::{Progress, Reply};

/// A connection of any stage.
#[derive(Debug)]
pub(super) struct Connection {
    pub stream: TcpStream,
    /// Never reused; with the slot it is the core's name for it.
    pub name: u64,
    pub stage: Stage,
    /// Bytes that were read and could not be taken yet. Lent.
    pub parked: Vec<u8>,
    pub outbound: Outbound,
    /// The deadline of its HTTP exchange, or of its closing where the core does not know it.
    pub due: Option<Time>,
    pub flags: Flags,
}

/// What the poll said and on which lists it stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    /// A read may bring something.
    pub readable: bool,
    /// A write may take something.
    pub writable: bool,
    /// The peer's FIN came: the end of the stream must be read though a read was short.
    pub read_closed: bool,
    /// The socket failed.
    pub failed: bool,
    /// It is on the list of those to serve.
    pub is_ready: bool,
    /// It is on the list of those to flush.
    pub is_dirty: bool,
    /// Its message waits for leave to grow large.
    pub is_held: bool,
    /// Bytes were left at the last flush.
    pub is_waiting: bool,
    /// The core knows it.
    pub in_core: bool,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// HTTP requests, one at a time.
    Http(Box<Exchange>),
    /// WebSocket.
    Open(Open),
    /// Its last bytes are queued. What comes in is thrown away.
    Closing,
    /// They are written and the write side is shut down; waits for the peer's end.
    Lingering,
}

/// An HTTP connection between and in its requests.
#[derive(Debug)]
pub(super) struct Exchange {
    pub address: IpAddr,
    pub progress: Progress,
    /// A request is under way, or has not begun since the connection came: it must be whole by `due`.
    pub in_request: bool,
    /// The store is asked; nothing is parsed until it has answered.
    pub pending: Option<Pending>,
}

/// What answers the request that waits for the store.
#[derive(Debug)]
pub(super) struct Pending {
    pub reply: Reply,
    /// For a register: what is made.
    pub pairing: Option<Pairing>,
}

/// An open WebSocket.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub inbound: Inbound,
    /// Binary goes bare to it.
    pub raw: bool,
    /// What its frames are stamped with, once it holds a role.
    pub joined: Option<Joined>,
    /// A large message on its way to another node.
    pub outgoing: Option<Box<Outgoing>>,
    /// A large message on its way from another node.
    pub arriving: Option<Box<Arriving>>,
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

impl Open {
    /// Bytes held.
    pub fn held(&self) -> usize {
        let outgoing = self.outgoing.as_ref().map_or(0, |outgoing| outgoing.chunk.capacity());
        let arriving = self.arriving.as_ref().map_or(0, |arriving| arriving.chunk.capacity());
        self.inbound.held() + outgoing + arriving
    }

    /// Gives all memory back.
    pub fn release(&mut self, pool: &mut Pool) {
        self.inbound.release(pool);
        let outgoing = self.outgoing.take().map(|outgoing| outgoing.chunk);
        let arriving = self.arriving.take().map(|arriving| arriving.chunk);
        outgoing.into_iter().chain(arriving).for_each(|chunk| pool.give_back(chunk));
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Joined {
    pub session: SessionId,
    pub role: Role,
}

impl Connection {
    /// Bytes of memory it holds, as the limit on all of them counts.
    pub fn held(&self) -> usize {
        let inbound = if let Stage::Open(open) = &self.stage { open.held() } else { 0 };
        self.parked.capacity() + self.outbound.held() + inbound
    }
}

//! The names of everything this relay keeps in Redis. No other file spells one.

use protocol::ids::{NodeId, SessionId};

/// Names under one prefix, so that several relays can share a Redis.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Keys { prefix: prefix.to_owned() }
    }

    /// The hash of one session, or its tombstone.
    pub(super) fn session(&self, session: SessionId) -> String {
        format!("{}sess:{session}", self.prefix)
    }

    /// The channel that one node listens to.
    pub(super) fn inbox(&self, node: NodeId) -> String {
        format!("{}{node}", self.inboxes())
    }

    /// What stands before a node's id in the name of its channel.
    pub(super) fn inboxes(&self) -> String {
        format!("{}node:", self.prefix)
    }

    /// What proves that this Redis takes writes uses this key. It is written at the start of a connection only, and gone
    /// again at once. It stands among the sessions, so that a right to them is proved too.
    pub(super) fn probe(&self, node: NodeId) -> String {
        format!("{}sess:probe:{node}", self.prefix)
    }

    /// The same for the connections of the bus. Never written, only deleted.
    pub(super) fn bus_probe(&self, node: NodeId) -> String {
        format!("{}:bus", self.probe(node))
    }
}

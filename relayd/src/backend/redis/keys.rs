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

    /// A key that is never there: deleting it proves that this Redis takes writes.
    pub(super) fn probe(&self, node: NodeId) -> String {
        format!("{}probe:{node}", self.prefix)
    }
}

//! The names of all keys and channels in Redis. No other file spells one.

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

    /// The channel of one node.
    pub(super) fn inbox(&self, node: NodeId) -> String {
        format!("{}{node}", self.inboxes())
    }

    /// The start of every node's channel, up to the node's id.
    pub(super) fn inboxes(&self) -> String {
        format!("{}node:", self.prefix)
    }

    /// The key of the probe. It is written only at the start of a connection, and deleted at once. Its name
    /// is like that of a session, so that the probe proves the right to session keys too.
    pub(super) fn probe(&self, node: NodeId) -> String {
        format!("{}sess:probe:{node}", self.prefix)
    }

    /// The key that the bus's connections delete. It never exists.
    pub(super) fn bus_probe(&self, node: NodeId) -> String {
        format!("{}:bus", self.probe(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_stands_under_the_prefix() {
        let (keys, node) = (Keys::new("it:"), NodeId::from_bytes([0xCD; 16]));
        let hex = "cd".repeat(16);
        assert_eq!(keys.session(SessionId::from_bytes([0xCD; 16])), format!("it:sess:{hex}"));
        assert_eq!((keys.inboxes(), keys.inbox(node)), ("it:node:".to_owned(), format!("it:node:{hex}")));
        assert_eq!(keys.probe(node), format!("it:sess:probe:{hex}"));
        assert_eq!(keys.bus_probe(node), format!("it:sess:probe:{hex}:bus"));
    }
}

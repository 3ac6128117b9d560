//! The sessions whose wanted link to another node does not stand.
//!
//! The other node is asked for such a link, and asked again each second until the link stands or that node is
//! gone: it may not have known its own connection yet. A request is never in the stream twice, and only where
//! the stream has room for it, so a bus that carries nothing costs a bounded number of bytes however long
//! that lasts. A round looks only at links that do not stand, a few in one turn.

use std::collections::BTreeSet;
use std::ops::Bound;

use protocol::ids::{NodeId, SessionId};

/// By the node that is asked for the link.
#[derive(Debug, Default)]
pub(super) struct WantedLinks {
    /// The session of each end that wants a link and has none is here. Others may be, until a round comes by.
    unlinked: BTreeSet<(NodeId, SessionId)>,
    /// A round through them is under way.
    in_round: bool,
    /// The last one that this round has looked at.
    looked_to: Option<(NodeId, SessionId)>,
}

impl WantedLinks {
    pub fn insert(&mut self, node: NodeId, session: SessionId) {
        self.unlinked.insert((node, session));
    }

    pub fn remove(&mut self, node: NodeId, session: SessionId) {
        self.unlinked.remove(&(node, session));
    }

    pub fn contains(&self, node: NodeId, session: SessionId) -> bool {
        self.unlinked.contains(&(node, session))
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.unlinked.is_empty()
    }

    /// Begins a round. Returns false if there is nothing to look at, or the last round is still under way.
    pub fn begin_round(&mut self) -> bool {
        !self.unlinked.is_empty() && !std::mem::replace(&mut self.in_round, true)
    }

    /// The next one of this round. `None`: the round is over.
    pub fn next(&mut self) -> Option<(NodeId, SessionId)> {
        let from = self.looked_to.map_or(Bound::Unbounded, Bound::Excluded);
        self.looked_to = self.unlinked.range((from, Bound::Unbounded)).next().copied();
        self.in_round = self.looked_to.is_some();
        self.looked_to
    }

    /// Forgets those of one node.
    pub fn take_of(&mut self, node: NodeId) -> Vec<SessionId> {
        let (first, last) = (SessionId::from_bytes([0; 16]), SessionId::from_bytes([0xFF; 16]));
        let range = self.unlinked.range((node, first)..=(node, last));
        let all: Vec<SessionId> = range.map(|&(_, session)| session).collect();
        all.iter().for_each(|&session| self.remove(node, session));
        all
    }
}

//! The two lanes of large messages: who was let in, who waits, and what room is promised.

use std::collections::VecDeque;
use std::time::Duration;

use relayd_core::store::Conn;
use relayd_core::time::Time;

/// Who may let a large message grow, and who waits.
#[derive(Debug, Default)]
pub(in crate::reactor) struct LargeGate {
    pub clients: Lane,
    pub nodes: Lane,
    pub looked_at: Option<Time>,
}

/// The large messages of one source.
#[derive(Debug, Default)]
pub struct Lane {
    /// Let in, and since when.
    pub let_in: Vec<(Large, Time)>,
    /// Waiting, and since when, in the order in which they asked.
    pub held: VecDeque<(Large, Time)>,
    /// What those that were let in may still need. At the end of a turn: the sum of `need_of`, of each.
    pub promised: usize,
    /// By how much one that was let in alone may pass the limit, until that much is free again.
    pub overdraft: usize,
}

/// A large message that is under way, named by its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Large {
    pub conn: Conn,
    pub way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The connection sends it.
    FromClient,
    /// It comes over this link, for the connection.
    FromNode(u32),
}

/// One lane or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Clients,
    Nodes,
}

/// How long one keeps the room that it does not use while others wait.
pub const TURN: Duration = Duration::from_secs(5);

impl Large {
    pub fn source(self) -> Source {
        match self.way {
            Way::FromClient => Source::Clients,
            Way::FromNode(_) => Source::Nodes,
        }
    }
}

impl LargeGate {
    /// When to look again though nothing happens.
    pub fn next_look(&self) -> Option<Time> {
        if !self.has_held() {
            return None;
        }
        let turns = self.lanes().into_iter().flat_map(|lane| &lane.let_in).map(|&(_, since)| since);
        turns.chain(self.looked_at).min().map(|since| since + TURN)
    }

    /// What the limit on all memory may be passed by.
    pub fn overdraft(&self) -> usize {
        self.lanes().iter().map(|lane| lane.overdraft).sum()
    }

    pub fn promised(&self) -> usize {
        self.clients.promised + self.nodes.promised
    }

    pub fn has_held(&self) -> bool {
        self.lanes().iter().any(|lane| !lane.held.is_empty())
    }

    pub fn is_idle(&self) -> bool {
        !self.has_held() && self.lanes().iter().all(|lane| lane.let_in.is_empty() && lane.overdraft == 0)
    }

    fn lanes(&self) -> [&Lane; 2] {
        [&self.clients, &self.nodes]
    }

    pub fn lane(&self, source: Source) -> &Lane {
        match source {
            Source::Clients => &self.clients,
            Source::Nodes => &self.nodes,
        }
    }

    pub fn lane_mut(&mut self, source: Source) -> &mut Lane {
        match source {
            Source::Clients => &mut self.clients,
            Source::Nodes => &mut self.nodes,
        }
    }
}

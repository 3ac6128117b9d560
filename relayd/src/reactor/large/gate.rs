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
    /// Waiting, and since when, in the order in which they asked. Some may be over.
    pub held: VecDeque<(Large, Time)>,
    /// At this length of `held` those that are over are forgotten.
    sweep_at: usize,
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

/// Fewer that wait than this are not looked through for those that are over.
const SWEPT_MIN: usize = 64;

impl Lane {
    /// Puts one behind those that wait. A client may come, ask and leave again while the first one waits: so those that are
    /// over are forgotten now and then, and there are never many more of them than of the others.
    pub fn hold(&mut self, large: Large, now: Time, is_under_way: impl Fn(Large) -> bool) {
        if self.held.len() >= self.sweep_at {
            self.held.retain(|&(large, _)| is_under_way(large));
            self.sweep_at = 2 * self.held.len().max(SWEPT_MIN);
        }
        self.held.push_back((large, now));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn large(name: u64) -> Large {
        Large { conn: Conn { slot: 0, name }, way: Way::FromClient }
    }

    #[test]
    fn those_that_came_and_left_again_take_bounded_room_behind_those_that_wait() {
        let mut lane = Lane::default();
        // One of a hundred stays.
        let is_under_way = |large: Large| large.conn.name.is_multiple_of(100);
        for name in 0..100_000 {
            lane.hold(large(name), Time::from_ms(name), is_under_way);
            let waiting = usize::try_from(name / 100 + 1).unwrap();
            assert!(lane.held.len() <= 2 * waiting.max(SWEPT_MIN), "{} of {waiting}", lane.held.len());
        }
        let waiting: Vec<_> = lane.held.iter().filter(|(large, _)| is_under_way(*large)).collect();
        assert!(
            waiting.iter().map(|(large, _)| large.conn.name).eq((0..100_000).step_by(100)),
            "in their order"
        );
        assert!(waiting.iter().all(|(large, since)| *since == Time::from_ms(large.conn.name)));
    }
}

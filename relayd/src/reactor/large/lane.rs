//! The large messages of one source: which were let in, which wait, and the room that is promised.

use std::collections::VecDeque;
use std::time::Duration;

use relayd_core::store::Conn;
use relayd_core::time::Time;

/// The large messages of one source. Each source has a lane of its own.
#[derive(Debug, Default)]
pub struct Lane {
    /// Those that were let in, and since when.
    pub let_in: Vec<(Large, Time)>,
    /// Those that wait, and since when, in the order in which they asked. Some may have ended.
    pub held: VecDeque<(Large, Time)>,
    /// At this length of `held` those that have ended are removed.
    sweep_at: usize,
    /// What those that were let in may still need: at the end of a turn, the sum over `let_in` of what each
    /// needs.
    pub promised: usize,
    /// By how much one that was let in alone may exceed the limit, until that much is free again.
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

/// Where large messages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Clients,
    Nodes,
}

/// How long a message keeps room that it does not use while others wait.
pub const TURN: Duration = Duration::from_secs(5);

impl Large {
    pub fn source(self) -> Source {
        match self.way {
            Way::FromClient => Source::Clients,
            Way::FromNode(_) => Source::Nodes,
        }
    }
}

/// While fewer wait than this, those that have ended are not looked for.
const SWEPT_MIN: usize = 64;

impl Lane {
    /// Appends a message to those that wait. Clients may come, ask and leave while the first one waits. So
    /// those that have ended are removed now and then, and never many more of them are kept than of the
    /// others.
    pub fn hold(&mut self, large: Large, now: Time, is_under_way: impl Fn(Large) -> bool) {
        if self.held.len() >= self.sweep_at {
            self.held.retain(|&(large, _)| is_under_way(large));
            self.sweep_at = 2 * self.held.len().max(SWEPT_MIN);
        }
        self.held.push_back((large, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large(name: u64) -> Large {
        Large { conn: Conn { slot: 0, name }, way: Way::FromClient }
    }

    #[test]
    fn messages_that_ended_while_they_waited_take_bounded_room() {
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

//! What is done to the nodes and to Redis.

use std::time::Duration;

use relay_tests::harness::Fleet;
use relay_tests::harness::guard::let_pass;
use relay_tests::harness::random::Random;

use crate::crowd::Crowd;

/// One fault; times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// `kill -9` of a node, which is started anew.
    KillNode { node: usize, away_ms: u64 },
    /// A node is stopped and goes on.
    StopNode { node: usize, away_ms: u64 },
    /// `kill -9` of Redis, which comes back with its data or empty.
    KillRedis { is_empty: bool, away_ms: u64 },
}

impl Fault {
    /// Any of them.
    pub fn any(random: &mut Random) -> Self {
        let node = random.below(2);
        match random.below(4) {
            0 => Self::KillNode { node, away_ms: random.below(3000) as u64 },
            1 => Self::StopNode { node, away_ms: 500 + random.below(8000) as u64 },
            2 => Self::StopNode { node, away_ms: 500 + random.below(29_500) as u64 },
            _ => Self::KillRedis { is_empty: random.below(2) == 0, away_ms: random.below(5000) as u64 },
        }
    }

    /// Breaks something and mends it; gives control back when all nodes have their store.
    pub fn play(self, fleet: &mut Fleet, crowd: &Crowd) {
        let stay_away = |ms| let_pass(Duration::from_millis(ms));
        match self {
            Self::KillNode { node, away_ms } => {
                fleet.node_mut(node).kill();
                stay_away(away_ms);
                fleet.replace(node);
                crowd.note_addrs(fleet);
            }
            Self::StopNode { node, away_ms } => {
                fleet.node(node).process().signal("STOP");
                stay_away(away_ms);
                fleet.node(node).process().signal("CONT");
            }
            Self::KillRedis { is_empty, away_ms } => {
                fleet.redis().kill();
                if is_empty {
                    fleet.redis().forget();
                }
                stay_away(away_ms);
                fleet.redis().restart();
            }
        }
        fleet.wait_ready();
    }
}

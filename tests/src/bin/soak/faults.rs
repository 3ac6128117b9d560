//! Faults of the nodes, of Redis, and of the lines between them.

use std::time::Duration;

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::random::Random;
use relay_tests::harness::redis::connect;
use relay_tests::harness::{Behaviour, Fleet};

use crate::crowd::Crowd;

/// One fault; times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// `kill -9` of a node, which is started again.
    KillNode { node: usize, away_ms: u64 },
    /// A node is stopped (SIGSTOP) and resumed.
    StopNode { node: usize, away_ms: u64 },
    /// SIGTERM to a node, which must end cleanly and is started again.
    EndNode { node: usize },
    /// `kill -9` of Redis, which comes back with its data, or empty.
    KillRedis { is_empty: bool, away_ms: u64 },
    /// Redis is stopped with its sockets open, and resumed.
    HangRedis { away_ms: u64 },
    /// The line of one node to Redis behaves so for a while.
    BreakLine { node: usize, how: Behaviour, away_ms: u64 },
    /// One node alone reaches Redis.
    BreakOthers { node: usize, away_ms: u64 },
    /// All connections of one node to Redis are cut, in the middle of what they carry.
    CutLine { node: usize, after_bytes: u64 },
    /// Redis disconnects all subscribers.
    CutSubscribers,
    /// Redis disconnects clients with this much unread output.
    NarrowOutput { bytes: usize, away_ms: u64 },
}

/// The delay of a Redis that is far away.
const FAR: Behaviour = Behaviour::Delay(Duration::from_millis(20));
/// Redis's own default, with which it goes on.
const OUTPUT_DEFAULT: &str = "pubsub 33554432 8388608 60";

impl Fault {
    /// A random fault, for this many nodes. The first node is never ended, so that its memory over a long
    /// time can be seen.
    pub fn any(random: &mut Random, nodes: usize) -> Self {
        let (node, mortal) = (random.below(nodes), 1 + random.below(nodes - 1));
        let mut ms = |least: u64, most: usize| least + random.below(most) as u64;
        let away_ms = ms(200, 5000);
        let long_ms = ms(500, 29_500);
        let after_bytes = ms(1, 20_000);
        match random.below(14) {
            0 => Self::KillNode { node: mortal, away_ms: away_ms / 2 },
            1 => Self::StopNode { node, away_ms },
            2 => Self::StopNode { node, away_ms: long_ms },
            3 => Self::EndNode { node: mortal },
            4 => Self::KillRedis { is_empty: true, away_ms },
            5 => Self::KillRedis { is_empty: false, away_ms },
            6 => Self::HangRedis { away_ms: away_ms * 3 },
            7 => Self::BreakLine { node, how: Behaviour::Stall, away_ms: away_ms * 3 },
            8 => Self::BreakLine { node, how: Behaviour::Deaf, away_ms: away_ms * 3 },
            9 => Self::BreakLine { node, how: Behaviour::Refuse, away_ms },
            10 => Self::BreakLine { node, how: FAR, away_ms: away_ms * 2 },
            11 => Self::BreakOthers { node, away_ms: away_ms * 2 },
            12 => Self::CutLine { node, after_bytes },
            _ if node == 0 => Self::CutSubscribers,
            _ => Self::NarrowOutput { bytes: 4 << 10, away_ms },
        }
    }

    /// True if it stops or ends a node, so that clients may have to reconnect.
    pub fn touches_nodes(self) -> bool {
        matches!(self, Self::KillNode { .. } | Self::StopNode { .. } | Self::EndNode { .. })
    }

    /// Its name alone, for the counts.
    pub fn name(self) -> String {
        let text = format!("{self:?}");
        text.split([' ', '{']).next().unwrap_or_default().to_owned()
    }

    /// Breaks something and repairs it. Returns when all nodes have their store.
    pub fn play(self, fleet: &mut Fleet, crowd: &Crowd) {
        match self {
            Self::KillNode { node, away_ms } => {
                crowd.expected().note_kill(fleet.addr(node));
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
            Self::EndNode { node } => {
                crowd.expected().note_end(fleet.addr(node));
                fleet.node(node).process().signal("TERM");
                let (status, _) = fleet.node_mut(node).wait_end(Duration::from_secs(60));
                assert!(status.success(), "node {node} ended with {status}");
                fleet.replace(node);
                crowd.note_addrs(fleet);
            }
            Self::KillRedis { is_empty: false, away_ms } => {
                fleet.redis().kill();
                stay_away(away_ms);
                fleet.redis().restart();
            }
            Self::KillRedis { is_empty: true, away_ms } => {
                crowd.expected().note_loss();
                fleet.redis().kill();
                fleet.redis().forget();
                stay_away(away_ms);
                fleet.redis().restart();
                crowd.expected().note_loss();
            }
            Self::HangRedis { away_ms } => {
                fleet.redis().process().signal("STOP");
                stay_away(away_ms);
                fleet.redis().process().signal("CONT");
            }
            Self::BreakLine { node, how, away_ms } => break_lines(fleet, &[node], how, away_ms),
            Self::BreakOthers { node, away_ms } => {
                let others: Vec<usize> = (0..fleet.count()).filter(|&other| other != node).collect();
                break_lines(fleet, &others, Behaviour::Stall, away_ms);
            }
            Self::CutLine { node, after_bytes } => {
                fleet.line(node).cut_after(after_bytes);
                stay_away(300);
                fleet.line(node).cut_no_more();
            }
            Self::CutSubscribers => ask(fleet, &["CLIENT", "KILL", "TYPE", "pubsub"]),
            Self::NarrowOutput { bytes, away_ms } => {
                limit_output(fleet, &format!("pubsub {bytes} {bytes} 1"));
                stay_away(away_ms);
                limit_output(fleet, OUTPUT_DEFAULT);
            }
        }
        fleet.wait_ready();
    }
}

fn break_lines(fleet: &Fleet, nodes: &[usize], how: Behaviour, away_ms: u64) {
    for &node in nodes {
        fleet.line(node).behave(how);
        if how == Behaviour::Refuse {
            fleet.line(node).reset();
        }
    }
    stay_away(away_ms);
    nodes.iter().for_each(|&node| fleet.line(node).behave(Behaviour::Clear));
}

fn limit_output(fleet: &mut Fleet, limit: &str) {
    ask(fleet, &["CONFIG", "SET", "client-output-buffer-limit", limit]);
}

fn ask(fleet: &mut Fleet, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).exec(&mut connect(&fleet.redis().url())).expect("Redis takes it");
}

fn stay_away(ms: u64) {
    let_pass(Duration::from_millis(ms));
}

//! Faults of a pair's networks, and of the nodes and Redis below.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::line::{Line, Pair};
use super::tally::Tally;
use crate::harness::guard::let_pass;
use crate::harness::random::Random;
use crate::harness::{Behaviour, Fleet};

/// Breaks and repairs the networks of one pair, one end or both, until `is_over`. Then everything is
/// repaired.
pub(super) fn play(pair: &Pair, mut random: Random, tally: &Tally, is_over: &AtomicBool) {
    let goes_on = || !is_over.load(Ordering::SeqCst) && !tally.is_broken();
    while goes_on() {
        let lines = pair.lines();
        let hit = match random.below(4) {
            0 => &lines[..],
            end => &lines[end % 2..][..1],
        };
        let fault = Fault::any(&mut random);
        hit.iter().for_each(|line| fault.begin(line, tally));
        wait(fault.time(), goes_on);
        let is_told = random.below(2) == 0;
        hit.iter().for_each(|line| fault.end(line, is_told));
        wait(Duration::from_millis(random.below(3000) as u64), goes_on);
    }
}

/// One fault of one network; times are in milliseconds.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A FIN both ways after this many more bytes, also for each new connection within the time.
    Cut { after: u64, ms: u64 },
    /// A reset.
    Reset,
    /// This behaviour, for new and live connections.
    Behave { kind: &'static str, behaviour: Behaviour, ms: u64 },
    /// The network leads to another node.
    Hop,
    /// The app goes to the background.
    Hide { ms: u64 },
}

impl Fault {
    /// Any of them.
    fn any(random: &mut Random) -> Self {
        let behave = |kind, behaviour, ms| Self::Behave { kind, behaviour, ms };
        let mut up_to = |most: usize| random.below(most) as u64;
        let ms = up_to(2000);
        match up_to(12) {
            0 => Self::Cut { after: 0, ms: 0 },
            1 => Self::Cut { after: up_to(1000), ms },
            2 | 3 => Self::Cut { after: up_to(200_000), ms },
            4 => Self::Reset,
            5 => behave("short stall", Behaviour::Stall, ms),
            // Longer than a relay with a heartbeat of one second allows, and usually longer than a connect
            // may take.
            6 => behave("long stall", Behaviour::Stall, 17_000 + up_to(5000)),
            7 => behave("trickle", Behaviour::Trickle, ms),
            8 => behave("refusal", Behaviour::Refuse, ms),
            9 => behave("delay", Behaviour::Delay(Duration::from_millis(10 + up_to(400))), 2 * ms),
            10 => Self::Hop,
            _ => Self::Hide { ms },
        }
    }

    fn time(self) -> Duration {
        Duration::from_millis(match self {
            Self::Cut { ms, .. } | Self::Behave { ms, .. } | Self::Hide { ms } => ms,
            Self::Reset | Self::Hop => 0,
        })
    }

    fn begin(self, line: &Line, tally: &Tally) {
        let kind = match self {
            Self::Cut { after: 0, .. } => {
                line.proxy.cut();
                "cut"
            }
            Self::Cut { after, .. } => {
                line.proxy.cut_after(after);
                "cut at a byte"
            }
            Self::Reset => {
                line.proxy.reset();
                "reset"
            }
            Self::Behave { kind, behaviour, .. } => {
                line.proxy.behave(behaviour);
                if behaviour == Behaviour::Refuse {
                    line.proxy.reset();
                }
                kind
            }
            Self::Hop => {
                line.hop();
                "other node"
            }
            Self::Hide { .. } => {
                line.engine.set_foreground(false);
                "out of sight"
            }
        };
        tally.fault(kind);
    }

    /// Repairs it. `is_told`: the app learns from its system that the network has changed.
    fn end(self, line: &Line, is_told: bool) {
        line.proxy.cut_no_more();
        line.proxy.behave(Behaviour::Clear);
        if matches!(self, Self::Hide { .. }) {
            line.engine.set_foreground(true);
        } else if is_told {
            line.engine.network_changed();
        }
    }
}

/// One fault below all pairs; times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Below {
    /// `kill -9` of a node, which is started again at another address.
    KillNode { node: usize, away_ms: u64 },
    /// A node is stopped (SIGSTOP) and resumed.
    StopNode { node: usize, away_ms: u64 },
    /// `kill -9` of Redis, which comes back with its data.
    KillRedis { away_ms: u64 },
}

impl Below {
    /// Any of them.
    pub(super) fn any(random: &mut Random) -> Self {
        let (node, away_ms) = (random.below(2), random.below(4000) as u64);
        match random.below(4) {
            0 | 1 => Self::KillNode { node, away_ms },
            2 => Self::StopNode { node, away_ms: 2 * away_ms },
            _ => Self::KillRedis { away_ms },
        }
    }

    /// Breaks and repairs. Returns when all nodes have their store.
    pub(super) fn play(self, fleet: &mut Fleet, pairs: &[Pair], tally: &Tally) {
        let stay_away = |ms| let_pass(Duration::from_millis(ms));
        match self {
            Self::KillNode { node, away_ms } => {
                tally.fault("node killed");
                fleet.node_mut(node).kill();
                stay_away(away_ms);
                fleet.replace(node);
                let addrs = vec![fleet.addr(0), fleet.addr(1)];
                pairs.iter().flat_map(Pair::lines).for_each(|line| line.note_nodes(addrs.clone()));
            }
            Self::StopNode { node, away_ms } => {
                tally.fault("node stopped");
                fleet.node(node).process().signal("STOP");
                stay_away(away_ms);
                fleet.node(node).process().signal("CONT");
            }
            Self::KillRedis { away_ms } => {
                tally.fault("Redis killed");
                fleet.redis().kill();
                stay_away(away_ms);
                fleet.redis().restart();
            }
        }
        fleet.wait_ready();
    }
}

/// Lets time pass as long as `goes_on`.
fn wait(time: Duration, goes_on: impl Fn() -> bool) {
    let started = Instant::now();
    while goes_on()
        && let Some(left) = time.checked_sub(started.elapsed()).filter(|left| !left.is_zero())
    {
        let_pass(left.min(Duration::from_millis(100)));
    }
}

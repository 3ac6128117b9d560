//! Pairs of engines on bad networks: each end behind its own fault proxy, over two nodes on one Redis.
//! Connections are cut, stalled and slowed down, and nodes and Redis come and go. Every message must arrive
//! exactly once, in order and complete. A case plays this in seconds; `tunnel_run` decides how long.
//!
//! `line` is an end and its network, `faults` breaks them, `messages` makes what is sent, `tally` counts and
//! judges.

mod faults;
mod line;
mod messages;
mod tally;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::guard::let_pass;
use crate::harness::random::Random;
use crate::harness::redis::Keep;
use crate::harness::{Fleet, Options};

use faults::Below;
use line::Pair;
pub use tally::Seen;
use tally::Tally;

/// How it is played.
#[derive(Clone, Copy, Debug)]
pub struct TunnelRun {
    /// Pairs of a workstation and a phone.
    pub pairs: usize,
    /// How long faults are played.
    pub time: Duration,
    /// Between two faults below all pairs: nodes and Redis.
    pub below_every: Duration,
    /// The seed of all faults and messages. It repeats what is done. The outcome also depends on how threads
    /// are scheduled.
    pub seed: u64,
}

impl TunnelRun {
    /// Plays it, and returns what was seen.
    ///
    /// # Panics
    /// A node or Redis does not come back.
    pub fn play(self) -> Seen {
        let mut fleet = Fleet::start_with(2, Keep::Everything, &options());
        let pairs: Vec<Pair> = (0..self.pairs).map(|at| Pair::start(&fleet, at, self.seed)).collect();
        let tally = Tally::default();
        let (is_over, is_read) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            let mut writers = Vec::new();
            for (at, pair) in pairs.iter().enumerate() {
                let random = Random::new(self.seed ^ (at as u64 + 1) << 32);
                writers.push(scope.spawn(|| faults::play(pair, random, &tally, &is_over)));
                for line in pair.lines() {
                    writers.push(scope.spawn(|| line.send_all(&tally, &is_over)));
                    scope.spawn(|| line.read_all(&tally, &is_read));
                }
            }
            self.play_below(&mut fleet, &pairs, &tally);
            is_over.store(true, Ordering::SeqCst);
            for writer in writers {
                if writer.join().is_err() {
                    tally.breach("a thread of the run panicked; see above".to_owned());
                }
            }
            pairs.iter().flat_map(Pair::lines).for_each(|line| line.flush(&tally));
            is_read.store(true, Ordering::SeqCst);
        });
        pairs.iter().for_each(|pair| pair.judge(&tally));
        tally.seen()
    }

    fn play_below(&self, fleet: &mut Fleet, pairs: &[Pair], tally: &Tally) {
        let mut random = Random::new(self.seed);
        let started = Instant::now();
        while started.elapsed() < self.time && !tally.is_broken() {
            let_pass(self.below_every.min(self.time.saturating_sub(started.elapsed())));
            if started.elapsed() < self.time {
                Below::any(&mut random).play(fleet, pairs, tally);
            }
        }
    }
}

/// A short heartbeat, so that a stall is long enough for the relay to give its client up.
fn options() -> Options {
    Options::new().env("HEARTBEAT_INTERVAL_SECS", "1")
}

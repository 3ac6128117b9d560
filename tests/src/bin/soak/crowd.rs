//! The pairs. Each talks on its own thread, and an end that loses its connection joins again at some node. In
//! a rough phase, clients also die, move to another node and delete their sessions.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use relay_tests::harness::Fleet;
use relay_tests::harness::guard::let_pass;
use relay_tests::harness::random::Random;

use crate::expected::Expected;
use crate::latency::Latencies;
use crate::life::Life;

/// Between two turns of a pair.
pub const PACE: Duration = Duration::from_millis(20);

/// Pairs that have not recovered this long after a fault are printed with what they are doing.
const LATE_AFTER: Duration = Duration::from_secs(5);

/// All pairs.
pub struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the pairs share with the code that breaks things.
#[derive(Default)]
pub struct Shared {
    addrs: Mutex<Vec<SocketAddr>>,
    breaches: Mutex<Vec<String>>,
    is_over: AtomicBool,
    is_rough: AtomicBool,
    has_faults: AtomicBool,
    /// A pair has recovered in this round once its own count has reached it.
    round: AtomicU64,
    whole: Mutex<Vec<u64>>,
    /// What each pair is doing, for the report of pairs that have not recovered.
    doing: Mutex<Vec<&'static str>>,
    counts: Mutex<Counts>,
    /// How connections may end.
    pub expected: Expected,
    /// How long frames took.
    pub latencies: Latencies,
}

/// What the pairs did and saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Frames.
    pub sent: u64,
    /// Frames that came.
    pub delivered: u64,
    /// Ends that were told that their peer left.
    pub told_left: u64,
    /// Connections that ended, though their own clients did not end them.
    pub lost: u64,
    /// Connects, to a session in which that end was before and to new ones.
    pub connects: u64,
    /// Connections that their own clients reset.
    pub broken_off: u64,
    /// Claims of a role that was held.
    pub takeovers: u64,
    /// Of these, how many older connections were closed with 4409.
    pub closed_4409: u64,
    /// Sessions that were deleted.
    pub deleted: u64,
    /// Ends that were closed with 4410.
    pub closed_4410: u64,
    /// Sessions that were made.
    pub sessions: u64,
    /// Registers that were not answered in time. Each may have left a session.
    pub unanswered: u64,
}

impl Crowd {
    /// Links this many pairs and lets them talk.
    pub fn start(fleet: &Fleet, pairs: usize, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            whole: Mutex::new(vec![0; pairs]),
            doing: Mutex::new(vec!["talks"; pairs]),
            ..Shared::default()
        });
        let mut crowd = Self { shared, threads: Vec::new() };
        crowd.note_addrs(fleet);
        crowd.shared.count(|counts| counts.sessions += pairs as u64);
        let addrs = [fleet.addr(0), fleet.addr(1)];
        for (at, talk) in fleet.talks(pairs).into_iter().enumerate() {
            let (shared, random) = (Arc::clone(&crowd.shared), Random::new(seed ^ (at as u64) << 32));
            crowd.threads.push(thread::spawn(move || {
                if let Err(wrong) = Life::new(&shared, at, talk, addrs, random).live() {
                    lock(&shared.breaches).push(wrong);
                }
            }));
        }
        crowd
    }

    /// The nodes listen there now.
    pub fn note_addrs(&self, fleet: &Fleet) {
        *lock(&self.shared.addrs) = (0..fleet.count()).map(|at| fleet.addr(at)).collect();
    }

    /// Starts or stops the rough phase, in which clients die, move and delete their sessions.
    pub fn be_rough(&self, is_rough: bool) {
        self.shared.is_rough.store(is_rough, Ordering::Relaxed);
    }

    /// From now on things are broken and mended.
    pub fn begin_faults(&self) {
        self.shared.has_faults.store(true, Ordering::Relaxed);
    }

    /// How connections may end, for the code that breaks something.
    pub fn expected(&self) -> &Expected {
        &self.shared.expected
    }

    /// A pair has seen a broken promise.
    pub fn is_broken(&self) -> bool {
        self.shared.is_broken()
    }

    /// Waits until each end has received a frame that was sent from now on. False if that takes too long.
    pub fn wait_whole(&self, within: Duration) -> bool {
        let round = self.shared.round.fetch_add(1, Ordering::Relaxed) + 1;
        let started = Instant::now();
        let mut is_told = false;
        while started.elapsed() < within && !self.is_broken() {
            let late = self.late(round);
            if late.is_empty() {
                return true;
            }
            if started.elapsed() > LATE_AFTER && !is_told {
                println!("         not whole after {LATE_AFTER:?}: {late:?}");
                is_told = true;
            }
            let_pass(PACE);
        }
        false
    }

    /// The pairs that have not recovered in this round, and what they are doing.
    fn late(&self, round: u64) -> Vec<(usize, &'static str)> {
        let doing = lock(&self.shared.doing);
        let whole = lock(&self.shared.whole);
        let late = whole.iter().enumerate().filter(|(_, whole)| **whole < round);
        late.map(|(at, _)| (at, doing[at])).collect()
    }

    /// Ends the talk once everything sent has arrived, and prints the counts. Returns them, and what was
    /// wrong.
    pub fn done(self) -> (Counts, Vec<String>) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut breaches = Vec::new();
        for thread in self.threads {
            if thread.join().is_err() {
                breaches.push("a pair was told what the contract does not know; see above".to_owned());
            }
        }
        let counts = *lock(&self.shared.counts);
        println!("{counts:?}");
        self.shared.latencies.print();
        breaches.extend(lock(&self.shared.breaches).drain(..));
        (counts, breaches)
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        *lock(&self.shared.counts)
    }
}

impl Shared {
    /// Some node's address.
    pub fn addr(&self, random: &mut Random) -> SocketAddr {
        let addrs = lock(&self.addrs);
        addrs[random.below(addrs.len())]
    }

    /// The talk is to end.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Clients should die, move and delete their sessions.
    pub fn is_rough(&self) -> bool {
        self.is_rough.load(Ordering::Relaxed)
    }

    /// A pair has seen a broken promise.
    pub fn is_broken(&self) -> bool {
        !lock(&self.breaches).is_empty()
    }

    /// Things are being broken.
    pub fn has_faults(&self) -> bool {
        self.has_faults.load(Ordering::Relaxed)
    }

    /// The present round of [`Crowd::wait_whole`].
    pub fn round(&self) -> u64 {
        self.round.load(Ordering::Relaxed)
    }

    /// This pair has recovered in this round.
    pub fn note_whole(&self, at: usize, round: u64) {
        lock(&self.whole)[at] = round;
    }

    /// Says what this pair is doing.
    pub fn note_doing(&self, at: usize, what: &'static str) {
        lock(&self.doing)[at] = what;
    }

    /// Changes the counts.
    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut lock(&self.counts));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

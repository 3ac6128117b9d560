//! The pairs: each talks on a thread of its own, and an end that loses its connection joins again at some node.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use relay_tests::harness::dial::{Refusal, dial, register_again};
use relay_tests::harness::guard::let_pass;
use relay_tests::harness::random::Random;
use relay_tests::harness::{Fleet, Role, Talk};

/// How long a client waits for each answer to its connect, then tries again.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two turns of a pair, and between two connects of an end.
const PACE: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(500);

/// All pairs.
pub struct Crowd {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Talk>>,
}

#[derive(Default)]
struct Shared {
    addrs: Mutex<Vec<SocketAddr>>,
    breaches: Mutex<Vec<String>>,
    is_over: AtomicBool,
    /// A pair has proved itself whole in this round if its own count has come up to it.
    round: AtomicU64,
    whole: Mutex<Vec<u64>>,
    reconnects: AtomicU64,
}

impl Crowd {
    /// Links so many pairs and lets them talk.
    pub fn start(fleet: &Fleet, pairs: usize, seed: u64) -> Self {
        let shared = Arc::new(Shared { whole: Mutex::new(vec![0; pairs]), ..Shared::default() });
        let mut crowd = Self { shared, threads: Vec::new() };
        crowd.note_addrs(fleet);
        for (at, talk) in fleet.talks(pairs).into_iter().enumerate() {
            let (shared, random) = (Arc::clone(&crowd.shared), Random::new(seed ^ (at as u64) << 32));
            crowd.threads.push(thread::spawn(move || shared.live(at, talk, random)));
        }
        crowd
    }

    /// The nodes listen there now.
    pub fn note_addrs(&self, fleet: &Fleet) {
        *lock(&self.shared.addrs) = vec![fleet.addr(0), fleet.addr(1)];
    }

    /// Some pair met a breach.
    pub fn is_broken(&self) -> bool {
        !lock(&self.shared.breaches).is_empty()
    }

    /// Waits until a frame of each end has passed that was sent from now on; false if that takes too long.
    pub fn wait_whole(&self, within: Duration) -> bool {
        let round = self.shared.round.fetch_add(1, Ordering::Relaxed) + 1;
        let started = Instant::now();
        while started.elapsed() < within && !self.is_broken() {
            if lock(&self.shared.whole).iter().all(|&whole| whole >= round) {
                return true;
            }
            let_pass(PACE);
        }
        false
    }

    /// Ends the talk and prints the counts. What was wrong, in words.
    pub fn done(self) -> Vec<String> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut counts = [0; 3];
        let mut panics = Vec::new();
        for thread in self.threads {
            let Ok(talk) = thread.join() else {
                panics.push("a pair was told what the contract does not know; see above".to_owned());
                continue;
            };
            for role in Role::BOTH {
                let now = [talk.sent(role), talk.heard(role), talk.told_left(role)];
                counts.iter_mut().zip(now).for_each(|(count, now)| *count += now);
            }
        }
        let [sent, heard, told] = counts;
        let reconnects = self.shared.reconnects.load(Ordering::Relaxed);
        println!("{sent} frames sent, {heard} delivered, {told} ends told, {reconnects} reconnects");
        panics.extend(lock(&self.shared.breaches).drain(..));
        panics
    }
}

impl Shared {
    fn live(&self, at: usize, mut talk: Talk, mut random: Random) -> Talk {
        let mut proof = None;
        while !self.is_over.load(Ordering::Relaxed) {
            talk.send(1 + random.below(6) as u64, [50, 300, 4000][random.below(3)]);
            if let Err(wrong) = talk.try_hear() {
                lock(&self.breaches).push(format!("{wrong}; {}", talk.state()));
                return talk;
            }
            for role in Role::BOTH {
                if talk.is_cut(role) {
                    self.reconnect(&mut talk, role, &mut random);
                }
            }
            self.prove(at, &talk, &mut proof);
            let_pass(PACE);
        }
        talk
    }

    /// A pair is whole once each end has heard what the other had sent, and more, since the round began.
    fn prove(&self, at: usize, talk: &Talk, proof: &mut Option<(u64, [u64; 2])>) {
        let round = self.round.load(Ordering::Relaxed);
        let sent = Role::BOTH.map(|role| talk.sent(role));
        let (_, since) = *proof.insert(proof.filter(|(known, _)| *known == round).unwrap_or((round, sent)));
        if talk.is_linked() && (0..2).all(|end| talk.heard_to(Role::BOTH[1 - end]) > since[end]) {
            lock(&self.whole)[at] = round;
        }
    }

    fn reconnect(&self, talk: &mut Talk, role: Role, random: &mut Random) {
        let addrs = lock(&self.addrs).clone();
        let addr = addrs[random.below(addrs.len())];
        match dial(addr, &talk.session().hello(role), PATIENCE) {
            Ok(peer) => {
                self.reconnects.fetch_add(1, Ordering::Relaxed);
                talk.put(role, peer);
            }
            Err(refusal) => {
                // A Redis that came back empty knows only what a node had in its memory.
                if refusal == Refusal::Code(4401) {
                    // Where it fails, the next connect is refused and tries again.
                    register_again(talk.session(), addr, PATIENCE);
                }
                let_pass(RETRY);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

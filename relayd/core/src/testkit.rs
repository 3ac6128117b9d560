//! The simulator: the relay under seeded random traffic, closes, takeovers, kills and store faults, on a
//! virtual clock.
//!
//! [`world`] drives the core as the reactor does, edge-triggered sockets and bounded queues included;
//! [`client`] is what connects to it and judges every notice and frame by the promises of the contract. A
//! failing seed is named in the panic and replays with `RELAY_SIM_SEED`.

mod bus_judge;
mod client;
mod scenes;
mod world;

use std::time::Duration;

use self::world::World;

/// A small generator whose whole state is the seed. (SplitMix64: Steele, Lea, Flood, OOPSLA 2014.)
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What happened in a run, so that a run in which nothing happened is seen to prove nothing.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub delivered: u64,
    pub dropped_absent: u64,
    pub takeovers: u64,
    pub kills: u64,
    pub store_faults: u64,
    pub pauses: u64,
    pub aborts: u64,
    pub delivered_remote: u64,
    pub bus_faults: u64,
    pub restarts: u64,
    pub stops: u64,
    pub paused_pings: u64,
    pub timed_out: u64,
    pub too_large: u64,
    pub longest_doubled: Duration,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.delivered += other.delivered;
        self.dropped_absent += other.dropped_absent;
        self.takeovers += other.takeovers;
        self.kills += other.kills;
        self.store_faults += other.store_faults;
        self.pauses += other.pauses;
        self.aborts += other.aborts;
        self.delivered_remote += other.delivered_remote;
        self.bus_faults += other.bus_faults;
        self.restarts += other.restarts;
        self.stops += other.stops;
        self.paused_pings += other.paused_pings;
        self.timed_out += other.timed_out;
        self.too_large += other.too_large;
        self.longest_doubled = self.longest_doubled.max(other.longest_doubled);
    }
}

fn run(seed: u64, tells: bool) -> Counts {
    let mut world = World::new(seed);
    if tells {
        world.tell();
    }
    for _ in 0..STEPS {
        world.step();
    }
    for _ in 0..QUIET_STEPS {
        world.quiet_step();
    }
    world.settle();
    world.counts
}

const STEPS: usize = 4000;

const QUIET_STEPS: usize = 100;

fn number_from(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: give a whole number")))
}

/// Seeds in a plain test run.
const SEEDS: u64 = 256;

/// Fault 26.
#[test]
fn the_promises_hold_under_every_seed() {
    if let Some(seed) = number_from("RELAY_SIM_SEED") {
        println!("seed {seed}: {:?}", run(seed, true));
        return;
    }
    let (seeds, mut total) = (number_from("RELAY_SIM_SEEDS").unwrap_or(SEEDS), Counts::default());
    for seed in 0..seeds {
        match std::panic::catch_unwind(|| run(seed, false)) {
            Ok(counts) => total.add(counts),
            Err(_) => panic!("seed {seed} failed; replay it with RELAY_SIM_SEED={seed}"),
        }
    }
    println!("{seeds} seeds: {total:?}");
    let all = [total.delivered, total.delivered_remote, total.dropped_absent, total.takeovers, total.kills];
    assert!(all.iter().all(|&count| count > seeds / 4), "too little happened: {total:?}");
    let rare = [
        total.store_faults,
        total.pauses,
        total.aborts,
        total.bus_faults,
        total.restarts,
        total.stops,
        total.paused_pings,
        total.timed_out,
        total.too_large,
    ];
    assert!(rare.iter().all(|&count| count > 0), "too little happened: {total:?}");
}

//! The model: two ends over a tunnel with seeded cuts, restarts, slow readers and readers that stop.
//!
//! [`world`] is the tunnel between two drivers: in order and once within an epoch, with a window; [`side`] is
//! one end's driver and its app; [`judge`] knows what was sent on each channel and holds every arrival
//! against it. A failing seed is named in the panic and replays with `RELAY_APP_SEED`.

mod judge;
mod side;
mod world;

use world::World;

/// What happened in a run, so that a run in which nothing happened is seen to prove nothing.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    opened: u64,
    refused: u64,
    delivered: u64,
    ended: u64,
    resets: u64,
    full: u64,
    writable: u64,
    held: u64,
    cuts: u64,
    restarts: u64,
    restarted: u64,
    early: u64,
    offers: u64,
}

impl Counts {
    fn each(&mut self) -> [&mut u64; 13] {
        let Counts { opened, refused, delivered, ended, resets, full, writable, held, .. } = self;
        let Counts { cuts, restarts, restarted, early, offers, .. } = self;
        [
            opened, refused, delivered, ended, resets, full, writable, held, cuts, restarts, restarted,
            early, offers,
        ]
    }

    fn add(&mut self, mut other: Counts) {
        self.each().into_iter().zip(other.each()).for_each(|(sum, more)| *sum += *more);
    }
}

fn run(seed: u64, tells: bool) -> Counts {
    let mut world = World::new(seed, tells);
    (0..STEPS).for_each(|_| world.step());
    world.settle();
    world.counts
}

const STEPS: usize = 1500;

fn number_from(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: give a whole number")))
}

/// Seeds in a plain test run.
const SEEDS: u64 = 300;

#[test]
fn channels_keep_their_promises_under_every_seed() {
    if let Some(seed) = number_from("RELAY_APP_SEED") {
        println!("seed {seed}: {:?}", run(seed, true));
        return;
    }
    let (seeds, mut total) = (number_from("RELAY_APP_SEEDS").unwrap_or(SEEDS), Counts::default());
    for seed in 0..seeds {
        match std::panic::catch_unwind(|| run(seed, false)) {
            Ok(counts) => total.add(counts),
            Err(_) => panic!("seed {seed} failed; replay it with RELAY_APP_SEED={seed}"),
        }
    }
    println!("{seeds} seeds: {total:?}");
    let enough = total.each().into_iter().all(|count| *count > seeds / 4);
    assert!(enough, "too little happened: {total:?}");
}

//! The model: both machines with disks in memory, and seeded breaks, restarts of either program, slow readers
//! and planted faults. In the end every file that had no fault is whole at the receiver, once, and both ends
//! counted the same. A failing seed is named in the panic and replays with `RELAY_FILE_SEED`.

mod ends;

use std::collections::BTreeMap;

use crate::tunnel::model::Rng;
use ends::{Disk, World};

/// What happened in a run, so that a run in which nothing happened is seen to prove nothing.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    whole: u64,
    resumed: u64,
    again: u64,
    there_already: u64,
    failed_by_sender: u64,
    failed_by_receiver: u64,
    breaks: u64,
    sender_restarts: u64,
    holes: u64,
}

impl Counts {
    fn each(&mut self) -> [&mut u64; 9] {
        let Counts { whole, resumed, again, there_already, failed_by_sender, .. } = self;
        let Counts { failed_by_receiver, breaks, sender_restarts, holes, .. } = self;
        [
            whole,
            resumed,
            again,
            there_already,
            failed_by_sender,
            failed_by_receiver,
            breaks,
            sender_restarts,
            holes,
        ]
    }

    fn add(&mut self, mut other: Counts) {
        self.each().into_iter().zip(other.each()).for_each(|(sum, more)| *sum += *more);
    }
}

/// The bytes of a source, by its number.
fn source(seed: u64, file: u32) -> Vec<u8> {
    let mut rng = Rng::new(seed ^ u64::from(file) << 32);
    let len = [0, 1, 900, 16_384, 16_385, 40_000, 120_000][rng.index(7)];
    let first = rng.next().to_le_bytes()[0];
    // Some have long rows of zeros.
    (0..len)
        .map(|at| if file.is_multiple_of(3) && at / 4096 % 2 == 1 { 0 } else { first.wrapping_add(at as u8) })
        .collect()
}

fn run(seed: u64) -> Counts {
    let mut rng = Rng::new(seed);
    let files = 1 + u32::try_from(rng.below(40)).expect("small");
    let sources: BTreeMap<u32, Vec<u8>> = (0..files).map(|file| (file, source(seed, file))).collect();
    let mut disk = Disk::default();
    let mut settled = BTreeMap::new();
    let mut counts = Counts::default();
    for round in 0.. {
        // The last ones have no faults, so that the set ends.
        let is_calm = round >= ROUNDS;
        let mut world = World::new(&sources, &mut disk, &mut settled, &mut counts);
        if world.run(&mut rng, is_calm) {
            break;
        }
        counts.breaks += 1;
        disk.damage(&mut rng);
        if rng.one_in(3) {
            // It has forgotten what became of its files.
            settled.clear();
            counts.sender_restarts += 1;
        }
        assert!(round < 2 * ROUNDS, "the set does not end");
    }
    for (file, bytes) in &sources {
        match (settled.get(file), disk.whole(*file)) {
            (Some(true), Some(kept)) => assert!(kept == bytes, "file {file} is another one"),
            (Some(false), _) => {}
            (told, kept) => panic!("file {file}: told {told:?}, kept {:?}", kept.map(Vec::len)),
        }
    }
    counts.whole += settled.values().filter(|is_done| **is_done).count() as u64;
    counts
}

const ROUNDS: u32 = 8;

fn number_from(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: give a whole number")))
}

/// Seeds in a plain test run.
const SEEDS: u64 = 300;

#[test]
fn files_arrive_once_and_whole_under_every_seed() {
    if let Some(seed) = number_from("RELAY_FILE_SEED") {
        println!("seed {seed}: {:?}", run(seed));
        return;
    }
    let (seeds, mut total) = (number_from("RELAY_FILE_SEEDS").unwrap_or(SEEDS), Counts::default());
    for seed in 0..seeds {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(counts) => total.add(counts),
            Err(_) => panic!("seed {seed} failed; replay it with RELAY_FILE_SEED={seed}"),
        }
    }
    println!("{seeds} seeds: {total:?}");
    let enough = total.each().into_iter().all(|count| *count > seeds / 4);
    assert!(enough, "too little happened: {total:?}");
}

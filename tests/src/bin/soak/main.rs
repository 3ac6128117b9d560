//! The soak: a crowd of pairs over three nodes, each behind a line of its own to Redis, and faults in random order until the
//! time is over; then phones that do not read and requests that do not end.
//!
//! `soak SECONDS [SEED]`, which `./run-test.sh --soak SECONDS` runs. It prints the seed, each fault and how long the crowd
//! took to be whole again, at last the counts and sizes; the exit code is 1 if any frame was foreign, doubled or out of order,
//! was missing without a told end of its link, if a pair did not come back, somebody sat in a deleted session, or the service
//! holds more at the end than at the start. A node that panics, or a crowd that costs more than stated, ends it with a panic.

mod crowd;
mod faults;
mod footprint;
mod greedy;
mod latency;
mod life;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::random::{Random, amount_and_seed};
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Options};
use relay_tests::slow_reader::SlowReader;
use relay_tests::storm;

use crowd::Crowd;
use faults::Fault;
use footprint::Footprint;

const NODES: usize = 3;
const PAIRS: usize = 100;
/// The latency without faults is taken for so long.
const CALM: Duration = Duration::from_secs(20);
/// All pairs are linked again this long after a fault is over, or it is a breach.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);
/// The nodes let go of what a crowd that left had within this.
const IDLE_WITHIN: Duration = Duration::from_secs(60);
/// What a node may have grown by, under the same crowd: what its allocator keeps, not what it needs.
const GROWN_KIB: u64 = 64 << 10;
/// How long the slow reader does not read.
const SLOW_FOR: Duration = Duration::from_secs(60);
/// Five thousand clients.
const STORM_PAIRS: usize = 2500;

fn main() -> ExitCode {
    let Some((secs, seed)) = amount_and_seed("soak SECONDS") else { return ExitCode::from(2) };
    println!("seed {seed}");
    let mut fleet = Fleet::start_apart(NODES, Keep::Everything, &Options::new());
    let idle = Footprint::of(&mut fleet);
    let breaches = crowd_under_faults(&mut fleet, &idle, secs, seed);
    println!("{} breaches, seed {seed}", breaches.len());
    breaches.iter().for_each(|breach| println!("breach: {breach}"));
    drop(fleet);
    greedy::stuck_readers();
    greedy::slow_requests();
    let took = storm::play(STORM_PAIRS);
    println!("a node with {STORM_PAIRS} pairs stopped: all were linked again at another after {took:?}");
    let seen = SlowReader { bystanders: PAIRS - 1, hold: SLOW_FOR }.play();
    println!("a phone that did not read for {SLOW_FOR:?}, and {} pairs beside it: {seen:?}", PAIRS - 1);
    if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was wrong, in words.
fn crowd_under_faults(fleet: &mut Fleet, idle: &Footprint, secs: u64, seed: u64) -> Vec<String> {
    let mut breaches = Vec::new();
    let crowd = Crowd::start(fleet, PAIRS, seed);
    let_pass(CALM);
    let before = Footprint::of(fleet);
    crowd.be_rough(true);
    let (played, largest) = play_faults(fleet, &crowd, secs, seed);
    crowd.be_rough(false);
    if !crowd.wait_whole(WHOLE_WITHIN) {
        breaches.push(format!("not all pairs were whole {WHOLE_WITHIN:?} after a fault"));
    }
    let after = Footprint::of(fleet);
    let counts = crowd.counts();
    println!("faults: {played:?}");
    breaches.extend(crowd.done());
    let end = wait_idle(fleet, idle);
    println!("idle at the start:  {idle}\nlinked, calm:       {before}\nlinked, at the end: {after}");
    println!("idle at the end:    {end}\nlargest node seen:  {largest} KiB");
    let mut expect = |what: &str, now: u64, most: u64| {
        if now > most {
            breaches.push(format!("{what}: {now}, where {most} was the most to be expected"));
        }
    };
    expect("descriptors", end.descriptors as u64, idle.descriptors as u64);
    expect("clients of Redis", end.clients, idle.clients);
    expect("keys", end.keys, counts.sessions + counts.unanswered);
    expect("KiB of a node", after.largest(), before.largest() + GROWN_KIB);
    breaches
}

/// Breaks and mends until the time is over, or a pair is not whole again. How often each was played, and the largest node.
fn play_faults(fleet: &mut Fleet, crowd: &Crowd, secs: u64, seed: u64) -> (BTreeMap<String, u64>, u64) {
    let mut random = Random::new(seed);
    let (mut played, mut largest) = (BTreeMap::new(), 0);
    let started = Instant::now();
    let mut is_whole = true;
    while is_whole && !crowd.is_broken() && started.elapsed().as_secs() < secs {
        let fault = Fault::any(&mut random, NODES);
        println!("{:>5} s  {fault:?}", started.elapsed().as_secs());
        fault.play(fleet, crowd);
        *played.entry(fault.name()).or_default() += 1;
        let over_at = Instant::now();
        is_whole = crowd.wait_whole(WHOLE_WITHIN);
        println!("         whole again: {is_whole}, after {} ms", over_at.elapsed().as_millis());
        largest = largest.max(Footprint::of(fleet).largest());
    }
    (played, largest)
}

/// Looks until the nodes hold no more than at the start, or for as long as that may take.
fn wait_idle(fleet: &mut Fleet, idle: &Footprint) -> Footprint {
    let started = Instant::now();
    loop {
        let now = Footprint::of(fleet);
        let is_idle = now.descriptors <= idle.descriptors && now.clients <= idle.clients;
        if is_idle || started.elapsed() > IDLE_WITHIN {
            return now;
        }
        let_pass(Duration::from_millis(100));
    }
}

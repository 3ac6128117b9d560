//! The soak: a crowd of pairs over three nodes, each with its own line to Redis, and random faults until the
//! time is over. Then phones that do not read, and requests that do not end.
//!
//! `soak SECONDS [SEED]`, run by `./run-test.sh --soak SECONDS`. It prints the seed, each fault, how long the
//! crowd took to recover, and at the end counts and sizes. The exit code is 1 if a frame was foreign,
//! damaged, repeated or out of order, or missing without a `peer-left`; if a pair did not recover; if a
//! connection ended without a reason; if a client stayed in a deleted session or in a role that another had
//! taken; or if the service holds more at the end than at the start. If a node panics, or a crowd costs more
//! than stated, this program panics.
//!
//! Fault 46: All of it, for a long time.
//! Played: Soak: rows 31 and 33 to 42 at random, over three nodes.
//! Holds: A connection ends only with 4409, with 1001 or the death of its node, or with 4410 when its session
//! is deleted. Faults of Redis and of lines alone end none. At the end, descriptors, timers and clients of
//! Redis are what they were at the start, and the keys are those of live and ended sessions. RSS, also of a
//! node that never restarts, stays within 64 MiB of the start (measured: 20).

mod crowd;
mod expected;
mod faults;
mod footprint;
mod greedy;
mod latency;
mod life;
mod sampler;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::random::{Random, amount_and_seed};
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Options, SetUp};
use relay_tests::loud::words_beside_a_flood;
use relay_tests::slow_reader::SlowReader;
use relay_tests::storm;

use crowd::{Counts, Crowd};
use faults::Fault;
use footprint::{Footprint, grown, kept};
use sampler::Sampler;

const NODES: usize = 3;
const PAIRS: usize = 100;
/// The latency without faults is measured for this long.
const CALM: Duration = Duration::from_secs(20);
/// All pairs must be linked again this long after a fault is over.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);
/// The nodes release what a crowd had within this time after it left.
const IDLE_WITHIN: Duration = Duration::from_secs(60);
/// After Redis came back empty, sessions are written again within this time.
const KEYS_WITHIN: Duration = Duration::from_secs(30);
/// The flood beside which single words are timed: 200 MB.
const FLOOD_FRAMES: usize = 6400;
/// How long the slow reader does not read.
const SLOW_FOR: Duration = Duration::from_secs(60);
/// Five thousand clients.
const STORM_PAIRS: usize = 2500;

fn main() -> ExitCode {
    let Some((secs, seed)) = amount_and_seed("soak SECONDS") else { return ExitCode::from(2) };
    println!("seed {seed}");
    let mut fleet = Fleet::start_apart(NODES, Keep::Everything, &Options::new());
    let idle = Footprint::of(&mut fleet);
    let sampler = Sampler::start(fleet.node(0).process().id());
    let mut breaches = crowd_under_faults(&mut fleet, &idle, secs, seed);
    println!("node 0, which was never ended, each 10 s: RSS {:?} KiB", sampler.done());
    // Printed at once, as what follows takes minutes and may end in a panic.
    breaches.iter().for_each(|breach| println!("breach: {breach}"));
    drop(fleet);
    greedy::stuck_readers();
    greedy::slow_requests();
    let took = storm::play(STORM_PAIRS);
    println!("a node with {STORM_PAIRS} pairs stopped: all were linked again at another after {took:?}");
    let seen = SlowReader { bystanders: PAIRS - 1, hold: SLOW_FOR }.play();
    println!("a phone that did not read for {SLOW_FOR:?}, and {} pairs beside it: {seen:?}", PAIRS - 1);
    breaches.extend(seen.breaches().into_iter().inspect(|breach| println!("breach: {breach}")));
    for (name, set_up) in [("on one node", SetUp::Memory), ("on two nodes", SetUp::TwoNodes)] {
        let words = words_beside_a_flood(set_up, FLOOD_FRAMES);
        latency::print(&format!("a quiet pair beside one that floods, {name}"), words);
    }
    println!("{} breaches, seed {seed}", breaches.len());
    if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was wrong, in words.
fn crowd_under_faults(fleet: &mut Fleet, idle: &Footprint, secs: u64, seed: u64) -> Vec<String> {
    let crowd = Crowd::start(fleet, PAIRS, seed);
    let_pass(CALM);
    let counts = crowd.counts();
    let mut breaches = disturbances("a calm time", Counts::default(), counts);
    if counts.told_left > 0 {
        breaches.push(format!("a calm time: {} ends of links were told", counts.told_left));
    }
    let before = Footprint::of(fleet);
    crowd.begin_faults();
    let largest = play_faults(fleet, &crowd, secs, seed, &mut breaches);
    crowd.be_rough(false);
    if !crowd.wait_whole(WHOLE_WITHIN) {
        breaches.push(format!("not all pairs were whole {WHOLE_WITHIN:?} after a fault"));
    }
    let after = Footprint::until(fleet, KEYS_WITHIN, |now| now.keys >= PAIRS as u64);
    let (counts, wrong) = crowd.done();
    breaches.extend(wrong);
    let end = Footprint::until(fleet, IDLE_WITHIN, |now| now.is_as_idle_as(idle));
    println!("idle at the start:  {idle}\nlinked, calm:       {before}\nlinked, at the end: {after}");
    println!("idle at the end:    {end}\nlargest node seen:  {largest} KiB");
    breaches.extend(grown(idle, &before, &after, &end));
    breaches.extend(kept(PAIRS as u64, counts.sessions + counts.unanswered, &after, &end));
    breaches
}

/// What must not happen to connections while no node is touched and no client is rash.
fn disturbances(when: &str, before: Counts, after: Counts) -> Vec<String> {
    let lost = after.lost - before.lost;
    let connects = after.connects - before.connects;
    let breach = format!("{when}: {lost} connections were lost, {connects} reconnected");
    if lost + connects > 0 { vec![breach] } else { Vec::new() }
}

/// Breaks and repairs until the time is over, or a pair does not recover. Returns the size of the largest
/// node.
fn play_faults(fleet: &mut Fleet, crowd: &Crowd, secs: u64, seed: u64, breaches: &mut Vec<String>) -> u64 {
    let mut random = Random::new(seed);
    let (mut played, mut largest) = (BTreeMap::<String, u64>::new(), 0);
    let started = Instant::now();
    let mut is_whole = true;
    while is_whole && !crowd.is_broken() && breaches.is_empty() && started.elapsed().as_secs() < secs {
        let fault = Fault::any(&mut random, NODES);
        let is_rough = random.below(2) == 0;
        println!("{:>5} s  {fault:?}, clients that are rash: {is_rough}", started.elapsed().as_secs());
        // Once all pairs have recovered, earlier rash actions are over.
        crowd.be_rough(is_rough);
        is_whole = is_rough || crowd.wait_whole(WHOLE_WITHIN);
        let before = crowd.counts();
        fault.play(fleet, crowd);
        *played.entry(fault.name()).or_default() += 1;
        let over_at = Instant::now();
        is_whole = is_whole && crowd.wait_whole(WHOLE_WITHIN);
        println!("         whole again: {is_whole}, after {} ms", over_at.elapsed().as_millis());
        if !is_rough && !fault.touches_nodes() {
            breaches.extend(disturbances(&format!("{fault:?}"), before, crowd.counts()));
        }
        largest = largest.max(Footprint::of(fleet).largest());
    }
    println!("faults: {played:?}");
    largest
}

//! The soak: a crowd of pairs over two nodes, and faults in random order until the time is over; then a phone that does not
//! read for a minute, with the others beside it.
//!
//! `soak SECONDS [SEED]`, which `./run-test.sh --soak SECONDS` runs. It prints the seed, each fault and how long the crowd
//! took to be whole again, at last the counts; the exit code is 1 if any frame was foreign, doubled or out of order, was
//! missing without a told end of its link, or if a pair did not come back. A slow reader that costs others anything ends it
//! with a panic.

mod crowd;
mod faults;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use relay_tests::harness::Fleet;
use relay_tests::harness::random::Random;
use relay_tests::harness::redis::Keep;
use relay_tests::slow_reader::SlowReader;

use crowd::Crowd;
use faults::Fault;

const PAIRS: usize = 100;
/// All pairs are linked again this long after a fault is over, or it is a breach.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);
/// How long the slow reader does not read.
const SLOW_FOR: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let (Some(Ok(secs)), seed) = (args.next(), args.next()) else {
        eprintln!("usage: soak SECONDS [SEED]");
        return ExitCode::from(2);
    };
    let seed = seed.and_then(Result::ok).unwrap_or_else(seed_of_now);
    println!("seed {seed}");
    let mut fleet = Fleet::start(2, Keep::Everything);
    let crowd = Crowd::start(&fleet, PAIRS, seed);
    let mut random = Random::new(seed);
    let started = Instant::now();
    let mut faults = 0;
    let mut is_whole = true;
    while is_whole && !crowd.is_broken() && started.elapsed().as_secs() < secs {
        let fault = Fault::any(&mut random);
        println!("{:>5} s  {fault:?}", started.elapsed().as_secs());
        fault.play(&mut fleet, &crowd);
        faults += 1;
        let over_at = Instant::now();
        is_whole = crowd.wait_whole(WHOLE_WITHIN);
        println!("         whole again: {is_whole}, after {} ms", over_at.elapsed().as_millis());
    }
    let breaches = crowd.done();
    println!("{faults} faults, {} breaches, seed {seed}", breaches.len() + usize::from(!is_whole));
    breaches.iter().for_each(|breach| println!("breach: {breach}"));
    drop(fleet);
    let seen = SlowReader { bystanders: PAIRS - 1, hold: SLOW_FOR }.play();
    println!("a phone that did not read for {SLOW_FOR:?}, and {} pairs beside it: {seen:?}", PAIRS - 1);
    if is_whole && breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seed_of_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

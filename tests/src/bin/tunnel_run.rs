//! Tunnels under faults: pairs of engines through two nodes, each end on a bad network of its own, until the time is over.
//!
//! `tunnel_run SECONDS [SEED]`, which `./run-test.sh --tunnel SECONDS` runs. It prints the seed and at last the counts; the exit
//! code is 1 if any message was lost, doubled, out of order or damaged, if an end held more than the windows, or if it was told
//! something that no fault explains.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use relay_tests::tunnel_run::TunnelRun;

const PAIRS: usize = 6;
const BELOW_EVERY: Duration = Duration::from_secs(12);

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let (Some(Ok(secs)), seed) = (args.next(), args.next()) else {
        eprintln!("usage: tunnel_run SECONDS [SEED]");
        return ExitCode::from(2);
    };
    let seed = seed.and_then(Result::ok).unwrap_or_else(seed_of_now);
    println!("{PAIRS} pairs for {secs} s, seed {seed}");
    let time = Duration::from_secs(secs);
    let seen = TunnelRun { pairs: PAIRS, time, below_every: BELOW_EVERY, seed }.play();
    println!("{seen}, seed {seed}");
    if seen.breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seed_of_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

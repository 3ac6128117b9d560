//! Tunnels under faults: pairs of engines through two nodes, each end on its own bad network, until the time
//! is over.
//!
//! `tunnel_run SECONDS [SEED]`, run by `./run-test.sh --tunnel SECONDS`. It prints the seed, and at the end
//! the counts. The exit code is 1 if a message was lost, repeated, out of order or damaged, if an end held
//! more than the windows, or if it was told something that no fault explains.

use std::process::ExitCode;
use std::time::Duration;

use relay_tests::harness::random::amount_and_seed;
use relay_tests::tunnel_run::TunnelRun;

const PAIRS: usize = 6;
const BELOW_EVERY: Duration = Duration::from_secs(12);

fn main() -> ExitCode {
    let Some((secs, seed)) = amount_and_seed("tunnel_run SECONDS") else { return ExitCode::from(2) };
    println!("{PAIRS} pairs for {secs} s, seed {seed}");
    let time = Duration::from_secs(secs);
    let seen = TunnelRun { pairs: PAIRS, time, below_every: BELOW_EVERY, seed }.play();
    println!("{seen}, seed {seed}");
    if seen.breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

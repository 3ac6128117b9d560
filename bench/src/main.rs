//! The benchmark: one thread of load on a real server, every frame numbered and checked.
//!
//! The modules, from the top: `run` measures in turns, case after case, and hands what it found to the
//! `report`. `plan` turns the command line (`args`) into cases. A case is a `scenario`; a run of it ends in
//! an `outcome`. `load` drives the pairs, and `join` connects them before. `target` starts and stops the
//! servers. `frame`, `inbox` and `check` make, read and judge what the pairs carry. At the bottom, `workload`
//! says what a load is, `socket` is a connection of the load, `identity` the certificate under TLS, and
//! `meter` and `affinity` ask the operating system. `floor` is the loop that only copies bytes, in its own
//! process. `aead` measures AES-GCM alone. `pairs` are clients for benches by others.
//!
//! A module uses only modules below it.

mod aead;
mod affinity;
mod args;
mod check;
mod floor;
mod frame;
mod identity;
mod inbox;
mod join;
mod load;
mod meter;
mod outcome;
mod pairs;
mod plan;
mod progress;
mod report;
mod run;
mod scenario;
mod socket;
mod target;
mod workload;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Parser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::args::{Args, Command};
use crate::pairs::Talk;
use crate::plan::Plan;

fn main() -> ExitCode {
    let args = Args::parse();
    // Two sockets per pair, on either side; where that is refused, opening them says so.
    let _ = rlimit::increase_nofile_limit(rlimit::INFINITY);
    let done = match args.command.clone() {
        Some(Command::Floor) => floor::serve().map(|()| true),
        Some(Command::Aead { size }) => aead::measure(size as usize).map(|()| true),
        Some(Command::Pairs { url, ca, pairs, every_ms }) => {
            let every = Duration::from_millis(every_ms.into());
            pairs::run(&Talk { url, ca, pairs: pairs as usize, every }).map(|()| true)
        }
        None => measure(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if every frame of every run was right, and what is promised holds.
fn measure(args: &Args) -> anyhow::Result<bool> {
    let plan = Plan::new(args)?;
    // A signal only sets a flag, so that the servers started here are ended on every way out.
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    run::all(&plan, &interrupted)
}

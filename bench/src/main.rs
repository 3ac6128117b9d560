//! The benchmark: one thread of load on a real server, every frame numbered and checked.
//!
//! `args` is what is asked, `plan` what it comes to, `scenario` what is done in each case, `run` the order in which
//! targets take turns. `target` starts and ends what is measured, `join` opens its pairs, `load` drives them; `frame`,
//! `inbox` and `check` make, find and judge what they carry; `meter` and `affinity` ask the operating system. A run
//! comes to an `outcome`, and all of them to the `report`. `floor` is the loop that only copies bytes, in a process of
//! its own.

mod affinity;
mod args;
mod check;
mod floor;
mod frame;
mod inbox;
mod join;
mod load;
mod meter;
mod outcome;
mod plan;
mod progress;
mod report;
mod run;
mod scenario;
mod target;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::args::{Args, Command};
use crate::plan::Plan;

fn main() -> ExitCode {
    let args = Args::parse();
    // Two sockets per pair, on either side; where that is refused, opening them says so.
    let _ = rlimit::increase_nofile_limit(rlimit::INFINITY);
    let done = match args.command {
        Some(Command::Floor) => floor::serve().map(|()| true),
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

//! The order of things: each workload on each target in turns, A B A B, so that a slow moment of the machine hits both.

use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};

use crate::affinity::Cores;
use crate::join;
use crate::load::{self, Sample};
use crate::plan::{Plan, Setup, Subject, Workload};
use crate::table;
use crate::target::Target;

/// All samples of one workload on one target.
#[derive(Debug)]
pub(crate) struct Series {
    pub target: &'static str,
    pub samples: Vec<Sample>,
}

/// Measures everything and prints it. True if every frame of every run was right.
///
/// # Errors
/// A server could not be started or reached, a connection broke, or a signal came.
pub(crate) fn all(plan: &Plan, interrupted: &AtomicBool) -> Result<bool> {
    let cores = Cores::of_this_process();
    cores.drive_load();
    table::print_head(plan, cores);
    let mut is_right = true;
    for workload in &plan.workloads {
        let series = measure(plan, workload, cores, interrupted).with_context(|| workload.to_string())?;
        table::print(workload, &series);
        let mut samples = series.iter().flat_map(|series| &series.samples);
        is_right &= samples.all(|sample| sample.faults.is_none());
    }
    table::print_foot();
    Ok(is_right)
}

/// Servers are started anew for each workload, so that none inherits another's memory.
fn measure(plan: &Plan, workload: &Workload, cores: Cores, interrupted: &AtomicBool) -> Result<Vec<Series>> {
    let mut targets = vec![match (&plan.subject, workload.setup) {
        (Subject::Own(file), Setup::Local) => Target::start_relayd(file.as_deref(), cores)?,
        (Subject::Own(file), Setup::Redis) => Target::start_two_nodes(file.as_deref(), cores)?,
        (Subject::Running(url), _) => Target::running(url),
    }];
    if plan.with_floor && workload.setup == Setup::Local {
        targets.push(Target::start_floor(cores)?);
    }
    let mut series: Vec<Series> =
        targets.iter().map(|target| Series { target: target.name, samples: Vec::new() }).collect();
    for _ in 0..plan.repeats {
        for (target, series) in targets.iter().zip(&mut series) {
            let run = || {
                let opened = join::all(&target.place, workload)?;
                load::run(workload, plan.timing, opened, target, interrupted)
            };
            let sample = run().context(target.name)?;
            tell_faults(target.name, workload, &sample);
            series.samples.push(sample);
        }
    }
    Ok(series)
}

fn tell_faults(target: &str, workload: &Workload, sample: &Sample) {
    if !sample.faults.is_none() {
        eprintln!("bench: {target}, {workload}: {}", sample.faults);
    }
    if let Some(foreign) = &sample.first_foreign {
        eprintln!("bench: the first foreign frame began {foreign:?}");
    }
}

//! Runs each case on each target in turns, A B A B, so that a slow moment of the machine affects both.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::affinity::Cores;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{self, Machine, Report, Run, Section, Series};
use crate::scenario::Case;
use crate::target::{Contender, Target, in_path};
use crate::workload::Setup;

/// Measures everything, prints it and writes the report. True if every frame was right and what is promised
/// holds.
///
/// # Errors
/// A server could not be started or reached, a connection broke, or a signal came.
pub(crate) fn all(plan: &Plan, interrupted: &AtomicBool) -> Result<bool> {
    let cores = Cores::of_this_process();
    let mut report = Report::begin(Machine::look(cores));
    let subject = Contender::subject(&plan.subject)?;
    let others = prepare(plan, &subject, &mut report);
    let cases = possible(plan, &mut report);
    report.left_out.iter().for_each(|word| eprintln!("bench: {word}"));
    println!("{} runs of each, {}", plan.repeats, report.machine.cores_words());

    cores.drive_load();
    let stage = |case| {
        let (others, unable) = able(&others, case, plan);
        Stage { case, subject: &subject, others, unable, plan, cores, interrupted }
    };
    let stages: Vec<Stage<'_>> = cases.into_iter().map(stage).collect();
    let progress = Progress::of(stages.iter().map(Stage::runs).sum());
    for stage in &stages {
        let section = stage.measure(&progress).with_context(|| stage.case.to_string())?;
        progress.print(&report::section_text(&section));
        report.sections.push(section);
    }
    progress.finish();
    report.judge();
    report::print_foot();
    report::print_claims(&report);
    let page = report::write(&report, plan.report.as_deref())?;
    println!("\nThe report is {}", page.display());
    Ok(report.is_good())
}

/// The targets to compare with that can be set up here. The others are skipped with a note.
fn prepare(plan: &Plan, subject: &Contender, report: &mut Report) -> Vec<Contender> {
    let mut ready = Vec::new();
    for &vs in &plan.others {
        match Contender::prepare(vs, subject) {
            Ok(contender) => ready.push(contender),
            Err(error) => report.left_out.push(format!("{vs:?} is skipped: {error:#}")),
        }
    }
    ready
}

/// The cases that can run. The standard set skips what is not possible. What was asked for by name fails when
/// it is tried.
fn possible<'a>(plan: &'a Plan, report: &mut Report) -> Vec<&'a Case> {
    let has_redis = !plan.is_standard || in_path("redis-server").is_some();
    if !has_redis {
        report
            .left_out
            .push("two nodes on one Redis are skipped: redis-server is not in the PATH".to_owned());
    }
    plan.cases.iter().filter(|case| has_redis || case.setup() == Setup::Local).collect()
}

/// The targets that can run this case, and a note for each that cannot. The standard set gives no note for
/// the floor.
fn able<'a>(others: &'a [Contender], case: &Case, plan: &Plan) -> (Vec<&'a Contender>, Vec<String>) {
    let is_able = |other: &&Contender| {
        other.has(case.setup()) && !(case.needs_relay() && matches!(other, Contender::Floor))
    };
    let (able, unable): (Vec<_>, Vec<_>) = others.iter().partition(is_able);
    let words = unable.iter().map(|other| format!("{} is skipped: it cannot run this case", other.name()));
    (able, words.filter(|_| !plan.is_standard).collect())
}

/// One case and its targets.
struct Stage<'a> {
    case: &'a Case,
    subject: &'a Contender,
    others: Vec<&'a Contender>,
    /// Notes on targets that were asked for and cannot run this case.
    unable: Vec<String>,
    plan: &'a Plan,
    cores: Cores,
    interrupted: &'a AtomicBool,
}

impl Stage<'_> {
    fn runs(&self) -> usize {
        self.plan.repeats as usize * (2 * self.others.len()).max(1)
    }

    /// Runs each of the others right after the subject. The subject must not fail; the others may.
    fn measure(&self, progress: &Progress) -> Result<Section> {
        let mut subject = Turn::of(self.subject);
        let mut others: Vec<Turn<'_>> = self.others.iter().map(|other| Turn::of(other)).collect();
        let mut notes = self.unable.clone();
        for _ in 0..self.plan.repeats {
            if others.is_empty() {
                self.run(&mut subject, 0, progress)?;
            }
            for other in &mut others {
                self.run(&mut subject, 0, progress)?;
                let neighbour = subject.series.runs.len() - 1;
                if let Err(error) = self.run(other, neighbour, progress) {
                    if self.interrupted.load(Ordering::Relaxed) {
                        return Err(error);
                    }
                    // Its processes may be broken, so the next round starts new ones.
                    other.target = None;
                    let note = format!("{} failed: {error:#}", other.contender.name());
                    if !std::mem::replace(&mut other.has_failed, true) {
                        notes.push(note);
                    }
                }
            }
        }
        let series: Vec<Series> = std::iter::once(subject).chain(others).map(|turn| turn.series).collect();
        Ok(Section::new(self.case, &series, notes))
    }

    fn run(&self, turn: &mut Turn<'_>, neighbour: usize, progress: &Progress) -> Result<()> {
        let name = turn.contender.name();
        progress.begin(&format!("{} on {name}", self.case));
        let outcome = turn.run(self).context(name);
        progress.end_run();
        let outcome = outcome?;
        tell_faults(name, self.case, &outcome, progress);
        turn.series.runs.push(Run { outcome, neighbour });
        Ok(())
    }
}

/// One target over the rounds of a case.
struct Turn<'a> {
    contender: &'a Contender,
    /// Started again for each case, so that no case inherits another's memory.
    target: Option<Target>,
    series: Series,
    has_failed: bool,
}

impl<'a> Turn<'a> {
    fn of(contender: &'a Contender) -> Self {
        let series = Series { target: contender.name(), runs: Vec::new() };
        Turn { contender, target: None, series, has_failed: false }
    }

    fn run(&mut self, stage: &Stage<'_>) -> Result<Outcome> {
        let target = match self.target.take() {
            Some(target) if !stage.case.needs_fresh() => target,
            // The old one ends before the next one starts.
            older => {
                drop(older);
                self.contender.start(stage.case.setup(), stage.cores)?
            }
        };
        let outcome = stage.case.measure(&target, stage.interrupted);
        self.target = Some(target);
        outcome
    }
}

fn tell_faults(target: &str, case: &Case, outcome: &Outcome, progress: &Progress) {
    if !outcome.faults.is_none() {
        progress.warn(&format!("{target}, {case}: {}", outcome.faults));
    }
    if let Some(foreign) = &outcome.first_foreign {
        progress.warn(&format!("the first foreign frame began {foreign:?}"));
    }
}

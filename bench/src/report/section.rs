//! The runs of one case, summed up: the figures of each target, and ratios of runs next to each other in
//! time.

use std::fmt;

use serde::Serialize;

use super::spread::Spread;
use crate::check::Faults;
use crate::outcome::{Figure, Kind, Outcome, RATE};
use crate::scenario::{Case, What};
use crate::workload::Workload;

/// All runs of one target, as they come.
#[derive(Debug)]
pub(crate) struct Series {
    pub target: &'static str,
    pub runs: Vec<Run>,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Run {
    pub outcome: Outcome,
    /// The run of the first target just before it, with which it is compared.
    pub neighbour: usize,
}

/// One case on all its targets. The first target is the subject.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    pub scenario: String,
    pub setup: String,
    pub what: String,
    /// The load, if all pairs did the same.
    #[serde(skip)]
    pub workload: Option<Workload>,
    pub pairs: Option<usize>,
    pub payload_bytes: Option<usize>,
    pub targets: Vec<Summary>,
    pub ratios: Vec<Ratio>,
    pub notes: Vec<String>,
}

/// One target's runs.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub target: &'static str,
    pub figures: Vec<Line>,
    pub runs: usize,
    /// Runs whose rate is the load's limit, not the target's.
    pub runs_void: usize,
    pub frames: u64,
    pub faults: Faults,
}

/// One figure over all runs.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub name: String,
    #[serde(skip)]
    pub kind: Kind,
    #[serde(skip)]
    pub decimals: usize,
    #[serde(flatten)]
    pub spread: Spread,
    pub values: Vec<f64>,
}

/// The subject's figure divided by another target's, for runs next to each other in time.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    pub to: &'static str,
    pub figure: String,
    #[serde(flatten)]
    pub spread: Spread,
    /// In one of the runs, the load was the limit.
    pub is_void: bool,
}

impl Section {
    /// Sums up; the first series is the subject's.
    pub fn new(case: &Case, series: &[Series], notes: Vec<String>) -> Self {
        let workload = match case.what {
            What::Load(workload) => Some(workload),
            _ => None,
        };
        let others = series.get(1..).unwrap_or_default();
        let ratios = others.iter().flat_map(|other| ratios(&series[0], other)).collect();
        Section {
            scenario: case.scenario.to_string(),
            setup: case.setup().to_string(),
            what: case.what.to_string(),
            workload,
            pairs: workload.map(|workload| workload.pairs),
            payload_bytes: workload.map(|workload| workload.size),
            targets: series.iter().map(summary).collect(),
            ratios,
            notes,
        }
    }

    /// True if the subject and the floor delivered every frame. Other targets may fail.
    pub fn is_right(&self) -> bool {
        let judged = |target: &&Summary| target.target == "floor" || target.target == self.targets[0].target;
        self.targets.iter().filter(judged).all(|target| target.faults.is_none())
    }

    /// The target that the report is about.
    pub fn subject(&self) -> Option<&Summary> {
        self.targets.first()
    }
}

impl Summary {
    /// The figure of this name.
    pub fn figure(&self, name: &str) -> Option<&Line> {
        self.figures.iter().find(|line| line.name == name)
    }
}

/// The figure and the ratio.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { median, min, max } = self.spread;
        let void = if self.is_void { ", void" } else { "" };
        write!(f, "{} {} ({}-{}{void})", self.figure, digits(median), digits(min), digits(max))
    }
}

/// About three significant digits.
fn digits(ratio: f64) -> String {
    let decimals = match ratio {
        ratio if ratio >= 100.0 => 0,
        ratio if ratio >= 10.0 => 1,
        ratio if ratio >= 0.1 => 2,
        _ => 4,
    };
    format!("{ratio:.decimals$}")
}

/// Each figure over all runs.
pub(super) fn summary(series: &Series) -> Summary {
    let outcomes = || series.runs.iter().map(|run| &run.outcome);
    let mut faults = Faults::default();
    outcomes().for_each(|outcome| faults += outcome.faults);
    let mut named: Vec<&Figure> = Vec::new();
    for figure in outcomes().flat_map(|outcome| &outcome.figures) {
        if !named.iter().any(|known| known.name == figure.name) {
            named.push(figure);
        }
    }
    let line = |figure: &Figure| {
        let values: Vec<f64> = outcomes().filter_map(|outcome| value(outcome, &figure.name)).collect();
        let spread = Spread::of(values.iter().copied())?;
        Some(Line { name: figure.name.clone(), kind: figure.kind, decimals: figure.decimals, spread, values })
    };
    Summary {
        target: series.target,
        figures: named.into_iter().filter_map(line).collect(),
        runs: series.runs.len(),
        runs_void: outcomes().filter(|outcome| outcome.is_void).count(),
        frames: outcomes().map(|outcome| outcome.frames).sum(),
        faults,
    }
}

fn ratios(subject: &Series, other: &Series) -> Vec<Ratio> {
    let Some(first) = subject.runs.first() else { return Vec::new() };
    let compared = first.outcome.figures.iter().filter(|figure| figure.kind == Kind::Compared);
    let neighbours = || {
        other.runs.iter().filter_map(|run| Some((&subject.runs.get(run.neighbour)?.outcome, &run.outcome)))
    };
    let ratio = |name: &str| {
        let each = neighbours().filter_map(|(mine, theirs)| Some(value(mine, name)? / value(theirs, name)?));
        let spread = Spread::of(each.filter(|ratio| ratio.is_finite()))?;
        let is_void = name == RATE && neighbours().any(|(mine, theirs)| mine.is_void || theirs.is_void);
        Some(Ratio { to: other.target, figure: name.to_owned(), spread, is_void })
    };
    compared.filter_map(|figure| ratio(&figure.name)).collect()
}

fn value(outcome: &Outcome, name: &str) -> Option<f64> {
    outcome.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(target: &'static str, runs: &[(f64, usize)]) -> Series {
        let run = |&(value, neighbour): &(f64, usize)| {
            let mut outcome = Outcome::default();
            outcome.push(RATE, Kind::Compared, 0, Some(value));
            outcome.push("shown", Kind::Shown, 0, Some(1.0));
            Run { outcome, neighbour }
        };
        Series { target, runs: runs.iter().map(run).collect() }
    }

    #[test]
    fn neighbours_in_time_are_compared() {
        let mine = series("relayd", &[(10.0, 0), (20.0, 1), (30.0, 2), (40.0, 3)]);
        // Each ran after every second run of the subject.
        let theirs = series("floor", &[(5.0, 1), (8.0, 3)]);
        let [ratio] = &ratios(&mine, &theirs)[..] else { panic!("only what is compared") };
        assert_eq!(ratio.spread, Spread { median: 4.5, min: 4.0, max: 5.0 });
        assert_eq!((ratio.to, ratio.is_void), ("floor", false));
        assert_eq!(ratio.to_string(), "msg/s 4.50 (4.00-5.00)");
    }

    #[test]
    fn a_failed_run_leaves_the_others() {
        let summary = summary(&series("relayd", &[(1.0, 0), (3.0, 1)]));
        assert_eq!(summary.figure(RATE).unwrap().spread, Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!((summary.runs, summary.runs_void), (2, 0));
    }
}

//! Judges the promises of docs/performance.md. A promise is about a set-up, and is judged if its load was
//! run.

use serde::Serialize;

use super::section::{Section, Summary};
use crate::outcome::{OTHERS, P50, RATE};
use crate::plan::{PUBLISHED_PAIRS, PUBLISHED_RATE};
use crate::workload::{Pace, Workload};

/// One promise on one set-up.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Claim {
    pub promise: String,
    pub setup: String,
    pub measured: String,
    pub verdict: Verdict,
}

/// What became of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Holds,
    Fails,
    /// It did not hold, but other programs used more than [`OTHERS_MAX`] of the cores in every run.
    Unclear,
}

/// If other programs use more of the cores than this, in percent, times say nothing about the relay.
const OTHERS_MAX: f64 = 10.0;

/// The share of the rate that must arrive. The last frame due may still be in flight when the counters are
/// read.
const RATE_SHARE: f64 = 0.99;

/// Judges every promise whose load was run. The others are left out.
pub(super) fn judge(sections: &[Section]) -> Vec<Claim> {
    let mut claims = Vec::new();
    for section in sections.iter().filter(|section| section.workload.as_ref().is_some_and(is_published)) {
        claims.extend(rate(section));
        claims.extend(latency(section));
    }
    let mut setups: Vec<&str> = Vec::new();
    for section in sections {
        if !setups.contains(&section.setup.as_str()) {
            setups.push(&section.setup);
        }
    }
    claims.extend(setups.iter().filter_map(|setup| delivery(sections, setup)));
    claims
}

fn is_published(workload: &Workload) -> bool {
    workload.pace == Pace::Rate(PUBLISHED_RATE) && workload.pairs == PUBLISHED_PAIRS
}

fn rate(section: &Section) -> Option<Claim> {
    let subject = section.subject()?;
    let (rate, others) = quietest(subject, RATE)?;
    let held = rate >= f64::from(PUBLISHED_RATE) * RATE_SHARE && subject.runs_void == 0;
    Some(Claim {
        promise: format!("{PUBLISHED_RATE} messages a second with {PUBLISHED_PAIRS} pairs"),
        setup: section.setup.clone(),
        measured: format!("{rate:.0} messages a second{}", others_words(others)),
        verdict: verdict(held, others),
    })
}

fn latency(section: &Section) -> Option<Claim> {
    let (p50, others) = quietest(section.subject()?, P50)?;
    Some(Claim {
        promise: "half of them pass in less than a millisecond".to_owned(),
        setup: section.setup.clone(),
        measured: format!("{p50:.0} µs{}", others_words(others)),
        verdict: verdict(p50 < 1000.0, others),
    })
}

/// The figure of the run in which other programs used the least of the cores, and how much that was. The
/// choice does not depend on the figure, so it is fair.
fn quietest(subject: &Summary, name: &str) -> Option<(f64, f64)> {
    let figure = subject.figure(name)?;
    let others = subject.figure(OTHERS).map_or(&[][..], |line| &line.values);
    if others.len() != figure.values.len() {
        return Some((figure.spread.median, 0.0));
    }
    figure.values.iter().copied().zip(others.iter().copied()).min_by(|a, b| a.1.total_cmp(&b.1))
}

fn others_words(others: f64) -> String {
    if others <= OTHERS_MAX {
        String::new()
    } else {
        format!(", while other programs used {others:.0} % of the cores")
    }
}

fn verdict(held: bool, others: f64) -> Verdict {
    match held {
        true => Verdict::Holds,
        false if others > OTHERS_MAX => Verdict::Unclear,
        false => Verdict::Fails,
    }
}

fn delivery(sections: &[Section], setup: &str) -> Option<Claim> {
    let subjects = || sections.iter().filter(|section| section.setup == setup).filter_map(Section::subject);
    let frames: u64 = subjects().map(|subject| subject.frames).sum();
    let mut faults = crate::check::Faults::default();
    subjects().for_each(|subject| faults += subject.faults);
    (frames > 0).then(|| Claim {
        promise: "every frame is delivered, once and in order".to_owned(),
        setup: setup.to_owned(),
        measured: format!("{frames} frames: {faults}"),
        verdict: verdict(faults.is_none(), 0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Scenario;
    use crate::check::Faults;
    use crate::outcome::{Kind, Outcome};
    use crate::report::section::{self, Run, Series};
    use crate::scenario::{Case, What};
    use crate::workload::{Mode, Setup, Timing};

    fn section(pace: Pace, rate: f64, p50: f64, faults: Faults) -> Section {
        let mode = Mode::Enveloped;
        let workload = Workload { setup: Setup::Local, pairs: PUBLISHED_PAIRS, size: 200, mode, pace };
        let timing = Timing { warmup: Default::default(), measured: Default::default() };
        let case = Case { scenario: Scenario::Local, what: What::Load(workload), timing };
        let mut outcome = Outcome { frames: 7, faults, ..Outcome::default() };
        outcome.push(RATE, Kind::Compared, 0, Some(rate));
        outcome.push(P50, Kind::Shown, 0, Some(p50));
        let runs = vec![Run { outcome, neighbour: 0 }];
        Section::new(&case, &[Series { target: "relayd", runs }], Vec::new())
    }

    fn held(sections: &[Section]) -> Vec<bool> {
        judge(sections).iter().map(|claim| claim.verdict == Verdict::Holds).collect()
    }

    fn run(p50: f64, others: f64) -> Run {
        let mut outcome = Outcome::default();
        outcome.push(P50, Kind::Shown, 0, Some(p50));
        outcome.push(OTHERS, Kind::Shown, 0, Some(others));
        Run { outcome, neighbour: 0 }
    }

    #[test]
    fn the_quietest_run_decides_and_a_busy_machine_decides_nothing() {
        for (runs, verdict) in [
            (vec![run(90.0, 2.0), run(5000.0, 60.0), run(4000.0, 50.0)], Verdict::Holds),
            (vec![run(90.0, 60.0), run(2000.0, 1.0)], Verdict::Fails),
            (vec![run(5000.0, 60.0), run(4000.0, 50.0)], Verdict::Unclear),
            (vec![run(500.0, 60.0)], Verdict::Holds),
        ] {
            let published = section(Pace::Rate(PUBLISHED_RATE), 6000.0, 1.0, Faults::default());
            let series = Series { target: "relayd", runs };
            let section = Section { targets: vec![section::summary(&series)], ..published };
            assert_eq!(latency(&section).unwrap().verdict, verdict);
        }
    }

    #[test]
    fn each_promise_holds_or_fails_by_itself() {
        let (published, lost) = (Pace::Rate(PUBLISHED_RATE), Faults { lost: 1, ..Faults::default() });
        let fine = Faults::default();
        assert_eq!(held(&[section(published, 6000.0, 80.0, fine)]), [true, true, true]);
        assert_eq!(held(&[section(published, 5900.0, 80.0, fine)]), [false, true, true]);
        assert_eq!(held(&[section(published, 6000.0, 1000.0, fine)]), [true, false, true]);
        assert_eq!(held(&[section(published, 6000.0, 80.0, lost)]), [true, true, false]);
    }

    #[test]
    fn another_load_is_judged_for_delivery_alone() {
        assert_eq!(held(&[section(Pace::Window(1), 10.0, 5000.0, Faults::default())]), [true]);
        assert_eq!(held(&[]), Vec::<bool>::new());
    }
}

//! What is promised, judged by what was measured. A promise is about a set-up, and counts where its load was run.

use serde::Serialize;

use super::section::Section;
use crate::outcome::{P50, RATE};
use crate::plan::{PUBLISHED_PAIRS, PUBLISHED_RATE, Pace, Workload};

/// One promise on one set-up.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Claim {
    pub promise: String,
    pub setup: String,
    pub measured: String,
    pub held: bool,
}

/// The share of the rate that must arrive: the last frame due need not have come when the counters are read.
const RATE_SHARE: f64 = 0.99;

/// Judges every promise whose load was run; those that were not are not named.
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
    let rate = subject.figure(RATE)?.spread.median;
    let held = rate >= f64::from(PUBLISHED_RATE) * RATE_SHARE && subject.runs_void == 0;
    Some(Claim {
        promise: format!("{PUBLISHED_RATE} messages a second with {PUBLISHED_PAIRS} pairs"),
        setup: section.setup.clone(),
        measured: format!("{rate:.0} messages a second"),
        held,
    })
}

fn latency(section: &Section) -> Option<Claim> {
    let p50 = section.subject()?.figure(P50)?.spread.median;
    Some(Claim {
        promise: "half of them pass in less than a millisecond".to_owned(),
        setup: section.setup.clone(),
        measured: format!("{p50:.0} µs"),
        held: p50 < 1000.0,
    })
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
        held: faults.is_none(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Faults;
    use crate::outcome::{Kind, Outcome};
    use crate::plan::{Mode, Setup, Timing};
    use crate::report::section::{Run, Series};
    use crate::scenario::{Case, Scenario, What};

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
        judge(sections).iter().map(|claim| claim.held).collect()
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

//! Many pairs that send little, first alone and then beside a few busy pairs: what busy neighbours cost.

use std::fmt;
use std::sync::atomic::AtomicBool;

use crate::join;
use crate::load::{self, Group, Sample};
use crate::outcome::{Kind, Outcome};
use crate::target::Target;
use crate::workload::{Pace, Timing, Workload};

/// Both crowds. The quiet one is paced, so its latency counts from the time at which a frame was due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixed {
    pub quiet: Workload,
    pub busy: Workload,
}

impl Mixed {
    pub(super) fn measure(
        &self,
        timing: Timing,
        target: &Target,
        interrupted: &AtomicBool,
    ) -> anyhow::Result<Outcome> {
        let join = |workload: &Workload, first| {
            join::all(&target.place, workload, first, interrupted).map(|opened| Group::new(*workload, opened))
        };
        let run = |groups| load::run(groups, timing, target, interrupted);
        let alone = run(vec![join(&self.quiet, 0)?])?;
        // The first quiet pairs have left by now, so their numbers can be used again at the floor.
        let quiet = join(&self.quiet, 0)?;
        let beside = run(vec![quiet, join(&self.busy, self.quiet.pairs)?])?;

        let mut outcome = Outcome::default();
        let of = |sample: &[Sample], share| sample.first().and_then(|sample| sample.latency_us(share));
        for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
            let (alone, beside) = (of(&alone, share), of(&beside, share));
            outcome.push(format!("quiet {name} µs alone"), Kind::Shown, 0, alone);
            outcome.push(format!("{name} µs beside"), Kind::Compared, 0, beside);
            let ratio = alone.zip(beside).map(|(alone, beside)| beside / alone);
            outcome.push(format!("{name} ratio"), Kind::Shown, 1, ratio);
        }
        let busy = beside.get(1);
        outcome.push("busy msg/s", Kind::Compared, 0, busy.map(Sample::rate));
        busy.into_iter().for_each(|busy| outcome.push_shares(busy));
        alone.into_iter().chain(beside).for_each(|sample| outcome.absorb(sample));
        Ok(outcome)
    }
}

impl fmt::Display for Mixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mixed { quiet, busy } = self;
        let (Pace::Rate(rate) | Pace::Window(rate)) = quiet.pace;
        write!(f, "{} quiet pairs ({rate}/s in all) and {} busy ones ({busy})", quiet.pairs, busy.pairs)
    }
}

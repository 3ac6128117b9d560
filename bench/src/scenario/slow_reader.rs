//! Pairs at an even rate, first alone and then beside a pair whose phone reads nothing until the end: what
//! that costs the others and the memory, and that none of its frames are lost.

use std::fmt;
use std::sync::atomic::AtomicBool;

use crate::join;
use crate::load::{self, Group, Sample};
use crate::outcome::{Kind, Outcome, mib};
use crate::target::Target;
use crate::workload::{Timing, Workload};

/// Both crowds. The stuck pair sends as much as the server takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlowReader {
    pub others: Workload,
    pub stuck: Workload,
}

impl SlowReader {
    pub(super) fn measure(
        &self,
        timing: Timing,
        target: &Target,
        interrupted: &AtomicBool,
    ) -> anyhow::Result<Outcome> {
        let join = |workload: &Workload, first| join::all(&target.place, workload, first, interrupted);
        let run = |groups| load::run(groups, timing, target, interrupted);
        let others = Group::new(self.others, join(&self.others, 0)?);
        let without = run(vec![others])?;
        let others = Group::new(self.others, join(&self.others, 0)?);
        let opened = join(&self.stuck, self.others.pairs)?;
        let with = run(vec![others, Group { workload: self.stuck, opened, reads_late: true }])?;

        let mut outcome = Outcome::default();
        let of = |samples: &[Sample], share| samples.first().and_then(|sample| sample.latency_us(share));
        let resident = |samples: &[Sample]| samples.first().and_then(Sample::resident).map(mib);
        outcome.push("p50 µs without", Kind::Shown, 0, of(&without, 0.5));
        outcome.push("p50 µs with", Kind::Shown, 0, of(&with, 0.5));
        outcome.push("p99 µs without", Kind::Shown, 0, of(&without, 0.99));
        outcome.push("p99 µs with", Kind::Compared, 0, of(&with, 0.99));
        let ratio = of(&without, 0.99).zip(of(&with, 0.99)).map(|(without, with)| with / without);
        outcome.push("p99 ratio", Kind::Shown, 2, ratio);
        outcome.push("RSS MiB without", Kind::Shown, 1, resident(&without));
        outcome.push("RSS MiB with", Kind::Compared, 1, resident(&with));
        let held = with.get(1).map(|stuck| mib(stuck.late * stuck.frame_bytes as u64));
        outcome.push("MiB read late", Kind::Shown, 1, held);
        with.first().into_iter().for_each(|with| outcome.push_shares(with));
        without.into_iter().chain(with).for_each(|sample| outcome.absorb(sample));
        Ok(outcome)
    }
}

impl fmt::Display for SlowReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SlowReader { others, stuck } = self;
        write!(
            f,
            "{} pairs ({others}) and {} whose phone does not read ({} bytes a frame)",
            others.pairs, stuck.pairs, stuck.size
        )
    }
}

//! The same total rate over few pairs and over many: the cost of finding the connection that has data.

use std::fmt;
use std::sync::atomic::AtomicBool;

use crate::join;
use crate::load::{self, Group};
use crate::outcome::{Kind, Outcome};
use crate::target::Target;
use crate::workload::{Timing, Workload};

/// Both crowds, of which one runs at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub few: Workload,
    pub many: Workload,
}

impl Growth {
    pub(super) fn measure(
        &self,
        timing: Timing,
        target: &Target,
        interrupted: &AtomicBool,
    ) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut costs = [None; 2];
        for (workload, cost) in [self.few, self.many].iter().zip(&mut costs) {
            let group = Group::new(*workload, join::all(&target.place, workload, 0, interrupted)?);
            for sample in load::run(vec![group], timing, target, interrupted)? {
                *cost = sample.cpu_us();
                let pairs = workload.pairs;
                outcome.push(format!("CPU µs/msg, {pairs} pairs"), Kind::Compared, 2, *cost);
                outcome.push(format!("p99 µs, {pairs} pairs"), Kind::Shown, 0, sample.latency_us(0.99));
                if workload.pairs == self.many.pairs {
                    outcome.push_shares(&sample);
                }
                outcome.absorb(sample);
            }
        }
        let growth = costs[0].zip(costs[1]).map(|(few, many)| many / few);
        outcome.push("growth of CPU", Kind::Compared, 3, growth);
        Ok(outcome)
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pairs and {} pairs, {}", self.few.pairs, self.many.pairs, self.few)
    }
}

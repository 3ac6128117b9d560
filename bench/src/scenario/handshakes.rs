//! Clients that connect, ask for `/health` and leave: first each as if it had never been here, then each with
//! the ticket of an earlier one. On a plain target both are the same, and show what is not TLS.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::ensure;

use crate::join;
use crate::outcome::{Kind, Outcome};
use crate::target::{Place, Target};

/// How many connections of each kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshakes {
    pub count: usize,
}

/// Connections before the measured ones: each that resumes needs a ticket of an earlier one.
const BEFORE: usize = 128;

impl Handshakes {
    pub(super) fn measure(&self, target: &Target, interrupted: &AtomicBool) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        for (name, resumes) in [("full", false), ("resumed", true)] {
            join::glances(&target.place, BEFORE, resumes, interrupted)?;
            let (started, cpu) = (Instant::now(), target.cpu_ns());
            let resumed = join::glances(&target.place, self.count, resumes, interrupted)?;
            let (secs, now) = (started.elapsed().as_secs_f64(), target.cpu_ns());
            let wanted = if resumes && is_tls(target) { self.count } else { 0 };
            ensure!(resumed == wanted, "{resumed} of {} connections were resumed, not {wanted}", self.count);
            let count = self.count as f64;
            let each = cpu.zip(now).map(|(cpu, now)| now.saturating_sub(cpu) as f64 / 1e3 / count);
            outcome.push(format!("{name}/s"), Kind::Compared, 0, Some(count / secs));
            outcome.push(format!("CPU µs/{name}"), Kind::Compared, 1, each);
        }
        Ok(outcome)
    }
}

fn is_tls(target: &Target) -> bool {
    matches!(&target.place, Place::Relay { workstation, .. } if workstation.is_tls())
}

impl fmt::Display for Handshakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections of new clients, then as many of known ones", self.count)
    }
}

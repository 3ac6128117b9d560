//! All clients connect at once: first registrations, then both ends of every session.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::join;
use crate::outcome::{Kind, Outcome};
use crate::target::Target;
use crate::workload::Mode;

/// How many sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connect {
    pub sessions: usize,
}

impl Connect {
    pub(super) fn measure(&self, target: &Target, interrupted: &AtomicBool) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let (started, cpu) = (Instant::now(), target.cpu_ns());
        let sessions = join::sessions(&target.place, self.sessions, interrupted)?;
        let registered = (started.elapsed().as_secs_f64(), target.cpu_ns());
        let ends = join::link(&target.place, &sessions, Mode::Enveloped, interrupted)?;
        let joined = (started.elapsed().as_secs_f64(), target.cpu_ns());
        let (registers, hellos) = (sessions.len() as f64, (ends.len() * 2) as f64);

        let each = |before: Option<u64>, after: Option<u64>, count: f64| {
            Some(after?.saturating_sub(before?) as f64 / 1e3 / count)
        };
        outcome.push("registers/s", Kind::Compared, 0, Some(registers / registered.0));
        outcome.push("CPU µs/register", Kind::Compared, 1, each(cpu, registered.1, registers));
        outcome.push("hellos/s", Kind::Compared, 0, Some(hellos / (joined.0 - registered.0)));
        outcome.push("CPU µs/hello", Kind::Compared, 1, each(registered.1, joined.1, hellos));
        Ok(outcome)
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} registrations, then {} upgrades with a hello", self.sessions, self.sessions * 2)
    }
}

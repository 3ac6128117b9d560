//! Linked pairs that send nothing: the memory of a connection, and how fast pairs connect.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use crate::join;
use crate::outcome::{Kind, Outcome, RESIDENT, mib};
use crate::target::Target;
use crate::workload::Mode;

/// First few pairs, then many. The difference is the memory of the pairs, as the process's own size cancels
/// out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub few: usize,
    pub many: usize,
}

/// Time for the memory of handshakes to be given back.
const SETTLES_WITHIN: Duration = Duration::from_millis(300);

impl Idle {
    pub(super) fn measure(&self, target: &Target, interrupted: &AtomicBool) -> anyhow::Result<Outcome> {
        let place = &target.place;
        let sessions = join::sessions(place, self.many, interrupted)?;
        let (few, more) = sessions.split_at(self.few.min(self.many));
        let first = join::link(place, few, Mode::Enveloped, interrupted)?;
        thread::sleep(SETTLES_WITHIN);
        let before = target.resident();
        let started = Instant::now();
        let rest = join::link(place, more, Mode::Enveloped, interrupted)?;
        let secs = started.elapsed().as_secs_f64();
        thread::sleep(SETTLES_WITHIN);
        let after = target.resident();
        let connections = (rest.len() * 2) as f64;
        drop((first, rest));

        let mut outcome = Outcome::default();
        let grown = before.zip(after).map(|(before, after)| after.saturating_sub(before) as f64);
        outcome.push("bytes/connection", Kind::Compared, 0, grown.map(|grown| grown / connections));
        outcome.push("handshakes/s", Kind::Compared, 0, Some(connections / secs));
        outcome.push("RSS MiB before", Kind::Shown, 1, before.map(mib));
        outcome.push(RESIDENT, Kind::Shown, 1, after.map(mib));
        Ok(outcome)
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {} connections, in linked pairs", self.few * 2, self.many * 2)
    }
}

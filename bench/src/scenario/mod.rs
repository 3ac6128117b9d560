//! The scenarios. Each case is one kind of load, and knows how to run once.

mod connect;
mod growth;
mod handshakes;
mod idle;
mod mixed;
mod sealed;
mod slow_reader;

use std::fmt;
use std::sync::atomic::AtomicBool;

use crate::args::Scenario;
use crate::join;
use crate::load::{self, Group};
use crate::outcome::Outcome;
use crate::target::Target;
use crate::workload::{Setup, Timing, Workload};

pub(crate) use self::connect::Connect;
pub(crate) use self::growth::Growth;
pub(crate) use self::handshakes::Handshakes;
pub(crate) use self::idle::Idle;
pub(crate) use self::mixed::Mixed;
pub(crate) use self::sealed::Sealed;
pub(crate) use self::slow_reader::SlowReader;

/// One thing that is measured.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub scenario: Scenario,
    pub what: What,
    pub timing: Timing,
}

/// What a run does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// Pairs that all do the same.
    Load(Workload),
    Idle(Idle),
    Connect(Connect),
    Handshakes(Handshakes),
    Mixed(Mixed),
    SlowReader(SlowReader),
    Growth(Growth),
    Sealed(Sealed),
}

impl Case {
    /// Runs once.
    ///
    /// # Errors
    /// The target can't be reached, or breaks the protocol; or a signal came.
    pub fn measure(&self, target: &Target, interrupted: &AtomicBool) -> anyhow::Result<Outcome> {
        match &self.what {
            What::Load(workload) => {
                let opened = join::all(&target.place, workload, 0, interrupted)?;
                let group = Group::new(*workload, opened);
                let samples = load::run(vec![group], self.timing, target, interrupted)?;
                Ok(samples.into_iter().next().map(Outcome::of_load).unwrap_or_default())
            }
            What::Idle(idle) => idle.measure(target, interrupted),
            What::Connect(connect) => connect.measure(target, interrupted),
            What::Handshakes(handshakes) => handshakes.measure(target, interrupted),
            What::Mixed(mixed) => mixed.measure(self.timing, target, interrupted),
            What::SlowReader(slow) => slow.measure(self.timing, target, interrupted),
            What::Growth(growth) => growth.measure(self.timing, target, interrupted),
            What::Sealed(sealed) => sealed.measure(self.timing, target, interrupted),
        }
    }

    /// Which processes the relay is.
    pub fn setup(&self) -> Setup {
        match &self.what {
            What::Load(workload) => workload.setup,
            _ => Setup::Local,
        }
    }

    /// True if it measures memory or a start, so that every run needs its own server.
    pub fn needs_fresh(&self) -> bool {
        !matches!(self.what, What::Load(_))
    }

    /// True if it needs sessions, which the floor does not have.
    pub fn needs_relay(&self) -> bool {
        matches!(self.what, What::Idle(_) | What::Connect(_) | What::Handshakes(_) | What::Sealed(_))
    }
}

/// What is done, without the scenario's name.
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Load(workload) => workload.fmt(f),
            What::Idle(idle) => idle.fmt(f),
            What::Connect(connect) => connect.fmt(f),
            What::Handshakes(handshakes) => handshakes.fmt(f),
            What::Mixed(mixed) => mixed.fmt(f),
            What::SlowReader(slow) => slow.fmt(f),
            What::Growth(growth) => growth.fmt(f),
            What::Sealed(sealed) => sealed.fmt(f),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.scenario, self.what)
    }
}

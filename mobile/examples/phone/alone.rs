//! How long nobody has been at the desk, while a code is valid.

use std::time::{Duration, Instant};

use relay_mobile::engine::{self, EngineEvent};

/// A workstation that is there answers sooner.
const TOLD_AFTER: Duration = Duration::from_secs(5);

/// How long a workstation's code is valid by default.
const CODE_AGE_MAX: Duration = engine::limits::PAIR_FOR;

/// What is told when nobody came.
pub(crate) const NOBODY: &str =
    "no workstation is connected, and a code expires after five minutes: show a new one there";

/// How long nobody has been at the desk.
#[derive(Debug, Default)]
pub(crate) struct Alone {
    /// The relay is there since then, and nobody else.
    since: Option<Instant>,
    is_told: bool,
    /// The workstation was met: then it is waited for without an end.
    has_met: bool,
}

impl Alone {
    /// Of a pair that is kept.
    pub(crate) fn of_a_pair() -> Self {
        Alone { has_met: true, ..Alone::default() }
    }

    /// True if the desk was met, in this run or before.
    pub(crate) fn is_of_a_pair(&self) -> bool {
        self.has_met
    }

    pub(crate) fn note(&mut self, event: &EngineEvent) {
        match event {
            EngineEvent::Connected | EngineEvent::Left if self.since.is_none() => {
                self.since = Some(Instant::now());
            }
            EngineEvent::Asked { .. } | EngineEvent::Opened { .. } => {
                *self = Alone { has_met: true, ..Alone::default() }
            }
            EngineEvent::Reconnecting { .. } => self.since = None,
            _ => {}
        }
    }

    /// Until something is to be said.
    pub(crate) fn left(&self) -> Option<Duration> {
        let limit = match self.is_told {
            false => TOLD_AFTER,
            true if self.has_met => return None,
            true => CODE_AGE_MAX,
        };
        self.since.map(|since| limit.saturating_sub(since.elapsed()))
    }

    /// True if the workstation that showed the code will not come back to it.
    pub(crate) fn is_for_good(&self) -> bool {
        self.is_told && !self.has_met && self.since.is_some_and(|since| since.elapsed() >= CODE_AGE_MAX)
    }

    /// True once, when the user should be told that the workstation is waited for.
    pub(crate) fn try_tell(&mut self) -> bool {
        let is_due = self.since.is_some_and(|since| since.elapsed() >= TOLD_AFTER);
        is_due && !std::mem::replace(&mut self.is_told, true)
    }
}

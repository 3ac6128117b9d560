//! How far the end of the program is. Pure.

use std::time::{Duration, Instant};

/// How long the desk may take with the last messages.
const FLUSH_MAX: Duration = Duration::from_secs(10);

/// How far the end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nobody wants it.
    #[default]
    No,
    /// What was said must reach the desk first. The time for that begins when the desk was met.
    Asked(Option<Instant>),
    /// The engine is closing.
    Closing,
}

impl Ending {
    /// The user wants to end. `has_met`: the desk was met, now or in an earlier run.
    pub(super) fn ask(&mut self, has_met: bool, now: Instant) {
        if *self != Ending::Closing {
            *self = Ending::Asked(has_met.then(|| now + FLUSH_MAX));
        }
    }

    /// The desk is there.
    pub(super) fn on_met(&mut self, now: Instant) {
        if *self == Ending::Asked(None) {
            self.ask(true, now);
        }
    }

    /// True while the desk should take what was said.
    pub(super) fn is_asked(self) -> bool {
        matches!(self, Ending::Asked(_))
    }

    /// When the desk has had its time.
    pub(super) fn due_at(self) -> Option<Instant> {
        match self {
            Ending::Asked(until) => until,
            Ending::No | Ending::Closing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_begins_when_the_desk_was_met() {
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        let mut ending = Ending::No;
        ending.on_met(now);
        assert_eq!(ending, Ending::No);
        ending.ask(false, now);
        assert!(ending.is_asked() && ending.due_at().is_none());
        ending.on_met(later);
        assert_eq!(ending.due_at(), Some(later + FLUSH_MAX));
        ending = Ending::Closing;
        ending.ask(true, later);
        assert_eq!((ending, ending.due_at()), (Ending::Closing, None));
    }
}

//! The machine's own time: what its callers' clock has gone forward since the machine began.

use std::time::Duration;

/// Adds up steps forward. A step back of the caller's clock counts as none, and time goes on from there.
#[derive(Debug)]
pub(super) struct ElapsedTime {
    seen: Duration,
    elapsed: Duration,
}

impl ElapsedTime {
    /// Begins at the caller's `now`.
    pub(super) fn new(now: Duration) -> Self {
        ElapsedTime { seen: now, elapsed: Duration::ZERO }
    }

    /// The caller's clock shows `now`.
    pub(super) fn advance(&mut self, now: Duration) {
        self.elapsed += now.saturating_sub(self.seen);
        self.seen = now;
    }

    /// The span since the machine began.
    pub(super) fn now(&self) -> Duration {
        self.elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_back_does_not_stop_time() {
        let secs = Duration::from_secs;
        let mut clock = ElapsedTime::new(secs(100));
        for (now, elapsed) in [(105, 5), (5, 5), (6, 6), (6, 6), (1000, 1000)] {
            clock.advance(secs(now));
            assert_eq!(clock.now(), secs(elapsed));
        }
    }
}

//! When an end has waited long enough for the other one, and when it says that it is still there.

use std::time::Duration;

use super::limits::{SILENCE_MAX, WAIT_EVERY};

/// Counts only the time in which the two are connected.
#[derive(Debug)]
pub(super) struct Patience {
    heard_at: Duration,
    said_at: Duration,
    is_up: bool,
}

impl Patience {
    pub(super) fn new(now: Duration) -> Self {
        Patience { heard_at: now, said_at: now, is_up: true }
    }

    pub(super) fn heard(&mut self, now: Duration) {
        self.heard_at = now;
    }

    pub(super) fn said(&mut self, now: Duration) {
        self.said_at = now;
    }

    /// The connection comes or goes. Waiting begins again with it.
    pub(super) fn set_up(&mut self, is_up: bool, now: Duration) {
        self.is_up = is_up;
        self.heard_at = now;
    }

    /// True if this end should say that it is still there.
    pub(super) fn is_word_due(&self, now: Duration) -> bool {
        self.is_up && now >= self.said_at + WAIT_EVERY
    }

    /// True if the other end is given up.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.is_up && now >= self.heard_at + SILENCE_MAX
    }

    /// When one of the two becomes true.
    pub(super) fn next(&self) -> Duration {
        if self.is_up { (self.said_at + WAIT_EVERY).min(self.heard_at + SILENCE_MAX) } else { Duration::MAX }
    }
}

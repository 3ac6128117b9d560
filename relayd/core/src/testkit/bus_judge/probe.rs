//! The probe that a node sends to itself.

use std::time::Duration;

use super::TICK;
use crate::time::Time;

/// Heard within this, it proves that the node hears.
const FRESH: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Probe {
    sent: u64,
    sent_at: Option<Time>,
    heard: u64,
    /// Earlier ones were sent before a stop.
    least: u64,
    /// When one was heard, or when the node began to listen.
    heard_at: Time,
    has_heard: bool,
    /// When it became fresh without a break.
    fresh_since: Option<Time>,
    is_noted_late: bool,
}

impl Probe {
    pub fn new(now: Time) -> Self {
        Probe {
            sent: 0,
            sent_at: None,
            heard: 0,
            least: 1,
            heard_at: now,
            has_heard: false,
            fresh_since: None,
            is_noted_late: false,
        }
    }

    pub fn on_revived(&mut self, now: Time) {
        (self.least, self.sent_at, self.heard_at) = (self.sent + 1, None, now);
        (self.has_heard, self.fresh_since) = (false, None);
    }

    pub fn on_sent(&mut self, number: u64, now: Time) {
        assert_eq!(number, self.sent + 1, "probes are numbered");
        assert!(self.sent_at.is_none_or(|at| now.since(at) >= 2 * TICK), "probes come each second");
        (self.sent, self.sent_at) = (number, Some(now));
    }

    pub fn check_sent(&self, now: Time) {
        assert!(self.sent_at.is_some_and(|at| now.since(at) < 2 * TICK), "a probe is overdue");
    }

    pub fn on_heard(&mut self, number: u64, now: Time) {
        if number <= self.heard || number < self.least {
            return;
        }
        if !self.has_heard || now.since(self.heard_at) > FRESH {
            self.fresh_since = Some(now);
        }
        (self.heard, self.heard_at, self.has_heard) = (number, now, true);
    }

    pub fn age(&self, now: Time) -> Duration {
        now.since(self.heard_at)
    }

    /// For how long the node has heard its probe without a break.
    pub fn hears_since(&self, now: Time) -> Option<Duration> {
        self.fresh_since.filter(|_| self.age(now) <= FRESH).map(|since| now.since(since))
    }

    pub fn judge_late(&mut self, age: Duration, now: Time) {
        assert!(!self.is_noted_late && age == self.age(now) && age > FRESH, "late after {age:?}");
        self.is_noted_late = true;
    }

    pub fn judge_fresh(&mut self, now: Time) {
        assert!(self.is_noted_late && self.age(now) <= FRESH, "fresh after {:?}", self.age(now));
        self.is_noted_late = false;
    }

    /// A note is at most one tick late.
    pub fn check_noted(&self, now: Time) {
        let age = self.age(now);
        assert!(self.is_noted_late || age <= FRESH + TICK, "not noted that the probe is late: {age:?}");
        assert!(!self.is_noted_late || !self.has_heard || age > FRESH, "not noted that it is fresh");
    }
}

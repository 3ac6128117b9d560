//! The probe: what a node publishes to itself each second, to know that it hears the bus.

use std::time::Duration;

use crate::note::Note;
use crate::time::Time;

/// How often a probe is sent.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// A probe that came back within this proves that the node hears.
const PROBE_FRESH: Duration = Duration::from_secs(2);

/// The probes of this node.
#[derive(Debug)]
pub(super) struct Probe {
    sent: u64,
    /// `None`: the next one is sent at once.
    sent_at: Option<Time>,
    /// The last one that came back. `heard <= sent`
    heard: u64,
    heard_at: Option<Time>,
    /// Earlier ones prove nothing any more: they were sent before this node was stopped.
    least: u64,
    /// When this node began to listen for the first probe, or for the first after a stop.
    listens_since: Time,
    /// The last note said that the probe is late.
    is_late: bool,
}

impl Probe {
    pub fn new(now: Time) -> Self {
        Probe {
            sent: 0,
            sent_at: None,
            heard: 0,
            heard_at: None,
            least: 1,
            listens_since: now,
            is_late: false,
        }
    }

    /// The next probe is sent at once, and only it or a later one proves that this node hears. Gives its
    /// number.
    pub fn restart(&mut self, now: Time) -> u64 {
        (self.sent_at, self.heard_at, self.listens_since) = (None, None, now);
        self.least = self.sent + 1;
        self.least
    }

    /// The number of the probe that is due, which counts as sent.
    pub fn poll_transmit(&mut self, now: Time) -> Option<u64> {
        if self.sent_at.is_some_and(|at| now.since(at) < PROBE_EVERY) {
            return None;
        }
        self.sent_at = Some(now);
        self.sent += 1;
        Some(self.sent)
    }

    /// A probe came back. Returns false for an unknown or stale one. On a slow bus later ones are under way.
    pub fn handle(&mut self, number: u64, now: Time) -> bool {
        let is_new = number > self.heard && (self.least..=self.sent).contains(&number);
        if is_new {
            (self.heard, self.heard_at) = (number, Some(now));
        }
        is_new
    }

    /// True if this probe, or a later one, came back.
    pub fn has_heard(&self, number: u64) -> bool {
        self.heard >= number
    }

    /// True if a probe came back a short time ago: the bus is heard.
    pub fn is_fresh(&self, now: Time) -> bool {
        self.heard_at.is_some_and(|at| now.since(at) <= PROBE_FRESH)
    }

    /// How long ago a probe last came back, or this node began to listen for one.
    pub fn age(&self, now: Time) -> Duration {
        now.since(self.heard_at.unwrap_or(self.listens_since))
    }

    /// What the log is told: when the probe becomes late, and when it is fresh again.
    pub fn poll_note(&mut self, now: Time) -> Option<Note> {
        let age = self.age(now);
        let is_late = age > PROBE_FRESH;
        let was_late = std::mem::replace(&mut self.is_late, is_late);
        (is_late != was_late).then_some(if is_late { Note::ProbeLate { age } } else { Note::ProbeFresh })
    }
}

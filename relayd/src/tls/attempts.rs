//! How often a certificate was asked for at a CA, by outcome. Written by the thread that asks, read for the
//! metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// How an attempt to get a certificate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// There is a new certificate.
    Issued,
    /// The CA could not be reached, or did not answer as it should.
    Unreachable,
    /// The CA could not see that a name leads here.
    NotValidated,
    /// The CA asks to wait.
    RateLimited,
    /// The CA refused for another reason.
    Refused,
    /// It failed on this machine: the state folder can't be written, for example.
    Failed,
}

impl AttemptOutcome {
    /// All of them.
    pub const ALL: [AttemptOutcome; 6] = [
        AttemptOutcome::Issued,
        AttemptOutcome::Unreachable,
        AttemptOutcome::NotValidated,
        AttemptOutcome::RateLimited,
        AttemptOutcome::Refused,
        AttemptOutcome::Failed,
    ];

    /// Its name in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            AttemptOutcome::Issued => "issued",
            AttemptOutcome::Unreachable => "unreachable",
            AttemptOutcome::NotValidated => "not_validated",
            AttemptOutcome::RateLimited => "rate_limited",
            AttemptOutcome::Refused => "refused",
            AttemptOutcome::Failed => "failed",
        }
    }
}

/// Counts them.
#[derive(Debug, Default)]
pub struct AttemptCounts([AtomicU64; AttemptOutcome::ALL.len()]);

impl AttemptCounts {
    /// One more ended so.
    pub fn count(&self, outcome: AttemptOutcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// In the order of [`AttemptOutcome::ALL`].
    pub fn read(&self) -> [u64; AttemptOutcome::ALL.len()] {
        std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed))
    }
}

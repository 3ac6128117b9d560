//! Shows other threads whether the reactor turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mio::Waker;

/// A question that each turn of the reactor answers. A turn costs one load, and a store once it was asked.
#[derive(Clone, Debug)]
pub struct Pulse {
    counts: Arc<Counts>,
    waker: Arc<Waker>,
}

#[derive(Debug, Default)]
struct Counts {
    asked: AtomicU64,
    /// `answered <= asked`
    answered: AtomicU64,
}

impl Pulse {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Pulse { counts: Arc::default(), waker }
    }

    /// Asks, and wakes the reactor to answer. Called by one thread.
    pub fn ask(&self) {
        self.counts.asked.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "the reactor could not be woken");
        }
    }

    /// True if a turn began since it was asked last. False if it was never asked.
    pub fn is_answered(&self) -> bool {
        let asked = self.counts.asked.load(Ordering::Relaxed);
        asked > 0 && self.counts.answered.load(Ordering::Relaxed) == asked
    }

    /// A turn of the reactor.
    pub fn answer(&self) {
        let asked = self.counts.asked.load(Ordering::Relaxed);
        if self.counts.answered.load(Ordering::Relaxed) != asked {
            self.counts.answered.store(asked, Ordering::Relaxed);
        }
    }
}

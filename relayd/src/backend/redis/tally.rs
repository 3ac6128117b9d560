//! What the threads of the bus count, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// How the bus fared since this process started. Every count only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusCounts {
    /// Packets written to Redis. One that is written to a connection that just broke counts too.
    pub published: u64,
    /// Writes that carried them: `published / writes` packets went at once.
    pub writes: u64,
    /// Packets that were not taken: the queue was full, or they were too long.
    pub refused: u64,
    /// Packets that were taken and dropped, as there was no connection to write them to.
    pub lost: u64,
    /// Packets that came for this node and were queued for the reactor.
    pub received: u64,
    /// Packets that came and found that queue full.
    pub overflowed: u64,
    /// Packets that came and are longer than any node sends.
    pub junk: u64,
    /// How many times the subscription was confirmed.
    pub subscribed: u64,
    /// Connections of the bus, of either thread, that broke or could not be set up.
    pub faults: u64,
}

/// The same, shared between threads. No order between the counts is promised.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) published: Count,
    pub(super) writes: Count,
    pub(super) lost: Count,
    pub(super) received: Count,
    pub(super) overflowed: Count,
    pub(super) junk: Count,
    pub(super) subscribed: Count,
    pub(super) faults: Count,
}

/// One count.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    /// What was counted so far. `refused` is not counted here.
    pub(super) fn counts(&self) -> BusCounts {
        BusCounts {
            published: self.published.value(),
            writes: self.writes.value(),
            refused: 0,
            lost: self.lost.value(),
            received: self.received.value(),
            overflowed: self.overflowed.value(),
            junk: self.junk.value(),
            subscribed: self.subscribed.value(),
            faults: self.faults.value(),
        }
    }
}

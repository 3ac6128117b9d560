//! The counts of the bus, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counts of the bus since this process started. Each only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusCounts {
    /// Packets written to Redis, including those written to a connection that had just broken.
    pub published: u64,
    /// Writes that carried them: `published / writes` packets went together.
    pub writes: u64,
    /// Packets that were not queued: the queue was full, or the packet too long.
    pub refused: u64,
    /// Packets that were queued and then dropped, because there was no connection.
    pub lost: u64,
    /// Packets for this node that were queued for the reactor.
    pub received: u64,
    /// Packets for this node that found that queue full.
    pub overflowed: u64,
    /// Packets for this node that are longer than any that a node sends.
    pub junk: u64,
    /// How many times the subscription was confirmed.
    pub subscribed: u64,
    /// Connections of the bus, of either thread, that broke or could not be set up.
    pub faults: u64,
}

/// The same counts, shared between threads. They are not read at one instant.
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
    /// The counts so far, without `refused`, which is not counted here.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_is_told_under_its_name() {
        let tally = Tally::default();
        let Tally { published, writes, lost, received, overflowed, junk, subscribed, faults } = &tally;
        let counts = [published, writes, lost, received, overflowed, junk, subscribed, faults];
        for (at, count) in counts.into_iter().enumerate() {
            count.add(at + 1);
            count.add(10);
        }
        let expected = BusCounts {
            published: 11,
            writes: 12,
            refused: 0,
            lost: 13,
            received: 14,
            overflowed: 15,
            junk: 16,
            subscribed: 17,
            faults: 18,
        };
        assert_eq!(tally.counts(), expected);
    }
}

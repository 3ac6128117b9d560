//! Timers: what is due next, and when.
//!
//! One entry per owner, found again by the time it was armed for, so nothing stale is ever left behind.
//! Owners re-arm lazily: a frame only stores when it came, and the timer looks at that when it fires. So no
//! timer work is done per frame, and a set ordered by time is as good as any wheel.

use std::collections::BTreeSet;

use crate::time::Time;

/// A set of deadlines, each named by a key. A key may stand at several times; its owner keeps it to one.
#[derive(Debug)]
pub struct Deadlines<K> {
    queue: BTreeSet<(Time, K)>,
}

impl<K: Ord + Copy> Deadlines<K> {
    /// No deadlines.
    pub const fn new() -> Self {
        Deadlines { queue: BTreeSet::new() }
    }

    /// `key` is due at `at`.
    pub fn arm(&mut self, key: K, at: Time) {
        self.queue.insert((at, key));
    }

    /// Takes back what was armed for exactly `at`. Nothing happens if it fired already.
    pub fn disarm(&mut self, key: K, at: Time) {
        self.queue.remove(&(at, key));
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Time> {
        self.queue.first().map(|&(at, _)| at)
    }

    /// Takes out the earliest deadline if it is due. Call until `None`.
    pub fn poll(&mut self, now: Time) -> Option<K> {
        let &(at, key) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        Some(key)
    }

    /// How many are armed.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True if none is armed.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl<K: Ord + Copy> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault 44.
    #[test]
    fn they_fire_in_order_once_and_not_before_their_time() {
        let mut deadlines = Deadlines::new();
        let at = Time::from_ms;
        deadlines.arm('b', at(20));
        deadlines.arm('a', at(10));
        deadlines.arm('c', at(30));
        deadlines.disarm('c', at(30));
        deadlines.disarm('a', at(11));
        assert!(!deadlines.is_empty());
        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.poll(at(9)), None);
        assert_eq!(deadlines.poll(at(25)), Some('a'));
        assert_eq!(deadlines.poll(at(25)), Some('b'));
        assert_eq!(deadlines.poll(at(99)), None);
        assert!(deadlines.is_empty());
    }
}

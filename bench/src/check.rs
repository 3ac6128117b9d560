//! Checks the frames of one pair. They are numbered from 0 when sent. Each must arrive once, and in order.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::AddAssign;

use serde::Serialize;

/// What one pair received so far.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// The number that is expected.
    next: u64,
    /// Numbers below `next` that did not come.
    missing: BTreeSet<u64>,
    faults: Faults,
}

/// What went wrong, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Faults {
    /// Never arrived.
    pub lost: u64,
    /// Arrived again.
    pub doubled: u64,
    /// Arrived behind a frame with a higher number.
    pub reordered: u64,
    /// Of another pair, or never sent.
    pub foreign: u64,
}

impl Checker {
    /// A frame with this number arrived; `sent` is how many were sent. True if it is the first with this
    /// number, and was sent.
    pub fn on_number(&mut self, number: u64, sent: u64) -> bool {
        if number == self.next && number < sent {
            self.next += 1;
            return true;
        }
        self.on_unexpected(number, sent)
    }

    /// Something arrived that is not a frame of this pair.
    pub fn on_foreign(&mut self) {
        self.faults.foreign += 1;
    }

    /// How many different frames came.
    pub fn arrived(&self) -> u64 {
        self.next - self.missing.len() as u64
    }

    /// The verdict on `sent` frames, once no more can arrive.
    pub fn finish(&self, sent: u64) -> Faults {
        Faults { lost: sent - self.arrived(), ..self.faults }
    }

    #[cold]
    fn on_unexpected(&mut self, number: u64, sent: u64) -> bool {
        if number >= sent {
            self.faults.foreign += 1;
            false
        } else if number > self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
            true
        } else if self.missing.remove(&number) {
            self.faults.reordered += 1;
            true
        } else {
            self.faults.doubled += 1;
            false
        }
    }
}

impl Faults {
    /// True if there are none.
    pub fn is_none(&self) -> bool {
        *self == Faults::default()
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.foreign += other.foreign;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { lost, doubled, reordered, foreign } = self;
        write!(f, "{lost} lost, {doubled} doubled, {reordered} reordered, {foreign} foreign")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on `came` of 5 frames sent, as lost, doubled, reordered and foreign.
    fn judge(came: &[u64]) -> [u64; 4] {
        let mut checker = Checker::default();
        for &number in came {
            checker.on_number(number, 5);
        }
        let Faults { lost, doubled, reordered, foreign } = checker.finish(5);
        assert_eq!(checker.arrived() + lost, 5);
        [lost, doubled, reordered, foreign]
    }

    #[test]
    fn every_fault_is_caught_and_nothing_else() {
        for (came, verdict) in [
            (&[0, 1, 2, 3, 4][..], [0, 0, 0, 0]),
            (&[0, 1, 2, 3], [1, 0, 0, 0]),
            (&[1, 2, 3, 4], [1, 0, 0, 0]),
            (&[0, 4], [3, 0, 0, 0]),
            (&[], [5, 0, 0, 0]),
            (&[0, 1, 1, 2, 3, 4], [0, 1, 0, 0]),
            (&[0, 1, 2, 3, 4, 0, 4], [0, 2, 0, 0]),
            (&[0, 2, 1, 3, 4], [0, 0, 1, 0]),
            (&[4, 3, 2, 1, 0], [0, 0, 4, 0]),
            (&[0, 2, 1, 1, 3, 4], [0, 1, 1, 0]),
            (&[0, 1, 2, 3, 4, 5], [0, 0, 0, 1]),
            (&[u64::MAX, 0, 1, 2, 3, 4], [0, 0, 0, 1]),
            (&[0, 0, 3, 2, 9], [2, 1, 1, 1]),
        ] {
            assert_eq!(judge(came), verdict, "{came:?}");
        }
    }

    #[test]
    fn what_was_not_sent_yet_is_foreign_and_does_not_count() {
        let mut checker = Checker::default();
        assert!(!checker.on_number(0, 0));
        assert!(checker.on_number(0, 1));
        checker.on_foreign();
        assert_eq!(checker.arrived(), 1);
        assert_eq!(checker.finish(1), Faults { foreign: 2, ..Faults::default() });
    }

    #[test]
    fn sums_are_told_in_words() {
        let mut sum = Faults { lost: 1, ..Faults::default() };
        assert!(!sum.is_none());
        sum += Faults { lost: 2, foreign: 3, ..Faults::default() };
        assert_eq!(sum.to_string(), "3 lost, 0 doubled, 0 reordered, 3 foreign");
    }
}

//! How often values fell below each of a few bounds. Plain integers: an observation is two additions.

use std::time::Duration;

/// The most bounds that a histogram has.
const BOUNDS_MAX: usize = 12;

/// One histogram.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Rising. `bounds.len() <= BOUNDS_MAX`
    bounds: &'static [u64],
    /// Values up to each bound and over the one before, and behind them those over all.
    counts: [u64; BOUNDS_MAX + 1],
    sum: u64,
}

impl Histogram {
    /// Of values that are compared with these bounds.
    pub const fn new(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() <= BOUNDS_MAX);
        Histogram { bounds, counts: [0; BOUNDS_MAX + 1], sum: 0 }
    }

    /// Of time a turn takes.
    pub const fn of_turns() -> Self {
        Histogram::new(&[
            10_000,
            30_000,
            100_000,
            300_000,
            1_000_000,
            3_000_000,
            10_000_000,
            30_000_000,
            100_000_000,
            300_000_000,
            1_000_000_000,
        ])
    }

    /// Of time an answer of Redis takes.
    pub const fn of_round_trips() -> Self {
        Histogram::new(&[
            300_000,
            1_000_000,
            3_000_000,
            10_000_000,
            30_000_000,
            100_000_000,
            300_000_000,
            1_000_000_000,
            3_000_000_000,
        ])
    }

    /// Of bytes that go to a socket together.
    pub const fn of_writes() -> Self {
        Histogram::new(&[128, 512, 2_048, 8_192, 32_768, 131_072, 524_288])
    }

    /// Takes in a value.
    #[inline]
    pub fn observe(&mut self, value: u64) {
        let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.counts[at] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Takes in a time, in nanoseconds.
    #[inline]
    pub fn observe_time(&mut self, time: Duration) {
        self.observe(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Each bound, and how many values are not over it.
    pub fn cumulated(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut sum = 0;
        self.bounds.iter().zip(self.counts).map(move |(bound, count)| {
            sum += count;
            (*bound, sum)
        })
    }

    /// The sum of all values.
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_up_to_each_bound_that_it_is_not_over() {
        let mut histogram = Histogram::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101, 5_000] {
            histogram.observe(value);
        }
        assert_eq!(histogram.cumulated().collect::<Vec<_>>(), [(10, 2), (100, 4)]);
        assert_eq!((histogram.sum(), histogram.count()), (5_222, 6));
        histogram.observe_time(Duration::MAX);
        assert_eq!((histogram.sum(), histogram.count()), (u64::MAX, 7));
    }
}

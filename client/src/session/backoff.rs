//! How long to wait before the next connect: full jitter between nothing and a bound that doubles.
//!
//! Pure: the randomness comes from a seed. Called by the session machine only.

use std::time::Duration;

/// The bound of the first delayed retry.
const FIRST_BOUND: Duration = Duration::from_millis(500);
/// No bound grows past this.
const BOUND_MAX: Duration = Duration::from_secs(30);
/// The first retry after a stable connection comes at once, spread over this much.
const AT_ONCE_SPREAD: Duration = Duration::from_millis(300);
/// The least wait where the relay asked for patience.
pub(super) const PATIENT_MIN: Duration = Duration::from_secs(10);

/// Counts failures in a row and draws the delays.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Starts without failures. Equal seeds draw equal delays.
    pub(super) fn new(seed: u64) -> Self {
        Backoff { failures: 0, random: seed }
    }

    /// The connection was stable: the next retry comes at once again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The delay before the next try; `patient` where the relay asked for at least ten seconds.
    pub(super) fn next_delay(&mut self, patient: bool) -> Duration {
        let bound = self.bound();
        self.failures = self.failures.saturating_add(1);
        let jitter = self.up_to(bound);
        if patient { PATIENT_MIN + jitter } else { jitter }
    }

    fn bound(&self) -> Duration {
        match self.failures {
            0 => AT_ONCE_SPREAD,
            n => FIRST_BOUND.saturating_mul(1 << (n - 1).min(16)).min(BOUND_MAX),
        }
    }

    fn up_to(&mut self, bound: Duration) -> Duration {
        let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX - 1);
        Duration::from_millis(self.draw() % (bound_ms + 1))
    }

    /// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each failure in a row, the longest delay of many seeds.
    fn longest(patient: bool) -> Vec<u128> {
        let mut longest = vec![0; 9];
        for seed in 0..2_000 {
            let mut backoff = Backoff::new(seed);
            for worst in &mut longest {
                *worst = (*worst).max(backoff.next_delay(patient).as_millis());
            }
        }
        longest
    }

    #[test]
    fn delays_spread_up_to_bounds_that_double_to_thirty_seconds() {
        for (worst, bound) in
            longest(false).into_iter().zip([300, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
        {
            assert!(worst <= bound && worst > bound * 9 / 10, "{worst} of {bound}");
        }
    }

    #[test]
    fn patience_is_at_least_ten_seconds() {
        let mut backoff = Backoff::new(7);
        for _ in 0..100 {
            let delay = backoff.next_delay(true);
            assert!(delay >= Duration::from_secs(10) && delay <= Duration::from_secs(40), "{delay:?}");
        }
    }

    #[test]
    fn a_reset_makes_the_next_retry_immediate() {
        let mut backoff = Backoff::new(1);
        for _ in 0..20 {
            backoff.next_delay(false);
        }
        backoff.reset();
        assert!(backoff.next_delay(false) <= AT_ONCE_SPREAD);
        let mut old = Backoff { failures: u32::MAX, random: 0 };
        assert!(old.next_delay(false) <= BOUND_MAX);
    }
}

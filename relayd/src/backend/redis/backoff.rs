//! The wait before dialing again: short at the start of an outage, and jittered so that nodes do not dial in
//! step.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Computes the waits of each outage.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// When the current outage began, and the number of its waits.
    outage: Option<(Instant, u32)>,
}

impl Backoff {
    /// A connection worked for `served`. A short one does not end an outage: a server that accepts
    /// connections and fails the first request is still down.
    pub(super) fn on_served(&mut self, served: Duration) {
        if served >= STEADY_AFTER {
            self.outage = None;
        }
    }

    /// The next wait.
    pub(super) fn next_wait(&mut self, now: Instant) -> Duration {
        let (since, waits) = self.outage.get_or_insert((now, 0));
        let longest = if now.duration_since(*since) < YOUNG { LONGEST_YOUNG } else { LONGEST };
        let wait = SHORTEST.saturating_mul(2_u32.saturating_pow(*waits)).min(longest);
        *waits += 1;
        jittered(wait).max(SHORTEST)
    }
}

/// Between half and all of `wait`.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0);
    let part = u32::try_from(random % 1000).unwrap_or(0);
    wait / 2 + wait / 2 * part / 1000
}

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST_YOUNG: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(2);
const YOUNG: Duration = Duration::from_secs(10);
const STEADY_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_second_then_to_two() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        let young: Vec<_> = (0..20).map(|_| backoff.next_wait(start)).collect();
        assert!(young.iter().all(|wait| (SHORTEST..=LONGEST_YOUNG).contains(wait)), "{young:?}");
        assert!(young[10] >= LONGEST_YOUNG / 2);
        let old: Vec<_> = (0..20).map(|_| backoff.next_wait(start + YOUNG)).collect();
        assert!(old.iter().all(|wait| (LONGEST / 2..=LONGEST).contains(wait)), "{old:?}");
    }

    #[test]
    fn only_a_connection_that_lasted_ends_an_outage() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        for _ in 0..10 {
            backoff.next_wait(start);
        }
        backoff.on_served(STEADY_AFTER / 2);
        assert!(backoff.next_wait(start) > SHORTEST);
        backoff.on_served(STEADY_AFTER);
        assert_eq!(backoff.next_wait(start), SHORTEST);
    }

    #[test]
    fn a_long_outage_overflows_nothing() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        for _ in 0..1000 {
            assert!(backoff.next_wait(start + YOUNG) <= LONGEST);
        }
    }

    #[test]
    fn waits_are_spread_over_their_upper_half() {
        let waits: Vec<_> = (0..200).map(|_| jittered(LONGEST)).collect();
        assert!(waits.iter().all(|wait| (LONGEST / 2..=LONGEST).contains(wait)), "{waits:?}");
        // Each of the two fails by chance once in more tries than there will ever be.
        assert!(waits.iter().any(|&wait| wait > LONGEST * 3 / 4), "{waits:?}");
        assert!(waits.iter().any(|&wait| wait < LONGEST * 3 / 4), "{waits:?}");
    }
}

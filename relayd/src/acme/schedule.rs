//! When to ask for a certificate: at two thirds of the life of the one at hand, in the window that the CA
//! suggests (RFC 9773), and after failures with growing pauses. Pure: the time is an argument, in seconds
//! since 1970.

use std::time::Duration;

use super::error::AcmeError;
use crate::tls::AttemptOutcome;

/// The plan. Times of a wall clock, so a machine that slept, or whose clock was set, is judged right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    life: Option<Life>,
    /// From the CA's window.
    suggested: Option<Suggested>,
    /// When the CA is asked for a window again.
    ask_at: u64,
    /// No attempt before this.
    retry_at: u64,
    /// A person can't shorten the wait: the CA asked for it.
    is_ordered: bool,
    failures: u32,
}

/// Of the certificate at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    not_before: u64,
    not_after: u64,
    /// Part of its life by which the renewal is earlier, of 65,536.
    jitter: u16,
}

/// A window, and the time in it that was chosen for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Suggested {
    window: (u64, u64),
    at: u64,
}

impl Schedule {
    /// A certificate is at hand. `random` spreads the renewals of many servers.
    pub fn on_certificate(&mut self, not_before: u64, not_after: u64, random: u16) {
        let jitter = random / JITTER_PART;
        *self = Schedule { life: Some(Life { not_before, not_after, jitter }), ..Schedule::default() };
    }

    /// The certificate at hand was issued just now. Whatever its dates and the CA's window say, the next one
    /// is not asked for at once, so that a wrong clock causes no flood of certificates.
    pub fn on_issued(&mut self, now: u64) {
        let len = self.life.map_or(0, |life| life.not_after.saturating_sub(life.not_before));
        self.retry_at = now + (len / 20).clamp(GAP_LEAST.as_secs(), GAP_MOST.as_secs());
    }

    /// The CA suggests to renew within this window, and to be asked again after a while.
    pub fn on_window(&mut self, window: (u64, u64), random: u16, now: u64, again: Option<Duration>) {
        // The chosen time stays while the window does, else each question would move it.
        if self.suggested.is_none_or(|suggested| suggested.window != window) {
            let width = window.1.saturating_sub(window.0);
            let at = window.0 + ((u128::from(width) * u128::from(random)) >> 16) as u64;
            self.suggested = Some(Suggested { window, at });
        }
        let again = again.unwrap_or(ASK_EVERY).clamp(ASK_LEAST, ASK_MOST);
        self.ask_at = now + again.as_secs();
    }

    /// The CA said nothing about a window.
    pub fn on_no_window(&mut self, now: u64) {
        self.ask_at = now + ASK_EVERY.as_secs();
    }

    /// An attempt failed.
    pub fn on_failure(&mut self, error: &AcmeError, random: u16, now: u64) {
        let outcome = error.outcome();
        let (first, most) = match outcome {
            AttemptOutcome::Unreachable => (UNREACHABLE_FIRST, UNREACHABLE_MOST),
            _ => (REFUSED_FIRST, REFUSED_MOST),
        };
        let pause = first.saturating_mul(1 << self.failures.min(16)).min(most).as_secs();
        self.failures = self.failures.saturating_add(1);
        let ordered = match error {
            AcmeError::RateLimited { after, .. } => *after,
            _ => None,
        };
        self.is_ordered = ordered.is_some();
        let spread = (pause / 4 * u64::from(random)) >> 16;
        self.retry_at = now + ordered.map_or(pause + spread, |after| after.as_secs().max(1) + spread);
    }

    /// A person asks for an attempt now. False if the CA asked to wait.
    pub fn try_now(&mut self) -> bool {
        if !self.is_ordered {
            (self.retry_at, self.ask_at) = (0, 0);
        }
        !self.is_ordered
    }

    /// When a certificate is asked for next.
    pub fn next_attempt(&self) -> u64 {
        self.due().max(self.retry_at)
    }

    /// A clock that was set back must not leave a pause of years.
    pub fn bound_pauses(&mut self, now: u64) {
        let most = now + super::client::RETRY_AFTER_MAX.as_secs() + REFUSED_MOST.as_secs();
        self.retry_at = self.retry_at.min(most);
        self.ask_at = self.ask_at.min(now + ASK_MOST.as_secs());
    }

    /// True if the CA is to be asked for a window.
    pub fn is_question_due(&self, now: u64) -> bool {
        self.life.is_some() && self.ask_at <= now
    }

    /// When the certificate at hand should be renewed. 0 without one.
    fn due(&self) -> u64 {
        let Some(life) = self.life else { return 0 };
        let len = life.not_after.saturating_sub(life.not_before);
        let early = ((u128::from(len) * u128::from(life.jitter)) >> 16) as u64;
        let own = life.not_before + len / 3 * 2 - early;
        // Whatever is suggested, some time is left for failures.
        let last = life.not_after.saturating_sub(len / 10);
        self.suggested.map_or(own, |suggested| suggested.at.min(last))
    }
}

/// Of the jitter: at most 1/32 of the certificate's life.
const JITTER_PART: u16 = 32;

/// Between questions about a window. RFC 9773 §4.3.
const ASK_EVERY: Duration = Duration::from_secs(6 * 60 * 60);
const ASK_LEAST: Duration = Duration::from_secs(60);
const ASK_MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// Between two certificates.
const GAP_LEAST: Duration = Duration::from_secs(20);
const GAP_MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// A CA that can't be reached has no limit on attempts.
const UNREACHABLE_FIRST: Duration = Duration::from_secs(5);
const UNREACHABLE_MOST: Duration = Duration::from_secs(30 * 60);

/// CAs count failed checks by the hour; Let's Encrypt allows five for a name.
const REFUSED_FIRST: Duration = Duration::from_secs(5 * 60);
const REFUSED_MOST: Duration = Duration::from_secs(6 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn with_life() -> Schedule {
        let mut schedule = Schedule::default();
        schedule.on_certificate(1000 * DAY, 1090 * DAY, 0);
        schedule
    }

    fn unreachable() -> AcmeError {
        AcmeError::Malformed("x")
    }

    fn refused() -> AcmeError {
        AcmeError::ContractRequired
    }

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life_or_a_little_earlier() {
        assert_eq!(Schedule::default().next_attempt(), 0);
        let mut schedule = with_life();
        assert_eq!(schedule.next_attempt(), 1060 * DAY);
        schedule.on_certificate(1000 * DAY, 1090 * DAY, u16::MAX);
        let early = 1060 * DAY - schedule.next_attempt();
        assert!(early > 2 * DAY && early < 3 * DAY, "{early}");
        schedule.on_certificate(10, 10, u16::MAX);
        assert_eq!(schedule.next_attempt(), 10);
    }

    #[test]
    fn the_ca_s_window_counts_more_and_its_time_is_chosen_once() {
        let mut schedule = with_life();
        assert!(schedule.is_question_due(1001 * DAY));
        let window = (1010 * DAY, 1012 * DAY);
        schedule.on_window(window, 1 << 15, 1001 * DAY, None);
        assert_eq!(schedule.next_attempt(), 1011 * DAY);
        schedule.on_window(window, 0, 1001 * DAY, Some(Duration::ZERO));
        assert_eq!(schedule.next_attempt(), 1011 * DAY);
        assert!(!schedule.is_question_due(1001 * DAY + 59) && schedule.is_question_due(1001 * DAY + 60));
        schedule.on_window((5, 5), 7, 1001 * DAY, None);
        assert_eq!(schedule.next_attempt(), 5);
        schedule.on_window((3000 * DAY, 2000 * DAY), 7, 1001 * DAY, None);
        assert_eq!(schedule.next_attempt(), 1081 * DAY, "some time is left before the end");
        schedule.on_certificate(1, 2, 0);
        assert_eq!(schedule.suggested, None);
    }

    #[test]
    fn a_certificate_that_is_due_at_once_is_not_renewed_at_once() {
        let now = 5000 * DAY;
        for (life, gap) in [(90 * DAY, DAY), (10 * DAY, DAY / 2), (60, 20)] {
            let mut schedule = Schedule::default();
            schedule.on_certificate(1000 * DAY, 1000 * DAY + life, 0);
            schedule.on_issued(now);
            assert_eq!(schedule.next_attempt(), now + gap, "{life}");
        }
        let mut schedule = with_life();
        schedule.on_issued(1000 * DAY);
        assert_eq!(schedule.next_attempt(), 1060 * DAY);
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_a_person_can_end_them() {
        for (error, first, most) in [(unreachable(), 5, 1800), (refused(), 300, 6 * 3600)] {
            let mut schedule = Schedule::default();
            let mut pauses = Vec::new();
            for _ in 0..40 {
                schedule.on_failure(&error, 0, 1000);
                pauses.push(schedule.next_attempt() - 1000);
            }
            assert_eq!(pauses[..2], [first, 2 * first]);
            assert!(pauses.is_sorted() && pauses[39] == most, "{pauses:?}");
            schedule.on_failure(&error, u16::MAX, 1000);
            assert!(schedule.next_attempt() - 1000 <= most + most / 4);
            assert!(schedule.try_now());
            assert_eq!(schedule.next_attempt(), 0);
        }
    }

    #[test]
    fn a_wait_that_the_ca_asks_for_is_kept() {
        let said = String::new();
        let mut schedule = Schedule::default();
        schedule.on_failure(
            &AcmeError::RateLimited { said, after: Some(Duration::from_secs(3600)) },
            0,
            1000,
        );
        assert_eq!(schedule.next_attempt(), 4600);
        assert!(!schedule.try_now());
        assert_eq!(schedule.next_attempt(), 4600);
    }

    #[test]
    fn a_clock_that_was_set_back_leaves_no_endless_pause() {
        let mut schedule = Schedule::default();
        schedule.on_failure(&refused(), 0, 40_000 * DAY);
        schedule.bound_pauses(20_000 * DAY);
        assert!(schedule.next_attempt() < 20_008 * DAY);
    }
}

//! Time that goes on while the machine sleeps, and how a sleep is noticed.

use std::time::{Duration, Instant};

/// A clock that never runs backwards and goes on while the machine sleeps. Any thread may ask it.
pub trait Clock: Send + Sync {
    /// The span since any fixed point.
    fn now(&self) -> Duration;
}

/// The system's own: `CLOCK_BOOTTIME` on Linux and Android; `CLOCK_MONOTONIC` elsewhere, which Apple's
/// systems keep going through a sleep.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const ID: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const ID: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        let now = rustix::time::clock_gettime(ID);
        // Neither is ever negative.
        let secs = u64::try_from(now.tv_sec).unwrap_or_default();
        Duration::new(secs, u32::try_from(now.tv_nsec).unwrap_or_default())
    }
}

/// A gap this long is a sleep and not a busy machine.
const SLEEP_MIN: Duration = Duration::from_secs(1);

/// Compares the clock that sleeps with the one that does not.
pub(super) struct SleepWatch {
    timers: Instant,
    clock: Duration,
}

impl SleepWatch {
    /// Begins now.
    pub(super) fn new(timers: Instant, clock: Duration) -> Self {
        SleepWatch { timers, clock }
    }

    /// How long the machine slept since last asked, if it did. `timers` stops while the machine sleeps,
    /// `clock` does not.
    pub(super) fn slept(&mut self, timers: Instant, clock: Duration) -> Option<Duration> {
        let awake = timers.saturating_duration_since(self.timers);
        let slept = clock.saturating_sub(self.clock).saturating_sub(awake);
        (self.timers, self.clock) = (timers, clock);
        (slept >= SLEEP_MIN).then_some(slept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_what_only_one_clock_saw() {
        let (start, secs) = (Instant::now(), Duration::from_secs);
        let mut watch = SleepWatch::new(start, secs(100));
        assert_eq!(watch.slept(start + secs(50), secs(150)), None);
        assert_eq!(watch.slept(start + secs(51), secs(151 + 3600)), Some(secs(3600)));
        assert_eq!(watch.slept(start + secs(52), secs(152 + 3600)), None, "told once");
        assert_eq!(watch.slept(start + secs(60), secs(10)), None, "a clock that was set back");
    }

    #[test]
    fn the_system_has_such_a_clock() {
        let before = SystemClock.now();
        assert!(before > Duration::ZERO && SystemClock.now() >= before);
    }
}

//! The clocks, read once per turn: monotonic for every decision, wall time for what frames say, and one that goes on while
//! the machine is suspended, to notice that it was.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use relayd_core::time::Time;
use relayd_core::wire::outbound::UnixMs;

/// The time of this turn.
#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
    now: Time,
    unix: UnixMs,
    /// Since some fixed moment, suspended time included.
    uptime: Duration,
    /// Between this turn and the one before, suspended time included.
    gap: Duration,
}

/// Where the monotonic time starts, far enough from zero that nothing subtracted from it falls below.
const ORIGIN: Time = Time::from_ms(1 << 40);

impl Clock {
    pub fn start() -> Self {
        let origin = Instant::now();
        Clock { origin, now: ORIGIN, unix: unix_ms(), uptime: uptime(origin), gap: Duration::ZERO }
    }

    /// A new turn begins.
    pub fn tick(&mut self) {
        self.now = ORIGIN + self.origin.elapsed();
        self.unix = unix_ms();
        let uptime = uptime(self.origin);
        self.gap = uptime.saturating_sub(self.uptime);
        self.uptime = uptime;
    }

    pub fn now(&self) -> Time {
        self.now
    }

    pub fn unix(&self) -> UnixMs {
        self.unix
    }

    /// How long ago the turn before this one began, by a clock that goes on while the machine is suspended.
    pub fn gap(&self) -> Duration {
        self.gap
    }
}

fn unix_ms() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(target_os = "linux")]
fn uptime(_: Instant) -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// Elsewhere the monotonic clock has to do.
#[cfg(not(target_os = "linux"))]
fn uptime(origin: Instant) -> Duration {
    origin.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_the_time_between_two_turns() {
        let mut clock = Clock::start();
        let before = Instant::now();
        while before.elapsed() < Duration::from_millis(3) {
            std::hint::spin_loop();
        }
        clock.tick();
        assert!(clock.gap() >= Duration::from_millis(3), "{:?}", clock.gap());
        assert!(clock.now().since(ORIGIN) >= Duration::from_millis(3));
        let first = clock.gap();
        clock.tick();
        assert!(clock.gap() <= before.elapsed() && clock.uptime >= first);
    }
}

//! The clocks, read once per turn: a monotonic one for every decision, wall time for the timestamps of
//! frames, and one that goes on while the machine is suspended, to notice that it was.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use relayd_core::time::Time;
use relayd_core::wire::outbound::UnixMs;

use crate::http::HttpDate;

/// The time of this turn.
#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
    now: Time,
    unix: UnixMs,
    /// The same to the second, for the `Date` of HTTP answers.
    date: HttpDate,
    /// Since a fixed moment, suspended time included.
    uptime: Duration,
    /// Between this turn and the one before, suspended time included.
    gap: Duration,
    /// From the origin to the begin of this turn.
    ticked: Duration,
    started_unix_secs: u64,
}

/// The start of the monotonic time, far enough from zero that no subtraction goes below it.
const ORIGIN: Time = Time::from_ms(1 << 40);

impl Clock {
    pub fn start() -> Self {
        let origin = Instant::now();
        let unix_ms = unix_ms();
        Clock {
            origin,
            now: ORIGIN,
            unix: UnixMs::new(unix_ms),
            date: HttpDate::at(unix_ms / 1000),
            started_unix_secs: unix_ms / 1000,
            ticked: Duration::ZERO,
            uptime: uptime(origin),
            gap: Duration::ZERO,
        }
    }

    /// A new turn begins.
    pub fn tick(&mut self) {
        let unix_ms = unix_ms();
        self.unix = UnixMs::new(unix_ms);
        self.date.advance(unix_ms / 1000);
        self.advance(self.origin.elapsed(), uptime(self.origin));
    }

    /// Sets the time: since the start without suspended time, and since a fixed moment with it.
    fn advance(&mut self, elapsed: Duration, uptime: Duration) {
        self.now = ORIGIN + elapsed;
        self.ticked = elapsed;
        self.gap = uptime.saturating_sub(self.uptime);
        self.uptime = uptime;
    }

    pub fn now(&self) -> Time {
        self.now
    }

    /// How long ago this turn began. Reads the clock.
    pub fn since_tick(&self) -> Duration {
        self.origin.elapsed().saturating_sub(self.ticked)
    }

    /// When the clock was started, in seconds since 1970.
    pub fn started_unix_secs(&self) -> u64 {
        self.started_unix_secs
    }

    /// How long ago the clock was started, without suspended time.
    pub fn uptime(&self) -> Duration {
        self.now.since(ORIGIN)
    }

    pub fn unix(&self) -> UnixMs {
        self.unix
    }

    pub fn date(&self) -> &HttpDate {
        &self.date
    }

    /// How long ago the turn before this one began, by a clock that goes on while the machine is suspended.
    pub fn gap(&self) -> Duration {
        self.gap
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(target_os = "linux")]
fn uptime(_: Instant) -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// Elsewhere the monotonic clock is used.
#[cfg(not(target_os = "linux"))]
fn uptime(origin: Instant) -> Duration {
    origin.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault 44.
    #[test]
    fn suspended_time_is_in_the_gap_and_nowhere_else() {
        let mut clock = Clock::start();
        let (secs, started) = (Duration::from_secs, clock.uptime);
        clock.advance(secs(3), started + secs(10));
        assert_eq!((clock.now().since(ORIGIN), clock.gap()), (secs(3), secs(10)));
        clock.advance(secs(4), started + secs(11));
        assert_eq!((clock.now().since(ORIGIN), clock.gap()), (secs(4), secs(1)));
    }

    /// Linux keeps it in a file as well.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_uptime_counts_from_the_machines_start() {
        let said = || std::fs::read_to_string("/proc/uptime").unwrap();
        let secs = |said: &str| said.split(' ').next().unwrap().parse().map(Duration::from_secs_f64).unwrap();
        let (before, uptime, after) = (secs(&said()), uptime(Instant::now()), secs(&said()));
        let hundredth = Duration::from_millis(10);
        assert!(before <= uptime && uptime <= after + hundredth, "{before:?}, {uptime:?}, {after:?}");
    }

    /// Fault 44.
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

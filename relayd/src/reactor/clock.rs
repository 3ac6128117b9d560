//! The two clocks, read once per turn: monotonic for every decision, wall time for what frames say.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use relayd_core::time::Time;
use relayd_core::wire::outbound::UnixMs;

/// The time of this turn.
#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
    now: Time,
    unix: UnixMs,
}

/// Where the monotonic time starts, far enough from zero that nothing subtracted from it falls below.
const ORIGIN: Time = Time::from_ms(1 << 40);

impl Clock {
    pub fn start() -> Self {
        Clock { origin: Instant::now(), now: ORIGIN, unix: unix_ms() }
    }

    /// A new turn begins.
    pub fn tick(&mut self) {
        self.now = ORIGIN + self.origin.elapsed();
        self.unix = unix_ms();
    }

    pub fn now(&self) -> Time {
        self.now
    }

    pub fn unix(&self) -> UnixMs {
        self.unix
    }
}

fn unix_ms() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

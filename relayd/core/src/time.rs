//! Time as the core knows it: an argument.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on a monotonic clock, in milliseconds since some origin. Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    ms: u64,
}

impl Time {
    /// That many milliseconds after the origin.
    pub const fn from_ms(ms: u64) -> Self {
        Time { ms }
    }

    /// Milliseconds since the origin.
    pub const fn as_ms(self) -> u64 {
        self.ms
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.ms.saturating_sub(earlier.ms))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, span: Duration) -> Time {
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Time { ms: self.ms.saturating_add(ms) }
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, span: Duration) -> Time {
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Time { ms: self.ms.saturating_sub(ms) }
    }
}

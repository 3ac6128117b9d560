//! Tells a flood of small pieces of output from a user's typing.

use std::time::Duration;

/// Output that comes so soon after the last belongs to the same flood.
const CLOSE: Duration = Duration::from_millis(1);

/// A piece of so many bytes is not small.
const LARGE: usize = 8 << 10;

/// So many small pieces in a row are a flood.
const PIECES: u32 = 8;

/// What the last reads brought.
#[derive(Debug, Default)]
pub(super) struct Flood {
    last_at: Duration,
    pieces: u32,
}

impl Flood {
    /// A read brought so many bytes.
    pub(super) fn on_read(&mut self, len: usize, now: Duration) {
        let is_close = now.saturating_sub(self.last_at) <= 2 * CLOSE;
        self.pieces = if is_close && len > 0 && len < LARGE { self.pieces + 1 } else { 0 };
        self.last_at = now;
    }

    /// True if more small pieces are to be expected at once.
    pub(super) fn is_on(&self, now: Duration) -> bool {
        self.pieces >= PIECES && now.saturating_sub(self.last_at) <= CLOSE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn only_many_small_pieces_at_once_are_a_flood() {
        for (distance, len, is_flood) in
            [(50, 600, true), (50, 20_000, false), (5000, 600, false), (50, 0, false)]
        {
            let mut flood = Flood::default();
            let mut now = us(10_000);
            for _ in 0..20 {
                flood.on_read(len, now);
                now += us(distance);
            }
            assert_eq!(flood.is_on(now), is_flood, "{len} bytes each {distance} µs");
            assert!(!flood.is_on(now + us(2000)), "after a pause");
        }
    }
}

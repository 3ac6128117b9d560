//! Time in a run, and when each frame of an open loop is due.

use std::time::Instant;

/// Nanoseconds since the load began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Clock(Instant::now())
    }

    pub fn now(&self) -> u64 {
        // 584 years.
        self.0.elapsed().as_nanos() as u64
    }
}

/// An open loop: frames at even distances, to each pair in its turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Frames a second over all pairs.
    pub rate: u64,
    pub pairs: u64,
}

impl Schedule {
    /// How many frames are due at `now`, over all pairs. The first is due at 0.
    pub fn due(&self, now: u64) -> u64 {
        (u128::from(now) * u128::from(self.rate) / 1_000_000_000) as u64 + 1
    }

    /// How many of the first `due` frames are of this pair.
    pub fn due_of(&self, pair: u64, due: u64) -> u64 {
        (due + self.pairs - 1 - pair) / self.pairs
    }

    /// When frame `number` of a pair is due.
    pub fn intended(&self, pair: u64, number: u64) -> u64 {
        let frame = u128::from(number) * u128::from(self.pairs) + u128::from(pair);
        // Not before `due` counts it.
        (frame * 1_000_000_000).div_ceil(u128::from(self.rate)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_due_once_and_when_it_is_intended() {
        for (rate, pairs) in [(6000, 50), (7, 3), (1_000_000, 1), (1, 9)] {
            let schedule = Schedule { rate, pairs };
            for frame in 0..200 {
                let (pair, number) = (frame % pairs, frame / pairs);
                let at = schedule.intended(pair, number);
                assert_eq!(schedule.due(at), frame + 1, "{rate} {pairs} {frame}");
                assert!(at == 0 || schedule.due(at - 1) == frame);
                assert_eq!(schedule.due_of(pair, frame), number);
                assert_eq!(schedule.due_of(pair, frame + 1), number + 1);
            }
        }
    }
}

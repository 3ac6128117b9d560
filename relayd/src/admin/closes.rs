//! How connections ended lately, by reason, in fixed memory.

use protocol::close::CloseCode;
use relayd_core::time::Time;

/// Minutes that are kept.
const MINUTES: usize = 10;

/// Every close code, and one for connections that were lost without a Close frame.
const REASONS: usize = CloseCode::ALL.len() + 1;

/// The ends of the last minutes, and all since the start.
#[derive(Clone, Debug, Default)]
pub struct RecentCloses {
    /// By minute, modulo [`MINUTES`].
    minutes: [[u32; REASONS]; MINUTES],
    /// The minute that was counted in last.
    last: u64,
    total: [u64; REASONS],
}

/// How often connections ended for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCount {
    /// `None`: lost without a Close frame.
    pub code: Option<CloseCode>,
    /// In this minute and the one before.
    pub now: u64,
    /// In the last ten minutes.
    pub lately: u64,
    /// Since the process started.
    pub total: u64,
}

impl RecentCloses {
    /// A connection ended. `None`: it was lost without a Close frame.
    pub fn note(&mut self, code: Option<CloseCode>, now: Time) {
        let known = code.and_then(|code| CloseCode::ALL.iter().position(|known| *known == code));
        let reason = known.unwrap_or(REASONS - 1);
        let minute = self.advance(now);
        self.minutes[minute][reason] = self.minutes[minute][reason].saturating_add(1);
        self.total[reason] += 1;
    }

    /// Each reason that occurred since the process started.
    pub fn counts(&mut self, now: Time) -> Vec<CloseCount> {
        let minute = self.advance(now);
        let before = (minute + MINUTES - 1) % MINUTES;
        let sum = |reason: usize, minutes: &[usize]| {
            minutes.iter().map(|&at| u64::from(self.minutes[at][reason])).sum()
        };
        let all: Vec<usize> = (0..MINUTES).collect();
        let count = |reason: usize| CloseCount {
            code: CloseCode::ALL.get(reason).copied(),
            now: sum(reason, &[minute, before]),
            lately: sum(reason, &all),
            total: self.total[reason],
        };
        (0..REASONS).filter(|&reason| self.total[reason] > 0).map(count).collect()
    }

    /// The place of the present minute. Those between it and the last one are emptied.
    fn advance(&mut self, now: Time) -> usize {
        let minute = now.as_ms() / 60_000;
        for passed in (self.last + 1..=minute).rev().take(MINUTES) {
            self.minutes[(passed % MINUTES as u64) as usize] = [0; REASONS];
        }
        self.last = self.last.max(minute);
        (self.last % MINUTES as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(minutes: u64) -> Time {
        Time::from_ms(1 << 40) + Duration::from_secs(60 * minutes)
    }

    #[test]
    fn closes_are_forgotten_by_the_minute_and_never_in_the_sum() {
        let mut closes = RecentCloses::default();
        closes.note(Some(CloseCode::Replaced), at(0));
        closes.note(Some(CloseCode::Replaced), at(1));
        closes.note(None, at(1));
        let count = |code, now, lately, total| CloseCount { code, now, lately, total };
        let replaced = Some(CloseCode::Replaced);
        assert_eq!(closes.counts(at(1)), [count(replaced, 2, 2, 2), count(None, 1, 1, 1)]);
        assert_eq!(closes.counts(at(3)), [count(replaced, 0, 2, 2), count(None, 0, 1, 1)]);
        assert_eq!(closes.counts(at(10)), [count(replaced, 0, 1, 2), count(None, 0, 1, 1)]);
        assert_eq!(closes.counts(at(1000)), [count(replaced, 0, 0, 2), count(None, 0, 0, 1)]);
        closes.note(None, at(1000));
        assert_eq!(closes.counts(at(1000)), [count(replaced, 0, 0, 2), count(None, 1, 1, 2)]);
    }
}

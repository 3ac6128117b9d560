//! What limits turned away, in one log line a minute while they do.

use std::time::Duration;

use relayd_core::time::Time;

use crate::admission::{Address, Heavy};
use crate::metrics::{Refused, RefusedCounts};

/// What was turned away since the last line.
#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    counts: RefusedCounts,
    heavy: Heavy,
    /// When the next line is due, if anything was turned away since the last one.
    due: Option<Time>,
    last_at: Option<Time>,
}

impl RefusalLog {
    /// When a line is due.
    pub fn next_due(&self) -> Option<Time> {
        self.due
    }

    /// Counts a refusal. The first line comes soon, so that an operator who looks sees it; further ones once
    /// a minute.
    pub fn note(&mut self, what: Refused, address: Option<Address>, now: Time) {
        self.counts.count(what);
        address.into_iter().for_each(|address| self.heavy.add(address));
        let may_be_at = self.last_at.map_or(now, |at| at + EVERY);
        self.due.get_or_insert(may_be_at.max(now + FIRST_AFTER));
    }

    /// Logs what was turned away since the last line, if anything was.
    pub fn log(&mut self, now: Time) {
        if self.due.take().is_none() {
            return;
        }
        let most: Vec<String> =
            self.heavy.most(SHOWN_MAX).map(|(address, count)| format!("{address} ({count})")).collect();
        let refused: Vec<String> = self
            .counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(why, count)| format!("{why}={count}"))
            .collect();
        tracing::warn!(
            refused = refused.join(" "),
            most = most.join(", "),
            "limits turned clients away; if one of these addresses is a proxy's, name it in TRUSTED_PROXY"
        );
        *self = RefusalLog { last_at: Some(now), ..RefusalLog::default() };
    }
}

/// From the first refusal to the first line, so that refusals that come together share a line.
const FIRST_AFTER: Duration = Duration::from_secs(1);

const EVERY: Duration = Duration::from_secs(60);

/// Addresses in a line.
const SHOWN_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Time {
        Time::from_ms(1 << 40) + Duration::from_secs(secs)
    }

    #[test]
    fn a_line_comes_soon_and_then_once_a_minute_while_anything_is_refused() {
        let mut log = RefusalLog::default();
        assert_eq!(log.next_due(), None);
        log.note(Refused::Register, None, at(0));
        log.note(Refused::Register, None, at(1));
        assert_eq!(log.next_due(), Some(at(1)));
        log.log(at(1));
        assert_eq!(log.next_due(), None, "nothing was refused since");
        log.note(Refused::Hello, None, at(2));
        log.note(Refused::Hello, None, at(50));
        assert_eq!(log.next_due(), Some(at(61)));
        log.log(at(61));
        log.note(Refused::Hello, None, at(500));
        assert_eq!(log.next_due(), Some(at(501)));
    }
}

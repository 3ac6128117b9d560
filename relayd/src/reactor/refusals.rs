//! What limits turned away, told in one log line a minute while they do.

use std::time::Duration;

use relayd_core::time::Time;

use super::Reactor;
use crate::admission::{Address, Heavy};
use crate::metrics::{Refused, RefusedCounts};

/// What was turned away since the last line.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    counts: RefusedCounts,
    heavy: Heavy,
    /// When the next line is due, if anything was turned away since the last one.
    due: Option<Time>,
    last_at: Option<Time>,
}

impl Refusals {
    /// When a line is due.
    pub fn next_due(&self) -> Option<Time> {
        self.due
    }

    /// The first line comes soon, so that an operator who looks sees it; further ones once a minute.
    fn note(&mut self, what: Refused, address: Option<Address>, now: Time) {
        self.counts.count(what);
        address.into_iter().for_each(|address| self.heavy.add(address));
        let may_be_at = self.last_at.map_or(now, |at| at + EVERY);
        self.due.get_or_insert(may_be_at.max(now + FIRST_AFTER));
    }

    /// Tells what was turned away since the last time, if anything was.
    fn tell(&mut self, now: Time) {
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
        *self = Refusals { last_at: Some(now), ..Refusals::default() };
    }
}

impl Reactor {
    /// A limit turned somebody away: of this address, if it is known.
    pub(super) fn note_refused(&mut self, what: Refused, address: Option<Address>) {
        self.metrics.count_refused(what);
        self.refusals.note(what, address, self.clock.now());
    }

    /// Writes the line if it is due.
    pub(super) fn tell_refusals(&mut self) {
        let now = self.clock.now();
        if self.refusals.due.is_some_and(|due| due <= now) {
            self.refusals.tell(now);
        }
    }

    /// Writes it now, before the end.
    pub(super) fn tell_last_refusals(&mut self) {
        self.refusals.tell(self.clock.now());
    }
}

/// From the first refusal to the first line: what comes together is told together.
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
        let mut refusals = Refusals::default();
        assert_eq!(refusals.next_due(), None);
        refusals.note(Refused::Register, None, at(0));
        refusals.note(Refused::Register, None, at(1));
        assert_eq!(refusals.next_due(), Some(at(1)));
        refusals.tell(at(1));
        assert_eq!(refusals.next_due(), None, "nothing was refused since");
        refusals.note(Refused::Hello, None, at(2));
        refusals.note(Refused::Hello, None, at(50));
        assert_eq!(refusals.next_due(), Some(at(61)));
        refusals.tell(at(61));
        refusals.note(Refused::Hello, None, at(500));
        assert_eq!(refusals.next_due(), Some(at(501)));
    }
}

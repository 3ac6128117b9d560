//! How much of a bulk channel is under way: enough to keep the line busy, and little enough that what is
//! typed does not wait long behind it.
//!
//! The other app returns a message's credit at once. The time that takes, beyond the shortest such time, is
//! time spent in queues in front of the line. More is sent while that is short, and less when it is long.
//! Once in ten seconds everything is let through and one message goes alone, to measure the shortest time
//! again.

use std::collections::VecDeque;
use std::time::Duration;

use super::limits::{CREDIT_MAX, PAYLOAD_BYTES_MAX};

/// With less waiting than this in front of the line, more is sent.
const WAIT_LOW: Duration = Duration::from_millis(40);

/// With more than this, less is sent.
const WAIT_HIGH: Duration = Duration::from_millis(80);

/// The shortest time is measured again after this.
const SHORTEST_FOR: Duration = Duration::from_secs(10);

/// What is under way at first: less than 150 ms of a line of 1 Mbit/s.
const LIMIT_START: usize = 16 * 1024;

/// The least that is under way, so that a message of suggested length never waits for another one.
const LIMIT_MIN: usize = 8 * 1024;

/// The shortest message that is suggested: below that, headers cost too much.
const MESSAGE_MIN: usize = 2 * 1024;

/// The pace of one bulk channel. See the module.
#[derive(Debug)]
pub(super) struct Pace {
    /// When each message was sent, and its cost; the oldest first.
    under_way: VecDeque<(Duration, usize)>,
    /// The sum of their costs.
    cost: usize,
    /// The most that may be under way.
    limit: usize,
    /// The limit held something back since it was last changed.
    is_tight: bool,
    /// The limit has been too high once: from then on it grows slowly.
    has_met: bool,
    /// The shortest time from sending to return, and when it was measured.
    shortest: Option<(Duration, Duration)>,
    /// One message goes alone.
    is_measuring: bool,
    /// The limit is not lowered before: what was sent under the old one is still under way.
    lowered_until: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Pace {
            under_way: VecDeque::new(),
            cost: 0,
            limit: LIMIT_START,
            is_tight: false,
            has_met: false,
            shortest: None,
            is_measuring: false,
            lowered_until: Duration::ZERO,
        }
    }

    /// A message of this cost waits. Gives whether it goes now.
    pub(super) fn admit(&mut self, cost: usize, now: Duration) -> bool {
        let is_old = self.shortest.is_some_and(|(_, at)| now.saturating_sub(at) >= SHORTEST_FOR);
        self.is_measuring |= is_old;
        let fits = self.cost + cost <= self.limit && !self.is_measuring;
        if !fits && !self.under_way.is_empty() {
            self.is_tight |= !self.is_measuring;
            return false;
        }
        self.under_way.push_back((now, cost));
        self.cost += cost;
        true
    }

    /// The other app is done with messages of this cost together.
    pub(super) fn on_return(&mut self, returned: usize, now: Duration) {
        let (mut left, mut newest) = (returned, None);
        while let Some(&(sent_at, cost)) = self.under_way.front()
            && cost <= left
        {
            self.under_way.pop_front();
            left -= cost;
            self.cost -= cost;
            newest = Some(sent_at);
        }
        if let Some(sent_at) = newest {
            self.judge(returned, now.saturating_sub(sent_at), now);
        }
    }

    fn judge(&mut self, returned: usize, took: Duration, now: Duration) {
        let is_alone = self.is_measuring && self.under_way.is_empty();
        let shortest = match self.shortest {
            Some((shortest, _)) if took > shortest && !is_alone => shortest,
            _ => {
                self.shortest = Some((took, now));
                took
            }
        };
        self.is_measuring &= !is_alone;
        let waited = took.saturating_sub(shortest);
        if waited > WAIT_HIGH {
            self.lower(took, now);
        } else if waited < WAIT_LOW && std::mem::take(&mut self.is_tight) {
            let more = if self.has_met { returned / 8 } else { returned };
            self.limit = (self.limit + more).min(CREDIT_MAX);
        }
    }

    fn lower(&mut self, took: Duration, now: Duration) {
        self.has_met = true;
        if now >= self.lowered_until {
            self.limit = (self.limit / 4 * 3).max(LIMIT_MIN);
            self.lowered_until = now + took;
        }
    }

    /// A good length for the next message: about a quarter of what is under way.
    pub(super) fn message_len(&self) -> usize {
        (self.limit / 4).clamp(MESSAGE_MIN, PAYLOAD_BYTES_MAX)
    }
}

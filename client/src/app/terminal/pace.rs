//! How much may be under way to one viewer.
//!
//! An acknowledgement tells how long an update took. What it took beyond the shortest time seen is the time
//! that its bytes, and those before it, needed on the line: that is the measured rate. So a quiet terminal
//! does not look like a slow line.

use std::collections::VecDeque;
use std::time::Duration;

use super::limits::{
    BYTES_UNDER_WAY_MAX, UNDER_WAY, UPDATE_INTERVAL, UPDATES_UNDER_WAY_MAX, UPDATES_UNDER_WAY_MIN,
};

/// One update that was sent and is not acknowledged.
#[derive(Debug)]
struct Sent {
    seq: u64,
    bytes: usize,
    /// The bytes under way when it was sent, its own included.
    bytes_until: usize,
    at: Duration,
}

/// Paces updates. Its memory is bounded by [`UPDATES_UNDER_WAY_MAX`].
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// In the order of sending; at most [`UPDATES_UNDER_WAY_MAX`].
    under_way: VecDeque<Sent>,
    /// Bytes a second.
    rate: Option<f64>,
    last_sent: Option<Duration>,
    round_trip_min: RecentMin,
}

/// The first guess: 1 Mbit/s.
const RATE_AT_FIRST: f64 = 125_000.0;

/// Delays shorter than this are noise.
const NOISE: Duration = Duration::from_millis(5);

/// How much a new measurement counts.
const NEW_SHARE: f64 = 0.25;

impl Pace {
    /// True if one more update may be sent now.
    pub(super) fn may_send(&self, now: Duration) -> bool {
        self.has_room() && self.next_at().is_none_or(|at| now >= at)
    }

    /// False until an acknowledgement comes.
    pub(super) fn has_room(&self) -> bool {
        let count = self.under_way.len();
        let bytes: usize = self.bytes();
        count < UPDATES_UNDER_WAY_MIN || (count < UPDATES_UNDER_WAY_MAX && bytes < self.bytes_max())
    }

    /// When the interval since the last update is over.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.last_sent.map(|at| at + UPDATE_INTERVAL)
    }

    pub(super) fn on_sent(&mut self, seq: u64, bytes: usize, now: Duration) {
        let bytes_until = self.bytes() + bytes;
        self.under_way.push_back(Sent { seq, bytes, bytes_until, at: now });
        self.last_sent = Some(now);
    }

    /// All updates up to `seq` were drawn.
    pub(super) fn on_ack(&mut self, seq: u64, now: Duration) {
        while self.under_way.front().is_some_and(|sent| sent.seq <= seq) {
            let Some(sent) = self.under_way.pop_front() else { break };
            if sent.seq == seq {
                self.measure(&sent, now);
            }
        }
    }

    /// When the oldest update that is not acknowledged was sent.
    pub(super) fn unacknowledged_since(&self) -> Option<Duration> {
        self.under_way.front().map(|sent| sent.at)
    }

    /// How many updates are not acknowledged.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    fn bytes(&self) -> usize {
        self.under_way.iter().map(|sent| sent.bytes).sum()
    }

    fn bytes_max(&self) -> usize {
        let bytes = self.rate.unwrap_or(RATE_AT_FIRST) * UNDER_WAY.as_secs_f64();
        (bytes as usize).min(BYTES_UNDER_WAY_MAX)
    }

    fn measure(&mut self, sent: &Sent, now: Duration) {
        let took = now.saturating_sub(sent.at);
        let shortest = self.round_trip_min.add(took, now);
        let on_line = took.saturating_sub(shortest).max(NOISE);
        let rate = sent.bytes_until as f64 / on_line.as_secs_f64();
        let before = self.rate.unwrap_or(RATE_AT_FIRST);
        // A short delay proves only that the line is not slower.
        let is_proof = on_line > NOISE || rate > before;
        if is_proof {
            self.rate = Some(before + (rate - before) * NEW_SHARE);
        }
    }
}

/// The shortest time of the last one to two spans.
#[derive(Debug, Default)]
struct RecentMin {
    began: Duration,
    current: Option<Duration>,
    before: Option<Duration>,
}

/// A line's own round trip may change: a phone leaves Wi-Fi.
const SPAN: Duration = Duration::from_secs(20);

impl RecentMin {
    fn add(&mut self, value: Duration, now: Duration) -> Duration {
        if now.saturating_sub(self.began) >= SPAN {
            self.before = self.current.take();
            self.began = now;
        }
        let current = self.current.map_or(value, |current| current.min(value));
        self.current = Some(current);
        self.before.map_or(current, |before| before.min(current))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Sends updates of `bytes` whenever it may, over a line of `rate` bytes a second with `delay` each way.
    /// Returns the most bytes that were under way after three seconds, and how many updates arrived.
    fn run(bytes: usize, rate: usize, delay: Duration) -> (usize, u64) {
        let (mut pace, mut acks) = (Pace::default(), VecDeque::new());
        let (mut seq, mut most, mut line_free, mut acked) = (0, 0, Duration::ZERO, 0);
        for now in (0..10_000).map(ms) {
            while acks.front().is_some_and(|(_, at)| *at <= now) {
                (acked, _) = acks.pop_front().unwrap();
                pace.on_ack(acked, now);
            }
            if pace.may_send(now) {
                seq += 1;
                pace.on_sent(seq, bytes, now);
                line_free = line_free.max(now) + Duration::from_secs_f64(bytes as f64 / rate as f64);
                acks.push_back((seq, line_free + 2 * delay));
            }
            if now > ms(3000) {
                most = most.max(pace.bytes());
            }
        }
        (most, acked)
    }

    #[test]
    fn a_slow_line_holds_a_tenth_of_a_second_or_two_updates() {
        let (most, arrived) = run(4000, 125_000, ms(50));
        assert!(most <= 12_500 + 4000 * 2, "{most}");
        assert!(arrived > 200, "{arrived}");
        let (most, _) = run(8000, 20_000, ms(50));
        assert!(most <= 16_000, "{most}: two updates");
    }

    #[test]
    fn small_updates_go_at_full_pace_over_a_long_line() {
        let (_, arrived) = run(200, 125_000, ms(150));
        assert!(arrived > 280, "{arrived} in ten seconds");
    }

    #[test]
    fn a_viewer_that_never_acknowledges_gets_a_bounded_number() {
        let mut pace = Pace::default();
        let mut sent = 0;
        for now in (0..100_000).step_by(10).map(ms) {
            if pace.may_send(now) {
                sent += 1;
                pace.on_sent(sent, 10, now);
            }
        }
        assert_eq!(sent as usize, UPDATES_UNDER_WAY_MAX);
        assert_eq!(pace.unacknowledged_since(), Some(Duration::ZERO));
        pace.on_ack(sent, ms(100_000));
        assert_eq!(pace.unacknowledged_since(), None);
    }

    #[test]
    fn updates_keep_their_distance() {
        let mut pace = Pace::default();
        pace.on_sent(1, 10, ms(1000));
        assert!(!pace.may_send(ms(1032)));
        assert!(pace.may_send(ms(1033)));
    }
}

//! A stop: asked for from another thread, then announced, then the drain. All its deadlines are counted from
//! the moment when it was asked for, however late the reactor notices it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mio::Waker;
use relayd_core::time::Time;

use crate::logging::FLUSH_MAX;

/// How long each step of a stop may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopTimes {
    /// From the signal to the drain: new connections are served, and `/ready` says 503.
    pub ready_delay: Duration,
    /// For queued bytes to be written, and for clients to close.
    pub drain: Duration,
}

impl StopTimes {
    /// From the signal to the end of the process: the one deadline of a stop.
    pub fn total(&self) -> Duration {
        self.ready_delay + self.drain + AFTER_DRAIN
    }

    /// What is left of that after `count` requests to stop, of which each further one ends a step.
    pub fn total_once_asked(&self, count: usize) -> Duration {
        match (count, self.ready_delay.is_zero()) {
            (0 | 1, _) => self.total(),
            (2, false) => self.drain + AFTER_DRAIN,
            _ => AFTER_DRAIN,
        }
    }
}

/// After the drain: the store is told which connections left, and the last log lines are written.
const AFTER_DRAIN: Duration = Duration::from_secs(2);

/// How long telling the store may take. It may use what the drain left over.
const STORE_FLUSH: Duration = Duration::from_secs(2);

/// Makes a running reactor stop, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    asked: Arc<Asked>,
    waker: Arc<Waker>,
}

#[derive(Debug, Default)]
struct Asked {
    /// How often the stop was asked for.
    count: AtomicUsize,
    first_at: OnceLock<Instant>,
}

impl Stopper {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Stopper { asked: Arc::default(), waker }
    }

    /// Asks the reactor to stop; returns at once. Asked again, it goes on to the next step of the stop: it
    /// ends the delay before the drain, then the drain.
    pub fn stop(&self) {
        self.asked.first_at.get_or_init(Instant::now);
        self.asked.count.fetch_add(1, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "the reactor could not be woken");
        }
    }

    fn count(&self) -> usize {
        self.asked.count.load(Ordering::Acquire)
    }

    /// How long ago the stop was asked for; zero if it was not.
    fn age(&self) -> Duration {
        self.asked.first_at.get().map_or(Duration::ZERO, Instant::elapsed)
    }
}

/// How far a stop is.
#[derive(Debug)]
pub(super) struct StopProgress {
    stopper: Stopper,
    times: StopTimes,
    /// How often it had been asked for at the last look.
    heard: usize,
    /// Set once it is asked for: when the drain begins.
    drain_at: Option<Time>,
    /// Set once the drain begins: when it ends.
    drain_until: Option<Time>,
}

impl StopProgress {
    pub fn new(stopper: Stopper, times: StopTimes) -> Self {
        StopProgress { stopper, times, heard: 0, drain_at: None, drain_until: None }
    }

    /// True once the stop was asked for.
    pub fn is_asked(&self) -> bool {
        self.drain_at.is_some()
    }

    /// True once the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.drain_until.is_some()
    }

    /// True once the drain may take no longer.
    pub fn is_over(&self, now: Time) -> bool {
        self.drain_until.is_some_and(|until| until <= now)
    }

    /// When the next step comes by itself.
    pub fn next_due(&self) -> Option<Time> {
        self.drain_until.or(self.drain_at)
    }

    /// How long the store may take now, so that the process ends in time.
    pub fn store_flush(&self) -> Duration {
        let left = match self.heard {
            0 | 1 => self.times.total().saturating_sub(self.stopper.age()),
            _ => AFTER_DRAIN,
        };
        left.saturating_sub(FLUSH_MAX).min(STORE_FLUSH)
    }

    /// Takes the next step of a stop, if it is asked for or due. Gives when the drain ends, if it begins now.
    pub fn step(&mut self, now: Time) -> Option<Time> {
        let was_asked = self.is_asked();
        self.listen(now);
        let drain_at = self.drain_at.filter(|_| !self.is_draining())?;
        if drain_at <= now {
            // A stop that was hurried has not used up the delay: the drain gets its own time and no more.
            let left = self.left_of(self.times.ready_delay + self.times.drain).min(self.times.drain);
            self.drain_until = Some(now + left);
            return self.drain_until;
        }
        if !was_asked {
            tracing::info!(
                secs = self.times.ready_delay.as_secs(),
                "stopping: /ready says 503, and new connections are served until the drain begins"
            );
        }
        None
    }

    /// Looks whether it was asked for again, and brings the next deadline forward for it.
    fn listen(&mut self, now: Time) {
        while self.heard < self.stopper.count() {
            self.heard += 1;
            match (self.drain_at, &mut self.drain_until) {
                (None, _) => self.drain_at = Some(now + self.left_of(self.times.ready_delay)),
                (Some(_), None) => self.drain_at = Some(now),
                (_, Some(until)) => *until = (*until).min(now),
            }
        }
    }

    /// The rest of a span that began when the stop was asked for.
    fn left_of(&self, span: Duration) -> Duration {
        span.saturating_sub(self.stopper.age())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_ms(1 << 40);

    fn stop(ready_delay: u64, drain: u64) -> (mio::Poll, StopProgress) {
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let secs = Duration::from_secs;
        let times = StopTimes { ready_delay: secs(ready_delay), drain: secs(drain) };
        (poll, StopProgress::new(Stopper::new(waker), times))
    }

    #[test]
    fn each_further_call_ends_the_step_under_way() {
        let (_poll, mut stop) = stop(100, 200);
        stop.listen(NOW);
        assert!(!stop.is_asked() && stop.next_due().is_none());
        stop.stopper.stop();
        stop.listen(NOW);
        let delay = stop.next_due().unwrap().since(NOW);
        assert!(stop.is_asked() && delay > Duration::from_secs(99) && delay <= Duration::from_secs(100));
        stop.stopper.stop();
        stop.listen(NOW);
        assert_eq!(stop.next_due(), Some(NOW));
        stop.drain_until = Some(NOW + Duration::from_secs(200));
        assert!(!stop.is_over(NOW));
        stop.stopper.stop();
        stop.listen(NOW);
        assert!(stop.is_over(NOW));
    }

    #[test]
    fn a_reactor_that_hears_of_it_late_ends_no_later() {
        let (_poll, mut stop) = stop(3, 5);
        let asked = Instant::now().checked_sub(Duration::from_secs(9)).unwrap();
        stop.stopper.asked.first_at.set(asked).unwrap();
        stop.stopper.stop();
        stop.listen(NOW);
        assert_eq!(stop.next_due(), Some(NOW), "the delay is over");
        assert_eq!(stop.left_of(stop.times.ready_delay + stop.times.drain), Duration::ZERO);
        assert!(stop.store_flush() <= Duration::from_millis(500), "9 of 10 s are over");
    }
}

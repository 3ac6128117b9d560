//! How long frames take for clients that look about every 20 ms. Reported, never judged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use relay_tests::harness::{Role, Talk};

/// The times seen before the faults begin, and during them.
#[derive(Default)]
pub struct Latencies {
    calm: Mutex<Vec<Duration>>,
    faulty: Mutex<Vec<Duration>>,
}

/// The frame of each end of a pair that is being timed.
#[derive(Default)]
pub struct Watch {
    /// The number up to which the other end must have heard, since when, and how many links had ended by
    /// then.
    due: [Option<(u64, Instant, u64)>; 2],
}

impl Latencies {
    /// A line for each time.
    pub fn print(&self) {
        for (name, seen) in [("without faults", &self.calm), ("with faults", &self.faulty)] {
            print(name, seen.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
    }
}

/// A line of what was seen.
pub fn print(name: &str, mut seen: Vec<Duration>) {
    seen.sort_unstable();
    let at = |share: usize| seen.get((seen.len() * share / 1000).min(seen.len().saturating_sub(1)));
    let [p50, p99, most] = [at(500), at(990), seen.last()].map(|time| time.map_or(0, Duration::as_millis));
    println!("{name}: {} frames timed, p50 {p50} ms, p99 {p99} ms, most {most} ms", seen.len());
}

impl Watch {
    /// Times the next frame of each end that has nothing in flight. Call it before the ends send.
    pub fn aim(&mut self, talk: &Talk) {
        let ended = ended(talk);
        for (role, due) in Role::BOTH.into_iter().zip(&mut self.due) {
            let is_idle = due.is_none() && talk.sent(role) == talk.heard_to(role.other());
            if is_idle && talk.is_linked() {
                *due = Some((talk.sent(role) + 1, Instant::now(), ended));
            }
        }
    }

    /// Checks whether the timed frames have arrived. Call it after the ends have heard.
    pub fn look(&mut self, talk: &Talk, has_faults: bool, latencies: &Latencies) {
        for (role, due) in Role::BOTH.into_iter().zip(&mut self.due) {
            // A frame that was in flight when a link ended may never arrive.
            *due = due.filter(|&(.., ended_before)| talk.is_linked() && ended_before == ended(talk));
            if let Some((number, since, _)) = *due
                && talk.heard_to(role.other()) >= number
            {
                let seen = if has_faults { &latencies.faulty } else { &latencies.calm };
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(since.elapsed());
                *due = None;
            }
        }
    }
}

fn ended(talk: &Talk) -> u64 {
    Role::BOTH.iter().map(|&role| talk.told_left(role)).sum()
}

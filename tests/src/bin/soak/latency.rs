//! How long frames take, as clients see it that look about every twenty milliseconds: reported, never judged.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use relay_tests::harness::{Role, Talk};

/// What was seen, before faults begin and with them.
#[derive(Default)]
pub struct Latencies {
    calm: Mutex<Vec<Duration>>,
    faulty: Mutex<Vec<Duration>>,
}

/// One frame of each end of a pair that is being waited for.
#[derive(Default)]
pub struct Watch {
    /// The number that the other end must have heard to, since when, and how many links had ended by then.
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
    /// Aims at the next frame of each end that has nothing under way. Call before the ends send.
    pub fn aim(&mut self, talk: &Talk) {
        let ended = ended(talk);
        for (role, due) in Role::BOTH.into_iter().zip(&mut self.due) {
            let is_idle = due.is_none() && talk.sent(role) == talk.heard_to(role.other());
            if is_idle && talk.is_linked() {
                *due = Some((talk.sent(role) + 1, Instant::now(), ended));
            }
        }
    }

    /// Looks whether what was aimed at has come. Call after the ends have heard.
    pub fn look(&mut self, talk: &Talk, has_faults: bool, latencies: &Latencies) {
        for (role, due) in Role::BOTH.into_iter().zip(&mut self.due) {
            // What was under way when a link ended may never come.
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

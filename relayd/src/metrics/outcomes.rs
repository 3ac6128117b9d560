//! How hellos and registers ended, and how long turns, writes and Redis take.

use protocol::close::CloseCode;
use relayd_core::store::Registered;

use super::Metrics;
use super::histogram::Histogram;
use super::page::{COUNTER, Page};

/// The histograms.
#[derive(Clone, Debug)]
pub struct Histograms {
    /// From the end of a poll to the next one.
    pub turns: Histogram,
    /// Bytes that one socket took at once.
    pub writes: Histogram,
    /// From a batch of requests to its answers.
    pub round_trips: Histogram,
}

impl Default for Histograms {
    fn default() -> Self {
        Histograms {
            turns: Histogram::of_turns(),
            writes: Histogram::of_writes(),
            round_trips: Histogram::of_round_trips(),
        }
    }
}

/// What became of hellos and registers.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    joined: u64,
    /// By the code that the connection was closed with, in the order of [`CloseCode::ALL`].
    hellos_refused: [u64; CloseCode::ALL.len()],
    registers: [u64; REGISTER_OUTCOMES.len()],
}

/// In the order in which [`Metrics::count_register`] counts.
const REGISTER_OUTCOMES: [&str; 6] = ["made", "exists", "deleted", "full", "away", "limited"];

impl Metrics {
    /// A hello was answered: its connection holds a role, or is closed with this code.
    pub fn count_hello(&mut self, outcome: Result<(), CloseCode>) {
        match outcome {
            Ok(()) => self.outcomes.joined += 1,
            Err(code) => {
                let place = CloseCode::ALL.iter().position(|known| *known == code);
                place.into_iter().for_each(|place| self.outcomes.hellos_refused[place] += 1);
            }
        }
    }

    /// A register was answered. `None`: a limit refused it before the store was asked.
    pub fn count_register(&mut self, outcome: Option<Registered>) {
        let place = match outcome {
            Some(Registered::Made) => 0,
            Some(Registered::Exists) => 1,
            Some(Registered::WasDeleted) => 2,
            Some(Registered::Full) => 3,
            Some(Registered::Away) => 4,
            None => 5,
        };
        self.outcomes.registers[place] += 1;
    }

    pub(super) fn write_outcomes(&self, page: &mut Page<'_>) {
        let Outcomes { joined, hellos_refused, registers } = &self.outcomes;
        page.family(
            "relay_hellos_total",
            COUNTER,
            "Hellos, by what became of them: joined, or the word of the close code.",
        );
        page.labelled("outcome", [("joined", *joined)]);
        page.labelled("outcome", CloseCode::ALL.map(CloseCode::name).into_iter().zip(*hellos_refused));
        page.family("relay_register_answers_total", COUNTER, "Registers, by how they were answered.");
        page.labelled("outcome", REGISTER_OUTCOMES.into_iter().zip(*registers));
        let Histograms { turns, writes, round_trips } = &self.histograms;
        page.histogram("relay_turn_seconds", "Work between two polls, in seconds.", turns, NANOS_PER_SEC);
        page.histogram("relay_write_bytes", "Bytes that a socket took at once.", writes, 1.0);
        page.histogram(
            "relay_redis_seconds",
            "From a batch of requests to Redis to its answers, in seconds.",
            round_trips,
            NANOS_PER_SEC,
        );
    }
}

const NANOS_PER_SEC: f64 = 1e9;

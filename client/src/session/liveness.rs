//! Whether a connection still stands: heartbeats, silence, and what a sleep or another network does to it.

use std::time::{Duration, Instant};

use protocol::message::HEARTBEAT;

use super::{Action, Session, State};
use crate::event::Lost;

/// No shorter silence is taken for death: a sender that the relay pauses gets no answers, and the relay bears with a
/// peer that reads nothing for two minutes.
const SILENCE_MIN: Duration = Duration::from_secs(130);

/// A heartbeat that asks whether the connection still stands must be answered in this time.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// The clocks of a connection that the relay accepted. `since <= heard_at`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) since: Instant,
    pub(super) heard_at: Instant,
    pub(super) heartbeat_at: Instant,
    /// A probe went out and nothing was heard since.
    pub(super) answer_by: Option<Instant>,
}

impl Session {
    pub(super) fn on_heard(&mut self, now: Instant) {
        if let State::Waiting(live) | State::Linked(live) = &mut self.state {
            live.heard_at = now;
            live.answer_by = None;
        }
    }

    pub(super) fn on_woke(&mut self, slept: Duration, now: Instant) {
        // The relay gives up a client that was silent for three intervals, and a connect that slept has no better chance.
        let is_on_its_way = !matches!(self.state, State::Backoff { .. } | State::Closing { .. });
        if slept >= self.heartbeat * 3 && is_on_its_way {
            self.backoff.reset();
            self.on_lost(Lost::Slept(slept), false, now);
        } else {
            self.check_connection(now);
        }
    }

    pub(super) fn on_foreground(&mut self, shown: bool, now: Instant) {
        self.hidden = !shown;
        // It may have gone and come back between two turns, so what was known before does not matter.
        if shown {
            self.check_connection(now);
        }
    }

    /// Something changed under the connection: make sure of it, or have one soon.
    pub(super) fn check_connection(&mut self, now: Instant) {
        match &mut self.state {
            State::Waiting(live) | State::Linked(live) => {
                live.heartbeat_at = now + self.heartbeat;
                live.answer_by.get_or_insert(now + PROBE_MAX);
                self.actions.push_back(Action::Send(HEARTBEAT.to_owned()));
            }
            State::Backoff { until, not_before } => {
                self.backoff.reset();
                *until = (*until).min((*not_before).max(now + self.backoff.next_delay(false)));
            }
            // What was begun on a network that is gone must not hold up what comes after it.
            State::Connecting { give_up_at } | State::ExpectHelloAck { give_up_at } => {
                self.backoff.reset();
                *give_up_at = (*give_up_at).min(now + PROBE_MAX);
            }
            State::Gone { .. } | State::Closing { .. } | State::Stopped => {}
        }
    }

    pub(super) fn keep_alive(&mut self, live: Live, now: Instant) {
        let silence_max = self.silence_max();
        if live.answer_by.is_some_and(|answer_by| now >= answer_by) {
            return self.on_lost(Lost::Silent(PROBE_MAX), false, now);
        }
        if now >= live.heard_at + silence_max {
            return self.on_lost(Lost::Silent(silence_max), false, now);
        }
        if now < live.heartbeat_at {
            return;
        }
        if let State::Waiting(live) | State::Linked(live) = &mut self.state {
            live.heartbeat_at = now + self.heartbeat;
        }
        self.actions.push_back(Action::Send(HEARTBEAT.to_owned()));
    }

    pub(super) fn silence_max(&self) -> Duration {
        (self.heartbeat * 3).max(SILENCE_MIN)
    }
}

//! Whether a connection is still alive: heartbeats, silence, and the effects of a sleep or a change of
//! network.
//!
//! Heard is any byte. A relay that pings a connection which it does not read (`pausedPing`) is never silent
//! for long, so of such a relay silence is death: for an interval and 15 s, or for 15 s while something is
//! unanswered. It is not while the kernel's send queue shrinks: a large message on a slow line is not a dead
//! path.

use std::time::{Duration, Instant};

use protocol::ids::Role;
use protocol::message::HEARTBEAT;

use super::{Action, Patience, Session, SessionState};
use crate::event::Lost;

/// Of a relay that leaves a paused sender without a word: it bears with a peer that reads nothing for two
/// minutes.
const SILENCE_OLDER_MIN: Duration = Duration::from_secs(130);
/// Silence of this length ends a connection on which something is unanswered.
const UNANSWERED_MAX: Duration = Duration::from_secs(15);
/// An answer has at least this time, however long the silence before the question was.
const ANSWER_MIN: Duration = Duration::from_secs(8);
/// No message came for this long since something was sent: a heartbeat asks, as frames are not answered by
/// the relay.
const ASK_AFTER: Duration = Duration::from_secs(3);
/// A workstation asks this often: a phone may come any time, and finds it only if its path is alive.
const DESK_ASKS_EVERY: Duration = Duration::from_secs(10);
/// The send queue is looked at this often while something is unanswered.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A heartbeat that asks whether the connection is alive must be answered in this time.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// Where the relay does not say how often it wants a heartbeat.
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(30);

/// The times in the relay's `hello-ack`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How often the relay wants a heartbeat.
    interval: Duration,
    /// How often one is sent.
    asks_every: Duration,
    /// The relay pings a connection that it does not read.
    pings_paused: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { interval: HEARTBEAT_DEFAULT, asks_every: HEARTBEAT_DEFAULT, pings_paused: false }
    }
}

impl Pace {
    pub(super) fn new(role: Role, heartbeat_secs: Option<u64>, pings_paused: bool) -> Self {
        // An interval of 0 would spin, and one of years would overflow the clock.
        let interval =
            heartbeat_secs.map_or(HEARTBEAT_DEFAULT, |secs| Duration::from_secs(secs.clamp(1, 86_400)));
        let is_desk = pings_paused && role == Role::Workstation;
        let asks_every = if is_desk { interval.min(DESK_ASKS_EVERY) } else { interval };
        Pace { interval, asks_every, pings_paused }
    }

    /// No longer silence is borne, whatever was sent.
    fn silence_max(self) -> Duration {
        if self.pings_paused {
            self.interval + UNANSWERED_MAX
        } else {
            (self.interval * 3).max(SILENCE_OLDER_MIN)
        }
    }

    /// After a sleep of this length the relay has closed the connection.
    fn sleep_max(self) -> Duration {
        let three = self.interval * 3;
        if self.pings_paused { three.min(self.interval + UNANSWERED_MAX) } else { three }
    }
}

/// The clocks of a connection that the relay accepted. `since <= heard_at`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) since: Instant,
    /// The app got further over it.
    pub(super) was_of_use: bool,
    heard_at: Instant,
    heartbeat_at: Instant,
    /// A probe went out and nothing was heard since.
    answer_by: Option<Instant>,
    /// Something went out and no message came since.
    unanswered: Option<Unanswered>,
}

/// The state of bytes that were sent and not answered.
#[derive(Debug, Clone, Copy)]
struct Unanswered {
    since: Instant,
    /// A heartbeat was among them.
    asked_at: Option<Instant>,
    look_at: Instant,
    /// How much had left the send queue at the last look.
    delivered: Option<u64>,
    /// When that was last more than at the look before.
    moved_at: Option<Instant>,
}

impl Live {
    pub(super) fn new(pace: Pace, now: Instant) -> Self {
        let heartbeat_at = now + pace.asks_every;
        Live { since: now, was_of_use: false, heard_at: now, heartbeat_at, answer_by: None, unanswered: None }
    }

    /// When `Tick` is due.
    pub(super) fn due_at(&self, pace: Pace) -> Instant {
        let of_question = self.unanswered.filter(|_| pace.pings_paused).map(|unanswered| {
            let asks_at = unanswered.asks_at().unwrap_or(unanswered.look_at);
            asks_at.min(unanswered.look_at)
        });
        let due_at = self.heartbeat_at.min(self.dead_at(pace));
        [self.answer_by, of_question].into_iter().flatten().fold(due_at, Instant::min)
    }

    /// When the silence has lasted too long.
    fn dead_at(&self, pace: Pace) -> Instant {
        let moved_at = self.unanswered.and_then(|unanswered| unanswered.moved_at);
        let quiet_since = moved_at.map_or(self.heard_at, |moved_at| moved_at.max(self.heard_at));
        let asked_at = self.unanswered.and_then(|unanswered| unanswered.asked_at);
        let dead_at = quiet_since + pace.silence_max();
        match asked_at.filter(|_| pace.pings_paused) {
            Some(asked_at) => dead_at.min((quiet_since + UNANSWERED_MAX).max(asked_at + ANSWER_MIN)),
            None => dead_at,
        }
    }

    fn note_sent(&mut self, now: Instant) -> &mut Unanswered {
        self.unanswered.get_or_insert(Unanswered {
            since: now,
            asked_at: None,
            look_at: now + LOOK_EVERY,
            delivered: None,
            moved_at: None,
        })
    }

    fn note_asked(&mut self, pace: Pace, now: Instant) {
        self.heartbeat_at = now + pace.asks_every;
        self.note_sent(now).asked_at.get_or_insert(now);
    }
}

impl Unanswered {
    /// When a heartbeat shall ask, if none has.
    fn asks_at(&self) -> Option<Instant> {
        self.asked_at.is_none().then(|| self.since + ASK_AFTER)
    }
}

impl Session {
    fn live(&mut self) -> Option<&mut Live> {
        match &mut self.state {
            SessionState::Waiting(live) | SessionState::Linked(live) => Some(live),
            _ => None,
        }
    }

    pub(super) fn on_heard(&mut self, now: Instant) {
        if let Some(live) = self.live() {
            live.heard_at = now;
            live.answer_by = None;
        }
    }

    /// A message came: the relay, or the peer behind it, makes progress. A ping alone says less:
    /// it may come from a relay that hears nothing, and pings for that reason.
    pub(super) fn note_answered(&mut self) {
        if let Some(live) = self.live() {
            live.unanswered = None;
        }
    }

    pub(super) fn on_progress(&mut self) {
        if let Some(live) = self.live() {
            live.was_of_use = true;
        }
    }

    pub(super) fn on_sent(&mut self, now: Instant) {
        if let Some(live) = self.live() {
            live.note_sent(now);
        }
    }

    pub(super) fn on_delivered(&mut self, bytes: u64, now: Instant) {
        let Some(unanswered) = self.live().and_then(|live| live.unanswered.as_mut()) else { return };
        // The first look only gives the starting value.
        if unanswered.delivered.is_some_and(|before| bytes > before) {
            unanswered.moved_at = Some(now);
        }
        unanswered.delivered = Some(bytes);
    }

    pub(super) fn on_woke(&mut self, slept: Duration, now: Instant) {
        // The relay gives up a client that was silent for this long, and a connect that slept has no better
        // chance.
        let is_on_its_way =
            !matches!(self.state, SessionState::Backoff { .. } | SessionState::Closing { .. });
        if slept >= self.pace.sleep_max() && is_on_its_way {
            self.backoff.reset();
            self.on_lost(Lost::Slept(slept), Patience::None, now);
        } else {
            self.check_connection(now);
        }
    }

    pub(super) fn on_foreground(&mut self, shown: bool, now: Instant) {
        self.hidden = !shown;
        // It may have gone and come back between two turns, so the former state does not matter.
        if shown {
            self.check_connection(now);
        }
    }

    /// Something changed under the connection: make sure of it, or have one soon.
    pub(super) fn check_connection(&mut self, now: Instant) {
        match &mut self.state {
            SessionState::Waiting(live) | SessionState::Linked(live) => {
                live.note_asked(self.pace, now);
                live.answer_by.get_or_insert(now + PROBE_MAX);
                self.actions.push_back(Action::Send(HEARTBEAT.to_owned()));
            }
            // An attempt begun on a network that is gone must not delay the next one.
            SessionState::Connecting { give_up_at } | SessionState::ExpectHelloAck { give_up_at } => {
                self.backoff.reset();
                *give_up_at = (*give_up_at).min(now + PROBE_MAX);
            }
            SessionState::Backoff { .. } => self.retry_now(now),
            SessionState::Gone { .. } | SessionState::Closing { .. } | SessionState::Stopped => {}
        }
    }

    /// Ends a wait between two tries.
    pub(super) fn retry_now(&mut self, now: Instant) {
        if let SessionState::Backoff { until, not_before } = &mut self.state {
            self.backoff.reset();
            *until = (*until).min((*not_before).max(now + self.backoff.next_delay(false)));
        }
    }

    pub(super) fn keep_alive(&mut self, mut live: Live, now: Instant) {
        if live.answer_by.is_some_and(|answer_by| now >= answer_by) {
            return self.on_lost(Lost::Silent(PROBE_MAX), Patience::None, now);
        }
        if now >= live.dead_at(self.pace) {
            let silence = now.duration_since(live.heard_at);
            return self.on_lost(Lost::Silent(silence), Patience::None, now);
        }
        let mut asks = now >= live.heartbeat_at;
        if let Some(unanswered) = live.unanswered.as_mut().filter(|_| self.pace.pings_paused) {
            asks |= unanswered.asks_at().is_some_and(|asks_at| now >= asks_at);
            if now >= unanswered.look_at {
                unanswered.look_at = now + LOOK_EVERY;
                self.actions.push_back(Action::Look);
            }
        }
        if asks {
            live.note_asked(self.pace, now);
            self.actions.push_back(Action::Send(HEARTBEAT.to_owned()));
        }
        if let Some(kept) = self.live() {
            *kept = live;
        }
    }
}

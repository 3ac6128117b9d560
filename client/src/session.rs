//! The session machine: one client's life from the first connect to the last, without sockets, threads or a clock.
//!
//! It owns what is decided: when to connect, what to say, when to give a connection up, when to stop. It must never
//! hold a socket, a payload queue or the time; the driver has those. After each [`Session::handle`], drain
//! [`Session::poll_action`] before the next.

mod backoff;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::close::CloseCode;
use protocol::ids::{Role, SessionId, Token};
use protocol::message::{Frame, HEARTBEAT, Hello, InstanceClaim, KillReason, ServerMessage};
use tungstenite::Bytes;

use crate::event::{Event, Lost, Stop};
use backoff::Backoff;
use verdict::{Verdict, verdict};

/// TCP, TLS and the upgrade must be done in this time.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(6);
/// The hello must be answered in this time; the relay itself waits that long for its store.
const HELLO_MAX: Duration = Duration::from_secs(10);
/// Writing what was accepted and the closing handshake must be done in this time.
const CLOSE_MAX: Duration = Duration::from_secs(10);
/// Where the relay does not say how often it wants a heartbeat.
const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(30);
/// No shorter silence is taken for death: a sender that the relay pauses gets no answers, and the relay bears with a
/// peer that reads nothing for two minutes.
const SILENCE_MIN: Duration = Duration::from_secs(130);
/// A connection that lived this long was stable: the next retry comes at once.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// A heartbeat that asks whether the connection still stands must be answered in this time.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// Who this client is to the relay, the same in every hello.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) session: SessionId,
    pub(crate) token: Token,
    pub(crate) role: Role,
    /// 64 random bits of this client instance: the relay tells its stragglers from a rival by it.
    pub(crate) instance: u64,
}

/// All that may enter the machine. An input that does not fit the state is ignored.
#[derive(Debug)]
pub(crate) enum Input {
    /// The WebSocket stands.
    Connected,
    /// The relay sent this text.
    Message(ServerMessage),
    /// The relay sent a bare binary message (raw mode).
    Binary(Bytes),
    /// Bytes came, or nobody listened for them.
    Heard,
    /// The relay's close frame came.
    Closed(Option<u16>),
    /// The connection broke or never came about.
    Lost(Lost),
    /// What is at the other end can't be talked to, now or later.
    Impossible(Stop),
    /// What the app made of the frames shows that they were damaged on their way.
    Spoilt(String),
    /// The machine slept for so long, and with it every timer.
    Woke(Duration),
    /// The network under the connection is another one.
    NetworkChanged,
    /// The app went out of sight (`false`) or came back into it.
    Foreground(bool),
    /// Go over to this session. Also an answer to `SessionGone`.
    Move { session: SessionId, token: Token },
    /// An answer to `SessionGone`: it is there again.
    Registered,
    /// An answer to `SessionGone`: it is not there yet, but may come.
    NotRegistered,
    /// The app wants to end.
    Close,
    /// Time went on.
    Tick,
}

/// All that may leave the machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Begin a connect. Answer with `Connected`, `Lost` or `Impossible`.
    Connect,
    /// Send this control text.
    Send(String),
    /// The link stands: accept frames for it, then tell the app.
    Link { missed: u64, message_bytes_max: Option<u64> },
    /// The link ended: drop frames not yet written and tell the app how many.
    Unlink,
    /// Tell the app.
    Tell(Event),
    /// Give this bare binary message to the app.
    Deliver(Bytes),
    /// Write what was accepted, then close with 1000.
    CloseWhenWritten,
    /// Drop the connection, or the connect, without a word.
    Disconnect,
    /// The relay has no such session (any more). Answer with `Move`, `Registered`, `NotRegistered` or
    /// `Impossible(Stop)`.
    SessionGone(Stop),
    /// The end: drop what was not written, tell the app, drive no more.
    Stop(Stop),
}

/// One client's session. See the module.
#[derive(Debug)]
pub(crate) struct Session {
    identity: Identity,
    /// How many connects were begun; `n` of the hello, so it only rises.
    attempts: u64,
    state: State,
    heartbeat: Duration,
    message_bytes_max: Option<u64>,
    /// What the relay's `error` said before the close that follows.
    refusal: Option<String>,
    /// `replaced` said that the newer holder is this very client.
    replaced_by_own: bool,
    /// Nobody looks at the app, so no connection is begun.
    hidden: bool,
    backoff: Backoff,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum State {
    Connecting {
        give_up_at: Instant,
    },
    ExpectHelloAck {
        give_up_at: Instant,
    },
    Waiting(Live),
    Linked(Live),
    Backoff {
        until: Instant,
    },
    /// The app finds out whether there is a session to go on in; if not, the end of the link is not worth a word.
    Gone {
        linked: bool,
    },
    Closing {
        give_up_at: Instant,
        linked: bool,
    },
    Stopped,
}

/// The clocks of a connection that the relay accepted. `since <= heard_at`.
#[derive(Debug, Clone, Copy)]
struct Live {
    since: Instant,
    heard_at: Instant,
    heartbeat_at: Instant,
    /// A probe went out and nothing was heard since.
    answer_by: Option<Instant>,
}

impl Session {
    /// The session that connects go to.
    pub(crate) fn id(&self) -> SessionId {
        self.identity.session
    }

    /// Begins with a connect. `seed` feeds the jitter of the retries.
    pub(crate) fn new(identity: Identity, seed: u64, now: Instant) -> Self {
        let mut session = Session {
            identity,
            attempts: 0,
            state: State::Stopped,
            heartbeat: HEARTBEAT_DEFAULT,
            message_bytes_max: None,
            refusal: None,
            replaced_by_own: false,
            hidden: false,
            backoff: Backoff::new(seed),
            actions: VecDeque::new(),
        };
        session.connect(now);
        session
    }

    /// Takes one input at the time `now`, which never runs backwards.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Connected => self.on_connected(now),
            Input::Message(message) => self.on_message(message, now),
            Input::Binary(bytes) => self.on_binary(bytes),
            Input::Heard => self.on_heard(now),
            Input::Closed(code) => self.on_closed(code, now),
            Input::Lost(why) => self.on_lost(why, false, now),
            Input::Impossible(why) => self.stop(why),
            Input::Spoilt(what) => self.on_lost(Lost::Spoilt(what), false, now),
            Input::Woke(slept) => self.on_woke(slept, now),
            Input::NetworkChanged => self.check_connection(now),
            Input::Foreground(shown) => self.on_foreground(shown, now),
            Input::Move { session, token } => self.on_move(session, token, now),
            Input::Registered => self.on_registered(now),
            Input::NotRegistered => self.on_not_registered(now),
            Input::Close => self.on_close_wanted(now),
            Input::Tick => self.on_tick(now),
        }
    }

    /// The next thing to do, in order, or `None` when the last input is worked off.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When `Tick` is due at the latest; `None` once stopped.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Connecting { give_up_at }
            | State::ExpectHelloAck { give_up_at }
            | State::Closing { give_up_at, .. } => Some(*give_up_at),
            State::Waiting(live) | State::Linked(live) => {
                let due_at = live.heartbeat_at.min(live.heard_at + self.silence_max());
                Some(live.answer_by.map_or(due_at, |answer_by| answer_by.min(due_at)))
            }
            State::Backoff { until } => Some(*until).filter(|_| !self.hidden),
            State::Gone { .. } | State::Stopped => None,
        }
    }

    /// Begins a connect, or as soon as somebody looks at the app.
    fn connect(&mut self, now: Instant) {
        if self.hidden {
            self.state = State::Backoff { until: now };
            return;
        }
        self.attempts += 1;
        self.state = State::Connecting { give_up_at: now + CONNECT_MAX };
        self.refusal = None;
        self.replaced_by_own = false;
        self.actions.push_back(Action::Connect);
    }

    fn on_connected(&mut self, now: Instant) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        let Identity { session, token, role, instance } = &self.identity;
        let claim = InstanceClaim { instance: *instance, attempt: self.attempts };
        self.actions.push_back(Action::Send(Hello::to_json(*session, token, *role, Some(claim))));
        self.state = State::ExpectHelloAck { give_up_at: now + HELLO_MAX };
    }

    fn on_message(&mut self, message: ServerMessage, now: Instant) {
        match message {
            ServerMessage::HelloAck { peer, heartbeat_secs, message_bytes_max, .. } => {
                self.message_bytes_max = message_bytes_max;
                self.on_hello_ack(peer, heartbeat_secs, now);
            }
            ServerMessage::PeerJoined { role, missed } if role == self.identity.role.other() => {
                self.on_joined(missed);
            }
            ServerMessage::PeerLeft { role } if role == self.identity.role.other() => self.on_left(),
            ServerMessage::Frame(Frame::Text(text)) => self.on_frame(Event::Text(text)),
            ServerMessage::Frame(Frame::Binary(bytes)) => self.on_frame(Event::Binary(bytes)),
            ServerMessage::SessionKilled { reason } => self.on_killed(reason),
            ServerMessage::Error { message, .. } => self.refusal = Some(message),
            ServerMessage::Replaced { same } => self.replaced_by_own = same,
            // The close that follows `going-away` says it all; `peer-joined` counts what was dropped in an absence.
            ServerMessage::GoingAway | ServerMessage::PeerAbsent | ServerMessage::HbAck => {}
            ServerMessage::PeerJoined { .. } | ServerMessage::PeerLeft { .. } | ServerMessage::Unknown(_) => {
            }
        }
    }

    fn on_hello_ack(&mut self, peer: bool, heartbeat_secs: Option<u64>, now: Instant) {
        if !matches!(self.state, State::ExpectHelloAck { .. }) {
            return;
        }
        // An interval of 0 would spin, and one of years would overflow the clock.
        self.heartbeat =
            heartbeat_secs.map_or(HEARTBEAT_DEFAULT, |secs| Duration::from_secs(secs.clamp(1, 86_400)));
        let live = Live { since: now, heard_at: now, heartbeat_at: now + self.heartbeat, answer_by: None };
        self.state = State::Waiting(live);
        self.actions.push_back(Action::Tell(Event::Connected));
        if peer {
            self.on_joined(0);
        }
    }

    /// A second `peer-joined` for a link that stands says nothing new and is ignored.
    fn on_joined(&mut self, missed: u64) {
        let State::Waiting(live) = self.state else { return };
        self.state = State::Linked(live);
        self.actions.push_back(Action::Link { missed, message_bytes_max: self.message_bytes_max });
    }

    fn on_left(&mut self) {
        match &mut self.state {
            State::Linked(live) => self.state = State::Waiting(*live),
            State::Closing { linked: linked @ true, .. } => *linked = false,
            _ => return,
        }
        self.actions.push_back(Action::Unlink);
    }

    fn on_frame(&mut self, event: Event) {
        if self.is_linked() {
            self.actions.push_back(Action::Tell(event));
        }
    }

    fn on_binary(&mut self, bytes: Bytes) {
        if self.is_linked() {
            self.actions.push_back(Action::Deliver(bytes));
        }
    }

    fn is_linked(&self) -> bool {
        matches!(self.state, State::Linked(_) | State::Closing { linked: true, .. })
    }

    fn on_heard(&mut self, now: Instant) {
        if let State::Waiting(live) | State::Linked(live) = &mut self.state {
            live.heard_at = now;
            live.answer_by = None;
        }
    }

    fn on_killed(&mut self, reason: Option<KillReason>) {
        self.on_gone(Stop::Killed { reason });
    }

    fn on_closed(&mut self, code: Option<u16>, now: Instant) {
        match verdict(code, self.replaced_by_own) {
            Verdict::Again => self.on_lost(Lost::Closed(code), false, now),
            Verdict::AgainLater => self.on_lost(Lost::Closed(code), true, now),
            Verdict::Replaced => self.stop(Stop::Replaced),
            Verdict::Killed => self.on_gone(Stop::Killed { reason: None }),
            Verdict::Unknown => {
                let why = self.refused(code);
                self.on_gone(why);
            }
            Verdict::Refused => {
                let why = self.refused(code);
                self.stop(why);
            }
        }
    }

    fn refused(&mut self, code: Option<u16>) -> Stop {
        let code = code.unwrap_or_default();
        let meaning = || CloseCode::parse(code).map_or("", CloseCode::reason).to_owned();
        Stop::Refused { code, message: self.refusal.take().unwrap_or_else(meaning) }
    }

    /// There is no such session: whether there is another one, or this one again, is the app's to say.
    fn on_gone(&mut self, why: Stop) {
        let linked = match self.state {
            State::Closing { .. } => return self.stop(why),
            State::Backoff { .. } | State::Gone { .. } | State::Stopped => return,
            State::Connecting { .. } | State::ExpectHelloAck { .. } | State::Waiting(_) => false,
            State::Linked(_) => true,
        };
        self.state = State::Gone { linked };
        self.actions.push_back(Action::Disconnect);
        self.actions.push_back(Action::SessionGone(why));
    }

    fn on_registered(&mut self, now: Instant) {
        if let State::Gone { linked } = self.state {
            self.unlink_if(linked);
            self.connect(now);
        }
    }

    fn on_not_registered(&mut self, now: Instant) {
        if let State::Gone { linked } = self.state {
            self.unlink_if(linked);
            self.retry(Lost::SessionUnknown, true, now);
        }
    }

    fn on_move(&mut self, session: SessionId, token: Token, now: Instant) {
        (self.identity.session, self.identity.token) = (session, token);
        match self.state {
            State::Closing { .. } => return self.stop(Stop::Closed),
            State::Stopped => return,
            State::Gone { linked } => self.unlink_if(linked),
            State::Linked(_) => self.unlink_if(true),
            _ => {}
        }
        self.actions.push_back(Action::Disconnect);
        self.connect(now);
    }

    fn unlink_if(&mut self, linked: bool) {
        if linked {
            self.actions.push_back(Action::Unlink);
        }
    }

    fn on_lost(&mut self, why: Lost, patient: bool, now: Instant) {
        match self.state {
            State::Closing { .. } => return self.stop(Stop::Closed),
            State::Backoff { .. } | State::Gone { .. } | State::Stopped => return,
            State::Linked(_) => self.actions.push_back(Action::Unlink),
            State::Connecting { .. } | State::ExpectHelloAck { .. } | State::Waiting(_) => {}
        }
        if let State::Waiting(live) | State::Linked(live) = self.state
            && now.duration_since(live.since) >= STABLE_AFTER
        {
            self.backoff.reset();
        }
        self.actions.push_back(Action::Disconnect);
        self.retry(why, patient, now);
    }

    fn retry(&mut self, why: Lost, patient: bool, now: Instant) {
        let after = self.backoff.next_delay(patient);
        self.state = State::Backoff { until: now + after };
        self.actions.push_back(Action::Tell(Event::Reconnecting { after, why }));
    }

    fn on_woke(&mut self, slept: Duration, now: Instant) {
        // The relay gives up a client that was silent for three intervals, and a connect that slept has no better chance.
        let is_on_its_way = !matches!(self.state, State::Backoff { .. } | State::Closing { .. });
        if slept >= self.heartbeat * 3 && is_on_its_way {
            self.backoff.reset();
            self.on_lost(Lost::Slept(slept), false, now);
        } else {
            self.check_connection(now);
        }
    }

    fn on_foreground(&mut self, shown: bool, now: Instant) {
        let was_hidden = std::mem::replace(&mut self.hidden, !shown);
        if was_hidden && shown {
            self.check_connection(now);
        }
    }

    /// Something changed under the connection: make sure of it, or have one soon.
    fn check_connection(&mut self, now: Instant) {
        match &mut self.state {
            State::Waiting(live) | State::Linked(live) => {
                live.heartbeat_at = now + self.heartbeat;
                live.answer_by.get_or_insert(now + PROBE_MAX);
                self.actions.push_back(Action::Send(HEARTBEAT.to_owned()));
            }
            State::Backoff { until } => {
                self.backoff.reset();
                *until = (*until).min(now + self.backoff.next_delay(false));
            }
            // What was begun on a network that is gone must not hold up what comes after it.
            State::Connecting { give_up_at } | State::ExpectHelloAck { give_up_at } => {
                self.backoff.reset();
                *give_up_at = (*give_up_at).min(now + PROBE_MAX);
            }
            State::Gone { .. } | State::Closing { .. } | State::Stopped => {}
        }
    }

    fn on_close_wanted(&mut self, now: Instant) {
        let linked = match self.state {
            State::Connecting { .. } | State::Backoff { .. } | State::Gone { .. } => {
                return self.stop(Stop::Closed);
            }
            State::Closing { .. } | State::Stopped => return,
            State::ExpectHelloAck { .. } | State::Waiting(_) => false,
            State::Linked(_) => true,
        };
        self.state = State::Closing { give_up_at: now + CLOSE_MAX, linked };
        self.actions.push_back(Action::CloseWhenWritten);
    }

    fn on_tick(&mut self, now: Instant) {
        match self.state {
            State::Connecting { give_up_at } if now >= give_up_at => {
                self.on_lost(Lost::ConnectTimedOut(CONNECT_MAX), false, now);
            }
            State::ExpectHelloAck { give_up_at } if now >= give_up_at => {
                self.on_lost(Lost::HelloTimedOut(HELLO_MAX), false, now);
            }
            State::Closing { give_up_at, .. } if now >= give_up_at => self.stop(Stop::Closed),
            State::Backoff { until } if now >= until && !self.hidden => self.connect(now),
            State::Waiting(live) | State::Linked(live) => self.keep_alive(live, now),
            _ => {}
        }
    }

    fn keep_alive(&mut self, live: Live, now: Instant) {
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

    fn silence_max(&self) -> Duration {
        (self.heartbeat * 3).max(SILENCE_MIN)
    }

    fn stop(&mut self, why: Stop) {
        if matches!(self.state, State::Stopped) {
            return;
        }
        // Whatever ends a connection that the app was closing anyway, the app's wish is what happened.
        let why = if matches!(self.state, State::Closing { .. }) { Stop::Closed } else { why };
        self.state = State::Stopped;
        self.actions.push_back(Action::Disconnect);
        self.actions.push_back(Action::Stop(why));
    }
}

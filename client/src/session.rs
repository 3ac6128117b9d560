//! The session machine: one client's life from the first connect to the last, without sockets, threads or a
//! clock.
//!
//! It makes the decisions: when to connect, what to say, when to give a connection up, when to stop. It must
//! never hold a socket, a payload queue or the time; the driver has those. After each [`Session::handle`],
//! drain [`Session::poll_action`] before the next.

mod backoff;
mod liveness;
mod state;
#[cfg(test)]
mod tests;
mod verdict;
mod vocabulary;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::close::CloseCode;
use protocol::ids::{SessionId, Token};
use protocol::message::{Frame, Hello, InstanceClaim, KillReason, ServerMessage, Version};
use tungstenite::Bytes;

use crate::event::{ClientEvent, Lost, Stop};
use backoff::{Backoff, PATIENT_MIN};
use liveness::{Live, Pace};
use state::{Patience, Registered, SessionState};
use verdict::{Verdict, verdict};
pub(crate) use vocabulary::{Action, Identity, Input};

/// TCP, TLS and the upgrade must be done in this time.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(6);
/// The hello must be answered in this time; the relay itself waits that long for its store.
const HELLO_MAX: Duration = Duration::from_secs(10);
/// Writing accepted messages and the closing handshake must be done in this time.
const CLOSE_MAX: Duration = Duration::from_secs(10);
/// The app must have found out about a session that is gone in this time: a request and the name's look-up.
const GONE_MAX: Duration = Duration::from_secs(30);
/// A client that may take its role back gives the other one this much time to be refused and leave.
const RETURN_AFTER: Duration = Duration::from_secs(2);
/// A connection that lived this long was stable: the next retry comes at once.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// One client's session. See the module.
#[derive(Debug)]
pub(crate) struct Session {
    identity: Identity,
    /// How many connects were begun; `n` of the hello, so it only rises.
    attempts: u64,
    state: SessionState,
    pace: Pace,
    message_bytes_max: Option<u64>,
    /// The relay's `error` before the close that follows.
    refusal: Option<String>,
    /// `replaced` said that the newer holder is this very client.
    replaced_by_own: bool,
    /// How often it still comes back after another client took its role.
    returns_left: u32,
    /// The relay has accepted a hello, or the app resumes a pair that was open before: an odd answer is a
    /// passing fault.
    was_accepted: bool,
    registered: Registered,
    /// The app is in the background, so no connection is begun.
    hidden: bool,
    backoff: Backoff,
    actions: VecDeque<Action>,
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
            state: SessionState::Stopped,
            pace: Pace::default(),
            message_bytes_max: None,
            refusal: None,
            replaced_by_own: false,
            returns_left: 0,
            was_accepted: false,
            registered: Registered::No,
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
            Input::Lost(why) => self.on_lost(why, Patience::None, now),
            Input::Impossible(why) => self.stop(why),
            Input::Odd(words) => self.on_odd(words, now),
            Input::Damaged(what) => self.on_lost(Lost::Damaged(what), Patience::None, now),
            Input::WasPaired => self.was_accepted = true,
            Input::Sent => self.on_sent(now),
            Input::Progress => self.on_progress(),
            Input::Delivered(bytes) => self.on_delivered(bytes, now),
            Input::Refused(why) => self.on_lost(why, Patience::Own, now),
            Input::MayReturn(times) => self.returns_left = times,
            Input::Woke(slept) => self.on_woke(slept, now),
            Input::NetworkChanged => self.check_connection(now),
            Input::Foreground(shown) => self.on_foreground(shown, now),
            Input::Move { session, token } => self.on_move(session, token, now),
            Input::Registered => self.on_registered(now),
            Input::NotRegistered(why) => self.on_not_registered(why, now),
            Input::RetryNow => self.retry_now(now),
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
        self.state.due_at(self.pace, self.hidden)
    }

    /// Begins a connect, or as soon as somebody looks at the app.
    fn connect(&mut self, now: Instant) {
        if self.hidden {
            self.state = SessionState::Backoff { until: now, not_before: now };
            return;
        }
        self.attempts += 1;
        self.state = SessionState::Connecting { give_up_at: now + CONNECT_MAX };
        self.refusal = None;
        self.replaced_by_own = false;
        self.actions.push_back(Action::Connect);
    }

    fn on_connected(&mut self, now: Instant) {
        if !matches!(self.state, SessionState::Connecting { .. }) {
            return;
        }
        let Identity { session, token, role, instance } = &self.identity;
        let claim = InstanceClaim { instance: *instance, attempt: self.attempts };
        let hello = Hello::to_json_as(Version::V3, *session, token, *role, Some(claim));
        self.actions.push_back(Action::Send(hello));
        self.state = SessionState::ExpectHelloAck { give_up_at: now + HELLO_MAX };
    }

    fn on_message(&mut self, message: ServerMessage, now: Instant) {
        self.note_answered();
        match message {
            ServerMessage::HelloAck { peer, heartbeat_secs, message_bytes_max, paused_ping_secs, .. } => {
                self.message_bytes_max = message_bytes_max;
                let pace = Pace::new(self.identity.role, heartbeat_secs, paused_ping_secs.is_some());
                self.on_hello_ack(peer, pace, now);
            }
            ServerMessage::PeerJoined { role, missed, message_bytes_max }
                if role == self.identity.role.other() =>
            {
                self.on_joined(missed, message_bytes_max);
            }
            ServerMessage::PeerLeft { role } if role == self.identity.role.other() => self.on_left(),
            ServerMessage::Frame(Frame::Text(text)) => self.on_frame(ClientEvent::Text(text)),
            ServerMessage::Frame(Frame::Binary(bytes)) => self.on_frame(ClientEvent::Binary(bytes)),
            ServerMessage::SessionKilled { reason } => self.on_killed(reason, now),
            ServerMessage::Error { message, .. } => self.refusal = Some(message),
            ServerMessage::Replaced { same } => self.replaced_by_own = same,
            // The close that follows `going-away` says it all; `peer-joined` counts what was dropped in an
            // absence.
            ServerMessage::GoingAway | ServerMessage::PeerAbsent | ServerMessage::HbAck => {}
            ServerMessage::PeerJoined { .. } | ServerMessage::PeerLeft { .. } | ServerMessage::Unknown(_) => {
            }
        }
    }

    fn on_hello_ack(&mut self, peer: bool, pace: Pace, now: Instant) {
        if !matches!(self.state, SessionState::ExpectHelloAck { .. }) {
            return;
        }
        self.pace = pace;
        self.was_accepted = true;
        if self.registered == Registered::Unused {
            self.registered = Registered::Used;
        }
        self.state = SessionState::Waiting(Live::new(pace, now));
        self.actions.push_back(Action::Tell(ClientEvent::Connected));
        if peer {
            self.on_joined(0, None);
        }
    }

    /// A second `peer-joined` for a link that is up says nothing new and is ignored.
    fn on_joined(&mut self, missed: u64, message_bytes_max: Option<u64>) {
        let SessionState::Waiting(live) = self.state else { return };
        self.state = SessionState::Linked(live);
        let message_bytes_max = message_bytes_max.or(self.message_bytes_max);
        self.actions.push_back(Action::Link { missed, message_bytes_max });
    }

    fn on_left(&mut self) {
        match &mut self.state {
            SessionState::Linked(live) => self.state = SessionState::Waiting(*live),
            SessionState::Closing { linked: linked @ true, .. } => *linked = false,
            _ => return,
        }
        self.actions.push_back(Action::Unlink);
    }

    fn on_frame(&mut self, event: ClientEvent) {
        if self.state.is_linked() {
            self.actions.push_back(Action::Tell(event));
        }
    }

    fn on_binary(&mut self, bytes: Bytes) {
        self.note_answered();
        if self.state.is_linked() {
            self.actions.push_back(Action::Deliver(bytes));
        }
    }

    fn on_killed(&mut self, reason: Option<KillReason>, now: Instant) {
        self.on_gone(Stop::Killed { reason }, now);
    }

    fn on_closed(&mut self, code: Option<u16>, now: Instant) {
        match verdict(code, self.replaced_by_own) {
            Verdict::Again => self.on_lost(Lost::Closed(code), Patience::None, now),
            Verdict::AgainLater => self.on_lost(Lost::Closed(code), Patience::Asked, now),
            Verdict::Replaced => self.on_replaced(now),
            Verdict::Killed => self.on_gone(Stop::Killed { reason: None }, now),
            Verdict::Unknown => {
                let why = self.refused(code);
                self.on_gone(why, now);
            }
            Verdict::Refused => {
                let why = self.refused(code);
                self.stop(why);
            }
        }
    }

    fn on_replaced(&mut self, now: Instant) {
        let linked = match self.state {
            SessionState::Connecting { .. }
            | SessionState::ExpectHelloAck { .. }
            | SessionState::Waiting(_) => false,
            SessionState::Linked(_) => true,
            _ => return self.stop(Stop::Replaced),
        };
        let Some(left) = self.returns_left.checked_sub(1) else { return self.stop(Stop::Replaced) };
        self.returns_left = left;
        self.unlink_if(linked);
        self.actions.push_back(Action::Disconnect);
        self.state = SessionState::Backoff { until: now + RETURN_AFTER, not_before: now };
        self.actions
            .push_back(Action::Tell(ClientEvent::Reconnecting { after: RETURN_AFTER, why: Lost::Displaced }));
    }

    fn refused(&mut self, code: Option<u16>) -> Stop {
        let code = code.unwrap_or_default();
        let meaning = || CloseCode::parse(code).map_or("", CloseCode::reason).to_owned();
        Stop::Refused { code, message: self.refusal.take().unwrap_or_else(meaning) }
    }

    /// There is no such session: whether there is another one, or this one again, is the app's to say.
    fn on_gone(&mut self, why: Stop, now: Instant) {
        let linked = match self.state {
            SessionState::Closing { .. } => return self.stop(why),
            SessionState::Backoff { .. } | SessionState::Gone { .. } | SessionState::Stopped => return,
            SessionState::Connecting { .. }
            | SessionState::ExpectHelloAck { .. }
            | SessionState::Waiting(_) => false,
            SessionState::Linked(_) => true,
        };
        self.note_stability(now);
        // Each register passes the back-off: one that was of no use is not made again at once.
        match std::mem::replace(&mut self.registered, Registered::No) {
            Registered::No => {}
            Registered::Unused => return self.on_lost(Lost::RegisteredAndUnknown, Patience::None, now),
            Registered::Used => return self.on_lost(Lost::SessionUnknown, Patience::None, now),
        }
        self.state = SessionState::Gone { linked, give_up_at: now + GONE_MAX };
        self.actions.push_back(Action::Disconnect);
        self.actions.push_back(Action::SessionGone(why));
    }

    fn on_registered(&mut self, now: Instant) {
        if let SessionState::Gone { linked, .. } = self.state {
            self.unlink_if(linked);
            self.registered = Registered::Unused;
            self.connect(now);
        }
    }

    fn on_not_registered(&mut self, why: Lost, now: Instant) {
        if let SessionState::Gone { linked, .. } = self.state {
            self.unlink_if(linked);
            self.retry(why, Patience::Own, now);
        }
    }

    fn on_move(&mut self, session: SessionId, token: Token, now: Instant) {
        (self.identity.session, self.identity.token) = (session, token);
        // The registered session was another one.
        self.registered = Registered::No;
        match self.state {
            SessionState::Closing { .. } => return self.stop(Stop::Closed),
            SessionState::Stopped => return,
            SessionState::Gone { linked, .. } => self.unlink_if(linked),
            SessionState::Linked(_) => self.unlink_if(true),
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

    /// At the first contact another try would be answered the same; later it is a proxy's restart, or a
    /// portal.
    fn on_odd(&mut self, words: String, now: Instant) {
        if self.was_accepted {
            self.on_lost(Lost::Odd(words), Patience::None, now);
        } else {
            self.stop(Stop::NotARelay(words));
        }
    }

    fn on_lost(&mut self, why: Lost, patience: Patience, now: Instant) {
        match self.state {
            SessionState::Closing { .. } => return self.stop(Stop::Closed),
            SessionState::Backoff { .. } | SessionState::Gone { .. } | SessionState::Stopped => return,
            SessionState::Linked(_) => self.actions.push_back(Action::Unlink),
            SessionState::Connecting { .. }
            | SessionState::ExpectHelloAck { .. }
            | SessionState::Waiting(_) => {}
        }
        self.note_stability(now);
        self.actions.push_back(Action::Disconnect);
        self.retry(why, patience, now);
    }

    /// A connection that ends and was stable forgives what went wrong before it. So does one that was of use:
    /// on a line that breaks every second, two clients that wait for longer and longer never meet.
    fn note_stability(&mut self, now: Instant) {
        let (SessionState::Waiting(live) | SessionState::Linked(live)) = self.state else { return };
        let is_stable = now.duration_since(live.since) >= STABLE_AFTER;
        if is_stable || live.was_of_use {
            self.backoff.reset();
        }
        if is_stable {
            self.registered = Registered::No;
        }
    }

    fn retry(&mut self, why: Lost, patience: Patience, now: Instant) {
        let after = self.backoff.next_delay(patience != Patience::None);
        let not_before = if patience == Patience::Asked { now + PATIENT_MIN } else { now };
        self.state = SessionState::Backoff { until: now + after, not_before };
        self.actions.push_back(Action::Tell(ClientEvent::Reconnecting { after, why }));
    }

    fn on_close_wanted(&mut self, now: Instant) {
        let linked = match self.state {
            SessionState::Connecting { .. } | SessionState::Backoff { .. } | SessionState::Gone { .. } => {
                return self.stop(Stop::Closed);
            }
            SessionState::Closing { .. } | SessionState::Stopped => return,
            SessionState::ExpectHelloAck { .. } | SessionState::Waiting(_) => false,
            SessionState::Linked(_) => true,
        };
        self.state = SessionState::Closing { give_up_at: now + CLOSE_MAX, linked };
        self.actions.push_back(Action::CloseWhenWritten);
    }

    fn on_tick(&mut self, now: Instant) {
        match self.state {
            SessionState::Connecting { give_up_at } if now >= give_up_at => {
                self.on_lost(Lost::ConnectTimedOut(CONNECT_MAX), Patience::None, now);
            }
            SessionState::ExpectHelloAck { give_up_at } if now >= give_up_at => {
                self.on_lost(Lost::HelloTimedOut(HELLO_MAX), Patience::None, now);
            }
            SessionState::Gone { give_up_at, .. } if now >= give_up_at => {
                self.on_not_registered(Lost::SessionUnknown, now);
            }
            SessionState::Closing { give_up_at, .. } if now >= give_up_at => self.stop(Stop::Closed),
            SessionState::Backoff { until, .. } if now >= until && !self.hidden => self.connect(now),
            SessionState::Waiting(live) | SessionState::Linked(live) => self.keep_alive(live, now),
            _ => {}
        }
    }

    fn stop(&mut self, why: Stop) {
        if matches!(self.state, SessionState::Stopped) {
            return;
        }
        // Whatever ends a connection that the app was closing anyway, the app's wish is what happened.
        let why = if matches!(self.state, SessionState::Closing { .. }) { Stop::Closed } else { why };
        self.state = SessionState::Stopped;
        self.actions.push_back(Action::Disconnect);
        self.actions.push_back(Action::Stop(why));
    }
}

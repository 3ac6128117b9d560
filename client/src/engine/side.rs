//! The engine on the driver's thread: passes input to the tunnel and carries out its events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use protocol::ids::Role;
use protocol::message::KillReason;
use tungstenite::{Bytes, Message};

use super::chores::{Chore, Registrar};
use super::clock::SleepWatch;
use super::event::{EngineEvent, EngineState};
use super::keeper::{self, Keeper};
use super::shared::{Answered, Forgetting, Shared};
use crate::driver::app::App;
use crate::event::{ClientEvent, Lost, Stop};
use crate::http::HttpError;
use crate::net::endpoint::Endpoint;
use crate::session::Input;
use crate::tunnel::{Credentials, Fault, Tunnel, TunnelEvent};

/// No portable call wakes a process when its machine wakes up, so the clocks are compared this often.
const CLOCK_CHECK_EVERY: Duration = Duration::from_secs(1);

/// A phone that another one displaces while its answer is awaited comes back this many times at most. A
/// person who has seen the code can take its role.
const RETURNS_MAX: u32 = 3;

/// The last thing that the app was told of this link's peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// It is being asked about, or its user is.
    Asked,
    /// The tunnel is open, or was.
    Opened,
    /// It does not speak the tunnel.
    Foreign,
}

/// The driver's half of an engine.
pub(super) struct DriverSide {
    shared: Arc<Shared>,
    keeper: Box<dyn Keeper>,
    registrar: Registrar,
    /// The address that is kept with the pair.
    endpoint: Endpoint,
    /// Kept with the pair: the ends speak the app protocol.
    app: bool,
    role: Role,
    /// Inputs for the session machine.
    inputs: VecDeque<Input>,
    watch: SleepWatch,
    hidden: bool,
    /// Why the session is gone, while it is asked for again.
    gone: Option<Stop>,
    /// Since then the relay has no such session.
    away_since: Option<SystemTime>,
    /// The app knows that this link's peer is there, and whether it speaks the tunnel.
    told: Told,
    /// The machine knows that this link was of use.
    has_progress: bool,
    /// The machine knows that this phone's answer is awaited.
    may_return: bool,
    /// The user ended the pair: nothing is kept any more.
    forgotten: bool,
}

impl DriverSide {
    pub(super) fn new(
        shared: Arc<Shared>,
        keeper: Box<dyn Keeper>,
        registrar: Registrar,
        endpoint: Endpoint,
        app: bool,
    ) -> Self {
        let watch = SleepWatch::new(Instant::now(), shared.clock.now());
        let inner = shared.lock();
        let (role, is_kept) = (inner.tunnel.role(), inner.tunnel.saved().is_some());
        drop(inner);
        DriverSide {
            shared,
            keeper,
            registrar,
            endpoint,
            app,
            role,
            inputs: is_kept.then_some(Input::WasPaired).into_iter().collect(),
            watch,
            hidden: false,
            gone: None,
            away_since: None,
            told: Told::Nothing,
            has_progress: false,
            may_return: false,
            forgotten: false,
        }
    }

    /// Hands the tunnel one input, at the time it is then.
    fn with_tunnel<T>(&self, input: impl FnOnce(&mut Tunnel, Duration) -> T) -> T {
        let mut inner = self.shared.lock();
        // Asked for under the lock: the tunnel takes time that runs backwards for no time at all.
        let now = self.shared.clock.now();
        input(&mut inner.tunnel, now)
    }

    /// Carries out the tunnel's events until there are no more.
    fn settle(&mut self) {
        loop {
            let mut inner = self.shared.lock();
            // Nothing follows the end.
            let said = if inner.state == EngineState::Stopped { None } else { inner.tunnel.poll_event() };
            drop(inner);
            let Some(said) = said else { return };
            self.carry_out(said);
        }
    }

    fn carry_out(&mut self, said: TunnelEvent) {
        match said {
            TunnelEvent::Ask { question, name, words } => {
                self.told = Told::Asked;
                self.tell_in(EngineState::Asking, EngineEvent::Ask { question, name, words });
            }
            TunnelEvent::AskOver { question, allowed } => {
                self.push(EngineEvent::AskOver { question, allowed });
            }
            TunnelEvent::Asked { words } => {
                if !std::mem::replace(&mut self.may_return, true) {
                    self.inputs.push_back(Input::MayReturn(RETURNS_MAX));
                }
                self.told = Told::Asked;
                self.tell_in(EngineState::Asking, EngineEvent::Asked { words });
            }
            TunnelEvent::Opened { words } => {
                self.told = Told::Opened;
                self.inputs.push_back(Input::MayReturn(0));
                self.tell_in(EngineState::Open, EngineEvent::Opened { words });
                self.shared.on_progress();
            }
            TunnelEvent::Store => self.store(),
            TunnelEvent::Move(Credentials { session, token }) => {
                self.inputs.push_back(Input::Move { session, token });
            }
            TunnelEvent::Retire(credentials) => {
                self.registrar.begin(Chore::Delete(credentials), &self.shared);
            }
            TunnelEvent::Restarted { unconfirmed } => {
                self.push(EngineEvent::Restarted { unconfirmed });
                self.shared.on_progress();
            }
            TunnelEvent::Message(message) => {
                self.note_progress();
                self.push(EngineEvent::Message(message));
            }
            TunnelEvent::Acknowledged(number) => {
                self.note_progress();
                self.push(EngineEvent::Acknowledged(number));
                self.shared.on_progress();
            }
            TunnelEvent::Room => self.shared.on_progress(),
            TunnelEvent::Pong { .. } => {}
            TunnelEvent::PeerClosed => self.push(EngineEvent::PeerClosed),
            TunnelEvent::Refused(why) if self.role == Role::Phone => {
                self.inputs.push_back(Input::Impossible(Stop::Unpaired(why)));
            }
            TunnelEvent::Refused(why) => self.push(EngineEvent::Refused(why)),
            TunnelEvent::Removed => {
                let removed = Stop::Removed { at: self.role.other(), is_proven: true };
                self.inputs.push_back(Input::Impossible(removed));
            }
            TunnelEvent::CodeSpent(why) => self.push(EngineEvent::CodeSpent(why)),
            TunnelEvent::Foreign => self.on_foreign(),
            TunnelEvent::Fault(Fault::Refused(why)) => {
                self.inputs.push_back(Input::Refused(Lost::Refused(why)));
            }
            TunnelEvent::Fault(fault) => self.inputs.push_back(Input::Damaged(fault.to_string())),
        }
    }

    /// The machine is told once for each link.
    fn note_progress(&mut self) {
        if !std::mem::replace(&mut self.has_progress, true) {
            self.inputs.push_back(Input::Progress);
        }
    }

    /// The keeper may take its time, so the lock is not held while it works.
    fn store(&mut self) {
        if self.forgotten {
            return;
        }
        let saved = self.shared.lock().tunnel.saved();
        let kept = match saved {
            Some(saved) => self.keeper.store(&keeper::to_text(&self.endpoint, self.app, &saved)),
            // A yes that was taken back may have been kept already.
            None => self.keeper.forget(),
        };
        match kept {
            Ok(()) => self.with_tunnel(Tunnel::on_stored),
            Err(error) => self.inputs.push_back(Input::Impossible(Stop::NotKept(error.to_string()))),
        }
    }

    fn push(&self, event: EngineEvent) {
        self.shared.lock().tell(event);
    }

    fn tell_in(&self, state: EngineState, event: EngineEvent) {
        let mut inner = self.shared.lock();
        inner.state = state;
        inner.tell(event);
    }

    /// Something came that is not the tunnel's. It is ignored, and told once for each link. A peer that has
    /// opened the tunnel on this link sends nothing else: anything besides it is the relay's own doing, and
    /// no news about the peer.
    fn on_foreign(&mut self) {
        if self.told == Told::Nothing {
            self.told = Told::Foreign;
            self.push(EngineEvent::Foreign);
        }
    }

    /// The app's requests since last time, as inputs for the machine.
    fn take_asked(&mut self) {
        let mut inner = self.shared.lock();
        let foreground = inner.asked.foreground.take();
        let network_changed = std::mem::take(&mut inner.asked.network_changed);
        let retry = std::mem::take(&mut inner.asked.retry);
        let close = std::mem::take(&mut inner.asked.close);
        let forgets = matches!(inner.asked.forget, Some(Forgetting::Asked));
        drop(inner);
        if let Some(shown) = foreground {
            self.hidden = !shown;
            self.inputs.push_back(Input::Foreground(shown));
        }
        if network_changed {
            self.inputs.push_back(Input::NetworkChanged);
        }
        if retry {
            self.inputs.push_back(Input::RetryNow);
        }
        if forgets {
            self.forget();
        }
        if close {
            self.inputs.push_back(Input::Close);
        }
    }

    fn forget(&mut self) {
        self.forgotten = true;
        let done = self.keeper.forget().map_err(Arc::new);
        self.shared.lock().asked.forget = Some(Forgetting::Done(done));
        self.shared.on_progress();
    }

    fn take_answers(&mut self) {
        loop {
            let answer = self.shared.lock().answers.pop_front();
            match answer {
                None => return,
                Some(Answered::Deleted(Ok(()))) => {}
                Some(Answered::Deleted(Err(error))) => self.push(EngineEvent::NotDeleted(error)),
                Some(Answered::RegisteredAgain(outcome)) => self.on_registered_again(&outcome),
            }
        }
    }

    /// Without the relay's key only the workstation can bring the session back; a phone looks again later,
    /// for as long as its workstation is away: a night, or a holiday. For a pair that was open before, only a
    /// deletion ends this.
    fn on_registered_again(&mut self, outcome: &Result<(), HttpError>) {
        let Some(why) = self.gone.take() else { return };
        let was_refused = |error: &HttpError| matches!(error.status(), Some(401 | 403 | 409));
        let input = match outcome {
            Ok(()) => Input::Registered,
            Err(error) if error.code() == Some("session_deleted") => {
                Input::Impossible(Stop::Killed { reason: Some(KillReason::Deleted) })
            }
            Err(error) if was_refused(error) && !self.is_paired() => Input::Impossible(why),
            Err(error) => {
                let since = *self.away_since.get_or_insert_with(SystemTime::now);
                Input::NotRegistered(Lost::away(self.role, since, error.to_string()))
            }
        };
        self.inputs.push_back(input);
    }

    fn is_paired(&self) -> bool {
        self.shared.lock().tunnel.saved().is_some()
    }
}

impl App for DriverSide {
    fn begin_turn(&mut self) {
        self.shared.begin_turn();
        self.with_tunnel(Tunnel::on_timeout);
        if let Some(slept) = self.watch.slept(Instant::now(), self.shared.clock.now()) {
            self.inputs.push_back(Input::Woke(slept));
        }
        self.take_asked();
        self.take_answers();
    }

    fn give_events(&mut self) {
        self.shared.give_events();
    }

    fn poll_input(&mut self) -> Option<Input> {
        self.settle();
        self.inputs.pop_front()
    }

    fn is_abandoned(&self) -> bool {
        self.shared.lock().asked.abandoned
    }

    fn due_in(&mut self) -> Option<Duration> {
        let of_tunnel = self.shared.lock().tunnel.poll_timeout();
        let of_clock = Some(CLOCK_CHECK_EVERY).filter(|_| !self.hidden);
        [of_tunnel, of_clock].into_iter().flatten().min()
    }

    fn on_link(&mut self, _: u64, _: usize) {
        self.shared.lock().state = EngineState::ShakingHands;
        self.has_progress = false;
        self.with_tunnel(Tunnel::on_link);
    }

    fn on_unlink(&mut self) {
        self.with_tunnel(Tunnel::on_unlink);
        let mut inner = self.shared.lock();
        inner.state = EngineState::Waiting;
        // A phone that was let in moves to a session of its own, which does not count as leaving.
        let is_moving = || inner.tunnel.saved().is_some_and(|saved| saved.welcomed);
        let has_left = match std::mem::replace(&mut self.told, Told::Nothing) {
            Told::Nothing | Told::Foreign => false,
            Told::Asked => !is_moving(),
            Told::Opened => true,
        };
        if has_left {
            inner.tell(EngineEvent::Left);
        }
        drop(inner);
        self.shared.on_progress();
    }

    fn tell(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Connected => {
                self.away_since = None;
                self.tell_in(EngineState::Waiting, EngineEvent::Connected);
            }
            // In an envelope, so from a peer without raw mode; or a text, which the tunnel never sends.
            ClientEvent::Binary(_) | ClientEvent::Text(_) => self.on_foreign(),
            ClientEvent::Reconnecting { after, why } => {
                self.tell_in(EngineState::Connecting, EngineEvent::Reconnecting { after, why });
            }
            // The machine tells of these by calls of their own.
            ClientEvent::Joined { .. } | ClientEvent::Left { .. } | ClientEvent::Stopped { .. } => {}
        }
    }

    fn on_binary(&mut self, bytes: Bytes) {
        self.with_tunnel(|tunnel, now| tunnel.on_message(&bytes, now));
    }

    /// No end of a tunnel sends such a message, so it is damage, or the relay's own.
    fn on_too_long(&mut self, words: String) -> Input {
        Input::Odd(words)
    }

    fn on_session_gone(&mut self, why: Stop) {
        let has_other = self.with_tunnel(Tunnel::on_session_gone);
        let mut inner = self.shared.lock();
        inner.state = EngineState::Connecting;
        let credentials = inner.tunnel.credentials();
        drop(inner);
        if has_other {
            // The tunnel says where to.
            return;
        }
        let was_deleted = matches!(why, Stop::Killed { reason: Some(KillReason::Deleted) });
        // A code that a workstation shows stays valid over a restart of the relay; a phone that has just read
        // one may hold a wrong one.
        if was_deleted || (self.role == Role::Phone && !self.is_paired()) {
            self.inputs.push_back(Input::Impossible(why));
            return;
        }
        self.gone = Some(why);
        self.registrar.begin(Chore::RegisterAgain(credentials), &self.shared);
    }

    fn stop(&mut self, why: Stop) {
        let mut inner = self.shared.lock();
        if inner.state == EngineState::Stopped {
            return;
        }
        let was_welcomed = inner.tunnel.saved().is_some_and(|saved| saved.welcomed);
        let why = match why {
            // Of a pair it means more than of a code that was shown.
            Stop::Killed { reason: Some(KillReason::Deleted) } if was_welcomed => {
                Stop::Removed { at: self.role.other(), is_proven: false }
            }
            why => why,
        };
        // Before the end is told, as the app may then start another engine. Only this thread stops it.
        drop(inner);
        self.keeper.release();
        inner = self.shared.lock();
        inner.state = EngineState::Stopped;
        let unacknowledged = inner.tunnel.unacknowledged();
        let forgets = matches!(inner.asked.forget, Some(Forgetting::Asked));
        inner.tell(EngineEvent::Stopped { why, unacknowledged });
        drop(inner);
        if forgets {
            self.forget();
        }
        self.shared.on_end();
        self.shared.give_events();
    }

    fn pause_if_full(&mut self) -> bool {
        // Unread messages are bounded by the tunnel's window, and the other events by the inbox.
        false
    }

    fn next_outgoing(&mut self) -> Option<Message> {
        self.shared.lock().tunnel.poll_transmit().map(Message::binary)
    }
}

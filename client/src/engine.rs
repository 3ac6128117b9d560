//! A running tunnel: what apps hold. Messages go in from any thread and arrive at the other app exactly once
//! and in order, across any break of connection, node or network, while both processes live.
//!
//! [`Engine`] is the handle. Inside, top to bottom: `shared` is what lies between the app's threads and the
//! driver's (the tunnel's machine and the `inbox`); `side` is the engine on the driver's thread; `keeper` is
//! where a pair outlives the process, `chores` are the requests to the relay, `clock` is time that goes on in
//! a sleep. The connection is the same driver's as [`crate::Client`]'s.

mod chores;
mod clock;
mod event;
mod forget;
mod inbox;
mod keeper;
mod settings;
mod shared;
mod side;

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use protocol::ids::Role;
use protocol::limits::MESSAGE_BYTES_DEFAULT;

use crate::driver::Start;
use crate::net::endpoint::Endpoint;
use crate::net::proxy::Proxy;
use crate::settings::ConnectionSettings;
use crate::tunnel::{Answer, Code, Credentials, SystemEntropy, Tunnel};
use chores::{Chore, Registrar};
use shared::{Inner, Reader, Shared};
use side::DriverSide;

pub use crate::tunnel::{Message, Options, Refusal, SendError, Spent, Words, limits, parse_pairing};
pub use clock::{Clock, SystemClock};
pub use event::{AllowError, EngineEvent, EngineState, FlushError, NotAsked, StartError};
pub use forget::ForgetError;
pub use keeper::{FileKeeper, KeepNothing, Keeper};
pub use settings::EngineSettings;

/// A running end of a tunnel. One thread of its own holds the connection; all methods may be called from any
/// thread, and several at once.
///
/// The app must read its events: once a window (1 MiB on a phone) of messages lies unread, the other end's
/// `send` waits. Dropping the engine ends it without waiting for anything.
pub struct Engine {
    shared: Arc<Shared>,
    registrar: Registrar,
    app: bool,
}

/// Life.
impl Engine {
    /// Pairs by a code: the workstation shows it, the phone has scanned it. Connects in the background and
    /// reconnects until it is closed or refused. Does not block.
    ///
    /// # Errors
    /// The code has no key or no usable address, another program uses the kept pair, or the system refused a
    /// thread, a poll or random bytes.
    pub fn pair(
        role: Role,
        code: Code,
        settings: &EngineSettings,
        keeper: Box<dyn Keeper>,
    ) -> Result<Self, StartError> {
        let key = code.key.ok_or(StartError::NoKey)?;
        let mut keeper = keeper;
        keeper.claim().map_err(StartError::not_claimed)?;
        let home = Credentials { session: code.pairing.session, token: code.pairing.token };
        let endpoint = match &settings.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => Endpoint::parse_ws(&code.pairing.ws)?,
        };
        let now = settings.clock.now();
        let tunnel = Tunnel::pair(role, home, key, &settings.options, Box::new(SystemEntropy), now)
            .map_err(StartError::Random)?;
        Self::start(tunnel, endpoint, code.app, settings, keeper)
    }

    /// Goes on with the pair that `keeper` has kept. Otherwise as [`Engine::pair`].
    ///
    /// # Errors
    /// Nothing is kept, or it is damaged, or as [`Engine::pair`].
    pub fn resume(settings: &EngineSettings, mut keeper: Box<dyn Keeper>) -> Result<Self, StartError> {
        keeper.claim().map_err(StartError::not_claimed)?;
        let text = keeper.load().map_err(StartError::Unreadable)?.ok_or(StartError::NothingKept)?;
        let (kept, app, saved) = keeper::from_text(&text)?;
        let endpoint = settings.endpoint.clone().unwrap_or(kept);
        let now = settings.clock.now();
        let tunnel = Tunnel::resume(&saved, &settings.options, Box::new(SystemEntropy), now)
            .map_err(StartError::Random)?;
        Self::start(tunnel, endpoint, app, settings, keeper)
    }

    fn start(
        tunnel: Tunnel,
        endpoint: Endpoint,
        app: bool,
        settings: &EngineSettings,
        keeper: Box<dyn Keeper>,
    ) -> Result<Self, StartError> {
        let Credentials { session, token } = tunnel.credentials();
        let endpoint = reached(settings, endpoint);
        endpoint.trust()?;
        endpoint.through()?;
        let server =
            settings.server.clone().map_or_else(|| endpoint.server(), |server| reached(settings, server));
        let registrar = Registrar { server, key: settings.register_key.clone() };
        let connecting = ConnectionSettings {
            endpoint: endpoint.clone(),
            session,
            token,
            role: tunnel.role(),
            raw: true,
            message_bytes_max: MESSAGE_BYTES_DEFAULT,
        };
        let start = Start::new()?;
        let shared = Arc::new(Shared::new(tunnel, start.wake(), Arc::clone(&settings.clock)));
        let side = DriverSide::new(Arc::clone(&shared), keeper, registrar.clone(), endpoint, app);
        start.run(connecting, side)?;
        Ok(Engine { shared, registrar, app })
    }

    /// The end of its owner: events are no longer read, and every waiting caller returns.
    pub(crate) fn abandon(&self) {
        self.shared.lock().asked.abandoned = true;
        self.close();
        self.shared.on_end();
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.shared.lock().tunnel.role()
    }

    /// True if this pair's code said that the two ends speak the app protocol: then the engine belongs to an
    /// [`AppLink`](crate::AppLink). Otherwise each message is the app's own.
    pub fn speaks_app(&self) -> bool {
        self.app
    }

    /// The engine's state.
    pub fn state(&self) -> EngineState {
        self.shared.lock().state
    }

    /// The app went out of sight (`false`), where no connection is begun, or came back into it: then one is
    /// made at once, or the present one is checked within two seconds.
    pub fn set_foreground(&self, shown: bool) {
        let mut inner = self.shared.lock();
        inner.asked.foreground = Some(shown);
        self.shared.wake(inner);
    }

    /// The machine is in another network: as coming back into sight.
    pub fn network_changed(&self) {
        let mut inner = self.shared.lock();
        inner.asked.network_changed = true;
        self.shared.wake(inner);
    }

    /// The user does not want to wait for the next try: it is made now. Does nothing where no try is waited
    /// for.
    pub fn retry_now(&self) {
        let mut inner = self.shared.lock();
        inner.asked.retry = true;
        self.shared.wake(inner);
    }

    /// Ends the engine: no more messages are accepted, accepted messages are written as far as the other end
    /// takes it, then the connection is closed. Call [`Engine::flush`] before to be sure of every message.
    /// Does not block; `Stopped` is the last event and comes within ten seconds.
    pub fn close(&self) {
        let mut inner = self.shared.lock();
        inner.tunnel.close();
        inner.asked.close = true;
        self.shared.wake(inner);
        self.shared.on_progress();
    }
}

/// Messages.
impl Engine {
    /// Sends a message of any bytes. Waits at most `timeout` for the tunnel to open for the first time, and
    /// for room: the other end's window bounds what is accepted and not acknowledged. Once the tunnel was
    /// open, a message is accepted without a connection, too. Gives its number, which
    /// [`EngineEvent::Acknowledged`] names.
    ///
    /// # Errors
    /// Nothing was accepted: `NotOpen` or `Full` after `timeout`, `TooLarge` and `Closed` at once.
    pub fn send(&self, message: &[u8], timeout: Duration) -> Result<u64, SendError> {
        self.retry(timeout, |inner| match inner.state {
            EngineState::Stopped => Err(Refused::ForGood(SendError::Closed)),
            _ => inner.tunnel.try_send(message).map_err(|error| match error {
                SendError::Full | SendError::NotOpen => Refused::ForNow(error),
                _ => Refused::ForGood(error),
            }),
        })
    }

    /// Sends a message without ever blocking.
    ///
    /// # Errors
    /// As [`Engine::send`]; `Full` if there is no room now.
    pub fn try_send(&self, message: &[u8]) -> Result<u64, SendError> {
        self.send(message, Duration::ZERO)
    }

    /// Sends what `next` gives, as far as there is room, and wakes the driver once. `next` is told whether at
    /// most half of what the other end takes in is waiting for it: then bulk may be sent, and there is still
    /// room for what is more urgent. Gives back a message that has to wait.
    pub(crate) fn send_all(&self, mut next: impl FnMut(bool) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        let mut inner = self.shared.lock();
        if inner.state == EngineState::Stopped {
            return None;
        }
        let mut has_sent = false;
        let waiting = loop {
            let is_half_free = inner.tunnel.is_half_free();
            let Some(mut message) = next(is_half_free) else { break None };
            match inner.tunnel.try_send_owned(&mut message) {
                Ok(_) => has_sent = true,
                Err(SendError::Full | SendError::NotOpen) => break Some(message),
                // It is closed. No message of the app protocol is longer than any tunnel takes.
                Err(SendError::Closed | SendError::TooLarge { .. }) => break None,
            }
        };
        if has_sent {
            self.shared.wake(inner);
        }
        waiting
    }

    /// Tries until it succeeds, is refused for good, or `timeout` is over; again whenever there is progress.
    /// Wakes the driver after a success.
    fn retry<T, E>(
        &self,
        timeout: Duration,
        mut attempt: impl FnMut(&mut Inner) -> Result<T, Refused<E>>,
    ) -> Result<T, E> {
        let deadline = Instant::now().checked_add(timeout);
        let mut inner = self.shared.lock();
        loop {
            let refused = match attempt(&mut inner) {
                Ok(done) => {
                    self.shared.wake(inner);
                    return Ok(done);
                }
                Err(Refused::ForGood(error)) => return Err(error),
                Err(Refused::ForNow(error)) => error,
            };
            let waited;
            (inner, waited) = self.shared.wait_for_progress(inner, deadline);
            if !waited {
                return Err(refused);
            }
        }
    }

    /// Waits until the other app has taken every message that was accepted, at most `timeout`.
    ///
    /// # Errors
    /// It has not, or the engine has stopped: then at once.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.retry(timeout, |inner| match inner.tunnel.unacknowledged() {
            0 => Ok(()),
            // After the end nothing is acknowledged, so the wait would not end.
            unacknowledged if inner.state == EngineState::Stopped => {
                Err(Refused::ForGood(FlushError { unacknowledged }))
            }
            unacknowledged => Err(Refused::ForNow(FlushError { unacknowledged })),
        })
    }

    /// Messages that were accepted and that the other app has not taken yet.
    pub fn unacknowledged(&self) -> u64 {
        self.shared.lock().tunnel.unacknowledged()
    }

    /// Calls `reader` when there are events; it reads them by [`Engine::next_events`] without waiting.
    pub(crate) fn set_reader(&self, reader: Reader) {
        self.shared.lock().set_reader(reader);
    }

    /// Bytes that are kept: accepted and unacknowledged messages, bounded by the other end's window; and
    /// received messages that the app has not taken, bounded by this end's own. Each with the 64 bytes that a
    /// piece of 32 KiB costs besides.
    pub fn buffered(&self) -> (usize, usize) {
        self.shared.lock().tunnel.buffered()
    }

    /// The next events, at most `max` of them; waits at most `timeout` for the first. Empty if none came, and
    /// at once after `Stopped` was read. Messages of the call before count as taken now, so call it again
    /// only when they are safe.
    pub fn next_events(&self, max: usize, timeout: Duration) -> Vec<EngineEvent> {
        let deadline = Instant::now().checked_add(timeout);
        let mut inner = self.take_given();
        while inner.inbox.is_empty() && inner.state != EngineState::Stopped && !inner.asked.abandoned {
            let waited;
            (inner, waited) = self.shared.wait_for_news(inner, deadline);
            if !waited {
                return Vec::new();
            }
        }
        let mut events = Vec::new();
        while events.len() < max
            && let Some(event) = inner.inbox.pop()
        {
            if let EngineEvent::Message(message) = &event {
                inner.given = Some(message.number);
            }
            events.push(event);
        }
        events
    }

    /// Counts the last batch as taken: it may now be acknowledged.
    fn take_given(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.shared.lock();
        let now = self.shared.clock.now();
        let Some(given) = inner.given.take() else { return inner };
        if !inner.tunnel.taken(given, now) {
            return inner;
        }
        self.shared.wake(inner);
        self.shared.lock()
    }
}

/// Workstation: its user's word.
impl Engine {
    /// Lets in the phone of this [`EngineEvent::Ask`], in a fresh session: after that the code's session is
    /// deleted, and a photo of the code is useless. Blocks for at most ten seconds. A [`Engine::deny`] on
    /// another thread wins over it meanwhile.
    ///
    /// # Errors
    /// The relay gave no session; the phone is still being asked about, and [`Engine::allow_here`] does
    /// without. Or the question is over.
    pub fn allow(&self, question: u64) -> Result<(), AllowError> {
        if !self.shared.lock().tunnel.begin_answer(question) {
            return Err(NotAsked.into());
        }
        let credentials = match self.registrar.register() {
            Ok(credentials) => credentials,
            Err(error) => {
                self.shared.lock().tunnel.drop_answer(question);
                return Err(error.into());
            }
        };
        let answered = self.answer(question, Answer::Allow { session: Some(credentials) });
        if answered.is_err() {
            self.registrar.begin(Chore::Delete(credentials), &self.shared);
        }
        Ok(answered?)
    }

    /// Lets in the phone of this [`EngineEvent::Ask`] in the code's session, whose token the code has shown:
    /// a person who saw it can take over a role at the relay and disturb the pair, but not read or send.
    ///
    /// # Errors
    /// The question is over.
    pub fn allow_here(&self, question: u64) -> Result<(), NotAsked> {
        self.answer(question, Answer::Allow { session: None })
    }

    /// Sends the phone of this [`EngineEvent::Ask`] away. It wins over an [`Engine::allow`] that is under
    /// way: the phone is told, the fresh session is deleted, and nothing is kept.
    ///
    /// # Errors
    /// The question is over; if the phone was let in, [`Engine::forget`] ends the pair.
    pub fn deny(&self, question: u64) -> Result<(), NotAsked> {
        self.answer(question, Answer::Deny)
    }

    fn answer(&self, question: u64, answer: Answer) -> Result<(), NotAsked> {
        let mut inner = self.shared.lock();
        let now = self.shared.clock.now();
        let was_asked = inner.tunnel.answer(question, answer, now);
        self.shared.wake(inner);
        if was_asked { Ok(()) } else { Err(NotAsked) }
    }
}

/// The same address with the CAs to trust there.
fn reached(settings: &EngineSettings, endpoint: Endpoint) -> Endpoint {
    let endpoint = match settings.proxy {
        Proxy::FromEnvironment => endpoint,
        _ => endpoint.with_proxy(settings.proxy.clone()),
    };
    match &settings.ca {
        Some(ca) => endpoint.with_ca(Some(ca.clone())),
        None => endpoint,
    }
}

/// Why an attempt did not succeed.
enum Refused<E> {
    /// Waiting may help.
    ForNow(E),
    ForGood(E),
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.abandon();
    }
}

//! The tunnel: end to end between workstation and phone, through a relay that sees sizes and times only.
//!
//! [`Tunnel`] is one pure machine for both roles. It never sees a socket, a thread, a clock or a random
//! source of its own: bytes, time and entropy are handed in, bytes and events come out. Its driver connects
//! the two ends in raw mode (`relay.raw.v1`), hands every binary message in, and writes what
//! [`Tunnel::poll_transmit`] gives. After each input, drain [`Tunnel::poll_event`] and then, as far as the
//! socket takes it, [`Tunnel::poll_transmit`]; call [`Tunnel::on_timeout`] when [`Tunnel::poll_timeout`] says
//! so.
//!
//! Inside, top to bottom: `phone` and `workstation` decide which ends may talk; `core` has what they share;
//! `stream` numbers, keeps and acknowledges (`outgoing`, `incoming`); `connection` seals and opens with the
//! keys of `noise`; `wire` and `record` are the bytes. `pairing` is the code on the screen (`hkdf` derives
//! its parts), `saved` what outlives the process. Every bound is in [`limits`]. The wire format byte by byte
//! is in `docs/tunnel.md`.

mod clock;
mod connection;
mod core;
mod credentials;
mod entropy;
mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod hkdf;
mod incoming;
pub mod limits;
#[cfg(test)]
pub(crate) mod model;
mod name;
mod noise;
mod options;
mod outgoing;
mod pairing;
mod phone;
mod record;
mod saved;
mod secret;
mod stream;
#[cfg(test)]
mod tests;
mod wire;
mod words;
mod workstation;

use std::time::Duration;

use protocol::ids::Role;

use self::core::Core;
use phone::Phone;
use stream::MessageStreams;
use wire::Outer;
use workstation::Workstation;

pub use credentials::Credentials;
pub use entropy::{Entropy, RandomError, SystemEntropy};
pub use event::{Fault, Message, Refusal, SendError, Spent, TunnelEvent};
pub use options::Options;
pub use pairing::{Code, CodeError, CodeSecret, LinkVersion, parse_pairing};
pub use saved::{Saved, SavedError};
pub use secret::{KeyId, PairKey, PairingKey};
pub use words::Words;
pub use workstation::Answer;

/// One end of a tunnel. See the module.
///
/// Every `now` is the span since any fixed point, by a clock that goes on while the machine sleeps; a step
/// back counts as no step. Nothing blocks.
pub struct Tunnel {
    core: Core,
    side: RoleMachine,
}

enum RoleMachine {
    Phone(Box<Phone>),
    Workstation(Box<Workstation>),
}

impl Tunnel {
    /// A first pairing in the code's session `home`: the workstation shows `code`, the phone has scanned it.
    ///
    /// # Errors
    /// `entropy` failed.
    pub fn pair(
        role: Role,
        home: Credentials,
        code: PairingKey,
        options: &Options,
        entropy: Box<dyn Entropy + Send>,
        now: Duration,
    ) -> Result<Self, RandomError> {
        let side = match role {
            Role::Phone => RoleMachine::Phone(Box::new(Phone::new(home, code))),
            Role::Workstation => {
                RoleMachine::Workstation(Box::new(Workstation::new(home, code, options.pair_for)))
            }
        };
        Self::new(side, &options.name, options.window, entropy, now)
    }

    /// A new epoch of an end that was paired before; messages that were unacknowledged before are unknown to
    /// it. A phone keeps the name that was saved unless `options` has one.
    ///
    /// # Errors
    /// `entropy` failed.
    pub fn resume(
        saved: &Saved,
        options: &Options,
        entropy: Box<dyn Entropy + Send>,
        now: Duration,
    ) -> Result<Self, RandomError> {
        let side = match saved.role {
            Role::Phone => RoleMachine::Phone(Box::new(Phone::restore(saved))),
            Role::Workstation => RoleMachine::Workstation(Box::new(Workstation::restore(saved))),
        };
        let name = if options.name.is_empty() { &saved.name } else { &options.name };
        Self::new(side, name, options.window, entropy, now)
    }

    fn new(
        side: RoleMachine,
        name: &str,
        window: u32,
        entropy: Box<dyn Entropy + Send>,
        now: Duration,
    ) -> Result<Self, RandomError> {
        let window = window.clamp(limits::WINDOW_MIN, limits::WINDOW_MAX);
        let name = name::cut(name).to_owned();
        Ok(Tunnel { core: Core::new(window, name, entropy, now)?, side })
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        match self.side {
            RoleMachine::Phone(_) => Role::Phone,
            RoleMachine::Workstation(_) => Role::Workstation,
        }
    }

    /// The session that the driver should be connected to.
    pub fn credentials(&self) -> Credentials {
        match &self.side {
            RoleMachine::Phone(phone) => phone.credentials(),
            RoleMachine::Workstation(workstation) => workstation.credentials(),
        }
    }

    /// The state to keep for [`Tunnel::resume`]; `None` before there is a pair.
    pub fn saved(&self) -> Option<Saved> {
        match &self.side {
            RoleMachine::Phone(phone) => phone.saved(&self.core.name),
            RoleMachine::Workstation(workstation) => workstation.saved(),
        }
    }
}

/// Inputs from the connection and the clock.
impl Tunnel {
    /// The driver is connected at [`Tunnel::credentials`] and the peer is there (`peer-joined`). A second
    /// call begins again.
    pub fn on_link(&mut self, now: Duration) {
        self.core.clock.advance(now);
        if self.core.linked {
            self.unlink();
        }
        self.core.linked = true;
        let done = match &mut self.side {
            RoleMachine::Phone(phone) => phone.on_link(&mut self.core),
            RoleMachine::Workstation(_) => Ok(()),
        };
        self.settle(done);
    }

    /// The peer left, or the connection is gone. Whatever was on its way counts as lost.
    pub fn on_unlink(&mut self, now: Duration) {
        self.core.clock.advance(now);
        if self.core.linked {
            self.unlink();
        }
    }

    /// A binary message came from the peer. Before [`Tunnel::on_link`] it is ignored.
    pub fn on_message(&mut self, message: &[u8], now: Duration) {
        self.core.clock.advance(now);
        if self.core.linked {
            let done = self.take_message(message);
            self.settle(done);
        }
    }

    fn take_message(&mut self, message: &[u8]) -> Result<(), Fault> {
        let Tunnel { core, side } = self;
        match (Outer::parse(message), side) {
            (None, _) => core.tell(TunnelEvent::Foreign),
            (Some(Outer::H1 { c, key_id, noise }), RoleMachine::Workstation(side)) => {
                side.on_h1(core, c, key_id, noise)?;
            }
            (Some(Outer::OtherVersion { c, .. }), RoleMachine::Workstation(_)) => {
                Workstation::refuse(core, c, Refusal::OtherVersion);
            }
            (Some(Outer::H2 { c, noise }), RoleMachine::Phone(side)) => side.on_h2(core, c, noise)?,
            (Some(Outer::Refused { c, why }), RoleMachine::Phone(side)) => side.on_refused(core, c, why)?,
            (Some(Outer::Record { c, sealed }), _) if core.is_live(c) => return self.take_record(sealed),
            (Some(Outer::Record { c, sealed }), RoleMachine::Workstation(side)) => {
                side.on_first_record(core, c, sealed)?;
            }
            // Of a connection that is over.
            (Some(Outer::Record { .. }), RoleMachine::Phone(_)) => {}
            // Only a relay that echoes sends the other role's messages.
            (Some(_), _) => core.tell(TunnelEvent::Foreign),
        }
        Ok(())
    }

    fn take_record(&mut self, sealed: &[u8]) -> Result<(), Fault> {
        let Some(live) = &mut self.core.live else { return Ok(()) };
        let mut room = std::mem::take(&mut self.core.opened);
        let done = live.open(sealed, &mut room).and_then(|plaintext| self.take_plaintext(plaintext));
        self.core.opened = room;
        done
    }

    fn take_plaintext(&mut self, plaintext: &[u8]) -> Result<(), Fault> {
        let Tunnel { core, side } = self;
        let record = record::Record::parse(plaintext)?;
        match side {
            RoleMachine::Phone(phone) => {
                phone.on_record(core, &record)?;
                phone.renew(core)
            }
            RoleMachine::Workstation(workstation) => workstation.on_record(core, &record),
        }
    }

    /// The time of [`Tunnel::poll_timeout`] has come; at any other time this does no harm.
    pub fn on_timeout(&mut self, now: Duration) {
        self.core.clock.advance(now);
        let done = match &mut self.side {
            RoleMachine::Phone(phone) => phone.on_timeout(&mut self.core),
            RoleMachine::Workstation(workstation) => workstation.on_timeout(&mut self.core),
        };
        self.settle(done);
    }

    /// The relay says that the session of [`Tunnel::credentials`] has ended (4401, 4410). True if the pair
    /// has another, which `Move` then names; false if there is nothing left but to pair again, or to register
    /// this one again.
    pub fn on_session_gone(&mut self, now: Duration) -> bool {
        self.core.clock.advance(now);
        let done = match &mut self.side {
            RoleMachine::Phone(phone) => phone.on_session_gone(&mut self.core),
            RoleMachine::Workstation(workstation) => workstation.on_session_gone(&mut self.core),
        };
        let has_other = *done.as_ref().unwrap_or(&true);
        self.settle(done.map(drop));
        has_other
    }

    fn settle(&mut self, done: Result<(), Fault>) {
        if let Err(fault) = done {
            self.unlink();
            self.core.tell(TunnelEvent::Fault(fault));
        }
    }

    fn unlink(&mut self) {
        self.core.unlink();
        let done = match &mut self.side {
            RoleMachine::Phone(phone) => phone.on_unlink(&mut self.core),
            RoleMachine::Workstation(workstation) => {
                workstation.on_unlink();
                Ok(())
            }
        };
        if let Err(fault) = done {
            self.core.tell(TunnelEvent::Fault(fault));
        }
    }
}

/// Inputs from the app and its user.
impl Tunnel {
    /// Accepts a message of any bytes: it arrives exactly once and in order, as long as both processes live.
    /// Gives its number, which `Acknowledged` names when the peer's app has taken it. What waits is kept over
    /// connections.
    ///
    /// # Errors
    /// Nothing of the message was accepted; the error says why.
    pub fn try_send(&mut self, message: &[u8]) -> Result<u64, SendError> {
        self.accept(|stream| stream.push(message))
    }

    /// As [`Tunnel::try_send`]; takes the bytes out of the message if it is accepted.
    pub(crate) fn try_send_owned(&mut self, message: &mut Vec<u8>) -> Result<u64, SendError> {
        self.accept(|stream| stream.push_owned(message))
    }

    fn accept(
        &mut self,
        push: impl FnOnce(&mut MessageStreams) -> Result<u64, SendError>,
    ) -> Result<u64, SendError> {
        if !self.core.has_opened {
            return Err(SendError::NotOpen);
        }
        let accepted = push(&mut self.core.stream);
        if accepted == Err(SendError::Full) {
            self.core.want_room();
        }
        accepted
    }

    /// The app has taken every message up to this number of [`TunnelEvent::Message`]. True if
    /// [`Tunnel::poll_transmit`] or [`Tunnel::poll_timeout`] may have something new.
    pub fn taken(&mut self, message: u64, now: Duration) -> bool {
        self.core.clock.advance(now);
        let now = self.core.now();
        self.core.stream.taken(message, now)
    }

    /// No message will follow those accepted. The peer is told once it has them all; `Acknowledged` still
    /// comes.
    pub fn close(&mut self) {
        self.core.stream.close();
    }

    /// Workstation: the user ends the pair. A phone that is here is told so, sealed, behind all that was
    /// accepted; one that is away finds no session when it comes back.
    pub fn revoke(&mut self) {
        if let RoleMachine::Workstation(_) = self.side {
            self.core.revoke();
        }
    }

    /// Messages accepted and not yet taken by the peer's app: 0 is what `flush` waits for.
    pub fn unacknowledged(&self) -> u64 {
        self.core.stream.unacknowledged()
    }

    /// Asks the peer for an answer; `Pong` follows. It judges the peer, never the connection. False if there
    /// is no connection to ask on.
    pub fn ping(&mut self, now: Duration) -> bool {
        self.core.clock.advance(now);
        self.core.send_ping()
    }

    /// Workstation: the user has answered this question of `Ask`, and carrying it out takes a while: until
    /// [`Tunnel::answer`] or [`Tunnel::drop_answer`] the same phone is not asked about again. False if it is
    /// not the question.
    pub fn begin_answer(&mut self, question: u64) -> bool {
        match &mut self.side {
            RoleMachine::Workstation(workstation) => workstation.begin_answer(question),
            RoleMachine::Phone(_) => false,
        }
    }

    /// Workstation: the answer that was begun can't be carried out. The question stays open.
    pub fn drop_answer(&mut self, question: u64) {
        if let RoleMachine::Workstation(workstation) = &mut self.side {
            workstation.drop_answer(question);
        }
    }

    /// Workstation: the user's answer to this question of `Ask`. False, and nothing is done, if it is over
    /// or a newer one has taken its place. `Deny` takes an `Allow` back that is not stored yet; then
    /// [`Tunnel::saved`] gives `None` at `Store`.
    pub fn answer(&mut self, question: u64, answer: Answer, now: Duration) -> bool {
        self.core.clock.advance(now);
        match &mut self.side {
            RoleMachine::Workstation(workstation) => workstation.on_answer(&mut self.core, question, answer),
            RoleMachine::Phone(_) => false,
        }
    }

    /// What [`Tunnel::saved`] gave at the last `Store` is kept. Nothing that relies on it goes out before.
    pub fn on_stored(&mut self, now: Duration) {
        self.core.clock.advance(now);
        let done = match &mut self.side {
            RoleMachine::Phone(phone) => phone.on_stored(&mut self.core),
            RoleMachine::Workstation(workstation) => {
                workstation.on_stored(&mut self.core);
                Ok(())
            }
        };
        self.settle(done);
    }
}

/// Outputs.
impl Tunnel {
    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<TunnelEvent> {
        self.core.poll_event()
    }

    /// The next binary message for the peer, of at most [`limits::WIRE_BYTES_MAX`]; made when asked for, so a
    /// driver whose socket is full simply does not ask.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        if !self.core.linked {
            return None;
        }
        let message = self.core.poll_transmit();
        if let (Ok(Some(_)), RoleMachine::Phone(phone)) = (&message, &mut self.side) {
            let renewed = phone.renew(&mut self.core);
            self.settle(renewed);
        }
        message.unwrap_or_else(|fault| {
            self.settle(Err(fault));
            None
        })
    }

    /// How long after the last `now` [`Tunnel::on_timeout`] and [`Tunnel::poll_transmit`] are due; `None` if
    /// never.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let of_side = match &self.side {
            RoleMachine::Phone(phone) => phone.due_at(&self.core),
            RoleMachine::Workstation(workstation) => workstation.due_at(&self.core),
        };
        let due_at = [of_side, self.core.ack_due_at()].into_iter().flatten().min()?;
        Some(due_at.saturating_sub(self.core.now()))
    }

    /// True if at most half of the peer's window is kept for sending.
    pub(crate) fn is_half_free(&self) -> bool {
        self.core.stream.is_half_free()
    }

    /// Bytes kept for the peer, and bytes that came and were not taken; each with what its pieces cost, as
    /// the two windows count it.
    pub fn buffered(&self) -> (usize, usize) {
        self.core.stream.costs()
    }
}

/// Shows no key, no token and no payload.
impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Core { linked, live, stream, .. } = &self.core;
        let mut out = f.debug_struct("Tunnel");
        out.field("role", &self.role()).field("credentials", &self.credentials()).field("linked", linked);
        out.field("live", live).field("stream", stream).finish()
    }
}

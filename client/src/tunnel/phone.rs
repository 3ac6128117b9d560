//! The phone's role: it begins every handshake, proves the code's key, keeps the pair's, and follows the
//! workstation into the new session.
//!
//! Called by the machine with each message; the shared part is in the core.

use std::time::Duration;

use protocol::ids::Role;
use zeroize::Zeroizing;

use super::connection::{QueuedRecord, SealedConnection};
use super::core::Core;
use super::credentials::Credentials;
use super::event::{Fault, Refusal, TunnelEvent};
use super::limits::{ANSWER_MAX, SETTLE_WAIT, TRIES_MAX};
use super::noise::{Initiator, NoiseError};
use super::record::{self, Record};
use super::saved::Saved;
use super::secret::{PairKey, PairingKey, Secret};
use super::wire::{self, Tag};

/// The phone's own state, besides the core. It has keys, so it has no `Debug`.
pub(super) struct Phone {
    /// Gone once the pair key is stored.
    code: Option<PairingKey>,
    /// Stored, so handshakes are made with it.
    key: Option<PairKey>,
    /// Came from the workstation and is not stored yet.
    fresh: Option<PairKey>,
    /// The workstation's user said yes, once.
    welcomed: bool,
    home: Credentials,
    /// The session of the code, until the workstation was met at home.
    former: Option<Credentials>,
    /// Connected, or to be connected, to `former`.
    at_former: bool,
    pending: Option<PendingHandshake>,
    /// What goes on when the driver has stored.
    storing: Option<Storing>,
    /// The end of this link is the way home.
    leaving: bool,
    /// When to look for the workstation in the other session.
    turn_at: Option<Duration>,
    /// A workstation that knows this phone answers its first record in this time.
    welcome_by: Option<Duration>,
}

/// A handshake whose H2 is awaited.
struct PendingHandshake {
    c: Tag,
    initiator: Initiator,
    is_under_code: bool,
    tries: u32,
    give_up_at: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Storing {
    Key,
    Credentials,
}

impl Phone {
    /// A phone that has scanned `code` in the session `home`.
    pub(super) fn new(home: Credentials, code: PairingKey) -> Self {
        Phone { code: Some(code), ..Self::at(home) }
    }

    /// A phone as it was kept.
    pub(super) fn restore(saved: &Saved) -> Self {
        Phone {
            key: Some(saved.key.copy()),
            welcomed: saved.welcomed,
            former: saved.other,
            turn_at: saved.other.map(|_| SETTLE_WAIT),
            ..Self::at(saved.home)
        }
    }

    fn at(home: Credentials) -> Self {
        Phone {
            code: None,
            key: None,
            fresh: None,
            welcomed: false,
            home,
            former: None,
            at_former: false,
            pending: None,
            storing: None,
            leaving: false,
            turn_at: None,
            welcome_by: None,
        }
    }

    /// The state to keep; `None` before there is a pair key.
    pub(super) fn saved(&self, name: &str) -> Option<Saved> {
        let key = self.fresh.as_ref().or(self.key.as_ref())?.copy();
        let (role, home, other) = (Role::Phone, self.home, self.former);
        let (welcomed, name) = (self.welcomed, name.to_owned());
        Some(Saved { role, home, other, key, welcomed, name, used: None })
    }

    /// Where the driver should be connected.
    pub(super) fn credentials(&self) -> Credentials {
        self.former.filter(|_| self.at_former).unwrap_or(self.home)
    }

    pub(super) fn on_link(&mut self, core: &mut Core) -> Result<(), Fault> {
        // Somebody is here: connecting may have taken most of the time that the search gives this session.
        self.turn_at = self.turn_at.map(|_| core.now() + SETTLE_WAIT);
        self.shake_hands(core, 1)
    }

    pub(super) fn on_unlink(&mut self, core: &mut Core) -> Result<(), Fault> {
        self.pending = None;
        self.welcome_by = None;
        if self.leaving {
            return self.turn(core);
        }
        if self.former.is_some() && self.storing != Some(Storing::Credentials) {
            self.turn_at = Some(core.now() + SETTLE_WAIT);
        }
        Ok(())
    }

    /// Begins a handshake, beside the live connection if there is one.
    fn shake_hands(&mut self, core: &mut Core, tries: u32) -> Result<(), Fault> {
        let is_under_code = self.key.is_none();
        let Some((key, key_id)) = self.secret() else { return Ok(()) };
        let ephemeral = Zeroizing::new(core.draw()?);
        let session = self.credentials().session;
        let made = Initiator::new(key, session, key_id, *ephemeral);
        let (initiator, noise) = made.map_err(|NoiseError| Fault::NoEntropy)?;
        let mut c = Tag(core.draw()?);
        if core.is_live(c) {
            c.0[0] ^= 1;
        }
        core.send_clear(wire::h1(c, key_id, &noise));
        let give_up_at = core.now() + ANSWER_MAX;
        self.pending = Some(PendingHandshake { c, initiator, is_under_code, tries, give_up_at });
        Ok(())
    }

    fn secret(&self) -> Option<(&Secret, super::KeyId)> {
        match (&self.key, &self.code) {
            (Some(key), _) => Some((key.secret(), key.id())),
            (None, Some(code)) => Some((code.secret(), code.id())),
            (None, None) => None,
        }
    }

    /// The workstation's answer. One to a handshake that is not awaited is stale.
    pub(super) fn on_h2(&mut self, core: &mut Core, c: Tag, noise: &[u8]) -> Result<(), Fault> {
        let Some(pending) = self.pending.take_if(|pending| pending.c == c) else { return Ok(()) };
        let (keys, payload) = pending.initiator.finish(noise).map_err(|NoiseError| Fault::BadAnswer)?;
        let (theirs, fresh) = record::parse_answer(&payload)?;
        // A key comes under the code and only there: one change of key, at pairing.
        if fresh.is_some() != pending.is_under_code {
            return Err(Fault::Malformed("answer to the handshake"));
        }
        core.confirm(SealedConnection::new(c, keys, core.now()), &theirs)?;
        self.turn_at = None;
        if fresh.is_some() {
            self.fresh = fresh;
            self.storing = Some(Storing::Key);
            core.tell(TunnelEvent::Store);
        } else {
            self.say_hello(core);
        }
        Ok(())
    }

    /// The first record confirms the key. A phone that the workstation let in before may send at once.
    fn say_hello(&mut self, core: &mut Core) {
        core.queue(QueuedRecord::Hello);
        if let Some(live) = &mut core.live {
            live.greeted = true;
        }
        if !self.welcomed {
            if let Some(words) = core.live.as_ref().map(SealedConnection::words) {
                core.tell(TunnelEvent::Asked { words });
            }
            return;
        }
        self.welcome_by = Some(core.now() + ANSWER_MAX);
        if !self.at_former {
            if self.former.take().is_some() {
                core.tell(TunnelEvent::Store);
            }
            core.open();
        }
    }

    pub(super) fn on_stored(&mut self, core: &mut Core) -> Result<(), Fault> {
        match self.storing.take() {
            None => {}
            Some(Storing::Key) => {
                self.key = self.fresh.take().or_else(|| self.key.take());
                self.code = None;
                if core.live.is_some() {
                    self.say_hello(core);
                } else if core.linked {
                    self.shake_hands(core, 1)?;
                }
            }
            Some(Storing::Credentials) if core.live.is_some() => {
                self.leaving = true;
                // If the workstation never hears of it, it is not there and the search begins.
                self.turn_at = Some(core.now() + SETTLE_WAIT);
                core.queue(QueuedRecord::Settled);
            }
            Some(Storing::Credentials) => self.turn(core)?,
        }
        Ok(())
    }

    /// The workstation refuses. Its word is not proven, so nothing is forgotten for it, and a phone that was
    /// welcomed once goes on trying: only a phone that is still pairing stops.
    pub(super) fn on_refused(&mut self, core: &mut Core, c: Tag, why: Refusal) -> Result<(), Fault> {
        let is_pending = self.pending.take_if(|pending| pending.c == c).is_some();
        // The keys of a live connection can't be renewed here, and the damage may be over: a new connection
        // will show.
        if is_pending && (why == Refusal::Damaged || core.live.is_some()) {
            return Err(Fault::BadAnswer);
        }
        if is_pending && self.welcomed {
            return Err(Fault::Refused(why));
        }
        // Another phone may have been let in between H2 and this one's first record.
        let is_asked = !self.welcomed && core.is_live(c);
        if is_pending || is_asked {
            core.tell(TunnelEvent::Refused(why));
        }
        Ok(())
    }

    pub(super) fn on_record(&mut self, core: &mut Core, record: &Record<'_>) -> Result<(), Fault> {
        match record {
            Record::Welcome { credentials } => {
                self.on_welcome(core, credentials.filter(|credentials| *credentials != self.credentials()))
            }
            Record::Denied => {
                let is_pairing = !self.welcomed;
                core.tell(if is_pairing {
                    TunnelEvent::Refused(Refusal::Denied)
                } else {
                    TunnelEvent::Removed
                });
                Ok(())
            }
            record => core.on_record(record),
        }
    }

    fn on_welcome(&mut self, core: &mut Core, credentials: Option<Credentials>) -> Result<(), Fault> {
        self.welcome_by = None;
        match credentials {
            // Where the two meet every day there is nothing to be handed over.
            Some(_) if core.is_open() => return Err(Fault::OutOfPlace("WELCOME record with a session")),
            Some(new) => {
                self.former = Some(self.credentials());
                self.home = new;
                self.at_former = true;
                self.storing = Some(Storing::Credentials);
            }
            None if core.is_open() => return Ok(()),
            None => {
                // The workstation stays here, so this is home.
                self.home = self.credentials();
                self.former = None;
                self.at_former = false;
                core.open();
            }
        }
        self.welcomed = true;
        core.tell(TunnelEvent::Store);
        Ok(())
    }

    /// Goes over to the other one of the two sessions, as a new epoch.
    fn turn(&mut self, core: &mut Core) -> Result<(), Fault> {
        self.leaving = false;
        self.at_former = !self.at_former && self.former.is_some();
        self.turn_at = self.former.map(|_| core.now() + SETTLE_WAIT);
        self.pending = None;
        self.welcome_by = None;
        core.unlink();
        core.tell(TunnelEvent::Move(self.credentials()));
        core.begin_epoch()
    }

    /// The session that the driver is to be connected to has ended. True if there is another, which `Move`
    /// names.
    pub(super) fn on_session_gone(&mut self, core: &mut Core) -> Result<bool, Fault> {
        if self.former.is_none() {
            return Ok(false);
        }
        let was_at_former = self.at_former;
        self.turn(core)?;
        if was_at_former {
            self.former = None;
            self.turn_at = None;
            core.tell(TunnelEvent::Store);
        }
        Ok(true)
    }

    pub(super) fn on_timeout(&mut self, core: &mut Core) -> Result<(), Fault> {
        let now = core.now();
        if self.turn_at.is_some_and(|turn_at| turn_at <= now) {
            return self.turn(core);
        }
        if self.welcome_by.is_some_and(|welcome_by| welcome_by <= now) {
            return Err(Fault::Unanswered(1));
        }
        if let Some(pending) = self.pending.take_if(|pending| pending.give_up_at <= now) {
            if pending.tries >= TRIES_MAX {
                return Err(Fault::Unanswered(pending.tries));
            }
            return self.shake_hands(core, pending.tries + 1);
        }
        self.renew(core)
    }

    /// Makes a new handshake, beside the live connection, once its keys are due for renewal.
    pub(super) fn renew(&mut self, core: &mut Core) -> Result<(), Fault> {
        let now = core.now();
        let is_due_for_renewal =
            core.live.as_ref().is_some_and(|live| live.open && live.is_due_for_renewal(now));
        if is_due_for_renewal && self.pending.is_none() { self.shake_hands(core, 1) } else { Ok(()) }
    }

    /// The deadlines of this role.
    pub(super) fn due_at(&self, core: &Core) -> Option<Duration> {
        let pending = self.pending.as_ref().map(|pending| pending.give_up_at);
        let renew_at =
            core.live.as_ref().filter(|live| live.open && pending.is_none()).map(SealedConnection::renew_at);
        [self.turn_at, self.welcome_by, pending, renew_at].into_iter().flatten().min()
    }
}

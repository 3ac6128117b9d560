//! The workstation's role: it answers handshakes, asks its user about a new phone, hands over key and
//! session, and lets the newest confirmed connection win.
//!
//! Called by the machine with each message; the shared part is in the core.

mod code;

use std::collections::VecDeque;
use std::time::Duration;

use protocol::ids::Role;
use zeroize::Zeroizing;

use super::connection::{QueuedRecord, SealedConnection};
use super::core::Core;
use super::credentials::Credentials;
use super::event::{Fault, Refusal, Spent, TunnelEvent};
use super::limits::{ANSWER_GRACE, PENDING_MAX};
use super::name;
use super::noise::Responder;
use super::record::{self, Record, ResumeState};
use super::saved::Saved;
use super::secret::{KeyId, PairKey, PairingKey, Secret};
use super::wire::{self, Tag};
use super::words::Words;
use code::ShownCode;

/// The user's answer to [`TunnelEvent::Ask`].
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// The phone may talk to this machine.
    Allow {
        /// The fresh session that both move to; `None` stays in the code's, whose token the code has shown.
        session: Option<Credentials>,
    },
    /// It may not.
    Deny,
}

/// The workstation's own state, besides the core. It has keys, so it has no `Debug`.
pub(super) struct Workstation {
    code: ShownCode,
    /// Confirmed by a phone; the user is being asked.
    asking: Option<Asking>,
    /// The pair's, allowed by the user.
    key: Option<PairKey>,
    phone_name: String,
    denied: Option<KeyId>,
    home: Credentials,
    /// The session that the phone is being handed.
    next: Option<Credentials>,
    pending: VecDeque<UnconfirmedHandshake>,
    /// The question whose yes the driver has not yet stored.
    storing: Option<u64>,
    /// Questions asked so far.
    questions: u64,
}

struct Asking {
    /// Of the newest handshake of the phone that has the key.
    question: u64,
    key: PairKey,
    name: String,
    /// Answers under way: the user has decided, and is not asked again.
    answers: u32,
    /// The question ends then, unless an answer is under way.
    ends_at: Duration,
}

/// A handshake that was answered and not confirmed.
struct UnconfirmedHandshake {
    connection: SealedConnection,
    /// The pair key that its first record confirms, or the pair's.
    confirms: KeyId,
    is_under_code: bool,
}

impl Workstation {
    /// A workstation that shows `code` in the session `home` until `expires_at`.
    pub(super) fn new(home: Credentials, code: PairingKey, expires_at: Duration) -> Self {
        Workstation { code: ShownCode::new(code, expires_at), ..Self::at(home) }
    }

    /// A workstation as it was kept.
    pub(super) fn restore(saved: &Saved) -> Self {
        Workstation {
            code: ShownCode::restore(saved.used),
            key: Some(saved.key.copy()),
            phone_name: saved.name.clone(),
            next: saved.other,
            ..Self::at(saved.home)
        }
    }

    fn at(home: Credentials) -> Self {
        Workstation {
            code: ShownCode::restore(None),
            asking: None,
            key: None,
            phone_name: String::new(),
            denied: None,
            home,
            next: None,
            pending: VecDeque::new(),
            storing: None,
            questions: 0,
        }
    }

    /// The state to keep; `None` before the user allowed a phone.
    pub(super) fn saved(&self) -> Option<Saved> {
        let key = self.key.as_ref()?.copy();
        let used = self.code.used_id();
        let name = self.phone_name.clone();
        let (role, home, other) = (Role::Workstation, self.home, self.next);
        Some(Saved { role, home, other, key, welcomed: true, name, used })
    }

    /// Where the driver should be connected.
    pub(super) fn credentials(&self) -> Credentials {
        self.home
    }

    pub(super) fn on_unlink(&mut self) {
        self.pending.clear();
    }

    /// A phone begins a handshake. A repeated one is ignored; a replayed one is never confirmed.
    pub(super) fn on_h1(
        &mut self,
        core: &mut Core,
        c: Tag,
        key_id: KeyId,
        noise: &[u8],
    ) -> Result<(), Fault> {
        if core.is_live(c) || self.pending.iter().any(|pending| pending.connection.c() == c) {
            return Ok(());
        }
        self.expire(core);
        let ephemeral = Zeroizing::new(core.draw()?);
        let responder = match self.key_for(key_id) {
            Ok(key) => Responder::new(key, self.home.session, key_id, *ephemeral, noise)
                .map_err(|_| Refusal::Damaged),
            Err(why) => Err(why),
        };
        match responder {
            Ok(responder) => self.answer_h1(core, c, key_id, responder),
            Err(why) => {
                Self::refuse(core, c, why);
                Ok(())
            }
        }
    }

    fn key_for(&self, id: KeyId) -> Result<&Secret, Refusal> {
        let asking = self.asking.as_ref().map(|asking| &asking.key);
        let pair = self.key.iter().chain(asking).find(|key| key.id() == id).map(PairKey::secret);
        let denied = || if self.denied == Some(id) { Refusal::Denied } else { Refusal::UnknownKey };
        pair.or_else(|| self.code.secret(id)).ok_or_else(|| self.code.refusal(id).unwrap_or_else(denied))
    }

    fn answer_h1(
        &mut self,
        core: &mut Core,
        c: Tag,
        key_id: KeyId,
        responder: Responder,
    ) -> Result<(), Fault> {
        let is_under_code = self.code.is_valid_key(key_id);
        let fresh = if is_under_code {
            Some(PairKey::random(&mut *core.entropy).map_err(|_| Fault::NoEntropy)?)
        } else {
            None
        };
        let payload = record::answer(&core.stream.state(), fresh.as_ref());
        let (keys, noise) = responder.answer(&payload).map_err(|_| Fault::NoEntropy)?;
        core.send_clear(wire::h2(c, &noise));
        if self.pending.len() == PENDING_MAX {
            self.pending.pop_front();
        }
        let confirms = fresh.as_ref().map_or(key_id, PairKey::id);
        let connection = SealedConnection::new(c, keys, core.now());
        self.pending.push_back(UnconfirmedHandshake { connection, confirms, is_under_code });
        if let Some(fresh) = fresh {
            self.code.hand_out(fresh);
        }
        Ok(())
    }

    /// Says no on both sides.
    pub(super) fn refuse(core: &mut Core, c: Tag, why: Refusal) {
        core.send_clear(wire::refused(c, why));
        core.tell(TunnelEvent::Refused(why));
    }

    /// A sealed record that is not of the live connection: the first of a pending one, or stale.
    pub(super) fn on_first_record(&mut self, core: &mut Core, c: Tag, sealed: &[u8]) -> Result<(), Fault> {
        let Some(at) = self.pending.iter().position(|pending| pending.connection.c() == c) else {
            return Ok(());
        };
        let Some(mut pending) = self.pending.remove(at) else { return Ok(()) };
        let mut room = Vec::new();
        let plaintext = match pending.connection.open(sealed, &mut room) {
            Ok(plaintext) => plaintext,
            // A replayed H1 and a made-up record must not end a live connection.
            Err(_) if core.live.is_some() => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let Record::Hello { state, name } = Record::parse(plaintext)? else {
            return Err(Fault::OutOfPlace("first record other than HELLO"));
        };
        pending.connection.greeted = true;
        self.expire(core);
        self.confirm(core, pending, &state, name::shown(name))
    }

    /// A phone has proven that it has the pair key of its handshake.
    fn confirm(
        &mut self,
        core: &mut Core,
        pending: UnconfirmedHandshake,
        theirs: &ResumeState,
        name: String,
    ) -> Result<(), Fault> {
        let UnconfirmedHandshake { connection, confirms, is_under_code } = pending;
        if self.key.as_ref().is_some_and(|key| key.id() == confirms) {
            core.confirm(connection, theirs)?;
            if self.storing.is_none() {
                self.welcome(core);
            }
            return Ok(());
        }
        let words = connection.words();
        if self.asking.as_ref().is_some_and(|asking| asking.key.id() == confirms) {
            core.confirm(connection, theirs)?;
            self.ask_again(core, name, words);
            return Ok(());
        }
        if !self.code.has_candidate(confirms) {
            let late = self.code.refusal_of_late().filter(|_| is_under_code);
            let why = late.or_else(|| self.key_for(confirms).err()).unwrap_or(Refusal::UnknownKey);
            Self::refuse(core, connection.c(), why);
            return Ok(());
        }
        core.confirm(connection, theirs)?;
        let Some((key, expires_at)) = self.code.confirm(confirms) else { return Ok(()) };
        let ends_at = expires_at.unwrap_or_else(|| core.now()) + ANSWER_GRACE;
        self.asking = Some(Asking { question: 0, key, name: String::new(), answers: 0, ends_at });
        self.ask_again(core, name, words);
        Ok(())
    }

    /// Asks about the handshake that was just confirmed. An answer under way goes for the same phone on any
    /// connection: its pair key came through the handshake whose words the user has seen.
    fn ask_again(&mut self, core: &mut Core, name: String, words: Words) {
        let Some(asking) = self.asking.as_mut().filter(|asking| asking.answers == 0) else { return };
        self.questions += 1;
        asking.question = self.questions;
        asking.name.clone_from(&name);
        core.tell(TunnelEvent::Ask { question: asking.question, name, words });
    }

    fn expire(&mut self, core: &mut Core) {
        if self.code.expire(core.now()) {
            core.tell(TunnelEvent::CodeSpent(Spent::Expired));
        }
    }

    /// The user has decided, and carrying it out takes a while. False if this is not the question.
    pub(super) fn begin_answer(&mut self, question: u64) -> bool {
        let asking = self.asking.as_mut().filter(|asking| asking.question == question);
        asking.map(|asking| asking.answers += 1).is_some()
    }

    /// The answer could not be carried out; the question stays open.
    pub(super) fn drop_answer(&mut self, question: u64) {
        if let Some(asking) = self.asking.as_mut().filter(|asking| asking.question == question) {
            asking.answers = asking.answers.saturating_sub(1);
        }
    }

    /// The user's answer. False if the question is over or never existed: then nothing is done.
    pub(super) fn on_answer(&mut self, core: &mut Core, question: u64, answer: Answer) -> bool {
        match answer {
            Answer::Allow { session } => self.allow(core, question, session),
            Answer::Deny => self.deny(core, question),
        }
    }

    fn allow(&mut self, core: &mut Core, question: u64, session: Option<Credentials>) -> bool {
        let Some(asking) = self.asking.take_if(|asking| asking.question == question) else { return false };
        self.key = Some(asking.key);
        self.phone_name = asking.name;
        self.next = session;
        self.storing = Some(question);
        core.tell(TunnelEvent::Store);
        true
    }

    /// A no wins over a yes that is not stored yet.
    fn deny(&mut self, core: &mut Core, question: u64) -> bool {
        let asking = self.asking.take_if(|asking| asking.question == question);
        let key = asking.map(|asking| asking.key).or_else(|| self.take_back(core, question));
        let Some(key) = key else { return false };
        self.send_away(core, question, &key, Spent::Denied);
        true
    }

    /// Tells the phone of this key, now or when it comes back, that it is not let in.
    fn send_away(&mut self, core: &mut Core, question: u64, key: &PairKey, why: Spent) {
        self.denied = Some(key.id());
        core.queue(QueuedRecord::Denied);
        core.tell(TunnelEvent::AskOver { question, allowed: false });
        core.tell(TunnelEvent::CodeSpent(why));
    }

    /// No answer counts as a no: a question must not stay open for ever.
    fn end_question(&mut self, core: &mut Core) {
        let now = core.now();
        let Some(asking) = self.asking.take_if(|asking| asking.answers == 0 && asking.ends_at <= now) else {
            return;
        };
        let why = if core.live.is_some() { Spent::Unanswered } else { Spent::PhoneGone };
        self.send_away(core, asking.question, &asking.key, why);
    }

    /// Undoes the yes to this question if it is not stored yet: nothing is kept, and the fresh session is not
    /// needed.
    fn take_back(&mut self, core: &mut Core, question: u64) -> Option<PairKey> {
        self.storing.take_if(|storing| *storing == question)?;
        let key = self.key.take();
        self.phone_name.clear();
        core.tell(TunnelEvent::Store);
        if let Some(credentials) = self.next.take() {
            core.tell(TunnelEvent::Retire(credentials));
        }
        key
    }

    pub(super) fn on_stored(&mut self, core: &mut Core) {
        if let Some(question) = self.storing.take() {
            core.tell(TunnelEvent::AskOver { question, allowed: true });
            self.welcome(core);
        }
    }

    /// Every first record of a phone that is allowed is answered so.
    fn welcome(&self, core: &mut Core) {
        core.queue(QueuedRecord::Welcome(self.next));
        if self.next.is_none() {
            core.open();
        }
    }

    pub(super) fn on_record(&mut self, core: &mut Core, record: &Record<'_>) -> Result<(), Fault> {
        match record {
            Record::Settled => match self.next.filter(|_| self.storing.is_none()) {
                Some(next) => self.move_to(core, next),
                None => Err(Fault::OutOfPlace("SETTLED record")),
            },
            record => core.on_record(record),
        }
    }

    /// The phone knows the new session: both are at home there from now on.
    fn move_to(&mut self, core: &mut Core, next: Credentials) -> Result<(), Fault> {
        let former = std::mem::replace(&mut self.home, next);
        self.next = None;
        self.pending.clear();
        core.unlink();
        core.tell(TunnelEvent::Store);
        core.tell(TunnelEvent::Move(next));
        core.tell(TunnelEvent::Retire(former));
        core.begin_epoch()
    }

    /// The session that the driver is to be connected to has ended. True if there is another, which `Move`
    /// names.
    pub(super) fn on_session_gone(&mut self, core: &mut Core) -> Result<bool, Fault> {
        let Some(next) = self.next else { return Ok(false) };
        self.home = next;
        self.next = None;
        self.pending.clear();
        core.unlink();
        core.tell(TunnelEvent::Store);
        core.tell(TunnelEvent::Move(next));
        core.begin_epoch()?;
        Ok(true)
    }

    pub(super) fn on_timeout(&mut self, core: &mut Core) -> Result<(), Fault> {
        self.expire(core);
        self.end_question(core);
        let now = core.now();
        let is_dead = core.live.as_ref().is_some_and(|live| live.dead_at() <= now);
        if is_dead { Err(Fault::KeysExhausted) } else { Ok(()) }
    }

    /// The deadlines of this role.
    pub(super) fn due_at(&self, core: &Core) -> Option<Duration> {
        let expires_at = self.code.expires_at();
        let ends_at = self.asking.as_ref().filter(|asking| asking.answers == 0).map(|asking| asking.ends_at);
        let dead_at = core.live.as_ref().map(SealedConnection::dead_at);
        [expires_at, ends_at, dead_at].into_iter().flatten().min()
    }
}

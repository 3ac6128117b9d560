//! The phones of the profile: what they do reaches the desk, what the desk says reaches them.

mod coming;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Token;
use relay_client::app::chat::{ChatMessage, ChatPart};
use relay_client::app::{AppEvent, DeskInfo};
use relay_client::engine::EngineEvent;
use relay_client::lines::harmless;
use relay_client::{AppLink, LinkEvent, Listener};

use super::carried::{self, Carried, Followed};
use super::desk::{Desk, Role};
use super::lines::{Lines, PhoneKey, Saying};
use super::log::Log;
use super::looks::Looks;
use super::notices::Notices;
use super::openings::{self, Opening};
use super::phone::{self, Phone};
use super::process::now_ms;
use super::room::Room;
use super::shells::Shells;
use super::terminals::{Copied, Terminals};
use super::viewers::Viewers;
use crate::ipc::wire::carry::ToCarrier;
use crate::ipc::wire::{self, FromAgent, Over, Pairing, State};
use crate::state::phones::unused_name;

/// Events of one phone in one turn.
const EVENTS_MAX: usize = 64;

/// The phones.
pub(super) struct Phones {
    all: BTreeMap<PhoneKey, Phone>,
    next_key: u32,
    /// What phones call this machine.
    desk_name: String,
    lines: Lines,
    /// The number of the last message that commands were given.
    heard: u64,
    pub(super) viewers: Viewers,
    shells: Shells,
    pub(super) carried: Carried,
    listener: Listener,
}

impl Phones {
    pub(super) fn new(desk_name: String, listener: Listener) -> Self {
        Phones {
            all: BTreeMap::new(),
            next_key: 0,
            desk_name,
            lines: Lines::default(),
            heard: 0,
            viewers: Viewers::default(),
            shells: Shells::default(),
            carried: Carried::new(),
            listener,
        }
    }

    /// What phones call this machine.
    pub(super) fn desk_name(&self) -> &str {
        &self.desk_name
    }

    /// Takes a phone whose engine has begun.
    pub(super) fn add(&mut self, phone: Phone, terminals: &Terminals) -> PhoneKey {
        self.next_key += 1;
        let key = PhoneKey(self.next_key);
        phone.app.set_desk(self.offer(&phone, terminals));
        phone.listen(Arc::clone(&self.listener));
        self.all.insert(key, phone);
        key
    }

    /// Lets a phone go; its viewers and what was to be said to it go too.
    pub(super) fn remove(&mut self, key: PhoneKey, desk: &mut Desk) -> Option<Phone> {
        self.viewers.on_phone_gone(key);
        self.carried.on_phone_gone(key, desk);
        let phone = self.all.remove(&key)?;
        let why = format!("\"{}\" is no longer paired", phone.file.name());
        if phone.pairing.is_some()
            && let Some(command) = desk.with_role(&Role::Pairing(key))
        {
            let over = Pairing::Over { why: Over::Refused, line: harmless(&why) };
            desk.tell(command, &FromAgent::Pairing(over));
        }
        for (command, number) in self.lines.give_up(key) {
            desk.tell(command, &FromAgent::NotSaid { number, why: why.clone() });
        }
        Some(phone)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Phone> {
        self.all.values()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (PhoneKey, &mut Phone)> {
        self.all.iter_mut().map(|(key, phone)| (*key, phone))
    }

    pub(super) fn get_mut(&mut self, key: PhoneKey) -> Option<&mut Phone> {
        self.all.get_mut(&key)
    }

    /// The paired phone of this name.
    pub(super) fn find(&self, name: &str) -> Option<PhoneKey> {
        let named = |phone: &Phone| phone.is_paired() && phone.file.name() == name;
        self.all.iter().find(|(_, phone)| named(phone)).map(|(key, _)| *key)
    }

    /// The paired phones, by name.
    pub(super) fn listed(&self) -> Vec<wire::Phone> {
        let mut listed: Vec<_> =
            self.all.values().filter(|phone| phone.is_paired()).map(Phone::listed).collect();
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        listed
    }

    /// Notes that the phones that are here were seen.
    pub(super) fn note_seen(&self, log: &mut Log) {
        for phone in self.all.values().filter(|phone| phone.state == State::Online) {
            if let Err(error) = phone.file.note_seen() {
                log.line(&error.to_string());
            }
        }
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &Arc<AppLink>> {
        self.all.values().map(|phone| &phone.app)
    }

    /// True if a code is shown, or its phone is asked about.
    pub(super) fn is_pairing(&self) -> bool {
        self.all.values().any(|phone| phone.pairing.is_some() && !phone.is_paired())
    }

    /// A name for a phone that is not `but`.
    pub(super) fn unused_name(&self, wanted: &str, but: PhoneKey) -> String {
        let others: Vec<String> =
            self.all.iter().filter(|(key, _)| **key != but).map(|(_, phone)| phone.file.name()).collect();
        unused_name(wanted, &others)
    }

    /// A command says something to these phones; to all if none is named.
    pub(super) fn say(&mut self, desk: &mut Desk, command: Token, to: &[String], line: Saying) {
        let Saying { number, id, text } = line;
        let is_meant = |phone: &Phone| phone.chats() && (to.is_empty() || to.contains(&phone.file.name()));
        let meant: Vec<PhoneKey> =
            self.all.iter().filter(|(_, phone)| is_meant(phone)).map(|(key, _)| *key).collect();
        let message = ChatMessage { id, at_ms: now_ms(), text };
        let checked = ChatPart::Message(message.clone()).to_bytes().map_err(|error| error.to_string());
        let none = || Err("there is no phone that may chat".to_owned());
        if let Err(why) = checked.and_then(|_| if meant.is_empty() { none() } else { Ok(()) }) {
            return desk.tell(command, &FromAgent::NotSaid { number, why });
        }
        // One phone that is away for long stops no talk with the others.
        let (mut full, mut taken) = (Vec::new(), Vec::new());
        for key in meant {
            let Some(phone) = self.all.get_mut(&key) else { continue };
            match phone.chat.say(message.clone()) {
                Ok(()) => taken.push(key),
                Err(_) => full.push(format!("\"{}\"", phone.file.name())),
            }
        }
        let missed = (!full.is_empty()).then(|| format!("too many lines wait for {}", full.join(", ")));
        if let Some(why) = missed.clone().filter(|_| taken.is_empty()) {
            return desk.tell(command, &FromAgent::NotSaid { number, why });
        }
        self.lines.add(&message.id, (command, number), taken.iter().copied().collect(), missed);
        for key in taken {
            if let Some(phone) = self.all.get_mut(&key) {
                phone.chat.pump(&phone.app);
            }
        }
    }

    /// A command has printed what a phone said.
    pub(super) fn on_printed(&mut self, number: u64) {
        for phone in self.all.values_mut() {
            phone.chat.on_printed(&phone.app, number);
        }
    }

    /// Nobody wants to hear of this command's lines any more, and it prints nothing more.
    pub(super) fn forget_command(&mut self, command: Token) {
        self.carried.on_command_gone(command);
        self.lines.forget(command);
        for phone in self.all.values_mut() {
            phone.chat.on_command_gone(command);
        }
    }

    /// The list of terminals is another one, or a name or a phone's rights are.
    pub(super) fn offer_all(&mut self, terminals: &Terminals) {
        self.shells.let_go();
        for (key, phone) in &self.all {
            phone.app.set_desk(self.offer(phone, terminals));
            let (file, rights) = (&phone.file, phone.file.rights());
            let access = |terminal: &str| terminals.access(terminal, file.id(), rights);
            self.viewers.review(*key, &file.name(), access);
        }
    }

    fn offer(&self, phone: &Phone, terminals: &Terminals) -> DeskInfo {
        let rights = phone.file.rights();
        let terminals = terminals.for_phone(phone.file.id(), rights);
        DeskInfo { name: self.desk_name.clone(), rights, terminals }
    }

    /// Carries out what the phones did. True if there may be more.
    pub(super) fn turn(&mut self, room: &mut Room<'_>) -> bool {
        let mut has_more = false;
        let keys: Vec<PhoneKey> = self.all.keys().copied().collect();
        for key in keys {
            let Some(app) = self.all.get(&key).map(|phone| Arc::clone(&phone.app)) else { continue };
            let events = app.next_events(EVENTS_MAX, Duration::ZERO);
            has_more |= events.len() == EVENTS_MAX;
            for event in events {
                match event {
                    LinkEvent::Engine(event) => self.on_engine(key, &event, room),
                    LinkEvent::App(event) => self.on_app(key, event, room),
                }
            }
            self.finish_if_late(key, room);
            self.pass_chat(key, room.desk);
        }
        self.carried.tell_phones(self.followed(), room.desk);
        self.carried.pump(Instant::now(), room.desk);
        self.viewers.pump() || has_more
    }

    /// The paired phones, as commands that do the work of channels know them.
    fn followed(&self) -> BTreeMap<PhoneKey, Followed> {
        let paired = self.all.iter().filter(|(_, phone)| phone.is_paired() && phone.state != State::Ended);
        paired.map(|(key, phone)| (*key, phone.followed())).collect()
    }

    /// A command asks something about carried channels. Fails if that can't be meant.
    pub(super) fn on_carry(&mut self, asked: (Token, ToCarrier), desk: &mut Desk) -> anyhow::Result<()> {
        // An agent that has just begun has not told of its phones yet.
        self.carried.tell_phones(self.followed(), desk);
        let link = |key| self.all.get(&key).map(|phone| Arc::clone(&phone.app));
        carried::on_request(&mut self.carried, asked, link, desk)
    }

    /// A program in a shared terminal put a text into the clipboard, and may pass it on.
    pub(super) fn copy(&mut self, copied: &Copied) {
        let is_meant = |phone: &Phone| {
            let is_shared = copied.to.is_empty() || copied.to.iter().any(|id| id == phone.file.id());
            let rights = phone.file.rights();
            phone.chats() && is_shared && rights.has(copied.right)
        };
        for phone in self.all.values_mut().filter(|phone| is_meant(phone)) {
            phone.clips.copy(&copied.text);
        }
    }

    /// What the phone said goes to the chats that show it; what is to be said to it goes out.
    fn pass_chat(&mut self, key: PhoneKey, desk: &mut Desk) {
        let Some(phone) = self.all.get_mut(&key).filter(|phone| phone.chats()) else { return };
        let name = phone.file.name();
        while phone.chat.has_heard() && desk.hears(&name) {
            self.heard += 1;
            let (number, commands) = (self.heard, desk.chats_of(&name));
            let Some(message) = phone.chat.give(number, commands) else { break };
            let (text, at_ms) = (message.text.clone(), message.at_ms);
            desk.tell_chats(Some(&name), &FromAgent::Heard { number, phone: name.clone(), text, at_ms });
        }
        phone.chat.pump(&phone.app);
        phone.clips.pump(&phone.app);
    }

    fn on_engine(&mut self, key: PhoneKey, event: &EngineEvent, room: &mut Room<'_>) {
        let Some(phone) = self.all.get_mut(&key) else { return };
        phone.note(event);
        if matches!(event, EngineEvent::Opened { .. } | EngineEvent::Left)
            && phone.file.is_paired()
            && let Err(error) = phone.file.note_seen()
        {
            room.log.line(&error.to_string());
        }
        if phone.pairing.is_some() {
            return self.on_pairing(key, event, room);
        }
        let (name, state) = (phone.file.name(), phone.state);
        let line = phone::words(&name, event).unwrap_or_default();
        if !line.is_empty() {
            room.log.line(&line);
        }
        if let Some(message) = phone::told(&name, state, event) {
            room.desk.tell_chats(Some(&name), &message);
        }
        if state == State::Ended {
            // A phone that has ended the pair wants nothing more, by Web Push either.
            phone.notices = Notices::new(None);
            if let Err(error) = phone.file.set_push(None) {
                room.log.line(&error.to_string());
            }
            self.viewers.on_phone_gone(key);
            self.carried.on_phone_gone(key, room.desk);
            for (command, number) in self.lines.give_up(key) {
                let why = format!("the pair with \"{name}\" has ended");
                room.desk.tell(command, &FromAgent::NotSaid { number, why });
            }
        }
    }

    fn on_app(&mut self, key: PhoneKey, event: AppEvent, room: &mut Room<'_>) {
        let Some(phone) = self.all.get_mut(&key) else { return };
        if phone.clips.on_event(&event, &phone.app) {
            return;
        }
        let is_refused = matches!(event, AppEvent::Refused { .. });
        match event {
            AppEvent::Opened { ch, kind, params } => {
                let opening = Opening { key, ch, kind, params: &params };
                let looks = Looks { viewers: &mut self.viewers, shells: &mut self.shells };
                openings::on_opened(&opening, phone, (looks, &mut self.carried), room);
            }
            AppEvent::Accepted { ch, params } => {
                phone.chat.on_accepted(ch);
                self.carried.on_accepted(key, ch, params, room.desk);
            }
            AppEvent::Data { ch, bytes } if phone.chat.has(ch) => {
                if let Some(id) = phone.chat.on_data(&phone.app, ch, &bytes)
                    && let Some((command, number, missed)) = self.lines.confirm(&id, key)
                {
                    let settled = match missed {
                        None => FromAgent::Delivered { number },
                        Some(why) => FromAgent::NotSaid { number, why },
                    };
                    room.desk.tell(command, &settled);
                }
            }
            AppEvent::Data { ch, bytes } if phone.notices.has(ch) => {
                phone.notices.on_data(&phone.app, ch, &bytes);
            }
            AppEvent::Data { ch, bytes } => {
                if !self.viewers.on_data(key, ch, &bytes) && !self.carried.on_data(key, ch, &bytes, room.desk)
                {
                    phone.app.consumed(ch, bytes.len());
                }
            }
            AppEvent::Ended { ch } if self.carried.has(key, ch) => {
                self.carried.on_ended(key, ch, room.desk);
            }
            AppEvent::Refused { ch, reason } if self.carried.has(key, ch) => {
                self.carried.on_refused(key, ch, &reason, room.desk);
            }
            AppEvent::Reset { ch, reason } if self.carried.has(key, ch) => {
                self.carried.on_reset(key, ch, &reason, room.desk);
            }
            AppEvent::Refused { ch, .. } | AppEvent::Reset { ch, .. } | AppEvent::Ended { ch } => {
                if phone.chat.has(ch) {
                    phone.chat.on_closed_by_phone(is_refused, Instant::now());
                }
                if phone.notices.has(ch) {
                    phone.notices.on_closed();
                }
                self.viewers.on_closed(key, ch);
                // It is gone, or is gone now.
                let _ = phone.app.end(ch);
            }
            AppEvent::Restarted => {
                phone.chat.on_restarted();
                phone.notices.on_closed();
                self.viewers.on_phone_gone(key);
                self.carried.on_phone_gone(key, room.desk);
            }
            AppEvent::Ready { peer } => phone.notices.set_hidden(peer.hidden),
            AppEvent::Hidden(is_hidden) => phone.notices.set_hidden(is_hidden),
            AppEvent::Desk(_) | AppEvent::Writable { .. } => {}
        }
    }
}

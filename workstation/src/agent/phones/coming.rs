//! A phone that pairs: from its question until it is one of the list.

use std::time::Duration;

use relay_client::engine::EngineEvent;
use relay_client::lines::harmless;

use super::Phones;
use crate::agent::desk::Role;
use crate::agent::lines::PhoneKey;
use crate::agent::pairing::{self, Step};
use crate::agent::phone::Phone;
use crate::agent::room::Room;
use crate::ipc::wire::{FromAgent, Pairing};

/// How long a phone that was let in may take to come back before its command is told that it is paired.
const BACK_WITHIN: Duration = Duration::from_secs(8);

impl Phones {
    pub(super) fn on_pairing(&mut self, key: PhoneKey, event: &EngineEvent, room: &mut Room<'_>) {
        if let EngineEvent::Ask { name, .. } = event {
            self.name_asking(key, name);
        }
        let Some(phone) = self.all.get_mut(&key) else { return };
        match pairing::on_event(key, phone, event, room) {
            Step::GoesOn => {}
            Step::Paired => self.finish_pairing(key, room),
            Step::Over => {
                self.remove(key, room.desk);
            }
        }
    }

    /// Gives a phone that wants to pair its name, before anything is kept.
    fn name_asking(&mut self, key: PhoneKey, own: &str) {
        let wanted = self.all.get(&key).and_then(|phone| phone.pairing.as_ref()?.name.clone());
        let name = self.unused_name(&harmless(wanted.as_deref().unwrap_or(own)), key);
        if let Some(phone) = self.all.get(&key) {
            // Nothing is written before it has paired, so nothing can fail.
            drop(phone.file.set_name(&name));
        }
    }

    /// A phone that was let in and does not come back is paired all the same: its command need not wait.
    pub(super) fn finish_if_late(&mut self, key: PhoneKey, room: &mut Room<'_>) {
        let is_late = |phone: &Phone| {
            let allowed_at = phone.pairing.as_ref().and_then(|pairing| pairing.allowed_at);
            phone.is_paired() && allowed_at.is_some_and(|at| at.elapsed() > BACK_WITHIN)
        };
        let Some(name) = self.all.get(&key).filter(|phone| is_late(phone)).map(|phone| phone.file.name())
        else {
            return;
        };
        if let Some(command) = room.desk.with_role(&Role::Pairing(key)) {
            let line = format!("\"{name}\" is paired and has not come back yet: open the app on it");
            room.desk.tell(command, &FromAgent::Pairing(Pairing::Line { line }));
        }
        self.finish_pairing(key, room);
    }

    /// The phone is one of the list from now on.
    fn finish_pairing(&mut self, key: PhoneKey, room: &mut Room<'_>) {
        let Some(phone) = self.all.get_mut(&key) else { return };
        phone.pairing = None;
        let name = phone.file.name();
        room.log.line(&format!("paired with \"{name}\""));
        if let Some(command) = room.desk.with_role(&Role::Pairing(key)) {
            room.desk.tell(command, &FromAgent::Pairing(Pairing::Paired { name }));
        }
        let Some(phone) = self.all.get(&key) else { return };
        if let Err(error) = phone.file.note_seen() {
            room.log.line(&error.to_string());
        }
        phone.app.set_desk(self.offer(phone, room.terminals));
        let line = format!("\"{}\" is paired", phone.file.name());
        room.desk.tell_chats(None, &FromAgent::Note { line });
    }
}

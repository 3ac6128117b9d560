//! What commands ask the agent for, and what it tells them when it is done.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::Token;
use relay_client::app::{Right, Rights};

use super::Agent;
use super::chores::Done;
use super::desk::Role;
use super::lines::Saying;
use super::phone::Phone;
use crate::ipc::wire::{FromAgent, PairRequest, Pairing, RightsChange, ToAgent};
use crate::state::phones::{self as kept, PhoneFile};

/// The phones of a profile.
const PHONES_MAX: usize = 32;

impl Agent {
    pub(super) fn on_request(&mut self, token: Token, request: ToAgent) {
        match request {
            ToAgent::Hello { .. } => {}
            ToAgent::StepDown => {
                self.log.line("a newer program asks for the place");
                self.must_end.store(true, Ordering::Relaxed);
            }
            ToAgent::Devices => self.tell_devices(token),
            ToAgent::Rename { old, new } => {
                let renamed = self.rename(&old, &new);
                self.answer(token, renamed);
            }
            ToAgent::Rights { name, change } => match self.change_rights(&name, &change) {
                Ok(()) => self.tell_devices(token),
                Err(error) => self.answer(token, Err(error)),
            },
            ToAgent::Serve { shell } => {
                self.desk.set_role(token, Role::Serve { shell });
                self.tell_devices(token);
            }
            ToAgent::Revoke { name } => {
                if let Err(error) = self.revoke(token, &name) {
                    self.answer(token, Err(error));
                }
            }
            ToAgent::Chat { to } => match to.iter().find(|name| self.phones.find(name).is_none()) {
                Some(name) => self.answer(token, Err(unknown(name))),
                None => {
                    self.desk.set_role(token, Role::Chat { to });
                    self.tell_devices(token);
                }
            },
            ToAgent::Say { number, id, text } => {
                if let Some(Role::Chat { to }) = self.desk.role(token).cloned() {
                    self.phones.say(&mut self.desk, token, &to, Saying { number, id, text });
                }
            }
            ToAgent::Heard { number } => self.phones.on_printed(number),
            ToAgent::Retry => self.phones.links().for_each(|app| app.engine().retry_now()),
            ToAgent::Pair(request) => {
                if let Err(error) = self.pair(token, *request) {
                    self.answer(token, Err(error));
                }
            }
            ToAgent::Answer { question, yes } => self.on_answer(token, question, yes),
            ToAgent::Notify(request) => match self.notifier.raise(token, &request, &mut self.phones) {
                Ok(phones) => self.desk.tell(token, &FromAgent::Notifying { phones }),
                Err(error) => self.answer(token, Err(error)),
            },
            ToAgent::Carry(request) => {
                if let Err(error) = self.phones.on_carry((token, request), &mut self.desk) {
                    self.answer(token, Err(error));
                }
            }
        }
    }

    fn answer(&mut self, token: Token, done: anyhow::Result<()>) {
        let answer = match done {
            Ok(()) => FromAgent::Done,
            Err(error) => FromAgent::Failed { why: format!("{error:#}") },
        };
        self.desk.tell(token, &answer);
    }

    fn tell_devices(&mut self, token: Token) {
        let devices = FromAgent::Devices { phones: self.phones.listed(), damaged: self.damaged.clone() };
        self.desk.tell(token, &devices);
    }

    fn rename(&mut self, old: &str, new: &str) -> anyhow::Result<()> {
        let key = self.phones.find(old).ok_or_else(|| unknown(old))?;
        let new = kept::checked_name(new)?;
        anyhow::ensure!(
            old == new || self.phones.unused_name(&new, key) == new,
            "another phone is called \"{new}\" already"
        );
        if let Some(phone) = self.phones.get_mut(key) {
            phone.file.set_name(&new)?;
        }
        self.phones.offer_all(&self.terminals);
        Ok(())
    }

    /// A phone that is connected is told at once, and loses the channels that it may not have any more.
    fn change_rights(&mut self, name: &str, change: &RightsChange) -> anyhow::Result<()> {
        let key = self.phones.find(name).ok_or_else(|| unknown(name))?;
        let Some(phone) = self.phones.get_mut(key) else { return Err(unknown(name)) };
        let (old, new) = (phone.file.rights(), change.applied_to(phone.file.rights()));
        if old == new {
            return Ok(());
        }
        phone.file.set_rights(new)?;
        self.log.line(&format!("\"{name}\" has other rights now: {}", words_of(new)));
        phone.close_chat_without_right();
        self.phones.offer_all(&self.terminals);
        Ok(())
    }

    /// Ends the pair with a phone. The answer comes when the phone and the relay were told.
    fn revoke(&mut self, token: Token, name: &str) -> anyhow::Result<()> {
        let key = self.phones.find(name).ok_or_else(|| unknown(name))?;
        let Some(phone) = self.phones.get_mut(key) else { return Err(unknown(name)) };
        let file = Arc::clone(&phone.file);
        // First, so that nothing is forgotten if this process ends in the middle. The phone goes all the
        // same.
        if let Err(error) = self.retiring.add(&file) {
            let line = format!(
                "warning: {error}. If the relay can't be asked now, the session of \"{name}\" stays there until \
                 it expires"
            );
            self.log.line(&line);
            self.desk.tell(token, &FromAgent::Note { line });
        }
        let Some(phone) = self.phones.remove(key, &mut self.desk) else { return Err(unknown(name)) };
        self.log.line(&format!("\"{name}\" is revoked"));
        if let Err(error) = file.erase() {
            // It is tried once more with the engine's end, which answers the command.
            self.log.line(&error.to_string());
        }
        self.chores.forget(file.id().to_owned(), phone.app, token);
        Ok(())
    }

    fn pair(&mut self, token: Token, request: PairRequest) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.phones.listed().len() < PHONES_MAX,
            "{PHONES_MAX} phones are paired, and more are not possible: revoke one first"
        );
        let file = PhoneFile::new(self.folders.state(), request.relay.clone())?;
        let phone = Phone::pair(file, request, self.phones.desk_name())?;
        let key = self.phones.add(phone, &self.terminals);
        self.desk.set_role(token, Role::Pairing(key));
        Ok(())
    }

    fn on_answer(&mut self, token: Token, question: u64, yes: bool) {
        let Some(Role::Pairing(key)) = self.desk.role(token).cloned() else { return };
        let Some(phone) = self.phones.get_mut(key) else { return };
        if yes {
            self.chores.allow(key, Arc::clone(&phone.app), question);
        } else {
            // A question that is over needs no answer.
            let _ = phone.app.engine().deny(question);
        }
    }

    pub(super) fn on_done(&mut self, done: Done) {
        match done {
            Done::Allowed { phone, words } => {
                if let Some(line) = words
                    && let Some(command) = self.desk.with_role(&Role::Pairing(phone))
                {
                    self.desk.tell(command, &FromAgent::Pairing(Pairing::Line { line }));
                }
            }
            Done::Forgotten { id, outcome, command } => {
                let answer = self.retiring.on_forgotten(&id, outcome, &mut self.log);
                self.answer(command, answer);
            }
            Done::Posted { phone, outcome } => {
                if let Some(phone) = self.phones.get_mut(phone) {
                    phone.notices.on_push(outcome);
                }
            }
            Done::Deleted { gone, failed } => self.retiring.on_deleted(&gone, &failed, &mut self.log),
        }
    }

    /// A command is gone. A code and its question end with the command that shows it.
    pub(super) fn on_command_gone(&mut self, token: Token, role: &Role) {
        self.phones.forget_command(token);
        self.notifier.forget_command(token);
        let Role::Pairing(key) = role else { return };
        let Some(phone) = self.phones.get_mut(*key) else { return };
        let Some(pairing) = phone.pairing.as_ref().filter(|pairing| pairing.allowed_at.is_none()) else {
            return;
        };
        if let Some(question) = pairing.question {
            // The phone is told that it was rejected.
            let _ = phone.app.engine().deny(question);
        }
        phone.app.close();
    }
}

fn unknown(name: &str) -> anyhow::Error {
    anyhow::anyhow!("no phone is called \"{name}\"; the command devices lists them")
}

fn words_of(rights: Rights) -> String {
    let words: Vec<&str> = rights.iter().map(Right::as_str).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

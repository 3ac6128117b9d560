//! How the pairing of one phone goes on, told to the command that shows its code.

use std::time::Instant;

use relay_client::engine::EngineEvent;
use relay_client::lines::{engine_line, harmless};

use super::desk::Role;
use super::lines::PhoneKey;
use super::phone::{self, Phone};
use super::room::Room;
use crate::ipc::wire::{FromAgent, Pairing};
use crate::state::retire::Retired;

/// What follows from an event.
pub(super) enum Step {
    GoesOn,
    /// The phone is one of the list from now on.
    Paired,
    /// No phone was paired: this one goes.
    Over,
}

/// Carries out what an event of a phone's engine means while it pairs.
pub(super) fn on_event(key: PhoneKey, phone: &mut Phone, event: &EngineEvent, room: &mut Room<'_>) -> Step {
    let command = room.desk.with_role(&Role::Pairing(key));
    let mut tell = |pairing: Pairing| {
        if let Some(command) = command {
            room.desk.tell(command, &FromAgent::Pairing(pairing));
        }
    };
    let Some(pairing) = &mut phone.pairing else { return Step::GoesOn };
    match event {
        EngineEvent::Ask { question, name, words } => {
            pairing.question = Some(*question);
            tell(Pairing::Ask { question: *question, name: harmless(name), words: words.to_string() });
            if command.is_none() {
                // The command that showed the code is gone, and nobody else may answer.
                let _ = phone.app.engine().deny(*question);
            }
        }
        EngineEvent::AskOver { question, allowed } => {
            pairing.question = None;
            if *allowed {
                pairing.allowed_at = Some(Instant::now());
            }
            tell(Pairing::AskOver { question: *question });
        }
        EngineEvent::Opened { .. } => return Step::Paired,
        EngineEvent::CodeSpent(spent) => {
            pairing.spent = Some(*spent);
            phone.app.close();
        }
        EngineEvent::Stopped { why, .. } => {
            let (why, line) = phone::over(pairing.spent, why);
            tell(Pairing::Over { why, line: harmless(&line) });
            if pairing.allowed_at.is_none() {
                let credentials = pairing.session;
                room.chores.delete(vec![Retired { relay: phone.file.relay(), credentials }]);
            }
            phone.pairing = None;
            // Nothing was kept, or it can't be used.
            if let Err(error) = phone.file.erase() {
                room.log.line(&error.to_string());
            }
            return Step::Over;
        }
        EngineEvent::Connected => tell(Pairing::Connected),
        EngineEvent::Reconnecting { after, why } => {
            let in_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            tell(Pairing::Retry { in_ms, why: harmless(&why.to_string()) });
        }
        event => {
            if let Some(line) = engine_line(event, protocol::ids::Role::Phone) {
                tell(Pairing::Line { line });
            }
        }
    }
    Step::GoesOn
}

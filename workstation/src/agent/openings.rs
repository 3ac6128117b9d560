//! Channels that phones open: who gets them, which are refused and why, and what the desk is told.

use std::time::Instant;

use relay_client::app::{ChannelId, Kind, Reason};
use relay_client::lines::harmless;

use super::carried::Carried;
use super::lines::PhoneKey;
use super::looks::Looks;
use super::phone::Phone;
use super::room::Room;
use crate::ipc::wire::FromAgent;

/// A channel that a phone opens. Its right to the kind was checked by the link.
pub(super) struct Opening<'a> {
    pub(super) key: PhoneKey,
    pub(super) ch: ChannelId,
    pub(super) kind: Kind,
    pub(super) params: &'a str,
}

/// Gives the channel to the part or the command that does its work, or refuses it. The desk is told.
pub(super) fn on_opened(
    opening: &Opening<'_>,
    phone: &mut Phone,
    (mut looks, carried): (Looks<'_>, &mut Carried),
    room: &mut Room<'_>,
) {
    let (name, kind) = (phone.file.name(), opening.kind);
    let mut is_shell = false;
    let opened = match kind {
        Kind::Chat => {
            phone.chat.on_opened(&phone.app, opening.ch);
            Ok(format!("\"{name}\" opened the chat"))
        }
        Kind::Terminal => looks.open(opening, phone, room).map(|look| {
            is_shell = look.is_shell();
            format!("\"{name}\" {}", look.deed())
        }),
        Kind::Notice => {
            phone.notices.on_opened(&phone.app, opening.ch);
            Ok(format!("\"{name}\" shows notices"))
        }
        Kind::File | Kind::Pipe | Kind::Clipboard => {
            hand_over(opening, phone, carried, room).map(|()| format!("\"{name}\" {}", deed(kind)))
        }
    };
    let told = opened.unwrap_or_else(|reason| {
        let line = denied(&name, kind, &reason);
        // The phone may have dropped it meanwhile.
        let _ = phone.app.refuse(opening.ch, reason);
        line
    });
    // Each shell is told. There are not many in a minute.
    let told = if is_shell { Some(told) } else { phone.told.line(told, Instant::now()) };
    let Some(told) = told else { return };
    room.log.line(&told);
    if !matches!(kind, Kind::Chat | Kind::Notice) {
        room.desk.tell_chats(Some(&name), &FromAgent::Note { line: harmless(&told) });
    }
}

/// Gives the channel to the command that takes its kind.
fn hand_over(
    opening: &Opening<'_>,
    phone: &Phone,
    carried: &mut Carried,
    room: &mut Room<'_>,
) -> Result<(), Reason> {
    let taker = carried.taker(opening.kind, phone.file.id());
    let (at, what) = ((opening.key, &phone.app, opening.ch), (opening.kind, opening.params));
    match taker {
        Some(command) => carried.hand_over(command, at, what, room.desk),
        None if carried.may_wait() => carried.wait(at, what),
        None => return Err(Reason::new(Reason::UNAVAILABLE, nobody(opening.kind))),
    }
    Ok(())
}

/// What the desk is told of a channel that was refused.
pub(super) fn denied(name: &str, kind: Kind, reason: &Reason) -> String {
    harmless(&format!("\"{name}\" {}: {reason}", denial(kind)))
}

/// What to start at the desk, so that somebody takes this kind.
pub(super) fn nobody(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "nobody takes files there now: start `workstation receive` at the desk",
        Kind::Pipe => "nobody takes a stream there now: start `workstation pipe` at the desk",
        Kind::Clipboard => "nobody takes a text there now: start `workstation clip` at the desk",
        _ => "nobody takes this there now",
    }
}

/// What a phone does that opens a channel of this kind.
const fn deed(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "offers a file",
        Kind::Pipe => "opens a pipe",
        Kind::Clipboard => "sends a text for the clipboard",
        _ => "opened a channel",
    }
}

/// What a phone was not allowed.
const fn denial(kind: Kind) -> &'static str {
    match kind {
        Kind::Terminal => "was not shown a terminal",
        Kind::File => "could not send a file",
        Kind::Pipe => "could not open a pipe",
        Kind::Clipboard => "could not send a text",
        _ => "was refused a channel",
    }
}

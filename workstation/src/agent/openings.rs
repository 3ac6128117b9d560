//! Channels that phones open: who gets them, which are refused and why, and what the desk is told.

use std::sync::Arc;
use std::time::Instant;

use relay_client::app::{ChannelId, Kind, Reason, Right};
use relay_client::lines::harmless;

use super::carried::Carried;
use super::lines::PhoneKey;
use super::phone::Phone;
use super::room::Room;
use super::viewers::{Viewers, no_terminal, wanted_name};
use crate::ipc::wire::FromAgent;
use crate::terminal_host::wire::View;

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
    (viewers, carried): (&mut Viewers, &mut Carried),
    room: &mut Room<'_>,
) {
    let (name, kind) = (phone.file.name(), opening.kind);
    let opened = match kind {
        Kind::Chat => {
            phone.chat.on_opened(&phone.app, opening.ch);
            Ok(format!("\"{name}\" opened the chat"))
        }
        Kind::Terminal => view(opening, phone, viewers, room)
            .map(|terminal| format!("\"{name}\" looks at the terminal \"{terminal}\"")),
        Kind::Notice => {
            phone.notices.on_opened(&phone.app, opening.ch);
            Ok(format!("\"{name}\" shows notices"))
        }
        Kind::File | Kind::Clipboard | Kind::Pipe => {
            hand_over(opening, phone, carried, room).map(|()| format!("\"{name}\" {}", deed(kind)))
        }
    };
    let told = opened.unwrap_or_else(|reason| {
        let line = format!("\"{name}\" {}: {reason}", denial(kind));
        // The phone may have dropped it meanwhile.
        let _ = phone.app.refuse(opening.ch, reason);
        line
    });
    let Some(told) = phone.told.line(told, Instant::now()) else { return };
    room.log.line(&told);
    if !matches!(kind, Kind::Chat | Kind::Notice) {
        room.desk.tell_chats(Some(&name), &FromAgent::Note { line: harmless(&told) });
    }
}

/// Connects a phone's channel to the terminal that it names.
fn view(
    opening: &Opening<'_>,
    phone: &Phone,
    viewers: &mut Viewers,
    room: &mut Room<'_>,
) -> Result<String, Reason> {
    let wanted = wanted_name(opening.params)?;
    let (device, rights) = (phone.file.name(), phone.file.rights());
    if !rights.has(Right::View) {
        return Err(Reason::new(Reason::RIGHTS, "this phone may not see terminals"));
    }
    if !room.terminals.has(&wanted, phone.file.id()) {
        return Err(no_terminal(&wanted));
    }
    if viewers.is_full(opening.key) {
        return Err(Reason::new(Reason::TOO_MANY, "this phone looks at as many terminals as it may"));
    }
    let may_type = rights.has(Right::Type) && room.terminals.may_type(&wanted);
    let socket = room.sockets.join(format!("{wanted}.sock"));
    let view = View { device, may_type };
    let place = (room.tokens.next(), room.registry);
    let app = Arc::clone(&phone.app);
    let at = (opening.key, &app, opening.ch);
    viewers.add(at, &socket, &view, place).map_err(|_| no_terminal(&wanted))?;
    app.accept(opening.ch, "{}").map_err(|error| Reason::new(Reason::OTHER, error.to_string()))?;
    Ok(wanted)
}

/// Gives the channel to the command that takes its kind.
fn hand_over(
    opening: &Opening<'_>,
    phone: &Phone,
    carried: &mut Carried,
    room: &mut Room<'_>,
) -> Result<(), Reason> {
    let taker = carried.taker(opening.kind, phone.file.id());
    let command = taker.ok_or_else(|| Reason::new(Reason::UNAVAILABLE, nobody(opening.kind)))?;
    let at = (opening.key, &phone.app, opening.ch);
    carried.hand_over(command, at, (opening.kind, opening.params), room.desk);
    Ok(())
}

/// What to start at the desk, so that somebody takes this kind.
fn nobody(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "nobody takes files there now: start `workstation receive` at the desk",
        Kind::Clipboard => "nobody takes a text there now: start `workstation clip` at the desk",
        Kind::Pipe => "nobody takes a pipe there now: start `workstation pipe` at the desk",
        _ => "nobody takes this there now",
    }
}

/// What a phone does that opens a channel of this kind.
const fn deed(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "offers a file",
        Kind::Clipboard => "sends a text for the clipboard",
        Kind::Pipe => "opened a pipe",
        _ => "opened a channel",
    }
}

/// What a phone was not allowed.
const fn denial(kind: Kind) -> &'static str {
    match kind {
        Kind::Terminal => "was not shown a terminal",
        Kind::File => "could not send a file",
        Kind::Clipboard => "could not send a text",
        Kind::Pipe => "could not open a pipe",
        _ => "was refused a channel",
    }
}

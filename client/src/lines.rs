//! How line-based programs show a client's events and take lines to send. Pure text; prints nothing itself.

use std::fmt::Write as _;
use std::io::{self, BufRead, Read};

use protocol::ids::Role;
use protocol::limits::MESSAGE_BYTES_DEFAULT;
use thiserror::Error;

use crate::engine::EngineEvent;
use crate::event::{ClientEvent, Stop};
use crate::outbox::ClientSendError;
pub use crate::text::harmless;

/// Bytes of a binary message that are shown.
const BYTES_SHOWN: usize = 16;

/// Why a line of input can't be sent.
#[derive(Debug, Error)]
pub enum LineError {
    /// Longer than any message may be.
    #[error("not sent: the line is longer than {MESSAGE_BYTES_DEFAULT} bytes; send it in pieces")]
    TooLong,
    /// No text.
    #[error("not sent: the line is not UTF-8")]
    NotText,
    /// The input failed; nothing more comes of it.
    #[error("the input can't be read: {0}")]
    Io(#[from] io::Error),
}

/// The line that tells people about `event`, without its newline. `other` names the role at the other end.
/// Text of the other end is made harmless for terminals.
pub fn event_line(event: &ClientEvent, other: Role) -> String {
    match event {
        ClientEvent::Connected => "connected".to_owned(),
        ClientEvent::Joined { missed: 0 } => format!("{other} joined"),
        ClientEvent::Joined { missed } => {
            format!("{other} joined; {missed} messages sent in its absence were lost")
        }
        ClientEvent::Left { unsent } => format!("{other} left{}", unsent_words(*unsent)),
        ClientEvent::Text(text) => format!("{other}: {}", harmless(text)),
        ClientEvent::Binary(bytes) => format!("{other}: {}", hex_prefix(bytes)),
        ClientEvent::Reconnecting { after, why } => {
            format!("reconnecting in {:.1} s: {}", after.as_secs_f64(), harmless(&why.to_string()))
        }
        ClientEvent::Stopped { why: Stop::Closed, unsent } => format!("closed{}", unsent_words(*unsent)),
        ClientEvent::Stopped { why, unsent } => {
            format!("stopped: {}{}", harmless(&why.to_string()), unsent_words(*unsent))
        }
    }
}

/// The line that tells people about an event of an engine, without its newline; `None` where there is nothing
/// to tell. Otherwise as [`event_line`].
pub fn engine_line(event: &EngineEvent, other: Role) -> Option<String> {
    Some(match event {
        EngineEvent::Acknowledged(_)
        | EngineEvent::AskOver { .. }
        | EngineEvent::Restarted { unconfirmed: 0 } => return None,
        EngineEvent::Connected => "connected".to_owned(),
        EngineEvent::Ask { name, words, .. } if name.is_empty() => {
            format!("a {other} without a name wants to pair; its screen shows: {words}")
        }
        EngineEvent::Ask { name, words, .. } => {
            format!("\"{}\" wants to pair; its screen shows: {words}", harmless(name))
        }
        EngineEvent::Asked { words } => {
            format!("waiting for the {other}'s user to allow this phone; check that both show: {words}")
        }
        EngineEvent::Opened { .. } => format!("{other} is here, encrypted"),
        EngineEvent::Message(message) => match std::str::from_utf8(&message.bytes) {
            Ok(text) => format!("{other}: {}", harmless(text)),
            Err(_) => format!("{other}: {}", hex_prefix(&message.bytes)),
        },
        EngineEvent::Restarted { unconfirmed } => {
            format!("the {other}'s app restarted; {unconfirmed} messages sent before may not have arrived")
        }
        EngineEvent::PeerClosed => format!("{other} sends nothing more"),
        EngineEvent::Left => format!("{other} left"),
        EngineEvent::Reconnecting { after, why } => {
            format!("reconnecting in {:.1} s: {}", after.as_secs_f64(), harmless(&why.to_string()))
        }
        EngineEvent::Refused(why) => format!("a {other} was refused: {why}"),
        EngineEvent::CodeSpent(why) => why.to_string(),
        EngineEvent::NotDeleted(error) => format!(
            "the code's session was not deleted and ends when it expires: {}",
            harmless(&error.to_string())
        ),
        EngineEvent::Foreign => "ignored: the other end does not encrypt".to_owned(),
        EngineEvent::Stopped { why: Stop::Closed, unacknowledged } => {
            format!("closed{}", untaken_words(*unacknowledged, other))
        }
        EngineEvent::Stopped { why, unacknowledged } => {
            format!("stopped: {}{}", harmless(&why.to_string()), untaken_words(*unacknowledged, other))
        }
    })
}

/// The line that tells people that their line was not sent.
pub fn refusal_line(error: &ClientSendError, other: Role) -> String {
    match error {
        ClientSendError::NotLinked => format!("not sent: no {other}"),
        other => other.to_string(),
    }
}

/// One line of at most 16 MiB without its line end, `None` at the end of the input. Blocks as `input` does.
/// After an error other than `Io` the next call goes on with the next line.
///
/// # Errors
/// The line is too long or no text, or the input failed.
pub fn read_line(input: &mut impl BufRead) -> Result<Option<String>, LineError> {
    let mut line = Vec::new();
    // Room for the line end besides the longest message.
    let limit = MESSAGE_BYTES_DEFAULT + 2;
    if input.take(limit as u64).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() == limit && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
        return Err(LineError::TooLong);
    }
    if line.ends_with(b"\n") {
        line.pop();
        line.pop_if(|last| *last == b'\r');
    }
    String::from_utf8(line).map(Some).map_err(|_| LineError::NotText)
}

fn unsent_words(unsent: usize) -> String {
    if unsent == 0 { String::new() } else { format!("; {unsent} not sent") }
}

fn untaken_words(untaken: u64, other: Role) -> String {
    if untaken == 0 { String::new() } else { format!("; {untaken} not confirmed by the {other}") }
}

fn hex_prefix(bytes: &[u8]) -> String {
    let mut out = format!("<{} bytes>", bytes.len());
    for (at, byte) in bytes.iter().take(BYTES_SHOWN).enumerate() {
        // Writing into memory can't fail.
        let _ = write!(out, "{}{byte:02x}", if at == 0 { " " } else { "" });
    }
    if bytes.len() > BYTES_SHOWN {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::Lost;

    #[test]
    fn every_event_has_its_line() {
        for (event, line) in [
            (ClientEvent::Connected, "connected"),
            (ClientEvent::Joined { missed: 0 }, "phone joined"),
            (ClientEvent::Joined { missed: 2 }, "phone joined; 2 messages sent in its absence were lost"),
            (ClientEvent::Left { unsent: 0 }, "phone left"),
            (ClientEvent::Left { unsent: 3 }, "phone left; 3 not sent"),
            (ClientEvent::Text("hä\n\u{1b}[2J".into()), r"phone: hä\n\u{1b}[2J"),
            (ClientEvent::Binary(vec![0, 255]), "phone: <2 bytes> 00ff"),
            (ClientEvent::Binary(vec![]), "phone: <0 bytes>"),
            (ClientEvent::Binary(vec![1; 17]), "phone: <17 bytes> 01010101010101010101010101010101…"),
            (
                ClientEvent::Reconnecting {
                    after: Duration::from_millis(210),
                    why: Lost::Broken("x".into()),
                },
                "reconnecting in 0.2 s: the connection broke: x",
            ),
            (ClientEvent::Stopped { why: Stop::Closed, unsent: 0 }, "closed"),
            (
                ClientEvent::Stopped { why: Stop::Replaced, unsent: 1 },
                "stopped: another program uses this pair and took over its role: end one of the two; 1 not sent",
            ),
        ] {
            assert_eq!(event_line(&event, Role::Phone), line);
        }
        assert_eq!(refusal_line(&ClientSendError::NotLinked, Role::Phone), "not sent: no phone");
    }

    #[test]
    fn an_engines_events_have_their_lines() {
        use crate::tunnel::{Message, Refusal};
        let message = |bytes: &[u8]| EngineEvent::Message(Message { number: 1, bytes: bytes.to_vec() });
        for (event, line) in [
            (EngineEvent::Acknowledged(3), None),
            (EngineEvent::Restarted { unconfirmed: 0 }, None),
            (message("hä\n".as_bytes()), Some(r"phone: hä\n")),
            (message(&[0xff]), Some("phone: <1 bytes> ff")),
            (
                EngineEvent::Restarted { unconfirmed: 2 },
                Some("the phone's app restarted; 2 messages sent before may not have arrived"),
            ),
            (
                EngineEvent::Refused(Refusal::CodeUsed),
                Some(
                    "a phone was refused: this code was used already and works only once: let the workstation show a new one",
                ),
            ),
            (EngineEvent::Left, Some("phone left")),
            (EngineEvent::Foreign, Some("ignored: the other end does not encrypt")),
            (
                EngineEvent::Stopped { why: Stop::Closed, unacknowledged: 2 },
                Some("closed; 2 not confirmed by the phone"),
            ),
        ] {
            assert_eq!(engine_line(&event, Role::Phone).as_deref(), line);
        }
    }

    #[test]
    fn lines_come_without_their_ends_and_a_bad_one_spoils_no_other() {
        let mut input = b"a\r\n\nb\xff\nc" as &[u8];
        assert_eq!(read_line(&mut input).unwrap().as_deref(), Some("a"));
        assert_eq!(read_line(&mut input).unwrap().as_deref(), Some(""));
        assert!(matches!(read_line(&mut input), Err(LineError::NotText)));
        assert_eq!(read_line(&mut input).unwrap().as_deref(), Some("c"));
        assert_eq!(read_line(&mut input).unwrap(), None);
    }

    #[test]
    fn a_line_over_the_limit_is_skipped_whole() {
        let mut bytes = vec![b'x'; MESSAGE_BYTES_DEFAULT];
        bytes.extend_from_slice(b"\n");
        bytes.extend(vec![b'y'; MESSAGE_BYTES_DEFAULT + 2]);
        bytes.extend_from_slice(b"yy\nz\n");
        let mut input = bytes.as_slice();
        assert_eq!(read_line(&mut input).unwrap().map(|line| line.len()), Some(MESSAGE_BYTES_DEFAULT));
        assert!(matches!(read_line(&mut input), Err(LineError::TooLong)));
        assert_eq!(read_line(&mut input).unwrap().as_deref(), Some("z"));
    }
}

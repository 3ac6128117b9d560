//! Chat: messages of text with an id and a time.
//!
//! One data message of the channel is one JSON object: `{"id","at","text"}`, or `{"got"}` with the id of a
//! message that the other app has shown or kept. [`Conversation`] sends what was not confirmed again when the
//! channel is opened again, so that a message outlives a restart of the other end.

mod conversation;

use std::borrow::Cow;
use std::fmt;

use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use serde::Deserialize;
use thiserror::Error;

use super::limits::{CHAT_ID_BYTES_MAX, CHAT_KEPT_MAX, CHAT_TEXT_BYTES_MAX, PAYLOAD_BYTES_MAX};
use crate::text::harmless;

pub use conversation::{ChatNews, Conversation};

/// One data message of a chat channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatPart {
    /// A person or a program says something.
    Message(ChatMessage),
    /// The other app has the message with this id.
    Got(String),
}

/// One message. `Debug` does not show its text.
#[derive(Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Chosen by its sender, different for each of its messages.
    pub id: String,
    /// When it was written, in milliseconds since 1970 by the sender's clock.
    pub at_ms: u64,
    /// As it was written. Show it by [`shown`].
    pub text: String,
}

impl fmt::Debug for ChatMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChatMessage({:?}, {} bytes)", self.id, self.text.len())
    }
}

/// Why a data message is not one of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChatError {
    /// Not JSON of this form.
    #[error("a chat message is damaged")]
    Malformed,
    /// The text is too long.
    #[error("a chat message has at most {CHAT_TEXT_BYTES_MAX} bytes of text: send it in parts")]
    TooLong,
    /// The id is empty or too long.
    #[error("the id of a chat message has 1 to {CHAT_ID_BYTES_MAX} bytes")]
    BadId,
    /// As many messages wait for the other app as may.
    #[error("{CHAT_KEPT_MAX} chat messages wait for the other end already: try again when it has come back")]
    TooMany,
}

/// A text as it may be shown on a terminal: control characters and what hides or reorders text are written as
/// escapes.
pub fn shown(text: &str) -> String {
    harmless(text)
}

impl ChatPart {
    /// The data message.
    ///
    /// # Errors
    /// The text or the id is too long.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ChatError> {
        let mut out = Vec::new();
        match self {
            ChatPart::Message(ChatMessage { id, at_ms, text }) => {
                check(id, text)?;
                out.extend_from_slice(b"{\"id\":");
                json::write_quoted(&mut out, id);
                out.extend_from_slice(format!(",\"at\":{at_ms},\"text\":").as_bytes());
                json::write_quoted(&mut out, text);
            }
            ChatPart::Got(id) => {
                check(id, "")?;
                out.extend_from_slice(b"{\"got\":");
                json::write_quoted(&mut out, id);
            }
        }
        out.push(b'}');
        // Every byte of a text may need six.
        if out.len() > PAYLOAD_BYTES_MAX { Err(ChatError::TooLong) } else { Ok(out) }
    }

    /// Reads a data message.
    ///
    /// # Errors
    /// It is not one of a chat, or out of its bounds.
    pub fn parse(bytes: &[u8]) -> Result<Self, ChatError> {
        if !json::nesting_within(bytes, JSON_DEPTH_MAX) {
            return Err(ChatError::Malformed);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ChatError::Malformed)?;
        let members: Members<'_> = sonic_rs::from_str(text).map_err(|_| ChatError::Malformed)?;
        match members {
            Members { got: Some(id), .. } => {
                check(&id, "")?;
                Ok(ChatPart::Got(id.into_owned()))
            }
            Members { id: Some(id), at: Some(at_ms), text: Some(text), .. } => {
                check(&id, &text)?;
                Ok(ChatPart::Message(ChatMessage { id: id.into_owned(), at_ms, text: text.into_owned() }))
            }
            _ => Err(ChatError::Malformed),
        }
    }
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    at: Option<u64>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    got: Option<Cow<'a, str>>,
}

fn check(id: &str, text: &str) -> Result<(), ChatError> {
    if !(1..=CHAT_ID_BYTES_MAX).contains(&id.len()) {
        return Err(ChatError::BadId);
    }
    if text.len() > CHAT_TEXT_BYTES_MAX { Err(ChatError::TooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["", "grüß dich\n\t\u{1b}[31m \"\\ 漢", &"\u{1}".repeat(4000)] {
            let message = ChatMessage { id: "a-1".into(), at_ms: 1_795_928_829_000, text: text.into() };
            let part = ChatPart::Message(message);
            assert_eq!(ChatPart::parse(&part.to_bytes().unwrap()), Ok(part));
        }
        let got = ChatPart::Got("a-1".into());
        assert_eq!(got.to_bytes().unwrap(), br#"{"got":"a-1"}"#);
        assert_eq!(ChatPart::parse(br#"{"got":"a-1","later":[{}]}"#), Ok(got));
        assert_eq!(shown("a\u{1b}[2Jb\u{202e}"), r"a\u{1b}[2Jb\u{202e}");
    }

    #[test]
    fn what_is_out_of_bounds_is_not_written_and_not_read() {
        let message = |id: &str, text: &str| {
            ChatPart::Message(ChatMessage { id: id.into(), at_ms: 0, text: text.into() })
        };
        let long = "x".repeat(CHAT_TEXT_BYTES_MAX + 1);
        assert_eq!(message("1", &long).to_bytes(), Err(ChatError::TooLong));
        // Six bytes each.
        assert_eq!(message("1", &"\u{1}".repeat(CHAT_TEXT_BYTES_MAX)).to_bytes(), Err(ChatError::TooLong));
        assert_eq!(message("", "x").to_bytes(), Err(ChatError::BadId));
        let forged = format!(r#"{{"id":"1","at":1,"text":"{long}"}}"#);
        for bad in ["", "{}", "[]", r#"{"id":"","at":1,"text":""}"#, r#"{"id":"1","text":""}"#, &forged] {
            assert!(ChatPart::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(ChatPart::parse(&b"[".repeat(1 << 15)), Err(ChatError::Malformed));
        assert_eq!(ChatPart::parse(b"{\"got\":\"\xff\"}"), Err(ChatError::Malformed));
    }
}

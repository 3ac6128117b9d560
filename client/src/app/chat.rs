//! Chat: messages of text with an id and a time.
//!
//! One data message is one JSON object: `{"id","at","text"}`, or `{"got"}` with the id of a message that the
//! other app has shown or kept.

use std::borrow::Cow;

use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use serde::Deserialize;
use thiserror::Error;

use super::limits::{CHAT_ID_BYTES_MAX, CHAT_TEXT_BYTES_MAX, PAYLOAD_BYTES_MAX};
use crate::text::harmless;

/// One data message of a chat channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatPart {
    /// A person or a program says something.
    Message(ChatMessage),
    /// The other app has the message with this id.
    Got(String),
}

/// One message. `Debug` shows its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Chosen by its sender, different for each of its messages.
    pub id: String,
    /// When it was written, in milliseconds since 1970 by the sender's clock.
    pub at_ms: u64,
    /// As it was written. Show it by [`shown`].
    pub text: String,
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

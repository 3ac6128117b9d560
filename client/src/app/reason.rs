//! Why a channel was refused or reset: a short token for programs and words for people.

use std::borrow::Cow;
use std::fmt;

use super::limits::{TOKEN_BYTES_MAX, WORDS_BYTES_MAX};
use crate::text::harmless;

/// A reason. What came from the other end is short and harmless to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    token: Cow<'static, str>,
    words: String,
}

impl Reason {
    /// The other end doesn't know this kind.
    pub const KIND: &'static str = "kind";
    /// The kind is known, and this end does not offer it.
    pub const UNAVAILABLE: &'static str = "unavailable";
    /// This phone has no right to it.
    pub const RIGHTS: &'static str = "rights";
    /// There is no terminal, file or target of this name.
    pub const NOT_FOUND: &'static str = "not-found";
    /// As many channels are open as may be.
    pub const TOO_MANY: &'static str = "too-many";
    /// More data came than there was credit for, or the credit itself was out of bounds.
    pub const CREDIT: &'static str = "credit";
    /// A message came that is not allowed there.
    pub const PROTOCOL: &'static str = "protocol";
    /// The parameters or the data make no sense to the kind.
    pub const MALFORMED: &'static str = "malformed";
    /// The channel is not known.
    pub const UNKNOWN: &'static str = "unknown";
    /// Between a program and its agent: the other end is not connected now.
    pub const AWAY: &'static str = "away";
    /// The app does not need the channel any more.
    pub const CANCELLED: &'static str = "cancelled";
    /// Any other reason; the words say which.
    pub const OTHER: &'static str = "other";

    /// A reason with one of the tokens above, or one of a kind's own.
    pub fn new(token: &'static str, words: impl Into<String>) -> Self {
        Reason::read(Cow::Borrowed(token), &words.into())
    }

    /// A reason whose token is not known before, as one that another process names.
    pub fn of(token: String, words: &str) -> Self {
        Reason::read(Cow::Owned(token), words)
    }

    /// As it came from the other end.
    pub(super) fn read(token: Cow<'static, str>, words: &str) -> Self {
        let is_token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_good = (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(is_token);
        let token = if is_good { token } else { Cow::Borrowed(Reason::OTHER) };
        Reason { token, words: super::cut(&harmless(words), WORDS_BYTES_MAX).to_owned() }
    }

    /// For programs.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// For people; may be empty.
    pub fn words(&self) -> &str {
        &self.words
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.words.is_empty() { f.write_str(&self.token) } else { f.write_str(&self.words) }
    }
}

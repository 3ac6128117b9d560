//! The kind *notice*: something that deserves a look, and how a phone is reached that is not looking.
//!
//! Pure: bytes and time in, bytes and events out. [`NoticeDesk`] is the desk's side for one phone: it keeps
//! each notice until the phone has shown it, and says when it must go by Web Push instead. [`NoticePhone`] is
//! the phone's: it tells each notice once. Inside, `message` is the bytes, `subscription` what a push service
//! needs. Every bound is in [`limits`]. The wire format is in `docs/app-notices.md`.

mod desk;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod limits;
mod message;
mod phone;
mod subscription;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

use crate::text::harmless;
use limits::{ID_BYTES_MAX, TARGET_BYTES_MAX, TEXT_BYTES_MAX, TITLE_BYTES_MAX};

pub use desk::{DeskNews, NoticeDesk, PushJob, PushOutcome};
pub use message::{FromDesk, FromPhone, PushState};
pub use phone::{NoticePhone, PhoneNews};
pub use subscription::{Subscription, VapidKey};

/// One notice. `Debug` does not show its words.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    /// Chosen by the desk, different for each of its notices. It is also the tag of a Web Push.
    pub id: String,
    /// When it was raised, in milliseconds since 1970 by the desk's clock.
    pub at_ms: u64,
    /// A few words, as the name of a terminal.
    pub title: String,
    /// What happened.
    pub text: String,
    /// How much it matters.
    pub urgency: Urgency,
    /// What a tap opens.
    pub target: Option<Target>,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urgency {
    /// It can wait until the phone is used anyway.
    Low,
    /// As a message.
    #[default]
    Normal,
    /// The user waits for it.
    High,
}

/// What a tap on a notice opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The chat with this desk.
    Chat,
    /// The shared terminal of this name.
    Terminal(String),
}

/// Why a notice, or a data message of this kind, can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoticeError {
    /// Not JSON of this form.
    #[error("a message about notices is damaged")]
    Malformed,
    /// The id is empty or too long.
    #[error("the id of a notice has 1 to {ID_BYTES_MAX} bytes")]
    BadId,
    /// There is nothing to show, or more than may be shown.
    #[error("a notice has at most {TITLE_BYTES_MAX} bytes of title and 1 to {TEXT_BYTES_MAX} of text")]
    BadText,
    /// The subscription to Web Push can't be used.
    #[error("the subscription can't be used: {0}")]
    BadSubscription(&'static str),
}

impl Notice {
    /// A notice whose words are made harmless and cut to what may be sent.
    ///
    /// # Errors
    /// The id is out of bounds, or there is nothing to show.
    pub fn new(id: &str, at_ms: u64, title: &str, text: &str) -> Result<Self, NoticeError> {
        let notice = Notice {
            id: id.to_owned(),
            at_ms,
            title: shortened(title, TITLE_BYTES_MAX),
            text: shortened(text, TEXT_BYTES_MAX),
            urgency: Urgency::Normal,
            target: None,
        };
        notice.check()?;
        Ok(notice)
    }

    fn check(&self) -> Result<(), NoticeError> {
        if !(1..=ID_BYTES_MAX).contains(&self.id.len()) {
            return Err(NoticeError::BadId);
        }
        let is_good = self.title.len() <= TITLE_BYTES_MAX && (1..=TEXT_BYTES_MAX).contains(&self.text.len());
        if is_good { Ok(()) } else { Err(NoticeError::BadText) }
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({:?}, {:?}, {} bytes)", self.id, self.urgency, self.text.len())
    }
}

impl Urgency {
    /// Its word on the wire, and in the header `Urgency` of a Web Push.
    pub const fn as_str(self) -> &'static str {
        match self {
            Urgency::Low => "low",
            Urgency::Normal => "normal",
            Urgency::High => "high",
        }
    }

    /// The urgency of this word; a word of a later version is normal.
    fn parse(word: &str) -> Self {
        [Urgency::Low, Urgency::High].into_iter().find(|one| one.as_str() == word).unwrap_or_default()
    }
}

impl Target {
    /// `chat`, or `terminal` and its name.
    fn parse(kind: &str, name: &str) -> Option<Self> {
        match kind {
            "chat" => Some(Target::Chat),
            "terminal" if (1..=TARGET_BYTES_MAX).contains(&name.len()) => {
                Some(Target::Terminal(name.to_owned()))
            }
            _ => None,
        }
    }
}

/// Words from elsewhere: lines become one, everything else that acts on a screen an escape, and the rest is
/// cut.
fn shortened(words: &str, bytes_max: usize) -> String {
    // An escape is longer than what it stands for, so more than this is never needed.
    let words = super::cut(words, bytes_max);
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    super::cut(&harmless(&lines.join(" · ").replace('\t', " ")), bytes_max).to_owned()
}

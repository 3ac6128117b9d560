//! The kinds of channels, which of them go first, and which right they need.

use super::limits;
use super::rights::{Right, Rights};

/// What a channel is for. A number on the wire would be shorter; a word is read by people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Messages of text.
    Chat,
    /// The bytes of files.
    File,
    /// A shared terminal.
    Terminal,
    /// A text for the clipboard.
    Clipboard,
    /// A notification.
    Notice,
    /// Bytes of a length that nobody knows before, both ways.
    Pipe,
}

/// Which messages go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Before all bulk.
    Interactive,
    /// When nothing interactive waits.
    Bulk,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 6] =
        [Kind::Chat, Kind::File, Kind::Terminal, Kind::Clipboard, Kind::Notice, Kind::Pipe];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Chat => "chat",
            Kind::File => "file",
            Kind::Terminal => "terminal",
            Kind::Clipboard => "clipboard",
            Kind::Notice => "notice",
            Kind::Pipe => "pipe",
        }
    }

    /// The kind of this word; `None` for a kind of a later version.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Which messages its data goes before.
    pub const fn class(self) -> Class {
        match self {
            Kind::File | Kind::Pipe => Class::Bulk,
            Kind::Chat | Kind::Terminal | Kind::Clipboard | Kind::Notice => Class::Interactive,
        }
    }

    /// The credit that this end gives to a channel of this kind.
    pub const fn credit(self) -> usize {
        match self {
            Kind::File | Kind::Pipe => limits::CREDIT_FILE,
            Kind::Terminal => limits::CREDIT_TERMINAL,
            Kind::Chat | Kind::Clipboard | Kind::Notice => limits::CREDIT_DEFAULT,
        }
    }

    /// True if a phone with these rights may open a channel of this kind. What it does there may need more.
    pub const fn is_allowed(self, rights: Rights) -> bool {
        match self {
            Kind::Chat | Kind::Clipboard => rights.has(Right::Chat),
            Kind::File | Kind::Pipe => rights.has(Right::Files),
            Kind::Terminal => rights.has(Right::View) || rights.has(Right::Shell),
            Kind::Notice => true,
        }
    }
}

//! What a phone may do at a desk.

use std::fmt;

/// One right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Send and read chat messages.
    Chat,
    /// Send and receive files.
    Files,
    /// See shared terminals.
    View,
    /// Type into shared terminals.
    Type,
    /// Open a shell of its own.
    Shell,
}

impl Right {
    /// Every right, in the order in which they are written.
    pub const ALL: [Right; 5] = [Right::Chat, Right::Files, Right::View, Right::Type, Right::Shell];

    /// Its word on the wire and in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Right::Chat => "chat",
            Right::Files => "files",
            Right::View => "view",
            Right::Type => "type",
            Right::Shell => "shell",
        }
    }

    /// The right of this word; `None` for one of a later version.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == word)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of rights. The default is all but a shell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// None at all.
    pub const NONE: Rights = Rights(0);

    /// The rights of these words; unknown words are ignored.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        words.into_iter().filter_map(Right::parse).fold(Rights::NONE, Rights::with)
    }

    /// True if `right` is one of them.
    pub const fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// These and `right`.
    #[must_use]
    pub const fn with(self, right: Right) -> Self {
        Rights(self.0 | right.bit())
    }

    /// These without `right`.
    #[must_use]
    pub const fn without(self, right: Right) -> Self {
        Rights(self.0 & !right.bit())
    }

    /// Each of them, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl Default for Rights {
    fn default() -> Self {
        Right::ALL.into_iter().fold(Rights::NONE, Rights::with).without(Right::Shell)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

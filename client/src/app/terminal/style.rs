//! How a run of text looks.

use std::ops::BitOr;
use std::sync::Arc;

use super::limits::LINK_BYTES_MAX;

/// A color, as the program in the terminal chose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Color {
    /// The viewer's own color for text or background.
    #[default]
    Default,
    /// One of the palette: 0 to 15 are the named colors, which the viewer chooses; 16 to 231 are a cube of
    /// 6×6×6, and 232 to 255 are greys.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// The kind of line below the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Underline {
    /// No line.
    #[default]
    None = 0,
    /// One line.
    Single = 1,
    /// Two lines.
    Double = 2,
    /// A wave.
    Curly = 3,
    /// Dots.
    Dotted = 4,
    /// Dashes.
    Dashed = 5,
}

impl Underline {
    pub(super) fn from_code(code: u8) -> Option<Self> {
        let all = [Self::None, Self::Single, Self::Double, Self::Curly, Self::Dotted, Self::Dashed];
        all.get(usize::from(code)).copied()
    }
}

/// A set of attributes, joined with `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(u8);

impl Attributes {
    /// Heavier text.
    pub const BOLD: Self = Attributes(1);
    /// Fainter text.
    pub const DIM: Self = Attributes(1 << 1);
    /// Slanted text.
    pub const ITALIC: Self = Attributes(1 << 2);
    /// Text that blinks.
    pub const BLINK: Self = Attributes(1 << 3);
    /// Text and background change places.
    pub const REVERSE: Self = Attributes(1 << 4);
    /// Text that is not shown.
    pub const HIDDEN: Self = Attributes(1 << 5);
    /// A line through the text.
    pub const STRIKE: Self = Attributes(1 << 6);

    const ALL: u8 = 0x7F;

    /// True if all of `wanted` are set.
    pub fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The set as its bits: the first attribute above is the lowest bit.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; unknown bits are left out.
    pub fn from_bits(bits: u8) -> Self {
        Attributes(bits & Self::ALL)
    }
}

impl BitOr for Attributes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Attributes(self.0 | other.0)
    }
}

/// The address that a text links to, without control characters and of at most [`LINK_BYTES_MAX`] bytes.
///
/// It comes from the program in the terminal: a viewer decides which schemes may be opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link(Arc<str>);

impl Link {
    /// `None` if the address is empty, too long, or has control characters.
    pub fn new(address: &str) -> Option<Self> {
        let fits =
            !address.is_empty() && address.len() <= LINK_BYTES_MAX && !address.chars().any(char::is_control);
        fits.then(|| Link(address.into()))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a run of text looks. The default is plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Style {
    /// The text's color.
    pub text: Color,
    /// The background's color.
    pub background: Color,
    /// Bold, italic and so on.
    pub attributes: Attributes,
    /// The line below the text.
    pub underline: Underline,
    /// That line's color; the default is the text's.
    pub underline_color: Color,
    /// The address that the text links to.
    pub link: Option<Link>,
}

impl Style {
    /// True for plain text.
    pub fn is_plain(&self) -> bool {
        self.link.is_none()
            && (self.text, self.background, self.underline_color)
                == (Color::Default, Color::Default, Color::Default)
            && self.attributes == Attributes::default()
            && self.underline == Underline::None
    }
}

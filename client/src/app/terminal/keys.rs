//! What a child reads when a viewer presses a key: xterm's sequences.

use std::ops::BitOr;

use super::screen::Modes;
use super::wire::{Malformed, Reader};

/// A key by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A character, as the keyboard layout gives it without Ctrl and Alt.
    Char(char),
    /// Enter.
    Enter,
    /// Tab.
    Tab,
    /// Backspace.
    Backspace,
    /// Escape.
    Escape,
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// Cursor right.
    Right,
    /// Cursor left.
    Left,
    /// Home.
    Home,
    /// End.
    End,
    /// Insert.
    Insert,
    /// Delete.
    Delete,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// F1 to F20.
    Function(u8),
}

/// The last function key.
const FUNCTION_MAX: u8 = 20;

/// The keys without a value, by their codes from 1 up. Code 0 is a character; a function key is its number
/// and 32.
const NAMED: [Key; 14] = [
    Key::Enter,
    Key::Tab,
    Key::Backspace,
    Key::Escape,
    Key::Up,
    Key::Down,
    Key::Right,
    Key::Left,
    Key::Home,
    Key::End,
    Key::Insert,
    Key::Delete,
    Key::PageUp,
    Key::PageDown,
];

const FUNCTION: u8 = 32;

/// A set of keys that are held down, joined with `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Modifiers(u8);

impl Modifiers {
    /// None.
    pub const NONE: Self = Modifiers(0);
    /// Shift.
    pub const SHIFT: Self = Modifiers(1);
    /// Alt, or Option.
    pub const ALT: Self = Modifiers(1 << 1);
    /// Ctrl.
    pub const CTRL: Self = Modifiers(1 << 2);
    /// Meta, Command or the Windows key.
    pub const META: Self = Modifiers(1 << 3);

    /// True if all of `wanted` are held.
    pub fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The set as its bits: Shift is the lowest.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; unknown bits are left out.
    pub fn from_bits(bits: u8) -> Self {
        Modifiers(bits & 0xF)
    }
}

impl BitOr for Modifiers {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Modifiers(self.0 | other.0)
    }
}

impl Key {
    pub(super) fn put(self, out: &mut Vec<u8>) {
        match self {
            Key::Char(char) => {
                out.push(0);
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Key::Function(number) => out.push(FUNCTION + number.clamp(1, FUNCTION_MAX)),
            named => out.extend(NAMED.iter().position(|key| *key == named).map(|at| at as u8 + 1)),
        }
    }

    /// The bytes for the child.
    pub fn bytes(self, modifiers: Modifiers, modes: &Modes) -> Vec<u8> {
        match self {
            Key::Char(char) => with_alt(control(char, modifiers), modifiers),
            Key::Enter if modes.has_newline => with_alt(b"\r\n".to_vec(), modifiers),
            Key::Enter => with_alt(b"\r".to_vec(), modifiers),
            Key::Tab if modifiers.contains(Modifiers::SHIFT) => with_alt(b"\x1b[Z".to_vec(), modifiers),
            Key::Tab => with_alt(b"\t".to_vec(), modifiers),
            Key::Backspace if modifiers.contains(Modifiers::CTRL) => with_alt(b"\x08".to_vec(), modifiers),
            Key::Backspace => with_alt(b"\x7f".to_vec(), modifiers),
            Key::Escape => with_alt(b"\x1b".to_vec(), modifiers),
            Key::Up => lettered(b'A', modifiers, modes.has_application_cursor),
            Key::Down => lettered(b'B', modifiers, modes.has_application_cursor),
            Key::Right => lettered(b'C', modifiers, modes.has_application_cursor),
            Key::Left => lettered(b'D', modifiers, modes.has_application_cursor),
            Key::End => lettered(b'F', modifiers, modes.has_application_cursor),
            Key::Home => lettered(b'H', modifiers, modes.has_application_cursor),
            Key::Insert => numbered(2, modifiers),
            Key::Delete => numbered(3, modifiers),
            Key::PageUp => numbered(5, modifiers),
            Key::PageDown => numbered(6, modifiers),
            Key::Function(number) => function(number, modifiers),
        }
    }
}

/// Text that was typed, as bytes for the child: a line feed is what Enter sends.
pub fn text_bytes(text: &str) -> Vec<u8> {
    text.replace("\r\n", "\r").replace('\n', "\r").into_bytes()
}

fn with_alt(bytes: Vec<u8>, modifiers: Modifiers) -> Vec<u8> {
    if modifiers.contains(Modifiers::ALT) { [b"\x1b".as_slice(), &bytes].concat() } else { bytes }
}

/// A character, with Ctrl if that is held.
fn control(char: char, modifiers: Modifiers) -> Vec<u8> {
    let plain = || char.to_string().into_bytes();
    if !modifiers.contains(Modifiers::CTRL) {
        return plain();
    }
    match char.to_ascii_lowercase() {
        letter @ 'a'..='z' => vec![letter as u8 - b'a' + 1],
        ' ' | '@' | '2' => vec![0],
        '[' | '3' => vec![0x1b],
        '\\' | '4' => vec![0x1c],
        ']' | '5' => vec![0x1d],
        '^' | '~' | '6' => vec![0x1e],
        '_' | '/' | '-' | '7' => vec![0x1f],
        '?' | '8' => vec![0x7f],
        _ => plain(),
    }
}

/// The number that stands for modifiers in a sequence; 1 is none.
fn parameter(modifiers: Modifiers) -> u8 {
    modifiers.bits() + 1
}

fn lettered(letter: u8, modifiers: Modifiers, is_application: bool) -> Vec<u8> {
    match parameter(modifiers) {
        1 if is_application => vec![0x1b, b'O', letter],
        1 => vec![0x1b, b'[', letter],
        held => format!("\x1b[1;{held}{}", char::from(letter)).into_bytes(),
    }
}

fn numbered(number: u8, modifiers: Modifiers) -> Vec<u8> {
    match parameter(modifiers) {
        1 => format!("\x1b[{number}~").into_bytes(),
        held => format!("\x1b[{number};{held}~").into_bytes(),
    }
}

fn function(number: u8, modifiers: Modifiers) -> Vec<u8> {
    const NUMBERS: [u8; 16] = [15, 17, 18, 19, 20, 21, 23, 24, 25, 26, 28, 29, 31, 32, 33, 34];
    match number {
        1..=4 => lettered(b'P' + number - 1, modifiers, true),
        5..=FUNCTION_MAX => numbered(NUMBERS[usize::from(number) - 5], modifiers),
        _ => Vec::new(),
    }
}

impl Reader<'_> {
    pub(super) fn key(&mut self) -> Result<Key, Malformed> {
        let code = self.byte()?;
        if code == 0 {
            return Ok(Key::Char(self.char()?));
        }
        if (FUNCTION + 1..=FUNCTION + FUNCTION_MAX).contains(&code) {
            return Ok(Key::Function(code - FUNCTION));
        }
        NAMED.get(usize::from(code) - 1).copied().ok_or(Malformed::Value("key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Modifiers = Modifiers::NONE;
    const SHIFT: Modifiers = Modifiers::SHIFT;
    const ALT: Modifiers = Modifiers::ALT;
    const CTRL: Modifiers = Modifiers::CTRL;

    #[test]
    fn keys_send_what_xterm_sends() {
        let modes = Modes::default();
        let table: [(Key, Modifiers, &str); 44] = [
            (Key::Char('a'), NONE, "a"),
            (Key::Char('ä'), NONE, "ä"),
            (Key::Char('A'), SHIFT, "A"),
            (Key::Char('a'), ALT, "\x1ba"),
            (Key::Char('c'), CTRL, "\x03"),
            (Key::Char('C'), CTRL | SHIFT, "\x03"),
            (Key::Char('z'), CTRL, "\x1a"),
            (Key::Char('d'), CTRL | ALT, "\x1b\x04"),
            (Key::Char(' '), CTRL, "\0"),
            (Key::Char('@'), CTRL, "\0"),
            (Key::Char('['), CTRL, "\x1b"),
            (Key::Char('\\'), CTRL, "\x1c"),
            (Key::Char(']'), CTRL, "\x1d"),
            (Key::Char('^'), CTRL, "\x1e"),
            (Key::Char('_'), CTRL, "\x1f"),
            (Key::Char('/'), CTRL, "\x1f"),
            (Key::Char('?'), CTRL, "\x7f"),
            (Key::Char('1'), CTRL, "1"),
            (Key::Char('ä'), CTRL, "ä"),
            (Key::Enter, NONE, "\r"),
            (Key::Enter, ALT, "\x1b\r"),
            (Key::Tab, NONE, "\t"),
            (Key::Tab, SHIFT, "\x1b[Z"),
            (Key::Backspace, NONE, "\x7f"),
            (Key::Backspace, CTRL, "\x08"),
            (Key::Backspace, ALT, "\x1b\x7f"),
            (Key::Escape, NONE, "\x1b"),
            (Key::Up, NONE, "\x1b[A"),
            (Key::Down, SHIFT, "\x1b[1;2B"),
            (Key::Right, CTRL, "\x1b[1;5C"),
            (Key::Left, ALT, "\x1b[1;3D"),
            (Key::Left, CTRL | ALT | SHIFT, "\x1b[1;8D"),
            (Key::Home, NONE, "\x1b[H"),
            (Key::End, CTRL, "\x1b[1;5F"),
            (Key::Insert, NONE, "\x1b[2~"),
            (Key::Delete, CTRL, "\x1b[3;5~"),
            (Key::PageUp, NONE, "\x1b[5~"),
            (Key::PageDown, SHIFT, "\x1b[6;2~"),
            (Key::Function(1), NONE, "\x1bOP"),
            (Key::Function(4), SHIFT, "\x1b[1;2S"),
            (Key::Function(5), NONE, "\x1b[15~"),
            (Key::Function(11), CTRL, "\x1b[23;5~"),
            (Key::Function(20), NONE, "\x1b[34~"),
            (Key::Function(21), NONE, ""),
        ];
        for (key, modifiers, expected) in table {
            let bytes = key.bytes(modifiers, &modes);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{key:?} {modifiers:?}");
        }
    }

    #[test]
    fn modes_change_what_cursor_keys_and_enter_send() {
        let modes = Modes { has_application_cursor: true, has_newline: true, ..Modes::default() };
        for (key, modifiers, expected) in [
            (Key::Up, NONE, "\x1bOA"),
            (Key::Home, NONE, "\x1bOH"),
            (Key::Up, CTRL, "\x1b[1;5A"),
            (Key::Delete, NONE, "\x1b[3~"),
            (Key::Enter, NONE, "\r\n"),
        ] {
            assert_eq!(key.bytes(modifiers, &modes), expected.as_bytes(), "{key:?}");
        }
    }

    #[test]
    fn a_typed_line_feed_is_enter() {
        assert_eq!(text_bytes("a\nb\r\nc"), b"a\rb\rc");
    }
}

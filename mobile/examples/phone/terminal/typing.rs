//! What a terminal sends when its user types, as keys, text, pastes and acts of the mouse. Pure.

use std::time::Duration;

use relay_client::app::terminal::limits::PASTE_BYTES_MAX;
use relay_client::app::terminal::{Key, Modifiers, Mouse, MouseAction, MouseButton};

/// One thing that the user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Text(String),
    Key(Key, Modifiers),
    Paste(String),
    Mouse(Mouse),
    Focus(bool),
}

/// How long an ESC may be the start of a sequence; after that it is the Escape key.
pub(crate) const ESCAPE_WAIT: Duration = Duration::from_millis(50);

/// A sequence that is longer is none.
const SEQUENCE_BYTES_MAX: usize = 64;

const ESC: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Bytes that were typed, up to the first that could still become something else.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    held: Vec<u8>,
    /// The paste under way.
    paste: Option<Vec<u8>>,
}

/// What the front of the bytes is.
enum Front {
    /// So many bytes are this.
    Is(usize, Option<Typed>),
    PasteBegins(usize),
    /// More bytes must come first.
    Cut,
}

impl Typing {
    /// Takes bytes, and gives what they are for certain.
    pub(crate) fn on_bytes(&mut self, bytes: &[u8]) -> Vec<Typed> {
        self.held.extend_from_slice(bytes);
        let mut out = Vec::new();
        while !self.held.is_empty() {
            if self.paste.is_some() {
                if !self.take_paste(&mut out) {
                    break;
                }
                continue;
            }
            match front(&self.held) {
                Front::Is(len, typed) => {
                    self.held.drain(..len);
                    typed.into_iter().for_each(|typed| push(&mut out, typed));
                }
                Front::PasteBegins(len) => {
                    self.held.drain(..len);
                    self.paste = Some(Vec::new());
                }
                Front::Cut => break,
            }
        }
        out
    }

    /// True if bytes are held that may be a key by themselves: call [`Typing::on_wait_over`] after
    /// [`ESCAPE_WAIT`].
    pub(crate) fn is_waiting(&self) -> bool {
        self.paste.is_none() && self.held.first() == Some(&ESC)
    }

    /// Nothing followed: an ESC was the Escape key, and the rest is what it is.
    pub(crate) fn on_wait_over(&mut self) -> Vec<Typed> {
        if !self.is_waiting() {
            return Vec::new();
        }
        self.held.remove(0);
        let rest = std::mem::take(&mut self.held);
        let mut out = vec![Typed::Key(Key::Escape, Modifiers::NONE)];
        out.extend(self.on_bytes(&rest));
        out
    }

    /// Moves bytes into the paste. False if its end has not come yet.
    fn take_paste(&mut self, out: &mut Vec<Typed>) -> bool {
        let Some(paste) = &mut self.paste else { return false };
        let end = self.held.windows(PASTE_END.len()).position(|window| window == PASTE_END);
        // The last bytes may be the start of the end.
        let len = end.unwrap_or(self.held.len().saturating_sub(PASTE_END.len() - 1));
        paste.extend(self.held.drain(..len));
        let is_full = paste.len() >= PASTE_BYTES_MAX / 2;
        if end.is_some() || is_full {
            // A longer one goes in several pastes.
            let text = String::from_utf8_lossy(&std::mem::take(paste)).into_owned();
            out.push(Typed::Paste(text));
        }
        if end.is_some() {
            self.held.drain(..PASTE_END.len());
            self.paste = None;
        }
        end.is_some()
    }
}

/// Text behind text is one text.
fn push(out: &mut Vec<Typed>, typed: Typed) {
    match (out.last_mut(), typed) {
        (_, Typed::Text(text)) if text.is_empty() => {}
        (Some(Typed::Text(before)), Typed::Text(text)) => before.push_str(&text),
        (_, typed) => out.push(typed),
    }
}

fn front(bytes: &[u8]) -> Front {
    match bytes {
        [ESC, b'[', rest @ ..] => sequence(rest),
        [ESC, b'O', rest @ ..] => match rest.first() {
            None => Front::Cut,
            Some(letter) => Front::Is(3, lettered(*letter, Modifiers::NONE)),
        },
        [ESC] => Front::Cut,
        [ESC, rest @ ..] => match simple(rest) {
            Some((len, typed)) => Front::Is(len + 1, Some(with_alt(typed))),
            None => Front::Cut,
        },
        _ => match simple(bytes) {
            Some((len, typed)) => Front::Is(len, Some(typed)),
            None => Front::Cut,
        },
    }
}

fn with_alt(typed: Typed) -> Typed {
    match typed {
        Typed::Key(key, held) => Typed::Key(key, held | Modifiers::ALT),
        Typed::Text(text) => text
            .chars()
            .next()
            .map_or(Typed::Text(String::new()), |char| Typed::Key(Key::Char(char), Modifiers::ALT)),
        other => other,
    }
}

/// A key or a character without a sequence; `None` if its bytes are cut.
fn simple(bytes: &[u8]) -> Option<(usize, Typed)> {
    let ctrl = |char| Typed::Key(Key::Char(char), Modifiers::CTRL);
    let key = |key| Typed::Key(key, Modifiers::NONE);
    let typed = match *bytes.first()? {
        0x0d => key(Key::Enter),
        0x09 => key(Key::Tab),
        0x7f => key(Key::Backspace),
        0x08 => Typed::Key(Key::Backspace, Modifiers::CTRL),
        ESC => key(Key::Escape),
        0 => ctrl(' '),
        letter @ 1..=0x1a => ctrl(char::from(letter + b'a' - 1)),
        other @ 0x1c..=0x1f => ctrl(char::from(other + 0x40)),
        _ => return character(bytes),
    };
    Some((1, typed))
}

/// One character of UTF-8; a byte that begins none is dropped.
fn character(bytes: &[u8]) -> Option<(usize, Typed)> {
    let start = &bytes[..bytes.len().min(4)];
    match std::str::from_utf8(start) {
        Ok(text) => text.chars().next().map(|char| (char.len_utf8(), Typed::Text(char.to_string()))),
        Err(error) if error.valid_up_to() > 0 => {
            let text = String::from_utf8_lossy(&start[..error.valid_up_to()]).into_owned();
            text.chars().next().map(|char| (char.len_utf8(), Typed::Text(char.to_string())))
        }
        Err(error) => error.error_len().map(|len| (len, Typed::Text(String::new()))),
    }
}

/// A control sequence behind `ESC [`.
fn sequence(rest: &[u8]) -> Front {
    let is_final = |byte: &u8| (0x40..=0x7e).contains(byte);
    let Some(len) = rest.iter().position(is_final) else {
        let is_none = rest.len() > SEQUENCE_BYTES_MAX;
        return if is_none { Front::Is(rest.len() + 2, None) } else { Front::Cut };
    };
    let parameters = String::from_utf8_lossy(&rest[..len]).into_owned();
    let whole = len + 3;
    if let Some(report) = parameters.strip_prefix('<') {
        return Front::Is(whole, mouse(report, rest[len]));
    }
    let numbers: Vec<u8> = parameters.split(';').map(|number| number.parse().unwrap_or(0)).collect();
    let held = Modifiers::from_bits(numbers.get(1).copied().unwrap_or(1).saturating_sub(1));
    match (rest[len], numbers[0]) {
        (b'~', 200) => Front::PasteBegins(whole),
        (b'~', number) => Front::Is(whole, numbered(number).map(|key| Typed::Key(key, held))),
        (b'Z', _) => Front::Is(whole, Some(Typed::Key(Key::Tab, Modifiers::SHIFT))),
        (b'I', _) => Front::Is(whole, Some(Typed::Focus(true))),
        (b'O', _) => Front::Is(whole, Some(Typed::Focus(false))),
        (letter, _) => Front::Is(whole, lettered(letter, held)),
    }
}

fn lettered(letter: u8, held: Modifiers) -> Option<Typed> {
    let key = match letter {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        b'M' => Key::Enter,
        b'P'..=b'S' => Key::Function(letter - b'P' + 1),
        _ => return None,
    };
    Some(Typed::Key(key, held))
}

fn numbered(number: u8) -> Option<Key> {
    Some(match number {
        1 | 7 => Key::Home,
        2 => Key::Insert,
        3 => Key::Delete,
        4 | 8 => Key::End,
        5 => Key::PageUp,
        6 => Key::PageDown,
        11..=15 => Key::Function(number - 10),
        17..=21 => Key::Function(number - 11),
        23..=26 => Key::Function(number - 12),
        28 | 29 => Key::Function(number - 13),
        31..=34 => Key::Function(number - 14),
        _ => return None,
    })
}

/// A report in decimal digits: `button ; column ; row`, and `M` or `m`.
fn mouse(report: &str, last: u8) -> Option<Typed> {
    let mut numbers = report.split(';').map(|number| number.parse::<u16>().ok());
    let (code, column, row) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let button = match (code & 64, code & 3) {
        (0, 0) => MouseButton::Left,
        (0, 1) => MouseButton::Middle,
        (0, 2) => MouseButton::Right,
        (0, _) => MouseButton::None,
        (_, 0) => MouseButton::WheelUp,
        (_, 1) => MouseButton::WheelDown,
        (_, 2) => MouseButton::WheelLeft,
        _ => MouseButton::WheelRight,
    };
    let action = match (code & 32, last) {
        (32, _) => MouseAction::Move,
        (_, b'm') => MouseAction::Release,
        _ => MouseAction::Press,
    };
    let held = [(4, Modifiers::SHIFT), (8, Modifiers::ALT), (16, Modifiers::CTRL)];
    let modifiers = held.into_iter().filter(|(bit, _)| code & bit != 0);
    let modifiers = modifiers.fold(Modifiers::NONE, |set, (_, key)| set | key);
    let (column, row) = (column.saturating_sub(1), row.saturating_sub(1));
    Some(Typed::Mouse(Mouse { action, button, modifiers, column, row }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Vec<Typed> {
        let mut typing = Typing::default();
        let whole = typing.on_bytes(bytes);
        let mut stepwise = Typing::default();
        let mut pieces: Vec<Typed> = Vec::new();
        for byte in bytes.chunks(1) {
            stepwise.on_bytes(byte).into_iter().for_each(|one| push(&mut pieces, one));
        }
        assert_eq!(whole, pieces, "{bytes:?}");
        whole
    }

    fn key(key: Key) -> Typed {
        Typed::Key(key, Modifiers::NONE)
    }

    #[test]
    fn what_xterm_sends_is_understood() {
        let ctrl = |char| Typed::Key(Key::Char(char), Modifiers::CTRL);
        for (bytes, expected) in [
            (b"abc".as_slice(), vec![Typed::Text("abc".into())]),
            ("ä漢👋".as_bytes(), vec![Typed::Text("ä漢👋".into())]),
            (b"\r", vec![key(Key::Enter)]),
            (b"\x03\x1a\x1d\0", vec![ctrl('c'), ctrl('z'), ctrl(']'), ctrl(' ')]),
            (b"\x7f\t", vec![key(Key::Backspace), key(Key::Tab)]),
            (b"\x1b[A\x1bOA", vec![key(Key::Up), key(Key::Up)]),
            (b"\x1b[1;5C", vec![Typed::Key(Key::Right, Modifiers::CTRL)]),
            (b"\x1b[5;2~", vec![Typed::Key(Key::PageUp, Modifiers::SHIFT)]),
            (
                b"\x1bOP\x1b[15~\x1b[24~",
                vec![key(Key::Function(1)), key(Key::Function(5)), key(Key::Function(12))],
            ),
            (b"\x1b[34~", vec![key(Key::Function(20))]),
            (b"\x1b[Z", vec![Typed::Key(Key::Tab, Modifiers::SHIFT)]),
            (b"\x1bx", vec![Typed::Key(Key::Char('x'), Modifiers::ALT)]),
            (b"\x1b\r", vec![Typed::Key(Key::Enter, Modifiers::ALT)]),
            (b"\x1b[I\x1b[O", vec![Typed::Focus(true), Typed::Focus(false)]),
            (b"\x1b[?1;2c", vec![]),
            (
                b"\x1b[200~a\x1b[31m\nb\x1b[201~c",
                vec![Typed::Paste("a\x1b[31m\nb".into()), Typed::Text("c".into())],
            ),
        ] {
            assert_eq!(typed(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_report_of_the_mouse_is_an_act() {
        let act = |action, button, modifiers, column, row| {
            Typed::Mouse(Mouse { action, button, modifiers, column, row })
        };
        let none = Modifiers::NONE;
        assert_eq!(typed(b"\x1b[<0;1;2M"), [act(MouseAction::Press, MouseButton::Left, none, 0, 1)]);
        assert_eq!(typed(b"\x1b[<0;500;2m"), [act(MouseAction::Release, MouseButton::Left, none, 499, 1)]);
        assert_eq!(typed(b"\x1b[<35;1;1M"), [act(MouseAction::Move, MouseButton::None, none, 0, 0)]);
        assert_eq!(
            typed(b"\x1b[<81;1;1M"),
            [act(MouseAction::Press, MouseButton::WheelDown, Modifiers::CTRL, 0, 0)]
        );
        assert_eq!(typed(b"\x1b[<;1;1M"), []);
    }

    #[test]
    fn an_escape_without_a_sequence_is_the_key() {
        let mut typing = Typing::default();
        assert_eq!(typing.on_bytes(b"\x1b"), []);
        assert!(typing.is_waiting());
        assert_eq!(typing.on_wait_over(), [key(Key::Escape)]);
        assert!(!typing.is_waiting());
        assert_eq!(typing.on_bytes(b"\x1b["), []);
        assert_eq!(typing.on_wait_over(), [key(Key::Escape), Typed::Text("[".into())]);
    }

    #[test]
    fn anything_typed_is_bounded() {
        let mut typing = Typing::default();
        typing.on_bytes(b"\x1b[");
        for _ in 0..100 {
            typing.on_bytes(b"1");
        }
        assert!(typing.held.len() <= SEQUENCE_BYTES_MAX + 2);
        let mut typing = Typing::default();
        typing.on_bytes(b"\x1b[200~");
        let pastes = (0..200).map(|_| typing.on_bytes(&[b'x'; 10_000]).len()).sum::<usize>();
        assert!(pastes >= 3 && typing.paste.is_some_and(|paste| paste.len() < PASTE_BYTES_MAX));
    }
}

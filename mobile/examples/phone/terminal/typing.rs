//! What a terminal sends when its user types, as keys, text, pastes and acts of the mouse. Pure.

use std::time::Duration;

use relay_client::app::terminal::limits::PASTE_BYTES_MAX;
use relay_client::app::terminal::{Key, Modifiers, Mouse};

use super::sequences::{Front, front};

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

const ESC: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Bytes that were typed, up to the first that could still become something else.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    held: Vec<u8>,
    /// The paste under way.
    paste: Option<Vec<u8>>,
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

#[cfg(test)]
mod tests {
    use relay_client::app::terminal::{MouseAction, MouseButton};

    use super::super::sequences::SEQUENCE_BYTES_MAX;
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

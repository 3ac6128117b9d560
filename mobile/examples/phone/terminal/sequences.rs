//! The sequences that terminals send for keys and for acts of the mouse: xterm's, and what others send
//! instead. Pure.

use relay_client::app::terminal::{Key, Modifiers, Mouse, MouseAction, MouseButton};

use super::typing::Typed;

/// A sequence that is longer is none.
pub(super) const SEQUENCE_BYTES_MAX: usize = 64;

const ESC: u8 = 0x1b;

/// What the front of the bytes is.
pub(super) enum Front {
    /// So many bytes are this.
    Is(usize, Option<Typed>),
    PasteBegins(usize),
    /// More bytes must come first.
    Cut,
}

/// What `bytes` begin with; there is at least one.
pub(super) fn front(bytes: &[u8]) -> Front {
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

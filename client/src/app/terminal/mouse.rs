//! What a child reads when a viewer uses the mouse.

use super::keys::{Key, Modifiers};
use super::screen::{Modes, MouseEncoding, MouseReports};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MouseAction {
    /// A button went down, or the wheel turned by one step.
    Press = 0,
    /// A button went up.
    Release = 1,
    /// The pointer moved to another cell.
    Move = 2,
}

/// Which button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MouseButton {
    /// None: the pointer moves with no button down.
    None = 0,
    /// The left one.
    Left = 1,
    /// The middle one.
    Middle = 2,
    /// The right one.
    Right = 3,
    /// The wheel, upwards.
    WheelUp = 4,
    /// The wheel, downwards.
    WheelDown = 5,
    /// The wheel, to the left.
    WheelLeft = 6,
    /// The wheel, to the right.
    WheelRight = 7,
}

/// An act of the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mouse {
    /// What was done.
    pub action: MouseAction,
    /// With which button.
    pub button: MouseButton,
    /// The keys held down.
    pub modifiers: Modifiers,
    /// The column; the left is 0.
    pub column: u16,
    /// The row; the top is 0.
    pub row: u16,
}

impl MouseAction {
    pub(super) fn from_code(code: u8) -> Option<Self> {
        [Self::Press, Self::Release, Self::Move].get(usize::from(code)).copied()
    }
}

impl MouseButton {
    const ALL: [Self; 8] = [
        Self::None,
        Self::Left,
        Self::Middle,
        Self::Right,
        Self::WheelUp,
        Self::WheelDown,
        Self::WheelLeft,
        Self::WheelRight,
    ];

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    fn is_wheel(self) -> bool {
        self as u8 >= Self::WheelUp as u8
    }

    /// Its number in a report.
    fn number(self) -> u16 {
        match self {
            Self::Left => 0,
            Self::Middle => 1,
            Self::Right => 2,
            Self::None => 3,
            wheel => 64 + (wheel as u16 - Self::WheelUp as u16),
        }
    }
}

/// Lines that one step of the wheel moves where it acts as cursor keys.
const WHEEL_LINES: usize = 3;

impl Mouse {
    /// The bytes for the child; none if the program does not want to know.
    pub fn bytes(&self, modes: &Modes) -> Vec<u8> {
        if modes.mouse == MouseReports::Off {
            return self.as_cursor_keys(modes);
        }
        if !self.is_wanted(modes.mouse) {
            return Vec::new();
        }
        let held = [(Modifiers::SHIFT, 4), (Modifiers::ALT, 8), (Modifiers::CTRL, 16)];
        let held: u16 =
            held.iter().filter(|(key, _)| self.modifiers.contains(*key)).map(|(_, bit)| bit).sum();
        let moved = if self.action == MouseAction::Move { 32 } else { 0 };
        self.report(modes.mouse_encoding, held + moved)
    }

    fn is_wanted(&self, reports: MouseReports) -> bool {
        match (self.action, self.button) {
            (MouseAction::Release, button) => !button.is_wheel(),
            (MouseAction::Press, button) => button != MouseButton::None,
            (MouseAction::Move, MouseButton::None) => reports == MouseReports::Moves,
            (MouseAction::Move, button) => reports != MouseReports::Clicks && !button.is_wheel(),
        }
    }

    fn report(&self, encoding: MouseEncoding, flags: u16) -> Vec<u8> {
        let (column, row) = (u32::from(self.column) + 1, u32::from(self.row) + 1);
        let is_release = self.action == MouseAction::Release;
        if encoding == MouseEncoding::Sgr {
            let end = if is_release { 'm' } else { 'M' };
            return format!("\x1b[<{};{column};{row}{end}", self.button.number() + flags).into_bytes();
        }
        // These encodings do not tell which button was released.
        let button = if is_release { MouseButton::None.number() } else { self.button.number() };
        let mut bytes = b"\x1b[M".to_vec();
        for number in [u32::from(button + flags), column, row] {
            match (encoding, number) {
                (_, ..96) | (MouseEncoding::Bytes, ..224) => bytes.push(number as u8 + 32),
                (MouseEncoding::Utf8, ..2016) => {
                    let char = char::from_u32(number + 32).unwrap_or(' ');
                    bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Vec::new(),
            }
        }
        bytes
    }

    /// The wheel scrolls a full-screen program that does not know the mouse.
    fn as_cursor_keys(&self, modes: &Modes) -> Vec<u8> {
        let key = match self.button {
            MouseButton::WheelUp => Key::Up,
            MouseButton::WheelDown => Key::Down,
            _ => return Vec::new(),
        };
        let acts = modes.is_alternate && modes.has_alternate_scroll && self.action == MouseAction::Press;
        if acts { key.bytes(Modifiers::NONE, modes).repeat(WHEEL_LINES) } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MouseAction::{Move, Press, Release};
    use MouseButton::{Left, None, Right, WheelDown, WheelUp};

    fn mouse(action: MouseAction, button: MouseButton, column: u16, row: u16) -> Mouse {
        Mouse { action, button, modifiers: Modifiers::NONE, column, row }
    }

    #[test]
    fn reports_are_written_in_each_encoding() {
        let modes = |mouse_encoding| Modes { mouse: MouseReports::Drags, mouse_encoding, ..Modes::default() };
        let (bytes, utf8, sgr) =
            (modes(MouseEncoding::Bytes), modes(MouseEncoding::Utf8), modes(MouseEncoding::Sgr));
        let ctrl = Mouse { modifiers: Modifiers::CTRL, ..mouse(Press, Right, 0, 0) };
        for (mouse, modes, expected) in [
            (mouse(Press, Left, 0, 0), &bytes, b"\x1b[M !!".as_slice()),
            (mouse(Release, Left, 1, 2), &bytes, b"\x1b[M#\"#"),
            (mouse(Press, WheelDown, 0, 0), &bytes, b"\x1b[Ma!!"),
            (mouse(Press, Left, 222, 0), &bytes, b"\x1b[M \xff!"),
            (mouse(Press, Left, 223, 0), &bytes, b""),
            (mouse(Press, Left, 223, 0), &utf8, b"\x1b[M \xc4\x80!"),
            (mouse(Press, Left, 499, 9), &sgr, b"\x1b[<0;500;10M"),
            (mouse(Release, Left, 0, 0), &sgr, b"\x1b[<0;1;1m"),
            (mouse(Move, Left, 0, 0), &sgr, b"\x1b[<32;1;1M"),
            (mouse(Move, None, 0, 0), &sgr, b""),
            (mouse(Press, WheelUp, 0, 0), &sgr, b"\x1b[<64;1;1M"),
            (mouse(Release, WheelUp, 0, 0), &sgr, b""),
            (ctrl, &sgr, b"\x1b[<18;1;1M"),
        ] {
            assert_eq!(mouse.bytes(modes), expected, "{mouse:?}");
        }
    }

    #[test]
    fn a_program_gets_only_the_reports_that_it_asked_for() {
        let with = |mouse| Modes { mouse, mouse_encoding: MouseEncoding::Sgr, ..Modes::default() };
        let told = |modes: &Modes| {
            let acts = [mouse(Press, Left, 0, 0), mouse(Move, Left, 1, 0), mouse(Move, None, 2, 0)];
            acts.map(|act| !act.bytes(modes).is_empty())
        };
        assert_eq!(told(&with(MouseReports::Off)), [false, false, false]);
        assert_eq!(told(&with(MouseReports::Clicks)), [true, false, false]);
        assert_eq!(told(&with(MouseReports::Drags)), [true, true, false]);
        assert_eq!(told(&with(MouseReports::Moves)), [true, true, true]);
    }

    #[test]
    fn the_wheel_scrolls_a_pager_by_cursor_keys() {
        let pager = Modes { is_alternate: true, has_alternate_scroll: true, ..Modes::default() };
        assert_eq!(mouse(Press, WheelUp, 0, 0).bytes(&pager), b"\x1b[A\x1b[A\x1b[A");
        assert_eq!(mouse(Press, WheelUp, 0, 0).bytes(&Modes::default()), b"");
    }
}

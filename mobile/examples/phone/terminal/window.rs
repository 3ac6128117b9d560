//! A shared terminal that fills this one. Its last line tells the state; a few keys are this window's own.

use std::io::{self, Write};
use std::time::Instant;

use relay_client::app::terminal::{
    Key, Modifiers, Mouse, MouseAction, MouseButton, Screen, ScrollbackRows, Size, SizeOwner, ViewerMessage,
};

use super::painter::{Frame, Painter};
use super::raw_mode::{RawMode, window_size};
use super::scrollback::Scrollback;
use super::typing::{ESCAPE_WAIT, Typed, Typing};

/// What is known of a shared terminal.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) may_type: bool,
    pub(super) owner: SizeOwner,
    /// The state of the way to the desk, if there is something to tell.
    pub(super) way: Option<String>,
    pub(super) notice: Option<String>,
}

/// What follows from something typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Send(ViewerMessage),
    Leave,
}

/// Lines of one step of the wheel.
const WHEEL_LINES: i64 = 3;

/// This terminal, while it shows another one.
#[derive(Debug)]
pub(crate) struct Window {
    _raw: RawMode,
    size: Size,
    painter: Painter,
    typing: Typing,
    scrollback: Scrollback,
    escape_at: Option<Instant>,
}

impl Window {
    /// Takes this terminal over.
    ///
    /// # Errors
    /// Input or output is not a terminal.
    pub(crate) fn open() -> io::Result<Self> {
        let raw = RawMode::enter()?;
        let (painter, typing, scrollback) = (Painter::default(), Typing::default(), Scrollback::default());
        Ok(Window { _raw: raw, size: window_size(), painter, typing, scrollback, escape_at: None })
    }

    /// When [`Window::on_time`] must be called.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.escape_at
    }

    pub(super) fn on_resized(&mut self, shown: &Shown) -> Option<ViewerMessage> {
        self.size = window_size();
        self.painter.forget();
        (shown.owner == SizeOwner::You).then(|| ViewerMessage::TakeSize(self.room()))
    }

    /// The size that a shared terminal has room for.
    pub(super) fn room(&self) -> Size {
        Size::clamped(self.size.columns(), self.size.rows().saturating_sub(1))
    }

    pub(super) fn on_screen(&mut self, screen: &Screen) {
        self.scrollback.on_screen(screen);
    }

    pub(super) fn on_rows(&mut self, rows: ScrollbackRows) {
        self.scrollback.on_rows(rows);
    }

    pub(super) fn on_reopened(&mut self) {
        self.scrollback.on_reopened();
    }

    pub(super) fn on_bytes(&mut self, bytes: &[u8], shown: &Shown, screen: &Screen) -> Vec<Act> {
        let typed = self.typing.on_bytes(bytes);
        self.escape_at = self.typing.is_waiting().then(|| Instant::now() + ESCAPE_WAIT);
        self.acts(typed, shown, screen)
    }

    pub(super) fn on_time(&mut self, now: Instant, shown: &Shown, screen: &Screen) -> Vec<Act> {
        if self.escape_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.escape_at = None;
        let typed = self.typing.on_wait_over();
        self.acts(typed, shown, screen)
    }

    fn acts(&mut self, typed: Vec<Typed>, shown: &Shown, screen: &Screen) -> Vec<Act> {
        let mut acts = Vec::new();
        for one in typed {
            match one {
                Typed::Key(Key::Char(']'), Modifiers::CTRL) => {
                    acts.push(Act::Leave);
                    break;
                }
                Typed::Key(Key::Function(12), Modifiers::NONE) => acts.push(Act::Send(match shown.owner {
                    SizeOwner::You => ViewerMessage::GiveBack,
                    _ => ViewerMessage::TakeSize(self.room()),
                })),
                Typed::Key(Key::PageUp, Modifiers::SHIFT) if screen.history.lines > 0 => {
                    self.scroll(1, screen);
                }
                Typed::Key(Key::PageDown, Modifiers::SHIFT) if self.scrollback.is_up() => {
                    self.scroll(-1, screen);
                }
                Typed::Mouse(mouse) => acts.extend(self.mouse(mouse, screen).map(Act::Send)),
                Typed::Focus(has_focus) => acts.push(Act::Send(ViewerMessage::Focus(has_focus))),
                other => {
                    self.scrollback.leave();
                    acts.extend(message(other).filter(|_| shown.may_type).map(Act::Send));
                }
            }
        }
        acts
    }

    /// Pages up, or down.
    fn scroll(&mut self, pages: i64, screen: &Screen) {
        let page = i64::from(self.room().rows()).max(2) - 1;
        self.scrollback.move_by(pages * page, screen);
    }

    fn mouse(&mut self, mouse: Mouse, screen: &Screen) -> Option<ViewerMessage> {
        if self.scrollback.is_up() {
            let lines = match (mouse.action, mouse.button) {
                (MouseAction::Press, MouseButton::WheelUp) => WHEEL_LINES,
                (MouseAction::Press, MouseButton::WheelDown) => -WHEEL_LINES,
                _ => return None,
            };
            self.scrollback.move_by(lines, screen);
            return None;
        }
        let (top, left) = self.corner(screen);
        let (row, column) = (usize::from(mouse.row) + top, mouse.column + left);
        let is_inside = mouse.row < self.room().rows()
            && row < usize::from(screen.size().rows())
            && column < screen.size().columns();
        let row = u16::try_from(row).ok().filter(|_| is_inside)?;
        Some(ViewerMessage::Mouse(Mouse { row, column, ..mouse }))
    }

    /// The first row and column that are seen where the window is smaller: those with the cursor.
    fn corner(&self, screen: &Screen) -> (usize, u16) {
        let room = self.room();
        let top = (screen.cursor.row + 1).saturating_sub(room.rows());
        let left = (screen.cursor.column + 1).saturating_sub(room.columns());
        (usize::from(top), left)
    }

    /// Draws what changed. A request is to be sent, if lines are missing.
    pub(super) fn draw(&mut self, shown: &Shown, screen: &Screen) -> io::Result<Option<ViewerMessage>> {
        let (room, (top, left)) = (self.room(), self.corner(screen));
        let cursor = screen.cursor;
        let place = (cursor.row - u16::try_from(top).unwrap_or(0), cursor.column - left);
        let is_shown = cursor.is_visible && !self.scrollback.is_up();
        let frame = Frame {
            rows: self.scrollback.visible(screen, top, usize::from(room.rows())),
            left: if self.scrollback.is_up() { 0 } else { left },
            columns: room.columns(),
            cursor: is_shown.then_some((place.0, place.1, cursor.shape, cursor.is_blinking)),
            title: format!("{}: {}", shown.name, screen.title()),
            status: self.status(shown, screen),
            mouse: screen.modes.mouse,
            bells: screen.bells,
        };
        let bytes = self.painter.paint(frame);
        let mut output = io::stdout().lock();
        output.write_all(bytes.as_bytes())?;
        output.flush()?;
        Ok(self.scrollback.poll_request(room.rows(), screen))
    }

    fn status(&self, shown: &Shown, screen: &Screen) -> String {
        let size = screen.size();
        let mut parts = vec![format!(" {} {}x{}", shown.name, size.columns(), size.rows())];
        parts.extend(shown.way.clone());
        match self.scrollback.lines_up(screen) {
            0 => {}
            lines => parts.push(format!("{lines} lines up, Shift-PageDown goes down")),
        }
        parts.extend(shown.notice.clone());
        if !shown.may_type {
            parts.push("watching only".to_owned());
        }
        parts.push("Ctrl-] leaves".to_owned());
        parts.push(match &shown.owner {
            SizeOwner::You => "F12 gives the size back".to_owned(),
            SizeOwner::Other(name) => format!("its size is {name}'s, F12 takes it"),
            SizeOwner::Nobody | SizeOwner::Desk => "F12 takes the size".to_owned(),
        });
        parts.join(" | ")
    }
}

/// What is sent for something typed.
pub(super) fn message(typed: Typed) -> Option<ViewerMessage> {
    Some(match typed {
        Typed::Text(text) if text.is_empty() => return None,
        Typed::Text(text) => ViewerMessage::Text(text),
        Typed::Key(key, held) => ViewerMessage::Key(key, held),
        Typed::Paste(text) => ViewerMessage::Paste(text),
        Typed::Mouse(mouse) => ViewerMessage::Mouse(mouse),
        Typed::Focus(has_focus) => ViewerMessage::Focus(has_focus),
    })
}

//! The emulation library's cursor and modes as the screen has them.

use alacritty_terminal::event::EventListener;
use alacritty_terminal::term::{Term, TermMode};
use alacritty_terminal::vte::ansi::CursorShape as Shape;
use relay_client::app::terminal::{Cursor, CursorShape, Modes, MouseEncoding, MouseReports};

/// The cursor.
pub(super) fn cursor<T: EventListener>(term: &Term<T>) -> Cursor {
    let (point, style) = (term.grid().cursor.point, term.cursor_style());
    let shape = match style.shape {
        Shape::Underline => CursorShape::Underline,
        Shape::Beam => CursorShape::Bar,
        Shape::Block | Shape::HollowBlock | Shape::Hidden => CursorShape::Block,
    };
    Cursor {
        row: u16::try_from(point.line.0).unwrap_or(0),
        column: u16::try_from(point.column.0).unwrap_or(u16::MAX),
        shape,
        is_blinking: style.blinking,
        is_visible: term.mode().contains(TermMode::SHOW_CURSOR) && style.shape != Shape::Hidden,
    }
}

/// The modes that a viewer must know.
pub(super) fn modes(mode: TermMode) -> Modes {
    let is_on = |wanted| mode.contains(wanted);
    let mouse = match () {
        () if is_on(TermMode::MOUSE_MOTION) => MouseReports::Moves,
        () if is_on(TermMode::MOUSE_DRAG) => MouseReports::Drags,
        () if is_on(TermMode::MOUSE_REPORT_CLICK) => MouseReports::Clicks,
        () => MouseReports::Off,
    };
    let mouse_encoding = match () {
        () if is_on(TermMode::SGR_MOUSE) => MouseEncoding::Sgr,
        () if is_on(TermMode::UTF8_MOUSE) => MouseEncoding::Utf8,
        () => MouseEncoding::Bytes,
    };
    Modes {
        is_alternate: is_on(TermMode::ALT_SCREEN),
        has_bracketed_paste: is_on(TermMode::BRACKETED_PASTE),
        has_application_cursor: is_on(TermMode::APP_CURSOR),
        has_application_keypad: is_on(TermMode::APP_KEYPAD),
        has_focus_reports: is_on(TermMode::FOCUS_IN_OUT),
        has_alternate_scroll: is_on(TermMode::ALTERNATE_SCROLL),
        has_newline: is_on(TermMode::LINE_FEED_NEW_LINE),
        mouse,
        mouse_encoding,
    }
}

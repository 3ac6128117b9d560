//! The whole state of a terminal as escape sequences, for a real terminal that joins late.

use std::fmt::Write as _;

use alacritty_terminal::event::EventListener;
use alacritty_terminal::index::Column;
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::term::{Term, TermMode};
use alacritty_terminal::vte::ansi::{
    CharsetIndex, CursorShape as Shape, CursorStyle, NamedColor, Rgb, StandardCharset,
};
use relay_client::app::terminal::{Attributes, Color, Link, Row, Screen, Style, Underline};

use super::cells;
use super::scanner::Scanner;

/// Puts a real terminal back to what a shell expects: no unfinished sequence and no modes, the main screen, a
/// shown cursor, the colors and character sets that it began with.
pub(crate) const RESTORE: &[u8] = b"\x18\x1b[?2026l\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\
    \x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[?6l\x1b[?7h\x1b[4l\x1b[20l\x1b[r\x1b(B\x1b)B\x0f\
    \x1b]8;;\x1b\\\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\\x1b[m\x1b[0 q\x1b[?25h";

/// The screen, then everything that the next output of the child depends on.
pub(super) fn paint<T: EventListener>(screen: &Screen, term: &Term<T>, scanner: &Scanner) -> Vec<u8> {
    let mut pen = Pen::default();
    let is_alternate = screen.modes.is_alternate;
    pen.put("\x18\x1b[?2026l");
    pen.put(if is_alternate { "\x1b[?1049h" } else { "\x1b[?1049l" });
    // Neutral modes for painting.
    pen.put("\x1b[?25l\x1b[?6l\x1b[?7h\x1b[4l\x1b[r\x1b(B\x1b)B\x0f\x1b]8;;\x1b\\\x1b[m\x1b[2J");
    // The palette that the terminal began with.
    pen.put("\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\");
    for (at, row) in screen.rows().iter().enumerate() {
        pen.row(at, row);
    }
    pen.colors(term);
    if !screen.title().is_empty() {
        pen.put(&format!("\x1b]2;{}\x1b\\", screen.title()));
    }
    pen.saved_cursor(term);
    pen.modes(term, scanner);
    pen.cursor(screen, term, scanner);
    let mut bytes = pen.out.into_bytes();
    bytes.extend_from_slice(scanner.unfinished());
    bytes
}

/// Writes sequences and knows the style that is set.
#[derive(Default)]
struct Pen {
    out: String,
    style: Style,
}

impl Pen {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn go_to(&mut self, row: usize, column: usize) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "\x1b[{};{}H", row + 1, column + 1);
    }

    fn row(&mut self, at: usize, row: &Row) {
        let mut column = usize::MAX;
        for run in row.runs() {
            if usize::from(run.column) != column {
                self.go_to(at, run.column.into());
            }
            self.set_style(&run.style);
            self.put(&run.text);
            column = run.end();
        }
    }

    fn set_style(&mut self, style: &Style) {
        if self.style == *style {
            return;
        }
        if self.style.link != style.link {
            let address = style.link.as_ref().map_or("", Link::as_str);
            self.put(&format!("\x1b]8;;{address}\x1b\\"));
        }
        let parameters = parameters(style);
        self.put(&format!("\x1b[{parameters}m"));
        self.style = style.clone();
    }

    /// The colors that the child redefined.
    fn colors<T: EventListener>(&mut self, term: &Term<T>) {
        let named = [(NamedColor::Foreground, 10), (NamedColor::Background, 11), (NamedColor::Cursor, 12)];
        let palette = (0..256).map(|index| (index, format!("4;{index}")));
        let named = named.map(|(name, number)| (name as usize, number.to_string()));
        for (index, command) in palette.chain(named) {
            if let Some(Rgb { r, g, b }) = term.colors()[index] {
                self.put(&format!("\x1b]{command};rgb:{r:02x}/{g:02x}/{b:02x}\x1b\\"));
            }
        }
    }

    fn saved_cursor<T: EventListener>(&mut self, term: &Term<T>) {
        let saved = &term.grid().saved_cursor;
        self.go_to(usize::try_from(saved.point.line.0).unwrap_or(0), saved.point.column.0);
        self.set_style(&cells::style(&saved.template, term.colors()));
        self.put("\x1b7");
    }

    fn modes<T: EventListener>(&mut self, term: &Term<T>, scanner: &Scanner) {
        let switches = [
            (TermMode::APP_CURSOR, "?1"),
            (TermMode::LINE_WRAP, "?7"),
            (TermMode::FOCUS_IN_OUT, "?1004"),
            (TermMode::BRACKETED_PASTE, "?2004"),
            (TermMode::INSERT, "4"),
            (TermMode::LINE_FEED_NEW_LINE, "20"),
        ];
        // Of these, one at most is on, and setting it off may turn off another.
        let exclusive = [
            (TermMode::MOUSE_REPORT_CLICK, "?1000"),
            (TermMode::MOUSE_DRAG, "?1002"),
            (TermMode::MOUSE_MOTION, "?1003"),
            (TermMode::UTF8_MOUSE, "?1005"),
            (TermMode::SGR_MOUSE, "?1006"),
        ];
        for (_, number) in exclusive {
            self.put(&format!("\x1b[{number}l"));
        }
        let on = exclusive.iter().filter(|(mode, _)| term.mode().contains(*mode));
        let all = on
            .map(|(_, number)| (true, *number))
            .chain(switches.iter().map(|(mode, number)| (term.mode().contains(*mode), *number)));
        let all: Vec<_> = all.collect();
        for (is_on, number) in all {
            self.put(&format!("\x1b[{number}{}", if is_on { 'h' } else { 'l' }));
        }
        // The emulator begins with it on. Terminals disagree, and it would outlast the command: so it is
        // said only where the command has switched it off.
        if !term.mode().contains(TermMode::ALTERNATE_SCROLL) {
            self.put("\x1b[?1007l");
        }
        self.put(if term.mode().contains(TermMode::APP_KEYPAD) { "\x1b=" } else { "\x1b>" });
        if let Some(margins) = scanner.margins() {
            let bottom = if margins.bottom == 0 { String::new() } else { margins.bottom.to_string() };
            self.put(&format!("\x1b[{};{bottom}r", margins.top.max(1)));
        }
    }

    /// The cursor's place and shape, the look of the next character, and the character sets.
    fn cursor<T: EventListener>(&mut self, screen: &Screen, term: &Term<T>, scanner: &Scanner) {
        let cursor = &term.grid().cursor;
        let (mut row, column) = (usize::from(screen.cursor.row), cursor.point.column.0);
        if term.mode().contains(TermMode::ORIGIN) {
            // From here on, rows count from the top margin.
            self.put("\x1b[?6h");
            let top = scanner.margins().map_or(1, |margins| margins.top.max(1));
            row = row.saturating_sub(usize::from(top) - 1);
        }
        if cursor.input_needs_wrap {
            self.last_cell(row, term);
        } else {
            self.go_to(row, column);
        }
        self.set_style(&cells::style(&cursor.template, term.colors()));
        for (index, introducer) in [(CharsetIndex::G0, '('), (CharsetIndex::G1, ')')] {
            if cursor.charsets[index] == StandardCharset::SpecialCharacterAndLineDrawing {
                self.put(&format!("\x1b{introducer}0"));
            }
        }
        if scanner.is_shifted_out() {
            self.put("\x0e");
        }
        self.cursor_shape(term.cursor_style());
        self.put(if term.mode().contains(TermMode::SHOW_CURSOR) { "\x1b[?25h" } else { "\x1b[?25l" });
    }

    /// Writes the last cell of the cursor's line: so the next character goes to the next line.
    fn last_cell<T: EventListener>(&mut self, row: usize, term: &Term<T>) {
        let (point, grid) = (term.grid().cursor.point, term.grid());
        let mut column = point.column;
        if grid[point.line][column].flags.contains(Flags::WIDE_CHAR_SPACER) {
            column = Column(column.0.saturating_sub(1));
        }
        let cell = &grid[point.line][column];
        self.go_to(row, column.0);
        self.set_style(&cells::style(cell, term.colors()));
        self.out.push(if cell.c.is_control() { ' ' } else { cell.c });
        self.out.extend(cell.zerowidth().into_iter().flatten().filter(|char| **char != cells::MARK));
    }

    fn cursor_shape(&mut self, style: CursorStyle) {
        let number = match style.shape {
            // The child chose none: the terminal's own.
            Shape::HollowBlock if !style.blinking => 0,
            Shape::Underline => 4 - u8::from(style.blinking),
            Shape::Beam => 6 - u8::from(style.blinking),
            _ => 2 - u8::from(style.blinking),
        };
        self.put(&format!("\x1b[{number} q"));
    }
}

/// The parameters that set a style, whatever was set before.
fn parameters(style: &Style) -> String {
    let mut text = "0".to_owned();
    let attributes = [
        (Attributes::BOLD, ";1"),
        (Attributes::DIM, ";2"),
        (Attributes::ITALIC, ";3"),
        (Attributes::BLINK, ";5"),
        (Attributes::REVERSE, ";7"),
        (Attributes::HIDDEN, ";8"),
        (Attributes::STRIKE, ";9"),
    ];
    let set = attributes.iter().filter(|(attribute, _)| style.attributes.contains(*attribute));
    text.extend(set.map(|(_, parameter)| *parameter));
    match style.underline {
        Underline::None => {}
        // Every terminal knows this form.
        Underline::Single => text.push_str(";4"),
        kind => text.push_str(&format!(";4:{}", kind as u8)),
    }
    text.push_str(&color(style.text, [30, 90], "38"));
    text.push_str(&color(style.background, [40, 100], "48"));
    match style.underline_color {
        Color::Default => {}
        Color::Indexed(index) => text.push_str(&format!(";58:5:{index}")),
        Color::Rgb(red, green, blue) => text.push_str(&format!(";58:2::{red}:{green}:{blue}")),
    }
    text
}

fn color(color: Color, named: [u8; 2], other: &str) -> String {
    match color {
        Color::Default => String::new(),
        Color::Indexed(index @ ..8) => format!(";{}", named[0] + index),
        Color::Indexed(index @ ..16) => format!(";{}", named[1] + index - 8),
        Color::Indexed(index) => format!(";{other};5;{index}"),
        Color::Rgb(red, green, blue) => format!(";{other};2;{red};{green};{blue}"),
    }
}

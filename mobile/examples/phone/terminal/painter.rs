//! Draws rows into this terminal: only those that changed, and every cell at the column that the desk says.
//! Pure: frames in, bytes out.

use std::fmt::Write;
use std::sync::Arc;

use relay_client::app::terminal::{CursorShape, MouseReports, Row, Run, RunWidth};

use super::style;

/// What this terminal should show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// From the top. The last line of the window is for `status`.
    pub(crate) rows: Vec<Arc<Row>>,
    /// The first column that is seen.
    pub(crate) left: u16,
    pub(crate) columns: u16,
    /// Row, column and look; `None`: it is hidden.
    pub(crate) cursor: Option<(u16, u16, CursorShape, bool)>,
    pub(crate) title: String,
    pub(crate) status: String,
    pub(crate) mouse: MouseReports,
    pub(crate) bells: u32,
}

/// What this terminal shows.
#[derive(Debug, Default)]
pub(crate) struct Painter {
    drawn: Option<Frame>,
}

/// Takes the other screen of this terminal, with reports of focus and pastes, and without wrapping: nothing
/// that is drawn goes on in the next line. The title is kept for later.
pub(crate) const ENTER: &str = "\x1b[22;2t\x1b[?1049h\x1b[2J\x1b[?7l\x1b[?2004h\x1b[?1004h";
/// Leaves everything as it was.
pub(crate) const LEAVE: &str = "\x1b]8;;\x1b\\\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1006l\x1b[?1004l\x1b[?2004l\
     \x1b[0m\x1b[0 q\x1b[?25h\x1b[?7h\x1b[?1049l\x1b[23;2t";

impl Painter {
    /// This terminal was changed by others: everything is drawn again.
    pub(crate) fn forget(&mut self) {
        self.drawn = None;
    }

    /// The bytes that make this terminal show `frame`.
    pub(crate) fn paint(&mut self, frame: Frame) -> String {
        if self.drawn.as_ref() == Some(&frame) {
            return String::new();
        }
        let old = self.drawn.take();
        let old = old.as_ref().filter(|old| {
            (old.rows.len(), old.left, old.columns) == (frame.rows.len(), frame.left, frame.columns)
        });
        // Shown as one change, where the terminal knows how, and without the cursor running about.
        let mut out = String::from("\x1b[?2026h\x1b[?25l");
        if old.is_none() {
            out.push_str("\x1b[0m\x1b[2J");
        }
        for (at, row) in frame.rows.iter().enumerate() {
            if old.is_none_or(|old| old.rows[at] != *row) {
                draw_row(&mut out, at, row, frame.left, frame.columns);
            }
        }
        if old.is_none_or(|old| old.status != frame.status) {
            let status: String = frame.status.chars().take(usize::from(frame.columns)).collect();
            let _ = write!(out, "\x1b[{};1H\x1b[0;7m\x1b[2K{status}\x1b[0m", frame.rows.len() + 1);
        }
        if old.is_none_or(|old| old.title != frame.title) {
            let _ = write!(out, "\x1b]2;{}\x07", frame.title);
        }
        if old.is_none_or(|old| old.mouse != frame.mouse) {
            out.push_str(mouse(frame.mouse));
        }
        if old.is_some_and(|old| old.bells != frame.bells) {
            out.push('\x07');
        }
        if let Some((row, column, shape, is_blinking)) = frame.cursor {
            let look = shape as u8 * 2 + if is_blinking { 1 } else { 2 };
            let _ = write!(out, "\x1b[{};{}H\x1b[{look} q\x1b[?25h", row + 1, column + 1);
        }
        out.push_str("\x1b[?2026l");
        self.drawn = Some(frame);
        out
    }
}

/// The reports that the program wants, and in this terminal always with digits.
fn mouse(reports: MouseReports) -> &'static str {
    match reports {
        MouseReports::Off => "\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1006l",
        MouseReports::Clicks => "\x1b[?1003l\x1b[?1002l\x1b[?1006h\x1b[?1000h",
        MouseReports::Drags => "\x1b[?1003l\x1b[?1006h\x1b[?1002h",
        MouseReports::Moves => "\x1b[?1006h\x1b[?1003h",
    }
}

fn draw_row(out: &mut String, at: usize, row: &Row, left: u16, columns: u16) {
    let _ = write!(out, "\x1b[{};1H\x1b[0m\x1b[2K", at + 1);
    for run in row.runs() {
        draw_run(out, run, usize::from(left), usize::from(columns));
    }
}

/// The window's columns are `left..left + columns` of the row; a cell that does not fit whole is left out.
fn draw_run(out: &mut String, run: &Run, left: usize, columns: usize) {
    let cell = usize::from(run.width.cell_columns());
    let mut cells =
        cells(run).enumerate().map(|(at, text)| (usize::from(run.column) + at * cell, text)).peekable();
    let is_seen = |column: usize| column >= left && column + cell <= left + columns;
    if !cells.peek().is_some_and(|_| run.end() > left && usize::from(run.column) < left + columns) {
        return;
    }
    out.push_str(&style::sequence(&run.style));
    let link = run.style.link.as_ref().filter(|link| may_link(link.as_str()));
    if let Some(link) = link {
        let _ = write!(out, "\x1b]8;;{}\x1b\\", link.as_str());
    }
    // This terminal may find another width for what is not ASCII, so the column is said again behind it.
    let mut is_placed = false;
    for (column, text) in cells.filter(|(column, _)| is_seen(*column)) {
        if !is_placed {
            let _ = write!(out, "\x1b[{}G", column - left + 1);
        }
        out.extend(text.chars().map(|char| if char.is_control() { ' ' } else { char }));
        is_placed = text.len() == 1;
    }
    if link.is_some() {
        out.push_str("\x1b]8;;\x1b\\");
    }
}

/// The text of each cell of a run.
fn cells(run: &Run) -> impl Iterator<Item = &str> {
    let is_one = matches!(run.width, RunWidth::NarrowCell | RunWidth::WideCell);
    let mut rest = run.text.as_str();
    std::iter::from_fn(move || {
        let len = if is_one { rest.len() } else { rest.chars().next().map_or(0, char::len_utf8) };
        let (cell, behind) = rest.split_at(len);
        rest = behind;
        (!cell.is_empty()).then_some(cell)
    })
}

/// The program in the terminal chose the address.
fn may_link(address: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| address.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use relay_client::app::terminal::{Color, Link, RowBuilder, Style};

    use super::*;

    fn row(cells: &[(&str, bool)], style: &Style) -> Arc<Row> {
        let mut builder = RowBuilder::new();
        cells.iter().for_each(|(text, is_wide)| builder.push(text, *is_wide, style));
        Arc::new(builder.finish(false))
    }

    fn frame(rows: Vec<Arc<Row>>) -> Frame {
        Frame { rows, columns: 10, status: "s".into(), ..Frame::default() }
    }

    #[test]
    fn only_what_changed_is_drawn() {
        let plain = Style::default();
        let (a, b) = (row(&[("a", false)], &plain), row(&[("b", false)], &plain));
        let mut painter = Painter::default();
        let whole = painter.paint(frame(vec![Arc::clone(&a), Arc::clone(&b)]));
        assert!(whole.contains("\x1b[2J") && whole.contains('a') && whole.contains('b'), "{whole:?}");
        assert_eq!(painter.paint(frame(vec![Arc::clone(&a), Arc::clone(&b)])), "");
        let one = painter.paint(frame(vec![Arc::clone(&b), Arc::clone(&b)]));
        assert!(
            one.contains("\x1b[1;1H\x1b[0m\x1b[2K\x1b[0m\x1b[1Gb") && !one.contains("\x1b[2;1H"),
            "{one:?}"
        );
        painter.forget();
        assert!(painter.paint(frame(vec![b, a])).contains("\x1b[2J"));
    }

    #[test]
    fn every_cell_stands_at_the_desks_column() {
        let red = Style { text: Color::Indexed(1), ..Style::default() };
        let mut out = String::new();
        draw_row(
            &mut out,
            0,
            &row(&[("漢", true), ("字", true), ("x", false), ("é", false), ("y", false)], &red),
            0,
            10,
        );
        assert!(out.contains("\x1b[1G漢\x1b[3G字") && out.contains("\x1b[5Gxé\x1b[7Gy"), "{out:?}");
        // A window that begins in the middle of a wide character, and ends in one.
        let mut out = String::new();
        draw_row(&mut out, 0, &row(&[("漢", true), ("字", true), ("漢", true)], &red), 1, 4);
        assert!(out.contains("\x1b[2G字") && !out.contains('漢'), "{out:?}");
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        let linked = |address: &str| {
            let style = Style { link: Link::new(address), ..Style::default() };
            let mut out = String::new();
            draw_row(&mut out, 0, &row(&[("x", false)], &style), 0, 10);
            out.contains(address)
        };
        assert!(linked("https://example.org") && !linked("file:///etc/passwd") && !linked("javascript:x"));
    }

    #[test]
    fn a_bell_rings_once_and_the_cursor_is_put_last() {
        let mut painter = Painter::default();
        painter.paint(frame(Vec::new()));
        let cursor = Some((1, 2, CursorShape::Bar, false));
        let out = painter.paint(Frame { bells: 1, cursor, ..frame(Vec::new()) });
        assert_eq!(out.matches('\x07').count(), 1);
        assert!(out.ends_with("\x1b[2;3H\x1b[6 q\x1b[?25h\x1b[?2026l"), "{out:?}");
    }
}

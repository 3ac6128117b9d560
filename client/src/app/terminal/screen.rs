//! The state of a terminal: what every viewer must see.

use std::sync::Arc;

use super::limits::{CELLS_MAX, COLUMNS_MIN, SIDE_MAX, TITLE_BYTES_MAX};
use super::row::Row;
use crate::app::cut;

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    columns: u16,
    rows: u16,
}

/// A size outside the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a terminal of {columns}×{rows} is not possible: columns are 2 to {SIDE_MAX}, rows 1 to {SIDE_MAX}, \
     cells at most {CELLS_MAX}"
)]
pub struct SizeError {
    columns: u64,
    rows: u64,
}

impl Size {
    /// A size within the limits.
    ///
    /// # Errors
    /// A side or the number of cells is outside the limits.
    pub fn new(columns: u16, rows: u16) -> Result<Self, SizeError> {
        let fits = (COLUMNS_MIN..=SIDE_MAX).contains(&columns)
            && (1..=SIDE_MAX).contains(&rows)
            && u32::from(columns) * u32::from(rows) <= CELLS_MAX;
        let error = SizeError { columns: columns.into(), rows: rows.into() };
        fits.then_some(Size { columns, rows }).ok_or(error)
    }

    /// The nearest size within the limits; where there are too many cells, rows are left out.
    pub fn clamped(columns: u16, rows: u16) -> Self {
        let columns = columns.clamp(COLUMNS_MIN, SIDE_MAX);
        let rows_max = u16::try_from(CELLS_MAX / u32::from(columns)).unwrap_or(SIDE_MAX).min(SIDE_MAX);
        Size { columns, rows: rows.clamp(1, rows_max) }
    }

    /// The columns.
    pub fn columns(self) -> u16 {
        self.columns
    }

    /// The rows.
    pub fn rows(self) -> u16 {
        self.rows
    }
}

/// The shape of the cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CursorShape {
    /// A filled cell.
    #[default]
    Block = 0,
    /// A line below the cell.
    Underline = 1,
    /// A line at the left of the cell.
    Bar = 2,
}

/// The cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Its row; the top is 0.
    pub row: u16,
    /// Its column; the left is 0.
    pub column: u16,
    /// Its shape.
    pub shape: CursorShape,
    /// True if it blinks.
    pub is_blinking: bool,
    /// True if it is shown.
    pub is_visible: bool,
}

/// Which acts of the mouse the program wants to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MouseReports {
    /// None: the viewer's own selection and scrolling work.
    #[default]
    Off = 0,
    /// Presses and releases.
    Clicks = 1,
    /// These, and moves with a button down.
    Drags = 2,
    /// These, and all moves.
    Moves = 3,
}

/// How an act of the mouse is written to the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MouseEncoding {
    /// One byte for each number, for the first 223 columns and rows.
    #[default]
    Bytes = 0,
    /// One character in UTF-8 for each number.
    Utf8 = 1,
    /// Decimal digits.
    Sgr = 2,
}

/// Modes that change how a viewer behaves or what its keys mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Modes {
    /// A full-screen program shows its own screen, without history.
    pub is_alternate: bool,
    /// Pasted text is put between two markers.
    pub has_bracketed_paste: bool,
    /// Cursor keys send application sequences.
    pub has_application_cursor: bool,
    /// The numeric keypad sends application sequences.
    pub has_application_keypad: bool,
    /// Focus that comes and goes is reported.
    pub has_focus_reports: bool,
    /// On the alternate screen the wheel acts as cursor keys.
    pub has_alternate_scroll: bool,
    /// Enter sends a line feed too.
    pub has_newline: bool,
    /// Which acts of the mouse are reported.
    pub mouse: MouseReports,
    /// How they are written.
    pub mouse_encoding: MouseEncoding,
}

/// The lines that scrolled off the top. Each line has a number that it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Changes when numbers lose their meaning: after a change of the width, or when history was cleared.
    /// A viewer then drops the lines that it has.
    pub generation: u32,
    /// The number of the line behind the newest one; the next line to scroll off has it.
    pub end: u64,
    /// How many lines are kept, those just before `end`. None while a full-screen program runs.
    pub lines: u32,
}

impl History {
    /// The number of the oldest line that is kept.
    pub fn first(&self) -> u64 {
        self.end.saturating_sub(u64::from(self.lines))
    }
}

/// The whole state of a terminal. Cloning is cheap: rows are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    size: Size,
    rows: Vec<Arc<Row>>,
    title: Arc<str>,
    /// The cursor.
    pub cursor: Cursor,
    /// The modes.
    pub modes: Modes,
    /// What can be fetched from above the top.
    pub history: History,
    /// How often the bell rang so far.
    pub bells: u32,
}

impl Screen {
    /// A blank screen.
    pub fn new(size: Size) -> Self {
        Screen {
            size,
            rows: vec![Arc::default(); usize::from(size.rows)],
            title: Arc::from(""),
            cursor: Cursor { is_visible: true, ..Cursor::default() },
            modes: Modes::default(),
            history: History::default(),
            bells: 0,
        }
    }

    /// Its size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Its rows from the top; as many as its size says.
    pub fn rows(&self) -> &[Arc<Row>] {
        &self.rows
    }

    /// The title that the program set, without control characters; empty if it set none.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Changes the size. All rows become blank.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.rows = vec![Arc::default(); usize::from(size.rows)];
        self.clamp_cursor();
    }

    /// Replaces a row; does nothing if there is no such row, or if it is equal.
    pub fn set_row(&mut self, at: usize, row: Row) {
        if let Some(old) = self.rows.get_mut(at)
            && **old != row
        {
            *old = Arc::new(row);
        }
    }

    /// Sets the title: control characters are left out, and it is cut at [`TITLE_BYTES_MAX`].
    pub fn set_title(&mut self, title: &str) {
        let title: String = cut(title, TITLE_BYTES_MAX).chars().filter(|char| !char.is_control()).collect();
        if *self.title != *title {
            self.title = title.into();
        }
    }

    /// Moves the rows `top..bottom` up by `lines`. Those that move in from below keep what they had.
    pub(super) fn scroll_up(&mut self, top: usize, bottom: usize, lines: usize) {
        if lines < bottom.saturating_sub(top) && bottom <= self.rows.len() {
            self.rows[top..bottom].rotate_left(lines);
        }
    }

    pub(super) fn clamp_cursor(&mut self) {
        self.cursor.row = self.cursor.row.min(self.size.rows - 1);
        self.cursor.column = self.cursor.column.min(self.size.columns - 1);
    }
}

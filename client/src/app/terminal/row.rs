//! One row of a screen: runs of text, each with its column.

use super::limits::CELL_BYTES_MAX;
use super::style::Style;
use crate::app::cut;

/// How the characters of a run fill columns. The desk decides; a viewer never measures text by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunWidth {
    /// Each `char` fills one column.
    Narrow,
    /// Each `char` fills two columns.
    Wide,
    /// All of the text is in one cell of one column: a character and those that combine with it.
    NarrowCell,
    /// All of the text is in one cell of two columns.
    WideCell,
}

impl RunWidth {
    /// The columns of one cell.
    pub fn cell_columns(self) -> u16 {
        match self {
            RunWidth::Narrow | RunWidth::NarrowCell => 1,
            RunWidth::Wide | RunWidth::WideCell => 2,
        }
    }

    /// True if the whole text is one cell.
    pub fn is_one_cell(self) -> bool {
        matches!(self, RunWidth::NarrowCell | RunWidth::WideCell)
    }
}

/// Text of one style in neighbouring cells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// Where it begins; the first column is 0.
    pub column: u16,
    /// How its characters fill columns.
    pub width: RunWidth,
    /// How it looks.
    pub style: Style,
    /// The text, never empty and without control characters.
    pub text: String,
}

impl Run {
    /// The columns that it fills.
    pub fn columns(&self) -> usize {
        let cells = if self.width.is_one_cell() { 1 } else { self.text.chars().count() };
        cells * usize::from(self.width.cell_columns())
    }

    /// The column behind it.
    pub fn end(&self) -> usize {
        usize::from(self.column) + self.columns()
    }
}

/// A row: its runs from left to right. Cells that no run fills are blank and plain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    runs: Vec<Run>,
    is_wrapped: bool,
}

impl Row {
    /// Its runs from left to right. They do not overlap.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// True if its text goes on in the next row: a program wrote past the right edge.
    pub fn is_wrapped(&self) -> bool {
        self.is_wrapped
    }

    /// True if nothing is drawn.
    pub fn is_blank(&self) -> bool {
        self.runs.is_empty()
    }

    /// The row as text, with spaces in blank cells up to the last run.
    pub fn to_text(&self) -> String {
        let (mut text, mut column) = (String::new(), 0);
        for run in &self.runs {
            text.extend(std::iter::repeat_n(' ', usize::from(run.column).saturating_sub(column)));
            text.push_str(&run.text);
            column = run.end();
        }
        text
    }

    pub(super) fn from_parts(runs: Vec<Run>, is_wrapped: bool) -> Self {
        Row { runs, is_wrapped }
    }
}

/// Builds a row from its cells, left to right. The same cells always make the same row.
#[derive(Debug, Default)]
pub struct RowBuilder {
    runs: Vec<Run>,
    /// The column behind the last cell.
    column: usize,
    /// Plain spaces before that column that are in no run.
    blanks: usize,
}

/// Fewer blank cells than this between two runs of plain text are spaces in one run.
const GAP: usize = 6;

impl RowBuilder {
    /// An empty row.
    pub fn new() -> Self {
        RowBuilder::default()
    }

    /// The next cell: `text` is a character and those that combine with it; `is_wide` if it fills two
    /// columns.
    ///
    /// Control characters become spaces. Text is cut at [`CELL_BYTES_MAX`].
    pub fn push(&mut self, text: &str, is_wide: bool, style: &Style) {
        let mut chars = text.chars();
        let first = chars.next().filter(|char| !char.is_control()).unwrap_or(' ');
        let is_single = chars.next().is_none();
        let columns = 1 + usize::from(is_wide);
        if first == ' ' && is_single && !is_wide && style.is_plain() {
            self.blanks += 1;
            self.column += 1;
            return;
        }
        if is_single {
            self.push_char(first, is_wide, style);
        } else {
            let width = if is_wide { RunWidth::WideCell } else { RunWidth::NarrowCell };
            let shown = |char: char| if char.is_control() { ' ' } else { char };
            let text = cut(text, CELL_BYTES_MAX).chars().map(shown).collect();
            self.begin_run(width, style, text);
        }
        self.blanks = 0;
        self.column += columns;
    }

    /// `count` blank plain cells.
    pub fn skip(&mut self, count: usize) {
        self.blanks += count;
        self.column += count;
    }

    /// The row, and whether its text goes on in the next one.
    pub fn finish(self, is_wrapped: bool) -> Row {
        Row { runs: self.runs, is_wrapped }
    }

    fn push_char(&mut self, char: char, is_wide: bool, style: &Style) {
        let width = if is_wide { RunWidth::Wide } else { RunWidth::Narrow };
        let blanks = self.blanks;
        let may_join = blanks == 0 || (blanks < GAP && !is_wide && style.is_plain());
        match self.runs.last_mut() {
            Some(run) if may_join && run.width == width && run.style == *style => {
                run.text.extend(std::iter::repeat_n(' ', blanks));
                run.text.push(char);
            }
            _ => self.begin_run(width, style, char.to_string()),
        }
    }

    fn begin_run(&mut self, width: RunWidth, style: &Style, text: String) {
        let column = u16::try_from(self.column).unwrap_or(u16::MAX);
        self.runs.push(Run { column, width, style: style.clone(), text });
    }
}

//! What a terminal shows after some bytes, for tests: by an emulator that knows nothing of this program.

use alacritty_terminal::Term;
use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line, Point};
use alacritty_terminal::term::Config;
use alacritty_terminal::vte::ansi::Processor;

/// A terminal's window.
pub(crate) struct Screen {
    term: Term<VoidListener>,
    parser: Processor,
}

struct Window {
    rows: usize,
    columns: usize,
}

impl Dimensions for Window {
    fn total_lines(&self) -> usize {
        self.rows
    }

    fn screen_lines(&self) -> usize {
        self.rows
    }

    fn columns(&self) -> usize {
        self.columns
    }
}

impl Screen {
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        let term = Term::new(Config::default(), &Window { rows, columns }, VoidListener);
        Screen { term, parser: Processor::new() }
    }

    /// Shows `text`, whose line ends the system makes whole, as it does for every program.
    pub(crate) fn feed(&mut self, text: &str) {
        self.parser.advance(&mut self.term, text.replace('\n', "\r\n").as_bytes());
    }

    pub(crate) fn resize(&mut self, rows: usize, columns: usize) {
        self.term.resize(Window { rows, columns });
    }

    /// The rows without spaces at their ends, and without empty rows at the end.
    pub(crate) fn lines(&self) -> Vec<String> {
        let row = |line| {
            let cell = |column| self.term.grid()[Point::new(Line(line), Column(column))].c;
            (0..self.term.columns()).map(cell).collect::<String>().trim_end().to_owned()
        };
        let mut lines: Vec<String> = (0..i32::try_from(self.term.screen_lines()).unwrap()).map(row).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}

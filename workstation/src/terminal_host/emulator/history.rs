//! Numbers for the lines that scroll off the top.
//!
//! The emulation library does not count them. So before it reads, the newest line of history is marked;
//! afterwards the mark's place tells how many lines came behind it. If it is gone, the numbers begin a new
//! generation.

use alacritty_terminal::event::EventListener;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::term::{Term, TermMode};
use relay_client::app::terminal::History;

use super::cells::MARK;

/// Counts lines.
#[derive(Debug, Default)]
pub(super) struct Counter {
    generation: u32,
    /// The number of the next line to scroll off.
    end: u64,
    /// The marked cell as it was. Stays while a full-screen program runs: its screen hides the mark.
    marked: Option<Cell>,
}

fn is_alternate<T>(term: &Term<T>) -> bool {
    term.mode().contains(TermMode::ALT_SCREEN)
}

impl Counter {
    /// The library is about to read.
    pub(super) fn before_output<T: EventListener>(&mut self, term: &mut Term<T>) {
        if is_alternate(term) || term.history_size() == 0 || self.marked.is_some() {
            return;
        }
        let cell = &mut term.grid_mut()[Line(-1)][Column(0)];
        self.marked = Some(cell.clone());
        cell.push_zerowidth(MARK);
    }

    /// The library has read.
    pub(super) fn after_output<T: EventListener>(&mut self, term: &mut Term<T>) {
        if is_alternate(term) {
            return;
        }
        let lines = term.history_size();
        let Some(cell) = self.marked.take() else {
            self.end += lines as u64;
            return;
        };
        match (1..=lines).find(|above| has_mark(term, *above)) {
            Some(above) => {
                self.end += above as u64 - 1;
                term.grid_mut()[line(above)][Column(0)] = cell;
            }
            None => self.begin_generation(term),
        }
    }

    /// The lines were laid out for another width, or moved between history and screen.
    pub(super) fn begin_generation<T: EventListener>(&mut self, term: &Term<T>) {
        self.marked = None;
        self.generation = self.generation.wrapping_add(1);
        self.end += term.history_size() as u64;
    }

    /// The numbers as they are now.
    pub(super) fn history<T: EventListener>(&self, term: &Term<T>) -> History {
        let lines = if is_alternate(term) { 0 } else { term.history_size() };
        let lines = u32::try_from(lines).unwrap_or(u32::MAX);
        History { generation: self.generation, end: self.end, lines }
    }
}

/// The line that is `above` lines above the top of the screen.
pub(super) fn line(above: usize) -> Line {
    Line(-i32::try_from(above).unwrap_or(i32::MAX))
}

fn has_mark<T: EventListener>(term: &Term<T>, above: usize) -> bool {
    let zero_width = term.grid()[line(above)][Column(0)].zerowidth();
    zero_width.is_some_and(|chars| chars.contains(&MARK))
}

//! What this program has written at the bottom of a terminal and may still replace: a block of lines, such as
//! a code's picture, with the lines that followed it, and one status line below them all.
//!
//! Pure: each function gives the bytes to write. A window that is not a terminal, or cannot move its cursor,
//! gets plain lines only: nothing is ever replaced there. The rows are counted from what was written.

use super::width::cut;
use crate::terminal::{Size, Terminal};

/// The state of one terminal's bottom.
#[derive(Debug, Default)]
pub(crate) struct Console {
    block: Option<Block>,
    /// Shown behind all else, without a line end; empty if there is none.
    status: String,
    /// The user has pressed Enter behind the status line, so that the cursor is in the row below it.
    is_below_status: bool,
}

/// A block that may be replaced.
#[derive(Debug)]
struct Block {
    lines: String,
    /// What was written below it since.
    below: String,
    /// The window as it was then.
    window: Size,
}

impl Console {
    /// Nothing was written yet.
    pub(crate) const fn new() -> Self {
        Console { block: None, status: String::new(), is_below_status: false }
    }

    /// Writes whole lines.
    pub(crate) fn say(&mut self, lines: &str, terminal: Option<Terminal>) -> String {
        let lines = format!("{}\n", lines.trim_end_matches('\n'));
        let Some(window) = movable(terminal) else { return lines };
        self.note(&lines, window);
        let before = self.erase_status(window);
        format!("{before}{lines}{}", self.status_in(terminal))
    }

    /// The user has typed a line, and the terminal has echoed it with its line end.
    pub(crate) fn note_typed(&mut self, line: &str, terminal: Option<Terminal>) {
        let Some(window) = movable(terminal) else { return };
        if line.is_empty() && !self.status.is_empty() && !self.is_below_status {
            // Nothing is worth keeping there: the status line takes the row back.
            self.is_below_status = true;
            return;
        }
        // The status line was in front of it.
        let echoed = format!("{}{line}\n", std::mem::take(&mut self.status));
        self.note(&echoed, window);
    }

    /// Writes a block that can be replaced, and forgets the one before.
    pub(crate) fn draw(&mut self, lines: &str, terminal: Option<Terminal>) -> String {
        let Some(window) = movable(terminal) else { return lines.to_owned() };
        let before = self.erase_status(window);
        self.block = Some(Block { lines: lines.to_owned(), below: String::new(), window });
        format!("{before}{lines}{}", self.status_in(terminal))
    }

    /// Writes `lines` in the place of the block, or of what of it is in the window. Where nothing is any
    /// more, they are written below.
    pub(crate) fn redraw(&mut self, lines: &str, terminal: Option<Terminal>) -> String {
        let (Some(window), Some(block)) = (movable(terminal), self.block.take()) else {
            return self.draw(lines, terminal);
        };
        let rewraps = terminal.is_some_and(|terminal| terminal.rewraps);
        // A cursor that is told to go higher than the window stays in its first row.
        let rows = rows_above(&block, window, rewraps);
        let up = rows + self.rows_to_status(window);
        let up = if up > 0 { format!("\x1b[{up}A") } else { String::new() };
        let out = format!("\r{up}\x1b[J{lines}{}{}", block.below, self.status_in(terminal));
        self.block = Some(Block { lines: lines.to_owned(), below: block.below, window });
        self.is_below_status = false;
        out
    }

    /// The block stays as it is from now on.
    pub(crate) fn release(&mut self) {
        self.block = None;
    }

    /// Shows this status in place of the last; an empty one takes it away. Plain windows have none.
    pub(crate) fn set_status(&mut self, line: &str, terminal: Option<Terminal>) -> String {
        let Some(window) = movable(terminal) else { return String::new() };
        let before = self.erase_status(window);
        line.clone_into(&mut self.status);
        before + &self.status_in(terminal)
    }

    fn note(&mut self, lines: &str, window: Size) {
        let Some(block) = &mut self.block else { return };
        block.below.push_str(lines);
        // What has left the window does not come back, and the text is bounded.
        if window.rows_of_lines(&block.below) >= window.rows {
            self.block = None;
        }
    }

    /// Takes the status line off the screen. It stays known.
    fn erase_status(&mut self, window: Size) -> String {
        let up = self.rows_to_status(window);
        self.is_below_status = false;
        match up {
            _ if self.status.is_empty() => String::new(),
            0 => "\r\x1b[K".to_owned(),
            up => format!("\r\x1b[{up}A\x1b[J"),
        }
    }

    /// How many rows above the cursor the status line begins: it has more than one where the window has
    /// become narrower.
    fn rows_to_status(&self, window: Size) -> usize {
        window.rows_of(&self.status) - 1 + usize::from(self.is_below_status)
    }

    /// The status line as the window shows it, on one row.
    fn status_in(&mut self, terminal: Option<Terminal>) -> String {
        let Some(Terminal { size: Some(size), style, .. }) = terminal else { return String::new() };
        // A cursor behind the last column is a thing that terminals disagree on.
        self.status = cut(&self.status, size.columns - 1, style.unicode);
        self.status.clone()
    }
}

/// The size of a terminal in which lines can be replaced.
fn movable(terminal: Option<Terminal>) -> Option<Size> {
    terminal.filter(|terminal| terminal.moves)?.size
}

/// How many rows the block and the lines below it take.
fn rows_above(block: &Block, window: Size, rewraps: bool) -> usize {
    let size = if rewraps { window } else { block.window };
    size.rows_of_lines(&block.lines) + size.rows_of_lines(&block.below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::screen::Screen;
    use crate::terminal::Style;

    fn terminal(rows: usize, columns: usize) -> Option<Terminal> {
        let style = Style { colours: true, unicode: true };
        Some(Terminal { size: Some(Size { rows, columns }), style, moves: true, rewraps: true })
    }

    #[test]
    fn a_status_line_stays_below_what_is_said() {
        let (mut console, window) = (Console::new(), terminal(5, 20));
        let mut screen = Screen::new(5, 20);
        screen.feed(&console.set_status("connecting", window));
        assert_eq!(screen.lines(), ["connecting"]);
        screen.feed(&console.say("one\ntwo", window));
        assert_eq!(screen.lines(), ["one", "two", "connecting"]);
        screen.feed(&console.set_status("a line that is longer than the window", window));
        assert_eq!(screen.lines(), ["one", "two", "a line that is lon…"]);
        screen.feed(&console.say("three\nfour\nfive", window));
        assert_eq!(screen.lines(), ["two", "three", "four", "five", "a line that is lon…"]);
        screen.feed(&console.set_status("", window));
        screen.feed(&console.say("six", window));
        assert_eq!(screen.lines(), ["three", "four", "five", "six"]);
    }

    #[test]
    fn a_block_is_replaced_in_place_and_what_is_below_stays() {
        let (mut console, window) = (Console::new(), terminal(8, 20));
        let mut screen = Screen::new(8, 20);
        screen.feed("$ workstation\n");
        screen.feed(&console.draw("##\n##\nlink\n", window));
        screen.feed(&console.say("connected", window));
        screen.feed(&console.set_status("waiting", window));
        screen.feed("\ny\n");
        screen.feed(&console.redraw("used\n", window));
        assert_eq!(screen.lines()[..2], ["$ workstation", "##"], "typed lines were not told to it");
        let mut screen = Screen::new(8, 20);
        let mut console = Console::new();
        screen.feed("$ workstation\n");
        screen.feed(&console.draw("##\n##\nlink\n", window));
        screen.feed(&console.say("allow it? [y/n]", window));
        screen.feed("y\n");
        console.note_typed("y", window);
        screen.feed(&console.set_status("waiting", window));
        screen.feed(&console.redraw("used\n", window));
        assert_eq!(screen.lines(), ["$ workstation", "used", "allow it? [y/n]", "y", "waiting"]);
        screen.feed(&console.redraw("##\n##\n", window));
        assert_eq!(screen.lines(), ["$ workstation", "##", "##", "allow it? [y/n]", "y", "waiting"]);
    }

    #[test]
    fn an_enter_behind_the_status_line_leaves_no_row() {
        let (mut console, window) = (Console::new(), terminal(8, 20));
        let mut screen = Screen::new(8, 20);
        screen.feed(&console.draw("##\n", window));
        screen.feed(&console.set_status("retry in 2 s", window));
        screen.feed("\n");
        console.note_typed("", window);
        screen.feed(&console.set_status("connecting", window));
        assert_eq!(screen.lines(), ["##", "connecting"]);
        screen.feed("\n\n");
        console.note_typed("", window);
        console.note_typed("", window);
        screen.feed(&console.redraw("@@\n", window));
        assert_eq!(screen.lines(), ["@@", "connecting"]);
    }

    #[test]
    fn lines_that_wrap_are_counted_as_the_window_shows_them() {
        let (mut console, window) = (Console::new(), terminal(10, 10));
        let mut screen = Screen::new(10, 10);
        screen.feed("$ w\n");
        screen.feed(&console.draw("0123456789ABC\n", window));
        screen.feed(&console.say("0123456789", window));
        screen.feed(&console.redraw("used\n", window));
        assert_eq!(screen.lines(), ["$ w", "used", "0123456789"]);
    }

    #[test]
    fn what_is_left_of_a_block_in_the_window_is_replaced() {
        let (mut console, window) = (Console::new(), terminal(4, 20));
        let mut screen = Screen::new(4, 20);
        screen.feed(&console.draw("##\n##\n", window));
        screen.feed(&console.say("one\ntwo", window));
        assert_eq!(screen.lines(), ["##", "one", "two"]);
        screen.feed(&console.redraw("used\n", window));
        assert_eq!(screen.lines(), ["used", "one", "two"]);
        screen.feed(&console.say("three\nfour", window));
        screen.feed(&console.redraw("gone\n", window));
        assert_eq!(screen.lines(), ["three", "four", "gone"]);
    }

    #[test]
    fn a_window_that_changes_is_drawn_again() {
        let mut console = Console::new();
        let mut screen = Screen::new(8, 12);
        screen.feed("$ w\n");
        screen.feed(&console.draw("0123456789\nlink\n", terminal(8, 12)));
        screen.feed(&console.set_status("waiting", terminal(8, 12)));
        screen.resize(8, 24);
        screen.feed(&console.redraw("0123456789\nlink\n", terminal(8, 24)));
        assert_eq!(screen.lines(), ["$ w", "0123456789", "link", "waiting"]);
        screen.resize(8, 6);
        screen.feed(&console.redraw("small\nlink\n", terminal(8, 6)));
        // This emulator moves the first rows into its history.
        assert_eq!(screen.lines(), ["small", "link", "wait…"]);
    }

    #[test]
    fn a_window_that_keeps_its_lines_when_it_changes_is_drawn_again() {
        let fixed =
            |rows, columns| terminal(rows, columns).map(|terminal| Terminal { rewraps: false, ..terminal });
        let mut console = Console::new();
        let mut screen = Screen::new(8, 12);
        screen.feed("$ w\n");
        screen.feed(&console.draw("0123456789ABCDEF\nlink\n", fixed(8, 12)));
        // The wrapped line stays wrapped, as it is for an emulator that was not told of the change.
        screen.feed(&console.redraw("0123456789ABCDEF\n", fixed(8, 24)));
        assert_eq!(screen.lines(), ["$ w", "0123456789AB", "CDEF"]);
    }

    #[test]
    fn a_pipe_and_a_terminal_that_cannot_move_get_plain_lines() {
        let dumb = terminal(24, 80).map(|terminal| Terminal { moves: false, ..terminal });
        for plain in [None, dumb, terminal(24, 80).map(|terminal| Terminal { size: None, ..terminal })] {
            let mut console = Console::new();
            assert_eq!(console.draw("##\n", plain), "##\n");
            assert_eq!(console.set_status("waiting", plain), "");
            assert_eq!(console.say("one\n", plain), "one\n");
            assert_eq!(console.redraw("used\n", plain), "used\n");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_by_the_window() {
        let (mut console, window) = (Console::new(), terminal(24, 80));
        console.draw("##\n", window);
        for _ in 0..30 {
            console.say("line", window);
        }
        assert!(console.block.is_none());
    }
}

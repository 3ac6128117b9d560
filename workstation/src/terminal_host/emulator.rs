//! A terminal emulator: the child's output in, the screen out.
//!
//! The emulation library does the work. What it lacks is beside it: `scanner` bounds commands and knows
//! what is unfinished, `notices` reads the ones that the library drops, `history` numbers the lines that
//! scrolled off, `cells` makes rows, `redraw` paints all of it on another terminal.

mod cells;
mod history;
mod listener;
mod modes;
mod notices;
mod redraw;
mod scanner;
mod skip;
mod sync_timer;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::{Config, Osc52, Term, TermDamage, TermMode};
use alacritty_terminal::vte::ansi::{CursorShape as Shape, CursorStyle, Processor};
use relay_client::app::terminal::{History, Notice, Row, Screen, Size};

use history::Counter;
use listener::Listener;
use notices::{Notices, Said};
use scanner::{Piece, Scanner};
use sync_timer::SyncTimer;

pub(crate) use redraw::RESTORE;

/// What the child did besides changing the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EmulatorEvent {
    /// It set the title to this; empty if it took the title away.
    Title(String),
    /// It rang the bell this often.
    Bells(u32),
    /// It raised a notice.
    Notice(Notice),
    /// Its working directory.
    Directory(String),
    /// It wants this text in the clipboard. Ask the user's rules first.
    Clipboard(String),
    /// The emulation library failed at the child's output; the screen is blank again.
    Failed,
}

/// Events that wait. Further notices are dropped; the other kinds keep only the newest one.
const EVENTS_MAX: usize = 64;

/// The most bytes that the library reads at once.
const SLICE_BYTES: usize = 64 * 1024;

/// The most bytes of a title that the library gets.
const TITLE_BYTES_MAX: usize = 1024;

/// The most characters that may combine in one cell, before the cell is made afresh.
const COMBINING_MAX: usize = 32;

/// See the module. `now` is the span since any fixed point.
pub(crate) struct Emulator {
    term: Term<Listener>,
    processor: Processor<SyncTimer>,
    listener: Listener,
    scanner: Scanner,
    notices: Notices,
    counter: Counter,
    screen: Screen,
    size: Size,
    history_lines: usize,
    /// When a synchronized update began, and its number.
    sync_began: Option<(u64, Duration)>,
    /// At most [`EVENTS_MAX`].
    events: Vec<EmulatorEvent>,
    /// The last redraw could not paint the screen below a full-screen program.
    is_redraw_owed: bool,
}

/// A synchronized update that takes longer is shown unfinished.
const SYNC_MAX: Duration = Duration::from_millis(150);

struct Dimension(Size);

impl Dimensions for Dimension {
    fn total_lines(&self) -> usize {
        self.screen_lines()
    }

    fn screen_lines(&self) -> usize {
        self.0.rows().into()
    }

    fn columns(&self) -> usize {
        self.0.columns().into()
    }
}

fn new_term(size: Size, history_lines: usize, listener: Listener) -> Term<Listener> {
    // The library's keyboard protocol can fail at a deep stack; no program needs it.
    let config = Config {
        scrolling_history: history_lines,
        kitty_keyboard: false,
        osc52: Osc52::OnlyCopy,
        // No program can choose this one: it stands for the terminal's own.
        default_cursor_style: CursorStyle { shape: Shape::HollowBlock, blinking: false },
        ..Config::default()
    };
    Term::new(config, &Dimension(size), listener)
}

impl Emulator {
    /// A blank terminal that keeps `history_lines` lines above its top.
    pub(crate) fn new(size: Size, history_lines: usize) -> Self {
        let listener = Listener::default();
        Emulator {
            term: new_term(size, history_lines, listener.clone()),
            processor: Processor::new(),
            listener,
            scanner: Scanner::new(size.rows()),
            notices: Notices::default(),
            counter: Counter::default(),
            screen: Screen::new(size),
            size,
            history_lines,
            sync_began: None,
            events: Vec::new(),
            is_redraw_owed: false,
        }
    }

    /// The child's next output.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: Duration) {
        let bytes = self.without_what_scrolls_away(bytes);
        for slice in bytes.chunks(SLICE_BYTES) {
            let read = catch_unwind(AssertUnwindSafe(|| self.feed_slice(slice)));
            if read.is_err() {
                self.start_over();
            }
        }
        self.note_sync(now);
    }

    /// When to call [`Emulator::on_timeout`], if ever.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.sync_began.map(|(_, began)| began + SYNC_MAX)
    }

    /// Ends a synchronized update that takes too long.
    pub(crate) fn on_timeout(&mut self, now: Duration) {
        if self.poll_timeout().is_some_and(|at| now >= at) {
            self.end_sync();
        }
    }

    /// Changes the size. Text is laid out for the new width, except on a full-screen program's screen.
    pub(crate) fn resize(&mut self, size: Size) {
        if size == self.size {
            return;
        }
        self.size = size;
        self.term.resize(Dimension(size));
        self.scanner.resize(size.rows());
        self.counter.begin_generation(&self.term);
        self.screen.resize(size);
    }

    /// The screen as it is now.
    pub(crate) fn screen(&mut self) -> &Screen {
        for line in self.take_damage() {
            self.screen.set_row(line, cells::row(&self.term, screen_line(line)));
        }
        self.screen.cursor = modes::cursor(&self.term);
        self.screen.modes = modes::modes(*self.term.mode());
        self.screen.history = self.counter.history(&self.term);
        &self.screen
    }

    /// The lines that scrolled off and are kept.
    pub(crate) fn history(&self) -> History {
        self.counter.history(&self.term)
    }

    /// Lines above the top by their numbers, as far as they are kept. Returns the first one's number.
    pub(crate) fn scrollback(&self, numbers: Range<u64>) -> (u64, Vec<Row>) {
        let history = self.history();
        let first = numbers.start.clamp(history.first(), history.end);
        let end = numbers.end.clamp(first, history.end);
        let lines = (first..end).map(|number| {
            let above = usize::try_from(history.end - number).unwrap_or(usize::MAX);
            cells::row(&self.term, history::line(above))
        });
        (first, lines.collect())
    }

    /// Answers to the child's questions, for its input. Where a real terminal reads the same output, that
    /// one answers: drop these.
    pub(crate) fn take_replies(&mut self) -> Vec<u8> {
        let mut said = self.listener.said();
        // Only a color that the child itself has set is known.
        for (index, answer) in std::mem::take(&mut said.colors) {
            if let Some(color) = self.term.colors()[index] {
                said.replies.extend_from_slice(answer(color).as_bytes());
            }
        }
        std::mem::take(&mut said.replies)
    }

    /// What the child did since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<EmulatorEvent> {
        std::mem::take(&mut self.events)
    }

    /// Sequences that paint the screen on a terminal that was just opened or has anything else on it.
    ///
    /// What follows in the child's output may go to that terminal afterwards: the modes, the margins, the
    /// look of the next character and any unfinished sequence are set too. Where a full-screen program runs,
    /// the screen below is not painted until [`Emulator::poll_owed_redraw`].
    pub(crate) fn redraw(&mut self) -> Vec<u8> {
        self.end_sync();
        self.screen();
        self.is_redraw_owed = self.screen.modes.is_alternate;
        redraw::paint(&self.screen, &self.term, &self.scanner)
    }

    /// A redraw, once after a full-screen program has ended that ran at the last redraw. Ask after each
    /// [`Emulator::feed`], and give it to the terminals that had the output.
    pub(crate) fn poll_owed_redraw(&mut self) -> Option<Vec<u8>> {
        let is_due = self.is_redraw_owed && !self.term.mode().contains(TermMode::ALT_SCREEN);
        is_due.then(|| self.redraw())
    }

    /// Leaves out what would be gone at the end of these bytes, and starts a new numbering of the lines.
    fn without_what_scrolls_away<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let odd = TermMode::ALT_SCREEN | TermMode::INSERT | TermMode::ORIGIN;
        let is_plain = !self.term.mode().intersects(odd) && self.sync_began.is_none();
        if !is_plain || self.scanner.margins().is_some() || !self.scanner.unfinished().is_empty() {
            return bytes;
        }
        // The second screenful makes every line that is kept one that scrolled in, as it does without.
        let lines = self.history_lines + 2 * usize::from(self.size.rows());
        let skipped = skip::skippable(bytes, lines);
        let (skipped, bytes) = bytes.split_at(skipped);
        if !skipped.is_empty() {
            self.counter.begin_generation(&self.term);
            self.feed_slice(&skip::styles(skipped));
        }
        bytes
    }

    /// True if a terminal that had the same output takes a sequence of ours for what it is.
    pub(crate) fn is_between_sequences(&self) -> bool {
        self.scanner.unfinished().is_empty()
    }

    fn feed_slice(&mut self, slice: &[u8]) {
        self.counter.before_output(&mut self.term);
        let mut scanner = std::mem::take(&mut self.scanner);
        scanner.scan(slice, |piece| match piece {
            Piece::Through(bytes) => self.processor.advance(&mut self.term, bytes),
            Piece::Osc(body) => self.feed_osc(body),
            // The library does not tell that a reset takes the title away.
            Piece::Reset => self.listener.said().title = Some(None),
        });
        self.scanner = scanner;
        self.counter.after_output(&mut self.term);
        self.limit_combining();
        self.note_said();
    }

    fn feed_osc(&mut self, body: &[u8]) {
        let is_title = body.starts_with(b"0;") || body.starts_with(b"2;");
        let body = if is_title { &body[..body.len().min(TITLE_BYTES_MAX)] } else { body };
        let body = if is_title { whole_chars(body) } else { body };
        self.processor.advance(&mut self.term, b"]");
        self.processor.advance(&mut self.term, body);
        match self.notices.read(body) {
            Some(Said::Notice(notice)) if self.events.len() < EVENTS_MAX => {
                self.events.push(EmulatorEvent::Notice(notice));
            }
            Some(Said::Directory(path)) => self.replace_event(EmulatorEvent::Directory(path)),
            _ => {}
        }
    }

    /// Takes over what the library said.
    fn note_said(&mut self) {
        let (title, bells, clipboard) = {
            let mut said = self.listener.said();
            (said.title.take(), std::mem::take(&mut said.bells), said.clipboard.take())
        };
        if let Some(title) = title {
            self.screen.set_title(title.as_deref().unwrap_or(""));
            self.replace_event(EmulatorEvent::Title(self.screen.title().to_owned()));
        }
        if bells > 0 {
            self.screen.bells = self.screen.bells.wrapping_add(bells);
            self.replace_event(EmulatorEvent::Bells(bells));
        }
        if let Some(text) = clipboard {
            self.replace_event(EmulatorEvent::Clipboard(text));
        }
    }

    /// Adds an event, in place of a waiting one of its kind.
    fn replace_event(&mut self, event: EmulatorEvent) {
        let kind = std::mem::discriminant(&event);
        let same = self.events.iter_mut().find(|waiting| std::mem::discriminant(*waiting) == kind);
        match (same, event) {
            (Some(EmulatorEvent::Bells(waiting)), EmulatorEvent::Bells(more)) => {
                *waiting = waiting.saturating_add(more);
            }
            (Some(waiting), event) => *waiting = event,
            (None, event) => self.events.push(event),
        }
    }

    /// A flood of combining characters makes one cell grow without end.
    fn limit_combining(&mut self) {
        let point = self.term.grid().cursor.point;
        let columns = [point.column.0, point.column.0.saturating_sub(1), point.column.0.saturating_sub(2)];
        for column in columns {
            let cell = &mut self.term.grid_mut()[point.line][Column(column)];
            if cell.zerowidth().is_some_and(|chars| chars.len() > COMBINING_MAX) {
                let kept = cell.zerowidth().unwrap_or_default()[..COMBINING_MAX].to_vec();
                let (link, underline) = (cell.hyperlink(), cell.underline_color());
                cell.extra = None;
                cell.set_hyperlink(link);
                cell.set_underline_color(underline);
                kept.into_iter().for_each(|char| cell.push_zerowidth(char));
            }
        }
    }

    fn note_sync(&mut self, now: Duration) {
        let number = self.processor.sync_timeout().pending();
        let is_same = self.sync_began.map(|(known, _)| known) == number;
        if !is_same {
            self.sync_began = number.map(|number| (number, now));
        }
    }

    fn end_sync(&mut self) {
        if self.sync_began.take().is_none() {
            return;
        }
        self.counter.before_output(&mut self.term);
        let ended = catch_unwind(AssertUnwindSafe(|| self.processor.stop_sync(&mut self.term)));
        if ended.is_err() {
            self.start_over();
        }
        self.counter.after_output(&mut self.term);
        self.note_said();
    }

    /// The lines of the screen that changed.
    fn take_damage(&mut self) -> Vec<usize> {
        let rows = self.size.rows().into();
        let lines = match self.term.damage() {
            TermDamage::Full => (0..rows).collect(),
            TermDamage::Partial(lines) => lines.map(|line| line.line).filter(|line| *line < rows).collect(),
        };
        self.term.reset_damage();
        lines
    }

    /// The library failed: a fault of its own, at something that the child wrote.
    fn start_over(&mut self) {
        let (title, bells) = (self.screen.title().to_owned(), self.screen.bells);
        self.term = new_term(self.size, self.history_lines, self.listener.clone());
        self.processor = Processor::new();
        self.scanner = Scanner::new(self.size.rows());
        self.counter.begin_generation(&self.term);
        self.sync_began = None;
        self.screen = Screen::new(self.size);
        self.screen.set_title(&title);
        self.screen.bells = bells;
        self.replace_event(EmulatorEvent::Failed);
    }
}

fn screen_line(line: usize) -> Line {
    Line(i32::try_from(line).unwrap_or(i32::MAX))
}

/// Without a character that was cut at the end.
fn whole_chars(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

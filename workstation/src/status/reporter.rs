//! Writes what happens: on a terminal one status line that is rewritten, elsewhere plain lines, and for
//! scripts JSON on stdout.
//!
//! A thread of its own counts the seconds to the next try down. It ends with the reporter.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::clock;
use super::event::{Event, PhoneState};
use super::line::{Moment, StatusLine};
use super::plain::PlainLines;
use crate::output::{self, print, say};
use crate::terminal;

/// Tells people and scripts what happens. Any thread may call it.
pub(crate) struct Reporter {
    style: ReportStyle,
    shared: Arc<Shared>,
}

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReportStyle {
    /// One line of JSON for each event, on stdout.
    Json,
    /// A status line at the bottom of the terminal.
    Rewritten,
    /// A line for each event that says something new, on stderr. `edits`: a line editor reads the terminal.
    Lines { edits: bool },
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    started: Instant,
}

#[derive(Default)]
struct State {
    line: StatusLine,
    plain: PlainLines,
    /// Nothing is written any more.
    ended: bool,
}

impl Reporter {
    /// `edits`: a line editor owns the terminal's last line, so nothing is rewritten there.
    ///
    /// # Errors
    /// The system has no thread for the countdown.
    pub(crate) fn open(json: bool, edits: bool) -> anyhow::Result<Self> {
        let may_rewrite =
            || terminal::of_stderr().is_some_and(|terminal| terminal.moves && terminal.size.is_some());
        let style = match (json, edits) {
            (true, _) => ReportStyle::Json,
            (false, false) if may_rewrite() => ReportStyle::Rewritten,
            (false, edits) => ReportStyle::Lines { edits },
        };
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { state, changed, started: Instant::now() });
        if style == ReportStyle::Rewritten {
            let counting = Arc::clone(&shared);
            let count = move || counting.count_down();
            thread::Builder::new().name("status".into()).spawn(count).context("no thread for the status")?;
        }
        Ok(Reporter { style, shared })
    }

    /// Shows what the program is doing in the place of the status, until that changes. Only people are told.
    pub(crate) fn show(&self, words: &str) {
        if self.style == ReportStyle::Rewritten {
            output::show_status(words);
        }
    }

    /// Tells what happened.
    ///
    /// # Errors
    /// stdout takes nothing more.
    pub(crate) fn tell(&self, event: &Event) -> anyhow::Result<()> {
        let line = match self.style {
            ReportStyle::Json => {
                let json = event.to_json();
                return print(&json, json.as_bytes());
            }
            ReportStyle::Rewritten => {
                self.shared.note(event);
                self.shared.line_besides_status(event)
            }
            ReportStyle::Lines { edits } => self.shared.lock().plain.line(event, edits),
        };
        match (event, line) {
            (Event::Message { text, .. }, Some(line)) => print(&line, text.as_bytes())?,
            (_, Some(line)) => say(&line),
            (_, None) => {}
        }
        Ok(())
    }
}

/// True if the status line tells this, so that nothing is lost when the next one takes its place.
fn is_in_status(event: &Event) -> bool {
    match event {
        Event::Relay { .. } => true,
        Event::Phone { state, .. } => *state != PhoneState::Ended,
        _ => false,
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        if self.style == ReportStyle::Rewritten {
            output::show_status("");
        }
    }
}

impl Shared {
    fn note(&self, event: &Event) {
        let mut state = self.lock();
        let is_leaving = matches!(event, Event::Phone { state: PhoneState::Away, .. });
        let clock = if is_leaving { clock::time_of_day() } else { String::new() };
        state.line.on(event, &Moment { at: self.started.elapsed(), clock });
        self.show(&state);
        self.changed.notify_all();
    }

    /// The line of its own that the event gets: what a hidden status line would tell, too.
    fn line_besides_status(&self, event: &Event) -> Option<String> {
        let mut state = self.lock();
        if state.line.is_hidden() {
            return state.plain.line(event, false);
        }
        event.plain().filter(|_| !is_in_status(event))
    }

    /// Rewrites the line each time it changes by itself.
    fn count_down(&self) {
        let mut state = self.lock();
        while !state.ended {
            let now = self.started.elapsed();
            state = match state.line.changes_at(now) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_sub(now);
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            if !state.ended {
                self.show(&state);
            }
        }
    }

    fn show(&self, state: &State) {
        let Some((size, style)) =
            terminal::of_stderr().and_then(|terminal| terminal.size.zip(Some(terminal.style)))
        else {
            return;
        };
        output::show_status(&state.line.line(self.now(), size.columns.saturating_sub(1), style.unicode));
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

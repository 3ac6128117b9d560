//! Lines that wait to be sent: until a phone is there, and until the connection takes them. Bounded.
//!
//! The thread that reads the input puts them in, the one that sends takes them out. What one code's phone has
//! not taken waits for the next one's.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that may wait. A longer line waits alone.
const BYTES_MAX: usize = 1024 * 1024;

/// The queue. All methods may be called from any thread.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    /// Sum of their lengths.
    bytes: usize,
    /// Lines that were refused for good.
    lost: u64,
    /// There was a line.
    had_input: bool,
    /// No line follows.
    ended: bool,
    /// The sender shall stop.
    stopped: bool,
    /// The program ends: no line is accepted.
    closed: bool,
}

/// The sender's next step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this line, then call [`Waiting::sent`].
    Line(String),
    /// All was sent, and the input has ended.
    Ended,
    /// Stop.
    Stopped,
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line where there is room. False: it was not taken.
    pub(crate) fn try_put(&self, line: String) -> bool {
        let mut state = self.state();
        if !state.has_room(&line) {
            return false;
        }
        state.put(line);
        self.changed.notify_all();
        true
    }

    /// Takes a line; blocks until there is room. A line that comes after [`Waiting::close`] is dropped.
    pub(crate) fn put(&self, line: String) {
        let mut state = self.state();
        while !state.has_room(&line) && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.closed {
            state.put(line);
            self.changed.notify_all();
        }
    }

    /// The input is over. A service runs with an empty input, which does not end the program: false then.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.state();
        state.ended = state.had_input;
        self.changed.notify_all();
        state.ended
    }

    /// The oldest line, which stays until it was sent. Blocks.
    pub(crate) fn next(&self) -> Next {
        let mut state = self.state();
        loop {
            if state.stopped {
                return Next::Stopped;
            }
            if let Some(line) = state.lines.front() {
                return Next::Line(line.clone());
            }
            if state.ended {
                return Next::Ended;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The oldest line was sent.
    pub(crate) fn sent(&self) {
        let mut state = self.state();
        if let Some(line) = state.lines.pop_front() {
            state.bytes -= line.len();
        }
        self.changed.notify_all();
    }

    /// The oldest line can't be sent, now or later.
    pub(crate) fn refused(&self) {
        self.lose();
        self.sent();
    }

    /// A line of the input is not taken at all.
    pub(crate) fn lose(&self) {
        let mut state = self.state();
        state.had_input = true;
        state.lost += 1;
    }

    /// Stops the sender, or lets it go on.
    pub(crate) fn set_stopped(&self, stopped: bool) {
        self.state().stopped = stopped;
        self.changed.notify_all();
    }

    /// No line is accepted from now on.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// How many lines were not sent: those that wait, and those that were refused.
    pub(crate) fn not_sent(&self) -> u64 {
        let state = self.state();
        state.lines.len() as u64 + state.lost
    }
}

impl State {
    fn has_room(&self, line: &str) -> bool {
        self.lines.is_empty() || self.bytes + line.len() <= BYTES_MAX
    }

    fn put(&mut self, line: String) {
        self.had_input = true;
        self.bytes += line.len();
        self.lines.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    fn line(text: &str) -> Next {
        Next::Line(text.to_owned())
    }

    #[test]
    fn a_line_stays_until_it_was_sent_and_the_end_comes_behind_the_last() {
        let waiting = Waiting::default();
        assert!(waiting.try_put("a".into()) && waiting.try_put("b".into()));
        assert!(waiting.end());
        assert_eq!((waiting.next(), waiting.next()), (line("a"), line("a")));
        waiting.sent();
        assert_eq!((waiting.next(), waiting.not_sent()), (line("b"), 1));
        waiting.sent();
        assert_eq!(waiting.next(), Next::Ended);
        waiting.set_stopped(true);
        assert_eq!(waiting.next(), Next::Stopped);
    }

    #[test]
    fn a_line_that_was_refused_is_input_and_counts_as_not_sent() {
        let waiting = Waiting::default();
        waiting.lose();
        assert!(waiting.try_put("a".into()));
        waiting.refused();
        assert!(waiting.end());
        assert_eq!((waiting.next(), waiting.not_sent()), (Next::Ended, 2));
    }

    #[test]
    fn an_input_without_a_line_does_not_end() {
        let waiting = Arc::new(Waiting::default());
        assert!(!waiting.end());
        let sender = thread::spawn({
            let waiting = Arc::clone(&waiting);
            move || waiting.next()
        });
        waiting.set_stopped(true);
        assert_eq!(sender.join().unwrap(), Next::Stopped);
    }

    #[test]
    fn it_is_bounded_and_blocks_who_waits_for_room() {
        let waiting = Arc::new(Waiting::default());
        assert!(waiting.try_put("x".repeat(2 * BYTES_MAX)), "a long line waits alone");
        assert!(!waiting.try_put("y".into()));
        let reader = thread::spawn({
            let waiting = Arc::clone(&waiting);
            move || waiting.put("y".into())
        });
        waiting.sent();
        reader.join().unwrap();
        assert_eq!(waiting.next(), line("y"));
        let full = "z".repeat(BYTES_MAX);
        let reader = thread::spawn({
            let waiting = Arc::clone(&waiting);
            move || waiting.put(full)
        });
        waiting.close();
        reader.join().unwrap();
        assert_eq!(waiting.not_sent(), 1);
    }
}

//! A child's log. A thread collects its lines, to wait for and to search.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::guard::GUARD;

/// What a child has written so far.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Default)]
struct Lines {
    all: Vec<String>,
    ended: bool,
    /// The unread rest, for [`Log::read_on`].
    unread: Option<Box<dyn BufRead + Send>>,
}

impl Log {
    /// Collects `source` until it ends.
    pub fn collect(source: impl Read + Send + 'static) -> Self {
        let log = Self { shared: Arc::default() };
        log.collect_from(BufReader::new(source));
        log
    }

    /// Collects to the end what [`Log::collect_until`] left unread, if it did.
    pub fn read_on(&self) {
        let mut lines = self.shared.lock();
        if let Some(source) = lines.unread.take() {
            lines.ended = false;
            drop(lines);
            self.collect_from(source);
        }
    }

    fn collect_from(&self, source: impl BufRead + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            for line in source.split(b'\n').map_while(Result::ok) {
                shared.lock().all.push(String::from_utf8_lossy(&line).into_owned());
                shared.grown.notify_all();
            }
            shared.lock().ended = true;
            shared.grown.notify_all();
        });
    }

    /// Collects `source` up to the line that `is_last`. Then keeps it open and unread, or closes it.
    pub fn collect_until(
        source: impl Read + Send + 'static,
        is_last: impl Fn(&str) -> bool,
        keeps_open: bool,
    ) -> Self {
        let mut source = BufReader::new(source);
        let mut all = Vec::new();
        let mut line = String::new();
        while source.read_line(&mut line).is_ok_and(|count| count > 0) {
            all.push(line.trim_end().to_owned());
            if is_last(&line) {
                break;
            }
            line.clear();
        }
        let unread = keeps_open.then(|| Box::new(source) as Box<dyn BufRead + Send>);
        let lines = Lines { all, ended: true, unread };
        Self { shared: Arc::new(Shared { lines: Mutex::new(lines), ..Shared::default() }) }
    }

    /// The first line for which `pick` has an answer. `None` if the log ended without one.
    pub fn wait_for<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        let started = Instant::now();
        let mut lines = self.shared.lock();
        let mut seen = 0;
        loop {
            if let Some(found) = lines.all[seen..].iter().find_map(|line| pick(line)) {
                return Some(found);
            }
            seen = lines.all.len();
            if lines.ended {
                return None;
            }
            let left = GUARD.checked_sub(started.elapsed());
            let left = left.unwrap_or_else(|| panic!("no {what} in the log:\n{}", lines.all.join("\n")));
            lines = self.shared.grown.wait_timeout(lines, left).map_or_else(|e| e.into_inner().0, |w| w.0);
        }
    }

    /// The line with this number, from 0, once it is there. `None` if the log ended before.
    pub fn line(&self, number: usize) -> Option<String> {
        let started = Instant::now();
        let mut lines = self.shared.lock();
        while lines.all.len() <= number && !lines.ended {
            let left = GUARD.checked_sub(started.elapsed());
            let left = left.unwrap_or_else(|| panic!("no line {number} in:\n{}", lines.all.join("\n")));
            lines = self.shared.grown.wait_timeout(lines, left).map_or_else(|e| e.into_inner().0, |w| w.0);
        }
        lines.all.get(number).cloned()
    }

    /// Waits until the child has closed its end, then everything it wrote.
    pub fn whole(&self) -> String {
        let never = self.wait_for("end", |_| None::<()>);
        debug_assert!(never.is_none());
        self.text()
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.shared.lock().all.join("\n")
    }

    /// The last lines, for a failure's message.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.shared.lock();
        lines.all[lines.all.len().saturating_sub(count)..].join("\n")
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("all", &self.all).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_a_missing_one_is_none() {
        let log = Log::collect(&b"one\ntwo\n"[..]);
        assert_eq!(log.wait_for("two", |line| (line == "two").then_some(2)), Some(2));
        assert_eq!((log.line(1).as_deref(), log.line(2)), (Some("two"), None));
        assert_eq!(log.wait_for("three", |line| (line == "three").then_some(3)), None);
        assert_eq!(log.whole(), "one\ntwo");
    }

    #[test]
    fn what_was_left_unread_comes_when_it_is_read_on() {
        let log = Log::collect_until(&b"one\ntwo\nthree\n"[..], |line| line.starts_with("two"), true);
        assert_eq!(log.whole(), "one\ntwo");
        log.read_on();
        assert_eq!(log.whole(), "one\ntwo\nthree");
    }
}

//! Sending a set of files and folders.

mod flight;
mod line;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::{FileChannel, Outcome, Progress, Step, Totals};
use crate::app::Reason;
use crate::app::file::{SetParams, reason};
use crate::folder::{Found, FoundFile, Opener, Walk, check_readable};
use line::{Line, Offered, Sent};

/// How a set is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Send the permissions of each file too.
    pub mode: bool,
}

/// Why there is nothing to send.
#[derive(Debug, Error)]
pub enum SetError {
    /// A path that the user named.
    #[error("can't send {path}: {why}", path = path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
}

/// One thing that happened while a set is sent, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendEvent {
    /// It is not sent. It counts as failed, unless it is a link or a device in a folder.
    Skipped {
        /// Its name in the set.
        name: String,
        /// Why.
        why: String,
    },
    /// The receiver has this much of a file and takes the rest.
    Resumed {
        /// Its name in the set.
        name: String,
        /// Bytes that need not be sent.
        offset: u64,
    },
    /// A file is whole at the receiver.
    Done {
        /// Its name in the set.
        name: String,
        /// Its name at the receiver.
        kept_as: String,
    },
    /// A file was not taken.
    Failed {
        /// Its name in the set.
        name: String,
        /// Why.
        reason: Reason,
    },
}

/// A set that is sent, over one channel or, after breaks, several.
#[derive(Debug)]
pub struct SendSet {
    queue: Queue,
    /// The channel that is accepted now.
    line: Option<Line>,
    is_cancelled: bool,
    outcome: Option<Outcome>,
}

/// What is to be sent and what became of it; it outlives channels.
#[derive(Debug)]
struct Queue {
    options: SendOptions,
    walk: Walk,
    /// Offered on a channel that is gone, and not settled.
    again: VecDeque<Offered>,
    opener: Opener,
    events: VecDeque<SendEvent>,
    params: SetParams,
    totals: Totals,
}

/// What a file is and what became of it are told together, so that neither is forgotten.
impl Queue {
    /// The next file to offer.
    fn next(&mut self) -> Option<Offered> {
        if let Some(again) = self.again.pop_front() {
            return Some(again);
        }
        loop {
            match self.walk.next()? {
                Found::File(file) => return Some(Offered { file, written: 0 }),
                Found::Skipped { name, why, is_missed } => {
                    self.totals.failed += u64::from(is_missed);
                    self.events.push_back(SendEvent::Skipped { name, why });
                }
            }
        }
    }

    fn done(&mut self, file: &FoundFile, kept_as: String) {
        self.totals.done += 1;
        self.totals.bytes += file.size();
        self.events.push_back(SendEvent::Done { name: file.name.clone(), kept_as });
    }

    fn failed(&mut self, file: &FoundFile, reason: Reason) {
        self.totals.failed += 1;
        self.events.push_back(SendEvent::Failed { name: file.name.clone(), reason });
    }
}

impl SendSet {
    /// Finds out what `paths` have in them.
    ///
    /// # Errors
    /// A path can't be read.
    pub fn new(paths: &[PathBuf], options: SendOptions) -> Result<Self, SetError> {
        for path in paths {
            check_readable(path)
                .map_err(|error| SetError::Path { path: path.clone(), why: error.to_string() })?;
        }
        let (mut files, mut bytes) = (0, 0);
        for found in Walk::new(paths) {
            if let Found::File(file) = found {
                (files, bytes) = (files + 1, bytes + file.size());
            }
        }
        let name = paths.first().and_then(|path| path.file_name()).unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let queue = Queue {
            options,
            walk: Walk::new(paths),
            again: VecDeque::new(),
            opener: Opener::default(),
            events: VecDeque::new(),
            params: SetParams { files: Some(files), bytes: Some(bytes), name },
            totals: Totals::default(),
        };
        Ok(SendSet { queue, line: None, is_cancelled: false, outcome: None })
    }

    /// The parameters to open the channel with: a JSON object.
    pub fn params(&self) -> String {
        self.queue.params.to_json()
    }

    /// The channel was accepted: the first one, or one after a break.
    pub fn on_accepted(&mut self, now: Duration) {
        self.on_gone();
        self.line = Some(Line::new(now));
    }

    /// A message came on the channel.
    pub fn on_data(&mut self, message: Vec<u8>, _now: Duration) {
        if let Some(line) = &mut self.line {
            line.on_data(message);
        }
    }

    /// The other end sends nothing more.
    pub fn on_ended(&mut self) {
        if let Some(line) = &mut self.line {
            line.on_ended();
        }
    }

    /// The channel is gone. What is not settled goes again over the next one, if the program opens one.
    pub fn on_gone(&mut self) {
        if let Some(line) = self.line.take() {
            let mut again: VecDeque<Offered> = line.into_unsettled().collect();
            again.append(&mut self.queue.again);
            self.queue.again = again;
        }
    }

    /// Whether the other end is connected. While it is not, no deadline passes. It is at first.
    pub fn on_link(&mut self, is_up: bool, now: Duration) {
        if let Some(line) = &mut self.line {
            line.on_link(is_up, now);
        }
    }

    /// Works on. `now` is the span since any fixed point.
    pub fn advance(&mut self, channel: &mut dyn FileChannel, now: Duration) -> Step {
        if let Some(outcome) = &self.outcome {
            return Step::Over(outcome.clone());
        }
        if self.is_cancelled {
            let words = "the sender's user does not want to send the rest";
            return self.give_up(channel, Reason::new(Reason::CANCELLED, words));
        }
        let Some(line) = &mut self.line else { return Step::Wait { until: Duration::MAX } };
        match line.advance(&mut self.queue, channel, now) {
            Sent::More => Step::More,
            Sent::Wait { until } => Step::Wait { until },
            Sent::Taken => {
                channel.end();
                self.over(Outcome::Complete(self.queue.totals))
            }
            Sent::Wrong(words) => self.give_up(channel, Reason::new(Reason::MALFORMED, words)),
            Sent::Silent => {
                let words = "the other program has not answered for five minutes";
                self.give_up(channel, Reason::new(reason::SILENT, words))
            }
        }
    }

    fn give_up(&mut self, channel: &mut dyn FileChannel, reason: Reason) -> Step {
        if self.line.is_some() {
            channel.reset(reason.clone());
            self.on_gone();
        }
        self.over(Outcome::Broken(reason))
    }

    fn over(&mut self, outcome: Outcome) -> Step {
        self.outcome = Some(outcome.clone());
        Step::Over(outcome)
    }

    /// The user does not want the rest. The next `advance` resets the channel.
    pub fn cancel(&mut self) {
        self.is_cancelled = true;
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SendEvent> {
        self.queue.events.pop_front()
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let Queue { totals, params, .. } = &self.queue;
        let files_settled = totals.done + totals.failed;
        let again: u64 = self.queue.again.iter().map(|offered| offered.written).sum();
        Progress {
            files_total: params.files.unwrap_or(0).max(files_settled),
            bytes_total: params.bytes.unwrap_or(0),
            files_settled,
            bytes_written: totals.bytes + again + self.line.as_ref().map_or(0, Line::written),
        }
    }
}

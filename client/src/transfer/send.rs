//! Sending a set of files and folders.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::{FileChannel, Outcome, Progress, Step};
use crate::app::Reason;

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
    /// Not a file or folder, or nothing that can be named: it is not sent.
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
pub struct SendSet {}

impl SendSet {
    /// Finds out what `paths` have in them.
    ///
    /// # Errors
    /// A path can't be read.
    pub fn new(_paths: &[PathBuf], _options: SendOptions) -> Result<Self, SetError> {
        Ok(SendSet {})
    }

    /// The parameters to open the channel with: a JSON object.
    pub fn params(&self) -> String {
        "{\"v\":1}".into()
    }

    /// The channel was accepted: the first one, or one after a break.
    pub fn on_accepted(&mut self, _now: Duration) {}

    /// A message came on the channel.
    pub fn on_data(&mut self, _message: Vec<u8>, _now: Duration) {}

    /// The other end sends nothing more.
    pub fn on_ended(&mut self) {}

    /// The channel is gone. What is not settled goes again over the next one.
    pub fn on_gone(&mut self) {}

    /// Whether the other end is connected. While it is not, no deadline passes. It is at first.
    pub fn on_link(&mut self, _is_up: bool, _now: Duration) {}

    /// Works on. `now` is the span since any fixed point.
    pub fn advance(&mut self, _channel: &mut dyn FileChannel, _now: Duration) -> Step {
        Step::Over(Outcome::Complete(super::Totals::default()))
    }

    /// The user does not want the rest. The next `advance` resets the channel.
    pub fn cancel(&mut self) {}

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SendEvent> {
        None
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress::default()
    }
}

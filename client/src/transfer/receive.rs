//! Receiving a set of files and folders.

use std::time::Duration;

use super::{FileChannel, Outcome, Progress, Step};
use crate::app::Reason;
use crate::folder::Inbox;

/// What is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveOptions {
    /// Files of one set; further ones are refused.
    pub files_max: u64,
    /// Bytes of one file; longer ones are refused.
    pub file_bytes_max: u64,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        ReceiveOptions { files_max: 100_000, file_bytes_max: 1 << 50 }
    }
}

/// One thing that happened while a set is received, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiveEvent {
    /// Bytes of a file begin to come. Small files have `Done` only.
    Started {
        /// Its name as it was offered, harmless to show.
        name: String,
        /// Its length.
        size: u64,
        /// Bytes that are there already.
        offset: u64,
    },
    /// A file is whole.
    Done {
        /// Its name as it was offered, harmless to show.
        name: String,
        /// Its path in the folder.
        kept_as: String,
        /// Its length.
        size: u64,
    },
    /// A file is not taken.
    Failed {
        /// Its name as it was offered, harmless to show.
        name: String,
        /// Why.
        reason: Reason,
    },
}

/// A set that is received over one channel.
#[derive(Debug)]
pub struct ReceiveSet {}

impl ReceiveSet {
    /// A channel of kind `file` was opened with `params`. `from` names its sender in what is kept for
    /// resuming: it must be the same for the same phone or desk, and different for others.
    ///
    /// # Errors
    /// The parameters are of a version that is not known. Refuse the channel with this reason.
    pub fn new(_inbox: Inbox, _from: &str, _params: &str, _options: ReceiveOptions) -> Result<Self, Reason> {
        Ok(ReceiveSet {})
    }

    /// The parameters to accept the channel with.
    pub fn params(&self) -> String {
        "{\"v\":1}".into()
    }

    /// A message came on the channel.
    pub fn on_data(&mut self, _message: Vec<u8>, _now: Duration) {}

    /// The other end sends nothing more.
    pub fn on_ended(&mut self) {}

    /// The channel is gone: the next `advance` gives up. What was begun stays for a later set.
    pub fn on_gone(&mut self) {}

    /// Whether the other end is connected. While it is not, no deadline passes. It is at first.
    pub fn on_link(&mut self, _is_up: bool, _now: Duration) {}

    /// Works on. `now` is the span since any fixed point.
    pub fn advance(&mut self, _channel: &mut dyn FileChannel, _now: Duration) -> Step {
        Step::Over(Outcome::Complete(super::Totals::default()))
    }

    /// The user does not want the rest. The next `advance` resets the channel. What was begun stays.
    pub fn cancel(&mut self) {}

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ReceiveEvent> {
        None
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress::default()
    }
}

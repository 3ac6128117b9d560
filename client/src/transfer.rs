//! Files on their way: what a program runs to send or receive a set of them over one channel.
//!
//! [`SendSet`] reads files and folders, [`ReceiveSet`] writes into an [`Inbox`](crate::folder::Inbox). Both
//! are driven by one thread: hand in what the channel said (`on_data`, `on_gone`), then call `advance` until
//! it answers [`Step::Wait`], and read events. `advance` does a bounded piece of work and never waits for the
//! other end; it reads and writes files. The channel is behind [`FileChannel`], so that a set can go over a
//! link of this process or over one that another process holds.

mod channel;
mod receive;
mod send;
#[cfg(test)]
mod tests;

pub use channel::{FileChannel, LinkChannel, SendRefused};
pub use receive::{ReceiveEvent, ReceiveOptions, ReceiveSet};
pub use send::{SendEvent, SendOptions, SendSet, SetError};

use std::time::Duration;

use crate::app::Reason;

/// What to do after `advance`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do now: call `advance` again, after a look at the channel.
    More,
    /// Nothing to do until the channel says something (data, or that it has room), or until this time.
    Wait {
        /// In the time of `now`.
        until: Duration,
    },
    /// The set is over. The channel was ended or reset.
    Over(Outcome),
}

/// How a set ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both sides know of every file whether it was taken.
    Complete(Totals),
    /// It was cancelled, timed out, or the other end made a mistake. What was begun can be resumed.
    Broken(Reason),
}

impl Outcome {
    /// True if every file was taken.
    pub fn is_all_taken(&self) -> bool {
        matches!(self, Outcome::Complete(totals) if totals.failed == 0)
    }
}

/// What became of the files of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files that are whole at the receiver.
    pub done: u64,
    /// Files that are not, each told by an event.
    pub failed: u64,
    /// Bytes of those that are whole.
    pub bytes: u64,
}

/// How far a set is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files and bytes of the whole set, as far as they are known.
    pub files_total: u64,
    /// See above.
    pub bytes_total: u64,
    /// Files that are settled: whole at the receiver, or failed.
    pub files_settled: u64,
    /// Bytes that the receiver's program has written, and those of files that need not be written.
    pub bytes_written: u64,
}

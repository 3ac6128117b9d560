//! The kind *file*: a set of files that the end which opened the channel sends to the other one.
//!
//! [`FileSender`] and [`FileReceiver`] are the two ends of one channel. They are pure and know no disk and no
//! hash: the sender is told what to offer, and what was read; the receiver says what its app must do. Both
//! know what may be said when, count what is not settled, and notice a silent other end.
//!
//! Inside, top to bottom: `sender` and `receiver` are the machines; `patience` is their deadline, `packer`
//! puts several records into one message; `record` has the records in both directions, `params` what opens
//! the channel, `wire` the bytes. The format byte by byte is in `docs/app-files.md`.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod limits;
#[cfg(test)]
mod model;
mod packer;
mod params;
mod patience;
mod receiver;
mod record;
mod sender;
#[cfg(test)]
mod tests;
mod wire;

pub use params::SetParams;
pub use receiver::{FileReceiver, Incoming};
pub use record::{FileHash, FileId, Offer};
pub use sender::{Answer, FileSender};
pub use wire::Malformed;

/// The version of this kind's messages: `"v"` in the parameters that open the channel.
pub const VERSION: u8 = 1;

/// Reasons of this kind, beside those of every channel.
pub mod reason {
    /// The receiver's disk is full.
    pub const NO_SPACE: &str = "no-space";
    /// The receiver's user may not store more.
    pub const QUOTA: &str = "quota";
    /// The file is longer than the receiver takes, or than its disk can hold in one file.
    pub const TOO_LARGE: &str = "too-large";
    /// The receiver could not write the file, for any other reason.
    pub const WRITE: &str = "write";
    /// A link, or something else that is not a folder, is in the way of the file at the receiver.
    pub const IN_THE_WAY: &str = "in-the-way";
    /// What arrived does not have the hash that the sender said.
    pub const HASH: &str = "hash";
    /// The file was changed while it was sent.
    pub const CHANGED: &str = "changed";
    /// The file became shorter while it was sent.
    pub const SHRANK: &str = "shrank";
    /// The file became longer while it was sent.
    pub const GREW: &str = "grew";
    /// The file was removed before it was sent.
    pub const VANISHED: &str = "vanished";
    /// The sender could not read the file, for any other reason.
    pub const READ: &str = "read";
    /// The other end said nothing for a long time.
    pub const SILENT: &str = "silent";
}

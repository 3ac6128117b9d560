//! What a command and the agent say about carried channels: channels of a phone whose kind the command does
//! the work of. Their messages are frames of their own, of type `DATA`.
//!
//! A command sends on a channel within its window: at first [`WINDOW`], and what `Credit` gives back. So one
//! phone that takes nothing holds up its own channel alone.

use relay_client::app::limits::MESSAGE_COST;
use serde::{Deserialize, Serialize};

/// What a command may send on a channel before `Credit` returns some of it, by [`cost`].
pub(crate) const WINDOW: usize = 512 * 1024;

/// The least handle of a channel that a phone opened. Those below are the command's own.
pub(crate) const PHONES_HANDLES: u32 = 1 << 31;

/// What a message counts against the window.
pub(crate) const fn cost(len: usize) -> usize {
    len + MESSAGE_COST
}

/// The handle and the message of a frame of type `DATA`; `None` if it has no handle.
pub(crate) fn parsed_data(payload: &[u8]) -> Option<(u32, &[u8])> {
    let (handle, message) = payload.split_first_chunk()?;
    Some((u32::from_be_bytes(*handle), message))
}

/// What a command says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "c", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum ToCarrier {
    /// Tell of the phones: `Phone` for each, then `Told`, then `Phone` for what changes.
    Follow,
    /// This command takes what phones open of this kind; these phones, by their ids, or all if none is named.
    /// The newest command that takes a kind gets it.
    Take { kind: String, from: Vec<String> },
    /// Open a channel to the phone of this id. Answered by `Accepted`, `Refused` or `Lost`.
    Open { handle: u32, phone: String, kind: String, params: String },
    /// The answer to `Opened`.
    Accept { handle: u32, params: String },
    /// The other answer to `Opened`.
    Refuse { handle: u32, reason: String, words: String },
    /// The command is done with so many bytes of the channel's messages.
    Consumed { handle: u32, n: usize },
    /// It sends nothing more on this channel.
    End { handle: u32 },
    /// It ends the channel both ways, now.
    Reset { handle: u32, reason: String, words: String },
}

/// What the agent says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "c", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum FromCarrier {
    /// A paired phone; again when something of it changes.
    Phone { id: String, name: String, state: Presence },
    /// All phones were told.
    Told,
    /// A phone opens a channel of a kind that the command takes. Answered by `Accept` or `Refuse`.
    Opened { handle: u32, phone: String, kind: String, params: String },
    /// The phone accepts. A message of `len` bytes is good for its line now.
    Accepted { handle: u32, params: String, len: usize },
    /// The channel was not opened.
    Refused { handle: u32, reason: String, words: String },
    /// So much of the window is free again. A message of `len` bytes is good for its line now.
    Credit { handle: u32, n: usize, len: usize },
    /// The phone sends nothing more on this channel.
    Ended { handle: u32 },
    /// The channel is gone: the phone wants so, or it made a mistake.
    Reset { handle: u32, reason: String, words: String },
    /// The channel is gone: the phone has begun again, or is no longer paired.
    Lost { handle: u32 },
}

/// Whether a phone can be talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Presence {
    /// Channels can be opened.
    Here,
    /// It may come back, and its channels go on then.
    Away,
    /// It is no longer paired.
    Gone,
}

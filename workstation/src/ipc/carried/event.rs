//! What a command hears of carried channels. Plain data.

use std::fmt;

use relay_client::app::limits::PAYLOAD_BYTES_MAX;
use relay_client::app::{Kind, Reason};

use crate::ipc::wire::carry::Presence;

/// A carried channel. No other one of this process ever is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CarriedChannel {
    /// Counts the connections to agents.
    pub(super) era: u32,
    pub(super) handle: u32,
}

/// A phone. Its id stays the same when it is renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) presence: Presence,
}

/// One thing that happened, in the order it happened.
#[derive(PartialEq, Eq)]
pub(crate) enum CarriedEvent {
    /// A paired phone; again when something of it changes.
    Phone(Peer),
    /// All phones were told.
    Told,
    /// A phone opens a channel. Answer with `accept` or `refuse`.
    Opened { ch: CarriedChannel, phone: String, kind: Kind, params: String },
    /// A phone accepted a channel of this command.
    Accepted { ch: CarriedChannel, params: String },
    /// A channel of this command was not opened.
    Refused { ch: CarriedChannel, reason: Reason },
    /// A message. Call `consumed` with its length when the command is done with it.
    Data { ch: CarriedChannel, bytes: Vec<u8> },
    /// After `Full`: the message that was too much would be accepted now.
    Writable { ch: CarriedChannel },
    /// The phone sends nothing more on this channel. It is gone when this command has said `end` too.
    Ended { ch: CarriedChannel },
    /// The channel is gone: the phone wants so, or it made a mistake.
    Reset { ch: CarriedChannel, reason: Reason },
    /// The channel is gone: the phone's app or the agent has begun again. It can be opened again when the
    /// phone is here.
    Lost { ch: CarriedChannel },
    /// `wake` was called.
    Woken,
    /// The agent was killed and no other one can be started. Nothing follows.
    Failed { why: String },
}

/// Why a message was not accepted for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CarriedError {
    Gone,
    /// The phone has not accepted it yet, or this command has not answered its `Opened`.
    NotAccepted,
    /// This command has ended its direction.
    Ended,
    /// The phone has to take more first; `Writable` follows.
    Full,
    TooLong {
        len: usize,
    },
}

impl fmt::Display for CarriedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CarriedError::Gone => f.write_str("the channel is gone"),
            CarriedError::NotAccepted => f.write_str("the channel is not accepted yet"),
            CarriedError::Ended => f.write_str("this end has ended the channel already"),
            CarriedError::Full => f.write_str("the channel is full: the phone has not taken enough yet"),
            CarriedError::TooLong { len } => {
                write!(f, "the message has {len} bytes, and one may have {PAYLOAD_BYTES_MAX}")
            }
        }
    }
}

impl std::error::Error for CarriedError {}

/// Shows no payload.
impl fmt::Debug for CarriedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CarriedEvent::Phone(peer) => write!(f, "Phone({peer:?})"),
            CarriedEvent::Told => f.write_str("Told"),
            CarriedEvent::Opened { ch, phone, kind, .. } => write!(f, "Opened({ch:?}, {phone}, {kind:?})"),
            CarriedEvent::Accepted { ch, .. } => write!(f, "Accepted({ch:?})"),
            CarriedEvent::Refused { ch, reason } => write!(f, "Refused({ch:?}, {reason:?})"),
            CarriedEvent::Data { ch, bytes } => write!(f, "Data({ch:?}, {} bytes)", bytes.len()),
            CarriedEvent::Writable { ch } => write!(f, "Writable({ch:?})"),
            CarriedEvent::Ended { ch } => write!(f, "Ended({ch:?})"),
            CarriedEvent::Reset { ch, reason } => write!(f, "Reset({ch:?}, {reason:?})"),
            CarriedEvent::Lost { ch } => write!(f, "Lost({ch:?})"),
            CarriedEvent::Woken => f.write_str("Woken"),
            CarriedEvent::Failed { why } => write!(f, "Failed({why})"),
        }
    }
}

//! What an end of the app protocol tells its app, and why it does not do what it was asked. Plain data.

use std::fmt;

use thiserror::Error;

use super::hello::{DeskInfo, Hello};
use super::kind::Kind;
use super::reason::Reason;

/// A channel. No other one of this end ever has the same id, not even after `Restarted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId {
    /// Counts how often the two ends have begun again.
    pub(super) era: u32,
    pub(super) number: u32,
}

impl ChannelId {
    /// Its number on the wire. The phone's are odd, the desk's even; they may come back after `Restarted`.
    pub fn number(self) -> u32 {
        self.number
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

/// One thing that happened, in the order it happened.
#[derive(PartialEq, Eq)]
pub enum AppEvent {
    /// Both ends have said hello: channels can be opened from now on.
    Ready {
        /// What the other end said about itself.
        peer: Hello,
    },
    /// Phone: what the desk offers now.
    Desk(DeskInfo),
    /// Desk: the phone's page was hidden or came back.
    Hidden(bool),
    /// The other end opens a channel. Answer with `accept` or `refuse`.
    Opened {
        /// The channel.
        ch: ChannelId,
        /// Its kind.
        kind: Kind,
        /// Its parameters, a JSON object.
        params: String,
    },
    /// The other end accepted a channel of this end; data may be sent.
    Accepted {
        /// The channel.
        ch: ChannelId,
        /// The answer's parameters, a JSON object.
        params: String,
    },
    /// The other end refused a channel of this end; it is gone.
    Refused {
        /// The channel.
        ch: ChannelId,
        /// Why.
        reason: Reason,
    },
    /// A message of a channel's kind. Call `consumed` with its length when the app is done with it: until
    /// then its bytes count against the channel's credit.
    Data {
        /// The channel.
        ch: ChannelId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// After `Full`: the message that was too much would be accepted now.
    Writable {
        /// The channel.
        ch: ChannelId,
    },
    /// The other end sends nothing more on this channel. It is gone when this end has said `end` too.
    Ended {
        /// The channel.
        ch: ChannelId,
    },
    /// The channel is gone, and what was on its way in it is lost: the other end wanted so, or made a mistake
    /// that this end answered by a reset.
    Reset {
        /// The channel.
        ch: ChannelId,
        /// Why.
        reason: Reason,
    },
    /// The other end begins again: all channels are gone. `Ready` follows when it has said hello.
    Restarted,
}

/// Shows no payload.
impl fmt::Debug for AppEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppEvent::Ready { peer } => write!(f, "Ready({peer:?})"),
            AppEvent::Desk(desk) => write!(f, "Desk({desk:?})"),
            AppEvent::Hidden(hidden) => write!(f, "Hidden({hidden})"),
            AppEvent::Opened { ch, kind, params } => {
                write!(f, "Opened({ch}, {kind:?}, {} bytes of parameters)", params.len())
            }
            AppEvent::Accepted { ch, params } => {
                write!(f, "Accepted({ch}, {} bytes of parameters)", params.len())
            }
            AppEvent::Refused { ch, reason } => write!(f, "Refused({ch}, {reason:?})"),
            AppEvent::Data { ch, bytes } => write!(f, "Data({ch}, {} bytes)", bytes.len()),
            AppEvent::Writable { ch } => write!(f, "Writable({ch})"),
            AppEvent::Ended { ch } => write!(f, "Ended({ch})"),
            AppEvent::Reset { ch, reason } => write!(f, "Reset({ch}, {reason:?})"),
            AppEvent::Restarted => f.write_str("Restarted"),
        }
    }
}

/// Why a channel was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The other end has not said hello yet; `Ready` comes when it has.
    #[error("not opened: the other end has not said hello yet")]
    NotReady,
    /// As many channels of this end are open as may be.
    #[error("not opened: {} channels are open already; end one first", super::limits::CHANNELS_MAX)]
    TooMany,
    /// The parameters are not a JSON object, nest too deep, or are too long.
    #[error(
        "not opened: the parameters must be a JSON object of at most {} bytes",
        super::limits::PARAMS_BYTES_MAX
    )]
    BadParams,
}

/// Why a message was not accepted for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// The channel never existed, or is gone.
    #[error("channel {0} is not open: it ended, was reset, or the other end began again")]
    Gone(ChannelId),
    /// The other end has not accepted the channel yet, or this end has not answered its `Opened`.
    #[error("channel {0} is not accepted yet")]
    NotAccepted(ChannelId),
    /// This end has ended its direction of the channel, or answered it before.
    #[error("this end has ended or answered channel {0} already")]
    Ended(ChannelId),
    /// The other app has to read first; `Writable` follows.
    #[error("channel {0} is full: the other app has not read enough yet; try again when it has")]
    Full(ChannelId),
    /// Longer than a data message may be.
    #[error(
        "the message has {len} bytes and one may have {}: send it in parts",
        super::limits::PAYLOAD_BYTES_MAX
    )]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// The parameters are not a JSON object, nest too deep, or are too long.
    #[error("the parameters must be a JSON object of at most {} bytes", super::limits::PARAMS_BYTES_MAX)]
    BadParams,
}

//! The numbers that the header names, and what each means in the engine's words.

use protocol::message::KillReason;
use relay_client::Stop;
use relay_client::engine::{EngineEvent, EngineState, Refusal};

/// An enum of the header; the test compares `ALL` with the header.
macro_rules! codes {
    ($name:ident { $($variant:ident = $value:literal),+ $(,)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(C)]
        pub(super) enum $name {
            $($variant = $value),+
        }

        #[cfg(test)]
        impl $name {
            pub(super) const ALL: &[(&str, u32)] = &[$((stringify!($variant), $value)),+];
        }
    };
}

codes!(Status {
    Ok = 0,
    InvalidArgument = 1,
    NoEngine = 2,
    BadCode = 3,
    NoKey = 4,
    NothingKept = 5,
    Damaged = 6,
    NotRead = 7,
    System = 8,
    NotOpen = 9,
    Full = 10,
    TooLarge = 11,
    Closed = 12,
    Timeout = 13,
    NotErased = 14,
    NotDeleted = 15,
    Internal = 16,
});

codes!(RawState { Connecting = 0, Waiting = 1, ShakingHands = 2, Asking = 3, Open = 4, Stopped = 5 });

codes!(Kind {
    Other = 0,
    Connected = 1,
    Asked = 2,
    Opened = 3,
    Message = 4,
    Acknowledged = 5,
    Restarted = 6,
    PeerClosed = 7,
    Left = 8,
    Reconnecting = 9,
    Stopped = 11,
});

codes!(Reason {
    None = 0,
    Closed = 1,
    Replaced = 2,
    Deleted = 3,
    Expired = 4,
    Ended = 5,
    Refused = 6,
    UnknownKey = 7,
    CodeUsed = 8,
    CodeExpired = 9,
    Denied = 10,
    OtherVersion = 11,
    NotKept = 12,
    NotARelay = 13,
    Fault = 14,
});

impl From<EngineState> for RawState {
    fn from(state: EngineState) -> Self {
        match state {
            EngineState::Connecting => RawState::Connecting,
            EngineState::Waiting => RawState::Waiting,
            EngineState::ShakingHands => RawState::ShakingHands,
            EngineState::Asking => RawState::Asking,
            EngineState::Open => RawState::Open,
            EngineState::Stopped => RawState::Stopped,
        }
    }
}

impl From<&EngineEvent> for Kind {
    fn from(event: &EngineEvent) -> Self {
        match event {
            EngineEvent::Connected => Kind::Connected,
            EngineEvent::Asked { .. } => Kind::Asked,
            EngineEvent::Opened { .. } => Kind::Opened,
            EngineEvent::Message(_) => Kind::Message,
            EngineEvent::Acknowledged(_) => Kind::Acknowledged,
            EngineEvent::Restarted { .. } => Kind::Restarted,
            EngineEvent::PeerClosed => Kind::PeerClosed,
            EngineEvent::Left => Kind::Left,
            EngineEvent::Reconnecting { .. } => Kind::Reconnecting,
            EngineEvent::Stopped { .. } => Kind::Stopped,
            // A workstation's, and what needs no answer of an app.
            EngineEvent::Ask { .. }
            | EngineEvent::AskOver { .. }
            | EngineEvent::Refused(_)
            | EngineEvent::CodeSpent(_)
            | EngineEvent::NotDeleted(_)
            | EngineEvent::Foreign => Kind::Other,
        }
    }
}

impl From<&Stop> for Reason {
    fn from(why: &Stop) -> Self {
        match why {
            Stop::Closed => Reason::Closed,
            Stop::Replaced => Reason::Replaced,
            Stop::Killed { reason: Some(KillReason::Deleted) } | Stop::Removed { .. } => Reason::Deleted,
            Stop::Killed { reason: Some(KillReason::Expired) } => Reason::Expired,
            Stop::Killed { reason: None } => Reason::Ended,
            Stop::Refused { .. } => Reason::Refused,
            Stop::Unpaired(Refusal::UnknownKey) => Reason::UnknownKey,
            Stop::Unpaired(Refusal::CodeUsed) => Reason::CodeUsed,
            Stop::Unpaired(Refusal::CodeExpired) => Reason::CodeExpired,
            Stop::Unpaired(Refusal::Denied) => Reason::Denied,
            Stop::Unpaired(Refusal::OtherVersion) => Reason::OtherVersion,
            Stop::NotKept(_) => Reason::NotKept,
            Stop::NotARelay(_) => Reason::NotARelay,
            // A damaged handshake is tried again and stops nobody.
            Stop::Fault(_) | Stop::Unpaired(Refusal::Damaged) => Reason::Fault,
        }
    }
}

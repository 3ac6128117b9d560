//! The numbers that the header names, and what of the engine's vocabulary each stands for.

use protocol::message::KillReason;
use relay_client::Stop;
use relay_client::engine::{Event, Refusal, State};

/// An enum of the header; the test compares `ALL` with what stands there.
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

codes!(EngineState { Connecting = 0, Waiting = 1, ShakingHands = 2, Asking = 3, Open = 4, Stopped = 5 });

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

impl From<State> for EngineState {
    fn from(state: State) -> Self {
        match state {
            State::Connecting => EngineState::Connecting,
            State::Waiting => EngineState::Waiting,
            State::ShakingHands => EngineState::ShakingHands,
            State::Asking => EngineState::Asking,
            State::Open => EngineState::Open,
            State::Stopped => EngineState::Stopped,
        }
    }
}

impl From<&Event> for Kind {
    fn from(event: &Event) -> Self {
        match event {
            Event::Connected => Kind::Connected,
            Event::Asked { .. } => Kind::Asked,
            Event::Opened { .. } => Kind::Opened,
            Event::Message(_) => Kind::Message,
            Event::Acknowledged(_) => Kind::Acknowledged,
            Event::Restarted { .. } => Kind::Restarted,
            Event::PeerClosed => Kind::PeerClosed,
            Event::Left => Kind::Left,
            Event::Reconnecting { .. } => Kind::Reconnecting,
            Event::Stopped { .. } => Kind::Stopped,
            // A workstation's, and what needs no answer of an app.
            Event::Ask { .. }
            | Event::AskOver { .. }
            | Event::Refused(_)
            | Event::CodeSpent(_)
            | Event::NotDeleted(_)
            | Event::Foreign => Kind::Other,
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

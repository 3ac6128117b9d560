//! Where a session is between its first connect and its last.

use std::time::Instant;

use super::liveness::{Live, Pace};

#[derive(Debug)]
pub(super) enum SessionState {
    Connecting {
        give_up_at: Instant,
    },
    ExpectHelloAck {
        give_up_at: Instant,
    },
    Waiting(Live),
    Linked(Live),
    Backoff {
        until: Instant,
        /// No news cuts the wait shorter than this: the relay asked for patience.
        not_before: Instant,
    },
    /// The app finds out whether there is a session to go on in; if not, the end of the link is not worth a
    /// word.
    Gone {
        linked: bool,
        give_up_at: Instant,
    },
    Closing {
        give_up_at: Instant,
        linked: bool,
    },
    Stopped,
}

/// Whether the app had the session registered again since a connection was stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registered {
    No,
    /// And no hello was accepted since.
    Unused,
    /// And a hello was.
    Used,
}

/// How long the wait for the next try is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// As the back-off says.
    None,
    /// At least ten seconds, unless there is news or the user wants to go on.
    Own,
    /// At least ten seconds whatever comes: the relay asked for it.
    Asked,
}

impl SessionState {
    /// When the machine must be called at the latest; `None` once stopped, or while the app is hidden and the
    /// next connect waits for it.
    pub(super) fn due_at(&self, pace: Pace, is_hidden: bool) -> Option<Instant> {
        match self {
            SessionState::Connecting { give_up_at }
            | SessionState::ExpectHelloAck { give_up_at }
            | SessionState::Gone { give_up_at, .. }
            | SessionState::Closing { give_up_at, .. } => Some(*give_up_at),
            SessionState::Waiting(live) | SessionState::Linked(live) => Some(live.due_at(pace)),
            SessionState::Backoff { until, .. } => Some(*until).filter(|_| !is_hidden),
            SessionState::Stopped => None,
        }
    }

    /// True if frames of the other role belong to a link.
    pub(super) fn is_linked(&self) -> bool {
        matches!(self, SessionState::Linked(_) | SessionState::Closing { linked: true, .. })
    }
}

//! What the reactor remembers about its backend between turns: what it logged, and whether work is left.

use std::time::Duration;

use relayd_core::time::Time;

use crate::backend::{Backend, Status};

/// A node that has not heard its own probe for this long is not ready, and subscribes again.
pub(super) const DEAF_AFTER: Duration = Duration::from_secs(10);

/// What was last seen of the backend.
#[derive(Debug)]
pub(super) struct BackendWatch {
    /// How often the store had come back at the last look.
    restored: u64,
    /// The status that was last logged.
    logged: Status,
    /// When this node last subscribed again because it heard nothing.
    listened_at: Option<Time>,
    /// The last turn ended with packets of the bus left.
    pub has_more_packets: bool,
    /// The last turn ended with answers of the store left.
    pub has_more_answers: bool,
}

impl BackendWatch {
    pub fn new(backend: &Backend) -> Self {
        BackendWatch {
            restored: backend.restored(),
            logged: backend.status().clone(),
            listened_at: None,
            has_more_packets: false,
            has_more_answers: false,
        }
    }

    /// True if the last turn left something that no event announces.
    pub fn has_more(&self) -> bool {
        self.has_more_packets || self.has_more_answers
    }

    /// Looks whether the store came back since the last call.
    pub fn note_restored(&mut self, restored: u64) -> bool {
        std::mem::replace(&mut self.restored, restored) != restored
    }

    /// Logs that the store went away, why when the reason changes, and that it is back.
    pub fn log_status(&mut self, status: &Status) {
        if *status == self.logged {
            return;
        }
        match status {
            Status::Available => tracing::info!("the store answers"),
            Status::Full { reason } => {
                tracing::warn!(%reason, "the store is full: open sessions go on, new ones are refused");
            }
            Status::Away { reason } => {
                tracing::warn!(%reason, "the store is away: open sessions go on, new ones are refused");
            }
        }
        self.logged = status.clone();
    }

    /// This node hears nothing. True if it is time to subscribe again.
    pub fn take_listen_turn(&mut self, now: Time) -> bool {
        let may = self.listened_at.is_none_or(|at| now.since(at) >= DEAF_AFTER);
        if may {
            self.listened_at = Some(now);
        }
        may
    }
}

//! After the store's return: it may have come back empty, and each node writes what it holds once it has noticed.
//!
//! Until all have had the time for it, that a session is not there says nothing: whoever asks for it is told to come again
//! rather than that it does not exist, and no idle time is judged.

use super::Relay;
use crate::limits::SETTLED_WITHIN;
use crate::time::Time;

impl Relay {
    /// The store can be asked: for the first time, or again.
    pub(super) fn on_store_back(&mut self, now: Time) {
        // What this process never asked before can't have been lost for it: a start keeps nobody waiting.
        if std::mem::replace(&mut self.had_store, true) {
            self.settled_at = now + SETTLED_WITHIN;
        }
        self.check_all(now);
    }

    /// True while a session that the store does not know may be one that it lost.
    pub(super) fn is_settling(&self, now: Time) -> bool {
        now < self.settled_at
    }
}

//! After the store's return: it may have come back empty, and each node writes what it holds once it has
//! noticed.
//!
//! Until all have had the time for that, an unknown session may be one that the store lost. It is answered
//! "try later", and no idle time is judged.

use crate::limits::SETTLED_WITHIN;
use crate::time::Time;

/// Whether the store may still lack what it lost.
#[derive(Debug)]
pub(super) struct Settling {
    /// The store could be asked before.
    had_store: bool,
    /// When every node has had the time to write again what the store lost.
    settled_at: Time,
}

impl Settling {
    pub fn new(now: Time) -> Self {
        Settling { had_store: false, settled_at: now }
    }

    /// The store can be asked: for the first time, or again.
    pub fn on_store_back(&mut self, now: Time) {
        // What this process never asked before can't have been lost for it: a start makes no client wait.
        if std::mem::replace(&mut self.had_store, true) {
            self.settled_at = now + SETTLED_WITHIN;
        }
    }

    /// True while a session that the store does not know may be one that it lost.
    pub fn is_settling(&self, now: Time) -> bool {
        now < self.settled_at
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::{NodeId, SessionId};

    use super::*;
    use crate::event::{Action, Input};
    use crate::limits::Limits;
    use crate::relay::Relay;
    use crate::store::{Answer, Conn, Deleted};

    const NOW: Time = Time::from_ms(1 << 40);

    /// How a delete is answered of which the store says that there is no such session.
    fn deleted(relay: &mut Relay, now: Time) -> Option<Deleted> {
        let (ticket, session) = (Conn { slot: 0, name: 1 }, SessionId::from_bytes([1; 16]));
        relay.handle(Input::Answered(Answer::Deleted { ticket, session, outcome: Deleted::Missing }), now);
        std::iter::from_fn(|| relay.poll_action()).find_map(|action| match action {
            Action::Deleted { outcome, .. } => Some(outcome),
            _ => None,
        })
    }

    #[test]
    fn a_session_that_is_missing_may_be_lost_for_a_while_after_each_return_but_not_after_the_start() {
        let mut relay = Relay::new(NodeId::from_bytes([1; 16]), false, Limits::default(), NOW);
        relay.handle(Input::StoreBack, NOW);
        assert_eq!(deleted(&mut relay, NOW), Some(Deleted::Missing), "at the start");
        relay.handle(Input::StoreBack, NOW);
        assert_eq!(deleted(&mut relay, NOW), Some(Deleted::Away), "just back");
        assert_eq!(deleted(&mut relay, NOW + SETTLED_WITHIN), Some(Deleted::Missing), "settled");
    }
}

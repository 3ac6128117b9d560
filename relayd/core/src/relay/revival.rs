//! After a stop: a node that was away for long reads no client before it knows what it missed.
//!
//! While it stood still others may have given it up: its roles were claimed elsewhere, its links ended. What
//! its clients sent meanwhile must not go where it would have gone before. So it first hears the bus up to a
//! probe of its own that is newer than the stop, and has all its holds compared with the store. With both
//! away it goes on after a while all the same; with one of them heard the other is late, and worth a longer
//! wait.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::ids::{Role, SessionId};

use crate::store::Checked;
use crate::time::Time;

/// A turn that comes later than this after the last one follows a stop.
pub const STOPPED_AFTER: Duration = Duration::from_secs(3);

/// How long to wait at most for what was missed while neither the store nor the bus is heard.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(3);

/// The same once one of them was heard after the stop.
const CATCH_UP_HEARD_WITHIN: Duration = Duration::from_secs(15);

/// What a revived node waits for.
#[derive(Debug)]
pub(super) struct Revival {
    /// When the node was found to have stood still.
    since: Time,
    /// The store or the bus was heard since.
    is_heard: bool,
    /// Holds that the store has not answered for, by their generation. One that ends meanwhile is not asked
    /// for any more.
    unchecked: BTreeSet<(SessionId, Role, u64)>,
    /// The probe that must come back.
    probe: u64,
}

impl Revival {
    /// These holds are compared with the store, and this probe was sent.
    pub const fn new(unchecked: BTreeSet<(SessionId, Role, u64)>, probe: u64, now: Time) -> Self {
        Revival { since: now, is_heard: false, unchecked, probe }
    }

    /// The own probe came back: the bus is heard.
    pub fn note_heard(&mut self) {
        self.is_heard = true;
    }

    /// The store compared one hold, or could not. Returns true if that was the last one.
    pub fn note_checked(&mut self, hold: (SessionId, Role, u64), outcome: Checked) -> bool {
        self.is_heard |= outcome != Checked::Away;
        self.unchecked.remove(&hold);
        self.unchecked.is_empty()
    }

    /// True if nothing is waited for any more, or it was waited for long enough. Holds that ended are not
    /// waited for.
    pub fn look_if_over(
        &mut self,
        is_held: impl Fn(&(SessionId, Role, u64)) -> bool,
        has_heard: impl Fn(u64) -> bool,
        now: Time,
    ) -> bool {
        self.unchecked.retain(is_held);
        let knows = self.unchecked.is_empty() && has_heard(self.probe);
        let patience = if self.is_heard { CATCH_UP_HEARD_WITHIN } else { CATCH_UP_WITHIN };
        knows || now >= self.since + patience
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::{NodeId, Token};
    use protocol::message::Hello;

    use super::*;
    use crate::event::Input;
    use crate::limits::Limits;
    use crate::node_link::item::Item;
    use crate::relay::Relay;
    use crate::store::{Answer, Claimed, Conn};

    #[test]
    fn a_revived_node_is_not_deaf_before_its_probe_can_come_back() {
        let started = Time::from_ms(1 << 40);
        let mut relay = Relay::new(NodeId::from_bytes([1; 16]), false, Limits::default(), started);
        let revived = started + Duration::from_secs(3600);
        relay.handle(Input::Revived, revived);
        assert_eq!(relay.probe_age(revived), Duration::ZERO);
        let later = Duration::from_secs(2);
        assert_eq!(relay.probe_age(revived + later), later);
    }

    /// What waits for the store is not asked any more where the role was given up: then no answer comes.
    #[test]
    fn a_revived_node_does_not_wait_for_the_answer_to_a_hold_that_ended() {
        let mut relay = revived();
        let other = NodeId::from_bytes([2; 16]);
        relay.handle_item(
            other,
            Item::Evict { session: SESSION, role: ROLE, generation: 2, same: false },
            NOW,
        );
        assert!(relay.is_catching_up(), "its probe has not come back");
        hear_probe(&mut relay);
        assert!(!relay.is_catching_up());
    }

    #[test]
    fn with_the_bus_heard_it_waits_longer_for_the_store() {
        for (is_heard, patience) in [(false, CATCH_UP_WITHIN), (true, CATCH_UP_HEARD_WITHIN)] {
            let mut relay = revived();
            if is_heard {
                hear_probe(&mut relay);
            }
            relay.catch_up(NOW + patience - Duration::from_millis(1));
            assert!(relay.is_catching_up(), "{patience:?} are not over");
            relay.catch_up(NOW + patience);
            assert!(!relay.is_catching_up());
        }
    }

    const NOW: Time = Time::from_ms(1 << 40);
    const SESSION: SessionId = SessionId::from_bytes([1; 16]);
    const ROLE: Role = Role::Phone;

    /// A node that has just stood still, with one hold.
    fn revived() -> Relay {
        let mut relay = Relay::new(NodeId::from_bytes([1; 16]), false, Limits::default(), NOW);
        let conn = Conn { slot: 0, name: 1 };
        let hello = Hello::to_json(SESSION, &Token::from_bytes([1; 16]), ROLE, None);
        relay.handle(Input::Opened { conn }, NOW);
        let hello = Hello::parse(hello.as_bytes(), true);
        relay.handle(Input::Hello { conn, hello, is_doubted: false }, NOW);
        let outcome = Claimed::Granted { generation: 1, replaced: None, same_instance: false, peer: None };
        relay.handle(Input::Answered(Answer::Claimed { conn, session: SESSION, role: ROLE, outcome }), NOW);
        relay.handle(Input::Revived, NOW);
        relay
    }

    fn hear_probe(relay: &mut Relay) {
        let mut probe = Vec::new();
        assert_eq!(relay.poll_publish(NOW, &mut probe), Some(relay.node()));
        relay.take_message(&probe, NOW);
    }
}

//! After a stop: a node that was away for long reads no client before it knows what it missed.
//!
//! While it stood still others may have given it up: its roles were claimed elsewhere, its links ended. What its clients sent
//! meanwhile must not go where it would have gone before. So it first hears the bus up to a probe of its own that is newer than
//! the stop, and has all its holds compared with the store; with the store or the bus away it goes on after a while all the same.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::ids::{Role, SessionId};

use super::Relay;
use crate::event::Action;
use crate::pairs::Pair;
use crate::store::Conn;
use crate::time::Time;

/// A turn that comes later than this after the last one follows a stop.
pub const STOPPED_AFTER: Duration = Duration::from_secs(3);

/// How long to wait at most for what was missed.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(3);

/// What a revived node waits for.
#[derive(Debug)]
pub(super) struct Revival {
    /// Then it goes on in any case.
    until: Time,
    /// Holds that the store has not answered for, by their generation. One that ends meanwhile is not asked for any more.
    unchecked: BTreeSet<(SessionId, Role, u64)>,
    /// The probe that must come back.
    probe: u64,
}

impl Relay {
    /// True while no client is read because the node has just been revived.
    pub(super) fn is_catching_up(&self) -> bool {
        self.revival.is_some()
    }

    pub(super) fn on_revived(&mut self, now: Time) {
        if self.is_alone {
            return;
        }
        self.check_all(now);
        let ends = |(session, pair): (SessionId, &Pair)| {
            pair.ends().map(move |(role, end)| (session, role, end.generation)).collect::<Vec<_>>()
        };
        let unchecked = self.pairs.iter().flat_map(ends).collect();
        let probe = self.nodes.probe_anew(now);
        self.revival = Some(Revival { until: now + CATCH_UP_WITHIN, unchecked, probe });
    }

    /// The store compared one hold.
    pub(super) fn note_checked(&mut self, session: SessionId, role: Role, generation: u64, now: Time) {
        let Some(revival) = &mut self.revival else { return };
        revival.unchecked.remove(&(session, role, generation));
        if revival.unchecked.is_empty() {
            self.catch_up(now);
        }
    }

    /// Goes on if nothing is waited for any more.
    pub(super) fn catch_up(&mut self, now: Time) {
        let Some(mut revival) = self.revival.take() else { return };
        revival.unchecked.retain(|&(session, role, generation)| {
            self.pairs.end(session, role).is_some_and(|end| end.generation == generation)
        });
        let knows = revival.unchecked.is_empty() && self.nodes.has_heard(revival.probe);
        if !knows && now < revival.until {
            self.revival = Some(revival);
            return;
        }
        for slot in 0..self.peers.len() {
            if let Some(peer) = &self.peers[slot] {
                let conn = Conn { slot: slot as u32, name: peer.name };
                self.push(Action::Resume { conn });
            }
        }
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
    use crate::store::{Answer, Claimed};

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
        let (now, session) = (Time::from_ms(1 << 40), SessionId::from_bytes([1; 16]));
        let [own, other] = [1, 2].map(|byte| NodeId::from_bytes([byte; 16]));
        let mut relay = Relay::new(own, false, Limits::default(), now);
        let (conn, role) = (Conn { slot: 0, name: 1 }, Role::Phone);
        let hello = Hello::to_json(session, &Token::from_bytes([1; 16]), role, None);
        relay.handle(Input::Opened { conn }, now);
        relay.handle(Input::First { conn, payload: hello.as_bytes(), is_text: true, is_refused: false }, now);
        let outcome = Claimed::Granted { generation: 1, replaced: None, same_instance: false, peer: None };
        relay.handle(Input::Answered(Answer::Claimed { conn, session, role, outcome }), now);
        relay.handle(Input::Revived, now);
        relay.handle_item(other, Item::Evict { session, role, generation: 2, same: false }, now);
        assert!(relay.is_catching_up(), "its probe has not come back");
        let mut probe = Vec::new();
        assert_eq!(relay.poll_publish(now, &mut probe), Some(own));
        relay.take_message(&probe, now);
        assert!(!relay.is_catching_up());
    }
}

//! After a stop: a node that was away for long reads no client before it knows what it missed.
//!
//! While it stood still others may have given it up: its roles were claimed elsewhere, its links ended. What its clients sent
//! meanwhile must not go where it would have gone before. So it first hears the bus up to a probe of its own that is newer than
//! the stop, and has all its holds compared with the store; with the store or the bus away it goes on after a while all the same.

use std::time::Duration;

use super::Relay;
use crate::event::Action;
use crate::store::Conn;
use crate::time::Time;

/// A turn that comes later than this after the last one follows a stop.
pub const STOPPED_AFTER: Duration = Duration::from_secs(3);

/// How long to wait at most for what was missed.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(3);

/// What a revived node waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Revival {
    /// Then it goes on in any case.
    until: Time,
    /// Holds that the store has not answered for.
    unchecked: usize,
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
        let unchecked = self.check_all(now);
        let probe = self.nodes.probe_anew(now);
        self.revival = Some(Revival { until: now + CATCH_UP_WITHIN, unchecked, probe });
    }

    /// The store compared one hold.
    pub(super) fn note_checked(&mut self, now: Time) {
        if let Some(revival) = &mut self.revival {
            revival.unchecked = revival.unchecked.saturating_sub(1);
        }
        self.catch_up(now);
    }

    /// Goes on if nothing is waited for any more.
    pub(super) fn catch_up(&mut self, now: Time) {
        let Some(revival) = self.revival else { return };
        let knows = revival.unchecked == 0 && self.nodes.has_heard(revival.probe);
        if !knows && now < revival.until {
            return;
        }
        self.revival = None;
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
    use protocol::ids::NodeId;

    use super::*;
    use crate::event::Input;
    use crate::limits::Limits;

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
}

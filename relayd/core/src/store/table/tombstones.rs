//! Sessions that ended, and why. Kept for a day, so that nothing brings a deleted one back.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use protocol::ids::SessionId;
use protocol::message::KillReason;

use crate::store::{Holder, TOMBSTONE_MS};
use crate::time::Time;

#[derive(Clone, Debug)]
pub(super) struct Tombstones {
    tombstones_max: usize,
    by_id: HashMap<SessionId, Tombstone>,
    /// Oldest first. Holds every tombstone, and some that were removed since;
    /// `order.len() <= tombstones_max`.
    order: VecDeque<(Time, SessionId)>,
}

#[derive(Clone, Debug)]
struct Tombstone {
    reason: KillReason,
    until: Time,
    /// Of a deleted session: who held its roles then, if anybody did.
    holders: Option<Box<[Option<Holder>; 2]>>,
}

impl Tombstones {
    pub(super) fn new(tombstones_max: usize) -> Self {
        Tombstones { tombstones_max, by_id: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn reason(&self, id: SessionId, now: Time) -> Option<KillReason> {
        self.by_id.get(&id).filter(|tombstone| tombstone.until > now).map(|tombstone| tombstone.reason)
    }

    /// Who held the roles of a session that was deleted, when it was.
    pub(super) fn holders_of_deleted(&self, id: SessionId, now: Time) -> Option<[Option<Holder>; 2]> {
        let tombstone = self.by_id.get(&id).filter(|tombstone| tombstone.until > now)?;
        let is_deleted = tombstone.reason == KillReason::Deleted;
        is_deleted.then(|| tombstone.holders.as_deref().copied().unwrap_or_default())
    }

    /// Remembers an end, forgetting the oldest where there is no room.
    pub(super) fn insert(
        &mut self,
        id: SessionId,
        reason: KillReason,
        holders: [Option<Holder>; 2],
        now: Time,
    ) {
        if self.tombstones_max == 0 {
            return;
        }
        while self.order.len() >= self.tombstones_max {
            self.drop_oldest();
        }
        let until = now + Duration::from_millis(TOMBSTONE_MS);
        let is_kept = reason == KillReason::Deleted && holders != [None; 2];
        let holders = is_kept.then(|| Box::new(holders));
        self.by_id.insert(id, Tombstone { reason, until, holders });
        self.order.push_back((until, id));
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        self.by_id.remove(&id);
    }

    /// Drops those that are a day old, a bounded number.
    pub(super) fn sweep(&mut self, now: Time) {
        for _ in 0..SWEEP_STEPS {
            match self.order.front() {
                Some(&(until, _)) if until <= now => self.drop_oldest(),
                _ => return,
            }
        }
    }

    fn drop_oldest(&mut self) {
        let Some((until, id)) = self.order.pop_front() else { return };
        // The entry may be of an earlier end of this session than the one that is remembered.
        if self.by_id.get(&id).is_some_and(|tombstone| tombstone.until == until) {
            self.by_id.remove(&id);
        }
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert!(self.order.len() <= self.tombstones_max);
        assert!(self.by_id.len() <= self.order.len());
    }
}

/// Entries one call may look at.
const SWEEP_STEPS: usize = 32;

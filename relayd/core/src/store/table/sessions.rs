//! All sessions of a table, and the order in which their time runs out.
//!
//! Each session has one entry in `due`. Activity does not move it: the sweep finds the entry early, sees a
//! younger session and arms it anew, so a session costs one step per idle time however busy it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::ids::SessionId;

use super::session::Session;
use crate::store::EXPIRY_GRACE_MS;
use crate::time::Time;

#[derive(Clone, Debug)]
pub(super) struct Sessions {
    idle: Duration,
    sessions_max: usize,
    by_id: BTreeMap<SessionId, Session>,
    /// `due` = { (session.armed, id) }, one for each in `by_id`.
    due: BTreeSet<(Time, SessionId)>,
}

impl Sessions {
    pub(super) fn new(idle: Duration, sessions_max: usize) -> Self {
        Sessions { idle, sessions_max, by_id: BTreeMap::new(), due: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// A session that is still remembered, even if past its time.
    pub(super) fn kept(&self, id: SessionId, now: Time) -> Option<&Session> {
        self.by_id.get(&id).filter(|session| session.active + self.idle + GRACE > now)
    }

    /// As [`Sessions::kept`], to change.
    pub(super) fn kept_mut(&mut self, id: SessionId, now: Time) -> Option<&mut Session> {
        let idle = self.idle;
        self.by_id.get_mut(&id).filter(|session| session.active + idle + GRACE > now)
    }

    /// A session within its time.
    pub(super) fn live(&self, id: SessionId, now: Time) -> Option<&Session> {
        self.by_id.get(&id).filter(|session| session.active + self.idle > now)
    }

    /// As [`Sessions::live`], to change.
    pub(super) fn live_mut(&mut self, id: SessionId, now: Time) -> Option<&mut Session> {
        let idle = self.idle;
        self.by_id.get_mut(&id).filter(|session| session.active + idle > now)
    }

    /// Puts a session in, in place of an older one of this id. `false` if there is no room even without those
    /// past their time.
    pub(super) fn try_insert(&mut self, id: SessionId, mut session: Session, now: Time) -> bool {
        self.remove(id);
        if self.by_id.len() >= self.sessions_max {
            self.drop_ended_by(now);
        }
        if self.by_id.len() >= self.sessions_max {
            return false;
        }
        session.armed = session.active + self.idle + GRACE;
        self.due.insert((session.armed, id));
        self.by_id.insert(id, session);
        true
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.by_id.remove(&id)?;
        self.due.remove(&(session.armed, id));
        Some(session)
    }

    /// Drops sessions whose grace is over too, a bounded number.
    pub(super) fn sweep(&mut self, now: Time) {
        self.drop_ended_by(now - GRACE);
    }

    /// Drops sessions with `active + idle <= time`, looking at no more than [`SWEEP_STEPS`].
    fn drop_ended_by(&mut self, time: Time) {
        for _ in 0..SWEEP_STEPS {
            match self.due.first() {
                Some(&(armed, id)) if armed <= time + GRACE => self.drop_or_rearm(armed, id, time),
                _ => return,
            }
        }
    }

    fn drop_or_rearm(&mut self, armed: Time, id: SessionId, time: Time) {
        self.due.remove(&(armed, id));
        let Some(session) = self.by_id.get_mut(&id) else { return };
        if session.active + self.idle <= time {
            self.by_id.remove(&id);
            return;
        }
        session.armed = session.active + self.idle + GRACE;
        self.due.insert((session.armed, id));
    }

    /// `due` and `by_id` tell the same.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert_eq!(self.due.len(), self.by_id.len());
        assert!(self.by_id.len() <= self.sessions_max);
        for (id, session) in &self.by_id {
            assert!(self.due.contains(&(session.armed, *id)));
            assert!(session.armed <= session.active + self.idle + GRACE);
        }
    }
}

/// A session past its time is kept this much longer, so that the one who ends it learns who held it.
const GRACE: Duration = Duration::from_millis(EXPIRY_GRACE_MS);

/// Sessions one call may look at. A call adds at most one, so the sweep always catches up.
const SWEEP_STEPS: usize = 32;

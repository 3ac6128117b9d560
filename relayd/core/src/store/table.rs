//! The store as a state machine in memory: the embedded store, and the simulator's stand-in for a shared one.
//!
//! Owns every session, who holds its roles, and the tombstones of those that ended. Each request is one step
//! at a time that is an argument, so many nodes can share one table in a simulation. What it answers is what
//! the shared store's scripts answer; a test holds the two against each other.

mod session;
mod sessions;
mod tombstones;

use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId, TokenDigest};
use protocol::message::KillReason;

use self::session::{Asker, Session};
use self::sessions::Sessions;
use self::tombstones::Tombstones;
use super::{Answer, Checked, Claimed, Deleted, Expired, Hold, Holder, Registered, Request};
use crate::time::Time;

/// A store in memory. Never blocks; every request is answered at once.
#[derive(Clone, Debug)]
pub struct Table {
    idle: Duration,
    sessions: Sessions,
    tombstones: Tombstones,
}

/// How much a [`Table`] may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// Sessions, with those past their time that were not swept yet. At this many a register is answered
    /// [`Registered::Full`].
    pub sessions_max: usize,
    /// Ended sessions that are remembered. The oldest is forgotten for the next.
    pub tombstones_max: usize,
}

impl Default for TableLimits {
    fn default() -> Self {
        TableLimits { sessions_max: 250_000, tombstones_max: 250_000 }
    }
}

impl Table {
    /// An empty table whose sessions end after `idle_ms` milliseconds without activity.
    pub fn new(idle_ms: u64, limits: TableLimits) -> Self {
        let idle = Duration::from_millis(idle_ms);
        let sessions = Sessions::new(idle, limits.sessions_max);
        Table { idle, sessions, tombstones: Tombstones::new(limits.tombstones_max) }
    }

    /// Carries out one request of `node`. `None` for those that have no answer: release and touch.
    pub fn apply(&mut self, node: NodeId, request: &Request, now: Time) -> Option<Answer> {
        self.sweep(now);
        let answer = match *request {
            Request::Register { ticket, session, ref token, again } => {
                Answer::Registered { ticket, outcome: self.register(session, token, again, now) }
            }
            Request::Delete { ticket, session, ref token } => {
                Answer::Deleted { ticket, session, outcome: self.delete(session, token.as_ref(), now) }
            }
            Request::Claim { conn, session, ref token, role, instance } => {
                let asker = Asker { node, conn: conn.name, instance };
                Answer::Claimed { conn, session, role, outcome: self.claim(session, token, role, asker, now) }
            }
            Request::Check { ref hold } => {
                let Hold { session, role, generation, .. } = *hold;
                Answer::Checked { session, role, generation, outcome: self.check(node, hold, now) }
            }
            Request::Expire { session } => Answer::Expired { session, outcome: self.expire(session, now) },
            Request::Release { session, role, generation } => {
                self.release(session, role, generation, now);
                return None;
            }
            Request::Touch { session, idle_ms } => {
                self.touch(session, idle_ms, now);
                return None;
            }
        };
        Some(answer)
    }

    /// Forgets what is past its time, a bounded number of entries per call. [`Table::apply`] does it too;
    /// calling it besides only frees memory sooner.
    pub fn sweep(&mut self, now: Time) {
        self.sessions.sweep(now);
        self.tombstones.sweep(now);
    }

    /// How many sessions are kept, with those past their time that were not swept yet.
    pub fn sessions_len(&self) -> usize {
        self.sessions.len()
    }

    /// Who holds a role at present. For simulations and tests.
    pub fn holder(&self, session: SessionId, role: Role, now: Time) -> Option<Holder> {
        self.sessions.kept(session, now)?.holder(role)
    }

    fn register(&mut self, id: SessionId, token: &TokenDigest, again: bool, now: Time) -> Registered {
        if let Some(refusal) = self.register_refusal(id, token, again, now) {
            return refusal;
        }
        if self.sessions.live(id, now).is_some() {
            return Registered::Made;
        }
        if !self.sessions.try_insert(id, Session::new(*token, now), now) {
            return Registered::Full;
        }
        self.tombstones.remove(id);
        Registered::Made
    }

    fn register_refusal(
        &self,
        id: SessionId,
        token: &TokenDigest,
        again: bool,
        now: Time,
    ) -> Option<Registered> {
        let tombstone = self.tombstones.reason(id, now);
        if !again {
            let taken = tombstone.is_some() || self.sessions.kept(id, now).is_some();
            return taken.then_some(Registered::Exists);
        }
        if tombstone == Some(KillReason::Deleted) {
            return Some(Registered::WasDeleted);
        }
        let other = self.sessions.live(id, now).is_some_and(|session| !session.token.matches(token));
        other.then_some(Registered::Exists)
    }

    fn claim(&mut self, id: SessionId, token: &TokenDigest, role: Role, asker: Asker, now: Time) -> Claimed {
        match self.sessions.live_mut(id, now) {
            Some(session) if session.token.matches(token) => session.claim(role, asker, now),
            _ => Claimed::Unauthorized,
        }
    }

    fn delete(&mut self, id: SessionId, token: Option<&TokenDigest>, now: Time) -> Deleted {
        match self.sessions.live(id, now) {
            Some(session) if token.is_none_or(|token| session.token.matches(token)) => {
                Deleted::Gone { holders: self.end(id, KillReason::Deleted, now) }
            }
            _ => match self.tombstones.holders_of_deleted(id, now) {
                Some(holders) => Deleted::Before { holders },
                None => Deleted::Missing,
            },
        }
    }

    fn check(&mut self, node: NodeId, hold: &Hold, now: Time) -> Checked {
        if let Some(reason) = self.tombstones.reason(hold.session, now) {
            return Checked::Killed { reason };
        }
        let Some(session) = self.sessions.kept_mut(hold.session, now) else {
            return self.write_again(node, hold, now);
        };
        if !session.token.matches(&hold.token) {
            // The id was registered again with another token: the session of this hold is over.
            return Checked::Killed { reason: KillReason::Expired };
        }
        let outcome = session.check(node, hold);
        if matches!(outcome, Checked::Held { .. }) {
            session.active = session.active.max(now - Duration::from_millis(hold.idle_ms));
        }
        outcome
    }

    /// The store lost this session: it is made anew of what its holder knows.
    fn write_again(&mut self, node: NodeId, hold: &Hold, now: Time) -> Checked {
        let mut session = Session::new(hold.token, now - Duration::from_millis(hold.idle_ms));
        let outcome = session.check(node, hold);
        if self.sessions.try_insert(hold.session, session, now) { outcome } else { Checked::Away }
    }

    fn expire(&mut self, id: SessionId, now: Time) -> Expired {
        let Some(session) = self.sessions.kept(id, now) else {
            let reason = self.tombstones.reason(id, now).unwrap_or(KillReason::Expired);
            return Expired::Over { reason, holders: [None; 2] };
        };
        let end = session.active + self.idle;
        if end > now {
            let left_ms = u64::try_from(end.since(now).as_millis()).unwrap_or(u64::MAX);
            return Expired::Alive { left_ms };
        }
        let holders = self.end(id, KillReason::Expired, now);
        Expired::Over { reason: KillReason::Expired, holders }
    }

    fn release(&mut self, id: SessionId, role: Role, generation: u64, now: Time) {
        if let Some(session) = self.sessions.kept_mut(id, now) {
            session.release(role, generation);
        }
    }

    fn touch(&mut self, id: SessionId, idle_ms: u64, now: Time) {
        if let Some(session) = self.sessions.kept_mut(id, now) {
            session.active = session.active.max(now - Duration::from_millis(idle_ms));
        }
    }

    /// Leaves a tombstone in the session's place and tells who held its roles.
    fn end(&mut self, id: SessionId, reason: KillReason, now: Time) -> [Option<Holder>; 2] {
        let session = self.sessions.remove(id);
        let holders = session.map_or([None; 2], |session| Role::ALL.map(|role| session.holder(role)));
        self.tombstones.insert(id, reason, holders, now);
        holders
    }
}

#[cfg(test)]
mod tests;

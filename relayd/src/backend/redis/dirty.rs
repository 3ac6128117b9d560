//! What the store must still be told about sessions: releases, activity, holds to check.
//!
//! Not a queue: what is said again replaces what was said before, so it is bounded by the sessions that this node
//! holds, and can wait as long as Redis is away.

use std::collections::{HashMap, VecDeque};

use protocol::ids::{Role, SessionId};
use relayd_core::store::{Hold, Request};
use relayd_core::time::Time;

use super::age_ms;

/// Everything that waits, by session.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    by_session: HashMap<SessionId, Pending>,
    /// Each key of `by_session` once, oldest first.
    order: VecDeque<SessionId>,
}

#[derive(Debug, Default)]
struct Pending {
    /// The generation to release, by role.
    releases: [Option<u64>; 2],
    /// The last activity.
    active: Option<Time>,
    /// Holds to check, and when their idle time was told.
    checks: [Option<(Hold, Time)>; 2],
}

impl Dirty {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Notes a request as of `now`. `false`, and nothing done, for those that are queued instead.
    pub(super) fn try_note(&mut self, request: &Request, now: Time) -> bool {
        match *request {
            Request::Release { session, role, generation } => self.entry(session).release(role, generation),
            Request::Touch { session, idle_ms } => self.entry(session).touch(idle_ms, now),
            Request::Check { hold } => self.entry(hold.session).check(hold, now),
            _ => return false,
        }
        true
    }

    /// Appends what must be known before a request about this session is carried out: who left, and how active it
    /// was. Without it a connection that came back would count as a takeover of itself, and an active session expire.
    pub(super) fn take_before(&mut self, session: SessionId, now: Time, out: &mut Vec<Request>) {
        if let Some(pending) = self.by_session.get_mut(&session) {
            pending.take_releases_and_activity(session, now, out);
        }
    }

    /// Appends all that waits for the session that waits longest: at most [`TAKEN_AT_ONCE`] requests. `false` if
    /// nothing waits.
    pub(super) fn take_next(&mut self, now: Time, out: &mut Vec<Request>) -> bool {
        let Some(session) = self.order.pop_front() else { return false };
        if let Some(mut pending) = self.by_session.remove(&session) {
            pending.take_releases_and_activity(session, now, out);
            out.extend(pending.checks.into_iter().flatten().map(|(hold, told)| {
                let idle_ms = hold.idle_ms.saturating_add(age_ms(told, now));
                Request::Check { hold: Hold { idle_ms, ..hold } }
            }));
        }
        true
    }

    fn entry(&mut self, session: SessionId) -> &mut Pending {
        self.by_session.entry(session).or_insert_with(|| {
            self.order.push_back(session);
            Pending::default()
        })
    }
}

impl Pending {
    /// Of two generations the higher one can be the holder still.
    fn release(&mut self, role: Role, generation: u64) {
        let at = role.index();
        self.releases[at] = self.releases[at].max(Some(generation));
        // A check after the release would write the hold of a connection that is gone.
        self.checks[at] = self.checks[at].filter(|(hold, _)| hold.generation > generation);
    }

    fn touch(&mut self, idle_ms: u64, now: Time) {
        let active = now - std::time::Duration::from_millis(idle_ms);
        self.active = self.active.max(Some(active));
    }

    fn check(&mut self, hold: Hold, now: Time) {
        let at = hold.role.index();
        let released = self.releases[at].is_some_and(|generation| generation >= hold.generation);
        let newer = self.checks[at].is_some_and(|(known, _)| known.generation > hold.generation);
        if !released && !newer {
            self.checks[at] = Some((hold, now));
        }
    }

    fn take_releases_and_activity(&mut self, session: SessionId, now: Time, out: &mut Vec<Request>) {
        for role in Role::ALL {
            if let Some(generation) = self.releases[role.index()].take() {
                out.push(Request::Release { session, role, generation });
            }
        }
        if let Some(active) = self.active.take() {
            out.push(Request::Touch { session, idle_ms: age_ms(active, now) });
        }
    }
}

/// Two releases, one activity, two checks.
pub(super) const TAKEN_AT_ONCE: usize = 5;

//! Changes of sessions that the store must still hear of: releases, activity, holds to check.
//!
//! This is not a queue: a newer change replaces the older one. So it is bounded by the sessions of this node,
//! and can wait until Redis is back.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use protocol::ids::{Role, SessionId};
use relayd_core::store::{Hold, Request};
use relayd_core::time::Time;

/// All waiting changes, by session.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    by_session: HashMap<SessionId, DirtySession>,
    /// Each key of `by_session` once, oldest first.
    order: VecDeque<SessionId>,
}

#[derive(Debug, Default)]
struct DirtySession {
    /// The generation to release, by role.
    releases: [Option<u64>; 2],
    /// The last activity.
    active: Option<Time>,
    /// Holds to check, and when each was noted.
    checks: [Option<(Hold, Time)>; 2],
}

impl Dirty {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Notes a request as of `now`. Returns false, without doing anything, for requests that belong into the
    /// queue.
    pub(super) fn try_note(&mut self, request: &Request, now: Time) -> bool {
        match *request {
            Request::Release { session, role, generation } => self.entry(session).release(role, generation),
            Request::Touch { session, idle_ms } => self.entry(session).touch(idle_ms, now),
            Request::Check { hold } => self.entry(hold.session).check(hold, now),
            _ => return false,
        }
        true
    }

    /// Appends the changes that Redis must know before a request about this session: releases and activity.
    /// Without them a connection that came back would count as a takeover of itself, and an active session
    /// could expire.
    pub(super) fn take_before(&mut self, session: SessionId, now: Time, out: &mut Vec<Request>) {
        if let Some(pending) = self.by_session.get_mut(&session) {
            pending.take_releases_and_activity(session, now, out);
        }
    }

    /// Appends all changes of the session that waits longest: at most [`TAKEN_AT_ONCE`] requests. Returns
    /// false if nothing waits.
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

    fn entry(&mut self, session: SessionId) -> &mut DirtySession {
        self.by_session.entry(session).or_insert_with(|| {
            self.order.push_back(session);
            DirtySession::default()
        })
    }
}

impl DirtySession {
    /// Keeps the higher generation: only that one can still hold the role.
    fn release(&mut self, role: Role, generation: u64) {
        let at = role.index();
        self.releases[at] = self.releases[at].max(Some(generation));
        // A check after the release would restore the hold of a closed connection.
        self.checks[at] = self.checks[at].filter(|(hold, _)| hold.generation > generation);
    }

    fn touch(&mut self, idle_ms: u64, now: Time) {
        let active = now - Duration::from_millis(idle_ms);
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

fn age_ms(then: Time, now: Time) -> u64 {
    u64::try_from(now.since(then).as_millis()).unwrap_or(u64::MAX)
}

/// Two releases, one activity, two checks.
pub(super) const TAKEN_AT_ONCE: usize = 5;

#[cfg(test)]
mod tests {
    use protocol::ids::TokenDigest;

    use super::*;

    const NOW: Time = Time::from_ms(1_000_000);
    const P: Role = Role::Phone;

    fn session(id: u8) -> SessionId {
        SessionId::from_bytes([id; 16])
    }

    fn release(id: u8, generation: u64) -> Request {
        Request::Release { session: session(id), role: P, generation }
    }

    fn check(id: u8, generation: u64) -> Request {
        let token = TokenDigest::from_bytes([0; 32]);
        let session = session(id);
        Request::Check {
            hold: Hold { session, token, role: P, conn: 1, generation, instance: None, idle_ms: 10 },
        }
    }

    /// The requests that are taken, as words.
    fn taken(notes: &[Request], later_ms: u64) -> Vec<String> {
        let mut dirty = Dirty::default();
        assert!(notes.iter().all(|note| dirty.try_note(note, NOW)));
        let (mut out, later) = (Vec::new(), NOW + Duration::from_millis(later_ms));
        while dirty.take_next(later, &mut out) {}
        assert!(dirty.is_empty() && dirty.by_session.is_empty());
        out.iter().map(in_words).collect()
    }

    fn in_words(request: &Request) -> String {
        let id = request.session().as_bytes()[0];
        match request {
            Request::Release { generation, .. } => format!("release {id} {generation}"),
            Request::Touch { idle_ms, .. } => format!("touch {id} {idle_ms}"),
            Request::Check { hold } => format!("check {id} {} {}", hold.generation, hold.idle_ms),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_latest_of_each_kind_is_kept() {
        let touch = |idle_ms| Request::Touch { session: session(1), idle_ms };
        assert_eq!(taken(&[release(1, 5), release(1, 9), release(1, 7)], 0), ["release 1 9"]);
        assert_eq!(taken(&[touch(50), touch(20), touch(30)], 0), ["touch 1 20"]);
        assert_eq!(taken(&[check(1, 5), check(1, 9), check(1, 7)], 0), ["check 1 9 10"]);
        let Request::Check { hold } = check(1, 9) else { unreachable!("it is a check") };
        let younger = Request::Check { hold: Hold { idle_ms: 3, ..hold } };
        assert_eq!(taken(&[check(1, 9), younger], 0), ["check 1 9 3"], "of one hold the last word counts");
    }

    #[test]
    fn idle_times_grow_while_they_wait() {
        let touch = Request::Touch { session: session(1), idle_ms: 5 };
        assert_eq!(taken(&[touch, check(1, 3)], 100), ["touch 1 105", "check 1 3 110"]);
    }

    #[test]
    fn no_check_restores_a_released_hold() {
        assert_eq!(taken(&[check(1, 5), release(1, 5)], 0), ["release 1 5"]);
        assert_eq!(taken(&[release(1, 5), check(1, 5)], 0), ["release 1 5"]);
        assert_eq!(taken(&[check(1, 6), release(1, 5)], 0), ["release 1 5", "check 1 6 10"]);
    }

    #[test]
    fn the_session_that_waits_longest_is_next() {
        let notes = [release(2, 1), release(1, 1), check(2, 4), release(3, 1)];
        assert_eq!(taken(&notes, 0), ["release 2 1", "check 2 4 10", "release 1 1", "release 3 1"]);
    }

    #[test]
    fn releases_and_activity_go_before_a_request_about_their_session() {
        let mut dirty = Dirty::default();
        for note in [release(1, 1), release(2, 2), check(1, 3)] {
            dirty.try_note(&note, NOW);
        }
        assert!(!dirty.is_empty());
        let mut out = Vec::new();
        dirty.take_before(session(1), NOW, &mut out);
        assert_eq!(out.len(), 1);
        dirty.take_before(session(3), NOW, &mut out);
        while dirty.take_next(NOW, &mut out) {}
        let words: Vec<_> = out.iter().map(in_words).collect();
        assert_eq!(words, ["release 1 1", "check 1 3 10", "release 2 2"]);
    }
}

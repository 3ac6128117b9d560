//! Links: how two connections are joined and parted, and what each is told.
//!
//! A link is data: each of the two names the other. Whatever ends it, the one still connected gets `peer-left` before
//! anything of a later link, because notices and frames share one queue.

use protocol::ids::{Role, SessionId};
use protocol::message::Notice;

use super::{Relay, Timer};
use crate::event::Action;
use crate::pairs::{End, Pair};
use crate::peer::{PendingClaim, State, Target};
use crate::store::{Conn, Request};
use crate::time::Time;

impl Relay {
    /// The session and role that `conn` holds.
    pub(super) fn held_by(&self, conn: Conn) -> Option<(SessionId, Role)> {
        self.peer(conn)?.holds()
    }

    /// Joins both ends of a session, if both are here and not joined yet. A link to another node is older than what the
    /// store now says, and ends.
    pub(super) fn link(&mut self, session: SessionId, now: Time) {
        let Some(ends) = self.pairs.of(session).and_then(both_ends) else { return };
        if ends.iter().any(|end| self.peer(end.conn).is_none_or(|peer| peer.link().is_some())) {
            return;
        }
        ends.iter().for_each(|end| self.unlink(end.conn, now));
        self.links += 1;
        if let Some(pair) = self.pairs.of_mut(session) {
            pair.wish = None;
        }
        for end in ends {
            // What was being opened to another node is outdated by what is here.
            self.forget_opening(end.conn);
        }
        for role in Role::ALL {
            let (conn, to) = (ends[role.index()].conn, ends[role.other().index()].conn);
            self.set_state(
                conn,
                State::Linked { session, role, to: Target::Here { slot: to.slot, name: to.name } },
            );
            let missed = self.take_missed(conn);
            self.send(conn, Notice::PeerJoined { role: role.other(), missed, message_bytes_max: None });
            self.push(Action::Resume { conn });
        }
    }

    /// How many frames of it were dropped since it last had a peer; counts anew from here.
    pub(super) fn take_missed(&mut self, conn: Conn) -> u64 {
        self.peer_mut(conn).map_or(0, |peer| std::mem::take(&mut peer.missed)).into()
    }

    /// Parts `conn` from its peer though it stays; both are told.
    pub(super) fn unlink(&mut self, conn: Conn, now: Time) {
        let (Some((_, role)), Some(_)) =
            (self.held_by(conn), self.peer(conn).and_then(super::super::peer::Peer::target))
        else {
            return;
        };
        self.part(conn, now);
        self.send(conn, Notice::PeerLeft { role: role.other() });
        self.push(Action::Resume { conn });
    }

    /// Parts a connection that goes from its peer. Only the peer is told.
    pub(super) fn part(&mut self, conn: Conn, now: Time) {
        self.forget_opening(conn);
        match self.peer(conn).and_then(super::super::peer::Peer::target) {
            Some(Target::Here { .. }) => {
                let role = self.held_by(conn).map(|(_, role)| role);
                if let (Some(to), Some(role)) = (self.sever(conn), role) {
                    self.send(to, Notice::PeerLeft { role });
                }
            }
            Some(Target::There(handle)) => {
                self.leave_remote(handle, now);
                if let Some((session, role)) = self.held_by(conn) {
                    self.set_state(conn, State::Waiting { session, role });
                }
            }
            None => {}
        }
    }

    /// Parts `conn` from its peer without a word. Gives the peer; both may be readable again.
    pub(super) fn sever(&mut self, conn: Conn) -> Option<Conn> {
        let to = self.peer(conn)?.link()?;
        self.links -= 1;
        for one in [conn, to] {
            if let Some((session, role)) = self.held_by(one) {
                self.set_state(one, State::Waiting { session, role });
                self.push(Action::Resume { conn: one });
            }
        }
        Some(to)
    }

    /// Whatever part `conn` has in a session ends: its link, its hold, its claim.
    pub(super) fn leave(&mut self, conn: Conn, now: Time) {
        let Some(peer) = self.peer(conn) else { return };
        let (holds, active) = (peer.holds(), peer.active);
        if matches!(peer.state, State::ExpectClaim { .. }) {
            self.push(Action::CancelClaim { conn });
        }
        let Some((session, role)) = holds else { return };
        self.part(conn, now);
        let Some((end, emptied)) = self.pairs.take(session, role, conn) else { return };
        let (told, active) = match (&emptied, self.pairs.of_mut(session)) {
            (Some(pair), _) => (pair.told, pair.active.max(active)),
            (None, Some(pair)) => {
                pair.active = pair.active.max(active);
                let told = std::mem::replace(&mut pair.told, pair.active);
                (told, pair.active)
            }
            (None, None) => (now, now),
        };
        if active > told {
            self.push(Action::Submit(Request::Touch { session, idle_ms: age_ms(active, now) }));
        }
        self.push(Action::Submit(Request::Release { session, role, generation: end.generation }));
        if let Some(pair) = emptied {
            self.forget_timer(session, &pair);
        }
    }

    /// Puts a granted claim's connection into its role. The role is empty.
    pub(super) fn seat(&mut self, conn: Conn, claim: &PendingClaim, generation: u64, now: Time) {
        let is_new = self.pairs.put(conn, claim, generation, now);
        if is_new {
            self.arm_timer(claim.session, now);
        }
        if let Some(peer) = self.peer_mut(conn) {
            peer.active = now;
            // It was not read before.
            peer.note_read(now);
        }
        self.set_state(conn, State::Waiting { session: claim.session, role: claim.role });
    }

    fn arm_timer(&mut self, session: SessionId, now: Time) {
        let (idle_due, touch_due) = (now + self.limits.session_idle, now + self.limits.touch_every());
        if let Some(pair) = self.pairs.of_mut(session) {
            (pair.idle_due, pair.touch_due) = (Some(idle_due), touch_due);
            self.deadlines.arm(Timer::Session(session), pair.due());
        }
    }

    pub(super) fn forget_timer(&mut self, session: SessionId, pair: &Pair) {
        self.deadlines.disarm(Timer::Session(session), pair.due());
    }
}

pub(super) fn age_ms(since: Time, now: Time) -> u64 {
    now.as_ms().saturating_sub(since.as_ms())
}

fn both_ends(pair: &Pair) -> Option<[End; 2]> {
    Some([pair.end(Role::Workstation)?, pair.end(Role::Phone)?])
}

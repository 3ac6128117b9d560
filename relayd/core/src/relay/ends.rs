//! How a hold or a session ends: a later claim, an end that the store knows of, or the connection's own.

use std::time::Duration;

use protocol::close::CloseCode;
use protocol::ids::{Role, SessionId};
use protocol::message::{KillReason, Notice};

use super::Relay;
use super::connection::ConnState;
use super::link::Ending;
use super::sessions::{End, PairIndex};
use crate::event::{Action, Goodbye};
use crate::limits::RETRY_AFTER;
use crate::node_link::item::Item;
use crate::store::{Checked, Conn, Deleted, Expired, Holder, Request, Ticket};
use crate::time::Time;

impl Relay {
    /// The part of `conn` in a session ends: its link, its hold, its claim.
    pub(super) fn leave(&mut self, conn: Conn, now: Time) {
        let Some(connection) = self.connections.get(conn) else { return };
        match connection.state {
            ConnState::ExpectClaim { session, .. } => {
                self.claims.remove(session, conn);
                self.push(Action::CancelClaim { conn });
            }
            ConnState::Joined { index, role } => self.leave_session(index, role, conn, now),
            ConnState::ExpectHello { .. } | ConnState::Closing { .. } => {}
        }
    }

    fn leave_session(&mut self, index: PairIndex, role: Role, conn: Conn, now: Time) {
        let Some(pair) = self.sessions.at(index) else { return };
        if pair.end(role).is_none_or(|end| end.conn != conn) {
            // It has lost its role, and is about to be closed for it.
            return;
        }
        let session = pair.session;
        let touch = self.sessions.touch(index, now);
        let Some(end) = self.unseat(index, role, now) else { return };
        touch.into_iter().for_each(|request| self.submit(request));
        self.submit(Request::Release { session, role, generation: end.generation });
    }

    /// The end of a role goes: its link ends, and the role is empty.
    fn unseat(&mut self, index: PairIndex, role: Role, now: Time) -> Option<End> {
        self.end_link(index, Ending::Leaves(role), now);
        self.sessions.unseat(index, role)
    }

    /// A later claim took a role that is held here: the holder is told, and gets nothing more.
    pub(super) fn evict(&mut self, session: SessionId, role: Role, same: bool, now: Time) {
        let Some(index) = self.sessions.index_of(session) else { return };
        let Some(end) = self.unseat(index, role, now) else { return };
        self.send(end.conn, Notice::Replaced { same });
        self.close(end.conn, Goodbye::Now(CloseCode::Replaced), now);
        // A check on its way may write it into the store again if the later one has left by then.
        self.submit(Request::Release { session, role, generation: end.generation });
    }

    /// Another node says that a later claim took a role.
    pub(super) fn on_evicted(
        &mut self,
        session: SessionId,
        role: Role,
        generation: u64,
        same: bool,
        now: Time,
    ) {
        if self.sessions.end(session, role).is_some_and(|end| end.generation < generation) {
            self.evict(session, role, same, now);
        }
        // A pending claim is judged with the store's answer.
        self.claims.note_evicted(session, role, generation);
    }

    pub(super) fn on_checked(
        &mut self,
        session: SessionId,
        role: Role,
        generation: u64,
        outcome: Checked,
        now: Time,
    ) {
        let Some(index) = self.sessions.index_of(session) else { return };
        let end = self.sessions.at(index).and_then(|pair| pair.end(role));
        let Some(end) = end.filter(|end| end.generation == generation) else { return };
        match outcome {
            Checked::Away => {}
            Checked::Replaced => {
                self.send(end.conn, Notice::Replaced { same: false });
                self.close(end.conn, Goodbye::Now(CloseCode::Replaced), now);
            }
            Checked::Killed { reason } => self.kill(session, reason, now),
            Checked::Held { peer } => self.on_peer_named(index, session, role, peer, now),
        }
    }

    /// The store says that the session's time is over, or how much of it is left.
    pub(super) fn on_expired(&mut self, session: SessionId, outcome: Expired, now: Time) {
        match outcome {
            Expired::Over { reason, holders } => self.on_over(session, reason, holders, now),
            Expired::Away => self.sessions.retry_expiry(session, RETRY_AFTER, now),
            Expired::Alive { left_ms } => {
                self.sessions.note_alive(session, Duration::from_millis(left_ms.max(1)), now);
            }
        }
    }

    /// The store says that the session is over. Where it names no holder, it may have forgotten the session.
    fn on_over(&mut self, session: SessionId, reason: KillReason, holders: [Option<Holder>; 2], now: Time) {
        let names_nobody = reason == KillReason::Expired && holders == [None, None];
        if names_nobody && self.sessions.retry_if_forgotten(session, now) {
            if let Some(index) = self.sessions.index_of(session) {
                self.check_session(index, now);
            }
            return;
        }
        self.tell_killed(session, reason, holders, now);
        self.kill(session, reason, now);
    }

    pub(super) fn on_deleted(&mut self, ticket: Ticket, session: SessionId, outcome: Deleted, now: Time) {
        match outcome {
            Deleted::Gone { holders } => {
                self.tell_killed(session, KillReason::Deleted, holders, now);
                self.kill(session, KillReason::Deleted, now);
            }
            // The answer to the delete that ended it may have been lost, and with it the word to these.
            Deleted::Before { holders } => self.tell_killed(session, KillReason::Deleted, holders, now),
            Deleted::Missing if self.sessions.is_settling(now) => {
                return self.push(Action::Deleted { ticket, outcome: Deleted::Away });
            }
            Deleted::Missing | Deleted::Away => {}
        }
        self.push(Action::Deleted { ticket, outcome });
    }

    /// Nodes that hold a role of an ended session are told.
    fn tell_killed(
        &mut self,
        session: SessionId,
        reason: KillReason,
        holders: [Option<Holder>; 2],
        now: Time,
    ) {
        let generations = holders.map(|holder| holder.map_or(0, |holder| holder.generation));
        for holder in holders.into_iter().flatten() {
            if self.is_elsewhere(&holder) {
                self.tell(holder.node, Item::Kill { session, reason, generations }, now);
            }
        }
    }

    /// Another node ended the session while its roles were held under these generations.
    pub(super) fn on_killed_there(
        &mut self,
        session: SessionId,
        reason: KillReason,
        generations: [u64; 2],
        now: Time,
    ) {
        self.kill_up_to(session, reason, generations, now);
        // A pending claim is judged with the store's answer.
        self.claims.note_killed(session, reason, generations);
    }

    /// Every connection of the session on this node is told and closed. Pending claims are not affected: the
    /// store answers in order, so what it grants after this end is of a session that was registered again.
    pub(super) fn kill(&mut self, session: SessionId, reason: KillReason, now: Time) {
        self.kill_up_to(session, reason, [u64::MAX; 2], now);
    }

    fn kill_up_to(&mut self, session: SessionId, reason: KillReason, generations: [u64; 2], now: Time) {
        let Some(index) = self.sessions.index_of(session) else { return };
        let dying = Role::ALL.map(|role| {
            self.sessions.end(session, role).filter(|end| end.generation <= generations[role.index()])
        });
        if dying.iter().all(Option::is_some) {
            // Both ends here get the same word, and no other before it.
            self.end_link(index, Ending::BothKilled, now);
        }
        for (role, end) in Role::ALL.into_iter().zip(dying) {
            let Some(end) = end else { continue };
            self.unseat(index, role, now);
            self.send(end.conn, Notice::SessionKilled { reason });
            self.close(end.conn, Goodbye::Now(CloseCode::SessionKilled), now);
        }
    }
}

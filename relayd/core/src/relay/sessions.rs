//! The life of a session: activity, expiry and deletion.

use std::time::Duration;

use protocol::close::CloseCode;
use protocol::ids::{Role, SessionId};
use protocol::message::{KillReason, Notice};

use super::link::Ending;
use super::{Relay, Timer};
use crate::event::{Action, Goodbye};
use crate::limits::RETRY_AFTER;
use crate::node_link::item::Item;
use crate::pairs::{End, Joined, Pair, Place};
use crate::peer::{Peer, PendingClaim, State};
use crate::store::{Conn, Deleted, Expired, Holder, Request, Ticket};
use crate::time::Time;

impl Relay {
    /// The session and role that `conn` holds.
    pub(super) fn held_by(&self, conn: Conn) -> Option<(SessionId, Role)> {
        let (place, role) = self.peer(conn)?.holds()?;
        Some((self.pairs.at(place)?.session, role))
    }

    /// Puts a granted claim's connection into its role. The role is empty.
    pub(super) fn seat(&mut self, conn: Conn, claim: &PendingClaim, generation: u64, now: Time) -> Place {
        if let Some(place) = self.pairs.place_of(claim.session) {
            // What the other end wanted, this claim has replaced.
            self.want_nothing(place);
        }
        let (place, is_new) = self.pairs.put(conn, claim, generation, now);
        if is_new {
            self.arm_timer(place, claim.session, now);
        }
        if let Some(peer) = self.peer_mut(conn) {
            peer.active = now;
            // It was not read before.
            peer.note_read(now);
        }
        self.set_state(conn, State::Joined { place, role: claim.role });
        place
    }

    fn arm_timer(&mut self, place: Place, session: SessionId, now: Time) {
        let (idle_due, touch_due) = (now + self.limits.session_idle, now + self.limits.touch_every());
        if let Some(pair) = self.pairs.at_mut(place) {
            (pair.idle_due, pair.touch_due) = (Some(idle_due), touch_due);
            self.deadlines.arm(Timer::Session(session), pair.due());
        }
    }

    fn forget_timer(&mut self, pair: &Pair) {
        self.deadlines.disarm(Timer::Session(pair.session), pair.due());
    }

    /// The part of `conn` in a session ends: its link, its hold, its claim.
    pub(super) fn leave(&mut self, conn: Conn, now: Time) {
        let Some(peer) = self.peer(conn) else { return };
        let (holds, active) = (peer.holds(), peer.active);
        if matches!(peer.state, State::ExpectClaim { .. }) {
            self.push(Action::CancelClaim { conn });
        }
        let Some((place, role)) = holds else { return };
        let Some(session) = self.holder(place, role, conn) else { return };
        self.end_link(place, Ending::Leaves(role), now);
        let Some((end, emptied)) = self.pairs.take(place, role, conn) else { return };
        let (told, active) = match (&emptied, self.pairs.at_mut(place)) {
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
            self.forget_timer(&pair);
        }
    }

    /// The end of `role` loses its role, which the store has given away or ended: nothing is given back.
    pub(super) fn unseat(&mut self, place: Place, role: Role, now: Time) -> Option<End> {
        let end = self.pairs.at(place)?.end(role)?;
        self.end_link(place, Ending::Leaves(role), now);
        if let (_, Some(pair)) = self.pairs.take(place, role, end.conn)? {
            self.forget_timer(&pair);
        }
        Some(end)
    }

    /// The session whose `role` this connection holds.
    fn holder(&self, place: Place, role: Role, conn: Conn) -> Option<SessionId> {
        let pair = self.pairs.at(place)?;
        pair.end(role).filter(|end| end.conn == conn).map(|_| pair.session)
    }

    /// A session's one timer fired.
    pub(super) fn on_session_due(&mut self, session: SessionId, now: Time) {
        let Some(pair) = self.pairs.of(session) else { return };
        let idle_is_due = pair.idle_due.is_some_and(|at| at <= now);
        // The store is told what was active before it is asked who was.
        if pair.touch_due <= now {
            self.on_touch_due(session, now);
        }
        if idle_is_due {
            self.on_idle_due(session, now);
        }
    }

    /// The session may have been idle for its whole time: the store knows.
    fn on_idle_due(&mut self, session: SessionId, now: Time) {
        let Some(active) = self.last_active(session) else { return };
        if self.is_catching_up() || self.is_settling(now) {
            // Somebody's activity may not be known yet, here or to the store.
            return self.arm_idle(session, Some(now + RETRY_AFTER));
        }
        let over_at = active + self.limits.session_idle;
        let idle_due = (over_at > now).then_some(over_at);
        self.arm_idle(session, idle_due);
        if idle_due.is_none() {
            self.push(Action::Submit(Request::Expire { session }));
        }
    }

    pub(super) fn on_expired(&mut self, session: SessionId, outcome: Expired, now: Time) {
        match outcome {
            Expired::Over { reason: KillReason::Expired, holders: [None, None] }
                if self.may_be_forgotten(session, now) =>
            {
                self.check_session(session, now);
                self.arm_idle(session, Some(now + self.others_touch_within()));
            }
            Expired::Over { reason, holders } => {
                self.tell_killed(session, reason, holders, now);
                self.kill(session, reason, now);
            }
            Expired::Away => self.arm_idle(session, Some(now + RETRY_AFTER)),
            Expired::Alive { left_ms } => {
                let left = Duration::from_millis(left_ms.max(1));
                self.note_activity_elsewhere(session, left, now);
                self.arm_idle(session, Some(now + left));
            }
        }
    }

    /// `conn` broke a silence. That may be all that keeps its session from its end, so the store hears of it
    /// at once, unless it has just heard of activity at the other end.
    #[cold]
    pub(super) fn touch_at_once(&mut self, conn: Conn, now: Time) {
        let Some((session, _)) = self.held_by(conn) else { return };
        let touch_every = self.touch_every;
        let Some(pair) = self.pairs.of_mut(session).filter(|pair| now.since(pair.told) >= touch_every) else {
            return;
        };
        pair.told = now;
        self.push(Action::Submit(Request::Touch { session, idle_ms: 0 }));
    }

    /// The store knows of activity that nobody here told it; should it forget the session, it is written
    /// again with that.
    fn note_activity_elsewhere(&mut self, session: SessionId, left: Duration, now: Time) {
        let active = (now + left - self.limits.session_idle).min(now);
        if let Some(pair) = self.pairs.of_mut(session) {
            (pair.active, pair.told) = (pair.active.max(active), pair.told.max(active));
        }
    }

    /// A store that names no holder of a session that is held here may have forgotten it, as by a clock that
    /// jumped ahead: then a node that knows it to be active must have had time to say so again.
    fn may_be_forgotten(&self, session: SessionId, now: Time) -> bool {
        let waited_until = |active| active + self.limits.session_idle + self.others_touch_within();
        self.last_active(session).is_some_and(|active| waited_until(active) > now)
    }

    /// By then every node has told the store of a session that is active there. Less than what a store keeps
    /// it beyond its time.
    fn others_touch_within(&self) -> Duration {
        self.limits.touch_every() + RETRY_AFTER
    }

    /// The trailing activity of an interval is told to the store at the interval's end.
    fn on_touch_due(&mut self, session: SessionId, now: Time) {
        let Some(active) = self.last_active(session) else { return };
        let touch_due = now + self.limits.touch_every();
        let mut told = active;
        self.rearm_session(session, |pair| {
            pair.touch_due = touch_due;
            told = std::mem::replace(&mut pair.told, active);
        });
        if active > told {
            self.push(Action::Submit(Request::Touch { session, idle_ms: age_ms(active, now) }));
        }
    }

    pub(super) fn on_deleted(&mut self, ticket: Ticket, session: SessionId, outcome: Deleted, now: Time) {
        match outcome {
            Deleted::Gone { holders } => {
                self.tell_killed(session, KillReason::Deleted, holders, now);
                self.kill(session, KillReason::Deleted, now);
            }
            // The answer to the delete that ended it may have been lost, and with it the word to these.
            Deleted::Before { holders } => self.tell_killed(session, KillReason::Deleted, holders, now),
            Deleted::Missing if self.is_settling(now) => {
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
            if holder.node != self.node && !self.is_alone {
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
        // One whose claim is not answered yet is judged by the answer.
        self.note_claims(session, |claim| {
            let ended = generations[claim.role.index()];
            claim.killed = claim.killed.filter(|&(_, known)| known > ended).or(Some((reason, ended)));
        });
    }

    /// Every connection of the session on this node is told and closed. A claim that waits for its answer is
    /// none of it: the store answers in order, so what it grants after this end is of a session that was
    /// registered again.
    pub(super) fn kill(&mut self, session: SessionId, reason: KillReason, now: Time) {
        self.kill_up_to(session, reason, [u64::MAX; 2], now);
    }

    fn kill_up_to(&mut self, session: SessionId, reason: KillReason, generations: [u64; 2], now: Time) {
        let dying = Role::ALL.map(|role| {
            self.pairs.end(session, role).filter(|end| end.generation <= generations[role.index()])
        });
        let Some(place) = self.pairs.place_of(session) else { return };
        if dying.iter().all(Option::is_some) {
            self.end_link(place, Ending::BothKilled, now);
            self.want_nothing(place);
        }
        for (role, end) in Role::ALL.into_iter().zip(dying) {
            let Some(end) = end else { continue };
            self.unseat(place, role, now);
            self.send(end.conn, Notice::SessionKilled { reason });
            self.close(end.conn, Goodbye::Now(CloseCode::SessionKilled), now);
        }
    }

    pub(super) fn close_replaced(&mut self, conn: Conn, now: Time) {
        self.send(conn, Notice::Replaced { same: false });
        self.close(conn, Goodbye::Now(CloseCode::Replaced), now);
    }

    fn arm_idle(&mut self, session: SessionId, due: Option<Time>) {
        self.rearm_session(session, |pair| pair.idle_due = due);
    }

    /// Changes what a session's timer waits for. It may have fired just now.
    fn rearm_session(&mut self, session: SessionId, change: impl FnOnce(&mut Pair)) {
        let Some(pair) = self.pairs.of_mut(session) else { return };
        self.deadlines.disarm(Timer::Session(session), pair.due());
        change(pair);
        self.deadlines.arm(Timer::Session(session), pair.due());
    }

    fn last_active(&self, session: SessionId) -> Option<Time> {
        self.pairs.of(session).map(|pair| self.active_of(pair))
    }

    pub(super) fn active_of(&self, pair: &Pair) -> Time {
        let of_ends = pair.ends().filter_map(|(_, end)| self.peer(end.conn)).map(|peer| peer.active);
        of_ends.fold(pair.active, Time::max)
    }

    /// What must hold between any two calls. Debug builds only.
    pub(super) fn check_invariants(&self) {
        // In a crowd, looking at all with each input would take the square of its size.
        if !cfg!(debug_assertions) || self.peers.len() > CHECKED_PEERS_MAX {
            return;
        }
        assert_eq!(self.conn_deadlines.len(), self.connections(), "each connection has one timer");
        for (slot, peer) in self.peers.iter().enumerate() {
            let Some(peer) = peer else { continue };
            let conn = Conn { slot: slot as u32, name: peer.name };
            assert!(
                peer.due <= peer.next_due(&self.limits),
                "a timer is armed for what comes first: {peer:?}"
            );
            let Some((place, role)) = peer.holds() else { continue };
            assert!(self.holder(place, role, conn).is_some(), "a holder is in its session's table");
        }
        let claiming = self.peers.iter().flatten().filter(|peer| peer.claims().is_some()).count();
        assert_eq!(claiming, self.claiming.len(), "each claim is found by its session");
        let (mut named, mut here) = (0, 0);
        for (place, pair) in self.pairs.iter() {
            assert!(pair.ends().next().is_some(), "a session is here while one of its roles is");
            for (role, end) in pair.ends() {
                let held = self.peer(end.conn).and_then(Peer::holds);
                assert_eq!(held, Some((place, role)), "an end is held by its connection");
            }
            here += usize::from(pair.link.joined() == Joined::Here);
            let linked =
                if let Joined::There { handle, .. } = pair.link.joined() { Some(handle) } else { None };
            for (handle, is_open) in
                linked.map(|it| (it, true)).into_iter().chain(pair.link.opening().map(|it| (it, false)))
            {
                let remote = self.remotes.get(&handle).map(|remote| (remote.place, remote.theirs.is_some()));
                assert_eq!(remote, Some((place, is_open)), "a link to another node is its session's");
                named += 1;
            }
        }
        assert_eq!(here, self.links(), "links are counted");
        assert_eq!(named, self.remotes.len(), "every link to another node is known to its session");
        assert_eq!(self.handles.len(), self.remotes.len(), "each link is found by its node");
        self.check_wanted();
    }
}

pub(super) fn age_ms(since: Time, now: Time) -> u64 {
    now.as_ms().saturating_sub(since.as_ms())
}

/// More connections than any simulated node has.
const CHECKED_PEERS_MAX: usize = 1024;

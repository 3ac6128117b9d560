//! Sessions of which this node holds a role: their links, their activity, and when each must be looked at.
//!
//! Knows no connection but by its [`Conn`], and no other node but by its id. What the store must be asked
//! comes out as a [`Request`].

mod link;
mod pairs;
mod settling;
mod wanted;

use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId, TokenDigest};

pub(super) use self::link::{Joined, Link, Wanted};
use self::pairs::Pairs;
pub(super) use self::pairs::{End, Pair, PairIndex, Target};
use self::settling::Settling;
use self::wanted::WantedLinks;
use super::pending::PendingClaim;
use crate::deadlines::Deadlines;
use crate::limits::{CHECK_EVERY, CHECK_PARTS, Limits, RETRY_AFTER};
use crate::store::{Conn, Hold, Request};
use crate::time::Time;

/// All sessions that this node holds a role of.
#[derive(Debug)]
pub(super) struct Sessions {
    pairs: Pairs,
    /// The sessions whose wanted link does not stand.
    wanted: WantedLinks,
    settling: Settling,
    /// [`Limits::session_idle`]
    session_idle: Duration,
    /// [`Limits::touch_every`]
    touch_every: Duration,
    /// The same in milliseconds, as it is looked at with each message.
    touch_every_ms: u64,
    /// The last session whose holds were compared with the store; `None`: from the first on.
    checked_to: Option<SessionId>,
    /// `timers` = { Timer::Session(session) at its pair's due() } and at most one of each other.
    timers: Deadlines<SessionTimer>,
}

/// What can be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SessionTimer {
    /// A session's idle time may be over, or its activity worth telling the store.
    Session(SessionId),
    /// Some of the holds are compared with the store. Where it is this process's own there is nothing to
    /// compare.
    Check,
    /// Some of the links that are wanted and do not stand are asked for again.
    Wanted,
}

/// How often a request for a link is repeated.
const REQUEST_EVERY: Duration = Duration::from_secs(1);

/// Links that one turn of a round looks at.
const REQUESTS_AT_ONCE: usize = 256;

/// Between two such turns of one round.
const REQUESTS_PAUSE: Duration = Duration::from_millis(10);

impl Sessions {
    /// No sessions. `is_alone`: no other node can be reached.
    pub fn new(limits: &Limits, is_alone: bool, now: Time) -> Self {
        let mut timers = Deadlines::new();
        if !is_alone {
            timers.arm(SessionTimer::Check, now + CHECK_EVERY / CHECK_PARTS);
        }
        Sessions {
            pairs: Pairs::default(),
            wanted: WantedLinks::default(),
            settling: Settling::new(now),
            session_idle: limits.session_idle,
            touch_every: limits.touch_every(),
            touch_every_ms: limits.touch_every().as_millis() as u64,
            checked_to: None,
            timers,
        }
    }

    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    pub fn index_of(&self, session: SessionId) -> Option<PairIndex> {
        self.pairs.index_of(session)
    }

    pub fn at(&self, index: PairIndex) -> Option<&Pair> {
        self.pairs.at(index)
    }

    pub fn of(&self, session: SessionId) -> Option<&Pair> {
        self.at(self.index_of(session)?)
    }

    pub fn end(&self, session: SessionId, role: Role) -> Option<End> {
        self.of(session)?.end(role)
    }

    /// The link to another node that an end of a session wants.
    pub fn wanted(&self, index: PairIndex) -> Option<&Wanted> {
        self.at(index)?.link.wanted()
    }

    pub fn iter(&self) -> impl Iterator<Item = (PairIndex, &Pair)> {
        self.pairs.iter()
    }

    /// True if a role of this session is held here and this is the digest of its token.
    pub fn knows(&self, session: SessionId, token: &TokenDigest) -> bool {
        self.of(session).is_some_and(|pair| pair.token.matches(token))
    }

    /// Puts a granted claim's connection into its role, which is empty. What the other end wanted must have
    /// been dropped.
    pub fn seat(&mut self, conn: Conn, claim: &PendingClaim, generation: u64, now: Time) -> PairIndex {
        let (index, is_new) = self.pairs.put(conn, claim, generation, now);
        if let Some(pair) = self.pairs.at_mut(index).filter(|_| is_new) {
            (pair.idle_due, pair.touch_due) = (Some(now + self.session_idle), now + self.touch_every);
            self.timers.arm(SessionTimer::Session(claim.session), pair.due());
        }
        index
    }

    /// Empties a role. The link of its end must have ended.
    pub fn unseat(&mut self, index: PairIndex, role: Role) -> Option<End> {
        let due = self.at(index)?.due();
        let (end, emptied) = self.pairs.take(index, role)?;
        if let Some(session) = emptied {
            self.timers.disarm(SessionTimer::Session(session), due);
        }
        Some(end)
    }

    /// Where a message of the end of `role` goes, and true if it breaks a silence, as
    /// [`Sessions::note_active`] does.
    pub fn route(&mut self, index: PairIndex, role: Role, now: Time) -> (Option<Target>, bool) {
        let touch_every_ms = self.touch_every_ms;
        let Some(pair) = self.pairs.at_mut(index) else { return (None, false) };
        (pair.target(role), pair.note_active(now) >= touch_every_ms)
    }

    /// An end of this session sent something. Returns true for the first word after a silence. That may be
    /// all that keeps the session from its end, so the store must hear of it at once.
    pub fn note_active(&mut self, index: PairIndex, now: Time) -> bool {
        let touch_every_ms = self.touch_every_ms;
        self.pairs.at_mut(index).is_some_and(|pair| pair.note_active(now) >= touch_every_ms)
    }

    /// The activity that the store was not told of.
    pub fn touch(&mut self, index: PairIndex, now: Time) -> Option<Request> {
        touch(self.pairs.at_mut(index)?, now)
    }

    /// When the next timer fires.
    pub fn next_due(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Takes out the next timer, if it is due.
    pub fn poll_due(&mut self, now: Time) -> Option<SessionTimer> {
        let timer = self.timers.poll(now)?;
        if timer == SessionTimer::Check {
            self.timers.arm(timer, now + CHECK_EVERY / CHECK_PARTS);
        }
        Some(timer)
    }

    /// How many timers are armed.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// A session's timer fired. The store is told what was active before it is asked about the session's end.
    /// `is_behind`: somebody's activity may not be known yet.
    pub fn on_due(&mut self, session: SessionId, is_behind: bool, now: Time) -> [Option<Request>; 2] {
        let Some(index) = self.index_of(session) else { return [None; 2] };
        let Some(pair) = self.at(index) else { return [None; 2] };
        let (is_idle_due, is_touch_due) = (pair.idle_due.is_some_and(|at| at <= now), pair.touch_due <= now);
        let mut touched = None;
        if is_touch_due {
            touched = self.touch(index, now);
            let touch_due = now + self.touch_every;
            self.rearm(session, |pair| pair.touch_due = touch_due);
        }
        let expire = if is_idle_due { self.on_idle_due(session, is_behind, now) } else { None };
        [touched, expire]
    }

    /// The session may have been idle for its whole time: the store knows.
    fn on_idle_due(&mut self, session: SessionId, is_behind: bool, now: Time) -> Option<Request> {
        if is_behind || self.is_settling(now) {
            self.retry_expiry(session, RETRY_AFTER, now);
            return None;
        }
        let over_at = self.of(session)?.active + self.session_idle;
        let idle_due = (over_at > now).then_some(over_at);
        self.rearm(session, |pair| pair.idle_due = idle_due);
        idle_due.is_none().then_some(Request::Expire { session })
    }

    /// The session's idle time is looked at again then.
    pub fn retry_expiry(&mut self, session: SessionId, after: Duration, now: Time) {
        self.rearm(session, |pair| pair.idle_due = Some(now + after));
    }

    /// The store knows of activity that this node did not tell it. Should the store forget the session, it is
    /// written again with that.
    pub fn note_alive(&mut self, session: SessionId, left: Duration, now: Time) {
        let active = (now + left - self.session_idle).min(now);
        if let Some(pair) = self.pairs.of_mut(session) {
            (pair.active, pair.told) = (pair.active.max(active), pair.told.max(active));
        }
        self.retry_expiry(session, left, now);
    }

    /// The store says that the session is over, and names no holder of it though a role is held here. Returns
    /// true if it may have forgotten the session, as by a clock that jumped ahead: then the session is looked
    /// at again when every node that knows it to be active has had time to say so.
    pub fn retry_if_forgotten(&mut self, session: SessionId, now: Time) -> bool {
        let others_touch_within = self.touch_every + RETRY_AFTER;
        let waits_until = |pair: &Pair| pair.active + self.session_idle + others_touch_within;
        let may_be_forgotten = self.of(session).is_some_and(|pair| waits_until(pair) > now);
        if may_be_forgotten {
            self.retry_expiry(session, others_touch_within, now);
        }
        may_be_forgotten
    }

    /// Changes what a session's timer waits for. It may have fired just now.
    fn rearm(&mut self, session: SessionId, change: impl FnOnce(&mut Pair)) {
        let Some(pair) = self.pairs.of_mut(session) else { return };
        self.timers.disarm(SessionTimer::Session(session), pair.due());
        change(pair);
        self.timers.arm(SessionTimer::Session(session), pair.due());
    }

    /// The store can be asked: for the first time, or again.
    pub fn on_store_back(&mut self, now: Time) {
        self.settling.on_store_back(now);
    }

    /// True while a session that the store does not know may be one that it lost.
    pub fn is_settling(&self, now: Time) -> bool {
        self.settling.is_settling(now)
    }

    /// Every hold of this node, to be compared with the store.
    pub fn all_holds(&mut self, now: Time) -> Vec<Hold> {
        self.checked_to = None;
        self.next_holds(self.len(), now)
    }

    /// A part of the holds: in [`CHECK_EVERY`] each gets its turn.
    pub fn some_holds(&mut self, now: Time) -> Vec<Hold> {
        self.next_holds(self.len().div_ceil(CHECK_PARTS as usize), now)
    }

    /// The holds of the next so many sessions.
    fn next_holds(&mut self, sessions: usize, now: Time) -> Vec<Hold> {
        let mut holds = Vec::new();
        for pair in self.pairs.iter_behind(self.checked_to).take(sessions) {
            holds.extend(pair.holds(now));
            self.checked_to = Some(pair.session);
        }
        if self.pairs.iter_behind(self.checked_to).next().is_none() {
            self.checked_to = None;
        }
        holds
    }

    /// What the ends of a session are joined to from here on. They were joined to nothing.
    pub fn join(&mut self, index: PairIndex, joined: Joined) {
        let was = self.pairs.join(index, joined);
        debug_assert_eq!(was, Joined::Nothing, "a link that stands ends first");
    }

    /// Parts the ends of a session. A link that is wanted is asked for in the next round. Gives what they
    /// were joined to.
    pub fn part(&mut self, index: PairIndex) -> Joined {
        let was = self.pairs.join(index, Joined::Nothing);
        self.note_unlinked(index);
        was
    }

    /// How many links between two connections of this node stand.
    pub const fn joined_here(&self) -> usize {
        self.pairs.joined_here()
    }

    /// What is wanted for the link of a session. What stands is changed by [`Sessions::join`] and
    /// [`Sessions::part`].
    pub fn link_mut(&mut self, index: PairIndex) -> Option<&mut Link> {
        self.pairs.at_mut(index).map(|pair| &mut pair.link)
    }

    /// The link that is wanted does not stand: it is asked for in the next round.
    pub fn note_unlinked(&mut self, index: PairIndex) {
        if let Some(pair) = self.pairs.at(index)
            && let Some(wanted) = pair.link.wanted()
        {
            self.wanted.insert(wanted.holder.node, pair.session);
        }
    }

    /// True if no link that is wanted is to be asked for.
    #[cfg(test)]
    pub fn has_no_requests(&self) -> bool {
        self.wanted.is_empty()
    }

    /// A round through the links that are wanted and do not stand begins, unless the last is still under way.
    pub fn begin_round(&mut self, now: Time) {
        if self.wanted.begin_round() {
            self.timers.arm(SessionTimer::Wanted, now);
        }
    }

    /// The next part of a round: the sessions whose link is to be asked for.
    pub fn due_requests(&mut self, now: Time) -> Vec<PairIndex> {
        let mut due = Vec::new();
        for _ in 0..REQUESTS_AT_ONCE {
            let Some((node, session)) = self.wanted.next() else { return due };
            due.extend(self.due_request(node, session, now));
        }
        self.timers.arm(SessionTimer::Wanted, now + REQUESTS_PAUSE);
        due
    }

    fn due_request(&mut self, node: NodeId, session: SessionId, now: Time) -> Option<PairIndex> {
        let index = self.index_of(session);
        let pair = index.and_then(|index| self.at(index));
        let wanted = pair.and_then(|pair| pair.link.wanted()).filter(|wanted| wanted.holder.node == node);
        let (Some(pair), Some(wanted)) = (pair, wanted) else {
            self.wanted.remove(node, session);
            return None;
        };
        if pair.end(wanted.role.other()).is_some() {
            // Both ends are here. The store will say which of them is outdated.
            return None;
        }
        if pair.target(wanted.role).is_some() {
            self.wanted.remove(node, session);
            return None;
        }
        let is_due = wanted.asked.is_none_or(|(at, _)| now.since(at) >= REQUEST_EVERY);
        index.filter(|_| is_due)
    }

    /// A node is gone: no link to it is wanted. Gives the handles of those that were being opened.
    #[must_use]
    pub fn want_nothing_of(&mut self, node: NodeId) -> Vec<u32> {
        let of_node = |pair: &Pair| pair.link.wanted().is_some_and(|wanted| wanted.holder.node == node);
        let mut opening = Vec::new();
        for session in self.wanted.take_of(node) {
            if let Some(pair) = self.pairs.of_mut(session).filter(|pair| of_node(pair)) {
                opening.extend(pair.link.want_nothing());
            }
        }
        opening
    }

    /// What must hold between any two calls. Debug builds only.
    pub fn check_invariants(&self) {
        let mut here = 0;
        for (_, pair) in self.iter() {
            assert!(pair.ends().next().is_some(), "a session is here while one of its roles is");
            here += usize::from(pair.link.joined() == Joined::Here);
            let Some(wanted) = pair.link.wanted() else { continue };
            assert!(pair.end(wanted.role).is_some(), "the end that wants a link is here");
            let waits = pair.end(wanted.role.other()).is_none() && pair.target(wanted.role).is_none();
            let is_found = self.wanted.contains(wanted.holder.node, pair.session);
            assert!(is_found || !waits, "a wanted link that does not stand is found by its node");
        }
        assert_eq!(here, self.joined_here(), "links are counted");
        assert!(self.timers() >= self.len(), "each session has one timer");
    }
}

/// What the store must be told of a session's activity, which counts as told.
fn touch(pair: &mut Pair, now: Time) -> Option<Request> {
    let told = std::mem::replace(&mut pair.told, pair.active);
    let idle_ms = now.since(pair.active).as_millis() as u64;
    (pair.active > told).then_some(Request::Touch { session: pair.session, idle_ms })
}

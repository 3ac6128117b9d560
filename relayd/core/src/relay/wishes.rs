//! Wishes: links to other nodes that are wanted and do not stand.
//!
//! A wish is said to the other node, and said again each second until it comes true or the node is gone: that node may not
//! have known its own connection yet. It is never in the stream twice, and only where the stream has room for it, so a bus
//! that carries nothing costs a bounded number of bytes however long that lasts. Only wishes that have not come true are
//! looked at, a few in one turn.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId};

use super::{Relay, Timer};
use crate::node_link::item::{Item, LinkKey};
use crate::pairs::{End, Pair, Wish};
use crate::peer::{Peer, Target};
use crate::store::Holder;
use crate::time::Time;

/// How often a wish is repeated.
const WISH_EVERY: Duration = Duration::from_secs(1);

/// Wishes that one turn looks at.
const AT_ONCE: usize = 256;

/// Between two such turns of one round.
const PAUSE: Duration = Duration::from_millis(10);

/// The sessions whose wish has not come true, by the node that it is said to.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// The wish of each connection without a peer is here. Others may be, until a round comes by.
    open: BTreeSet<(NodeId, SessionId)>,
    /// A round through them is under way.
    in_round: bool,
    /// The last one that this round has looked at.
    looked_to: Option<(NodeId, SessionId)>,
}

impl Wishes {
    /// The next one of this round. `None`: the round is over.
    fn next(&mut self) -> Option<(NodeId, SessionId)> {
        let from = self.looked_to.map_or(Bound::Unbounded, Bound::Excluded);
        self.looked_to = self.open.range((from, Bound::Unbounded)).next().copied();
        self.looked_to
    }

    fn take_of(&mut self, node: NodeId) -> Vec<SessionId> {
        let (first, last) = (SessionId::from_bytes([0; 16]), SessionId::from_bytes([0xFF; 16]));
        let all: Vec<SessionId> =
            self.open.range((node, first)..=(node, last)).map(|&(_, session)| session).collect();
        for &session in &all {
            self.open.remove(&(node, session));
        }
        all
    }
}

impl Relay {
    /// The other role is held on another node: a link to it is wanted.
    pub(super) fn wish_for(&mut self, session: SessionId, role: Role, holder: Holder, now: Time) {
        let Some(pair) = self.pairs.of_mut(session) else { return };
        let Some(end) = pair.end(role) else { return };
        let known = pair.wish.as_deref();
        if known.is_some_and(|wish| wish.holder.generation > holder.generation) {
            return;
        }
        let is_same =
            |wish: &&Wish| (wish.holder.node, wish.holder.generation) == (holder.node, holder.generation);
        let said = known.filter(is_same).and_then(|wish| wish.said);
        pair.wish = Some(Box::new(Wish { holder, said }));
        if !self.is_linked_to(end, role, holder) {
            self.note_lonely(session);
            self.say_wish(session, role, now);
        }
    }

    fn is_linked_to(&self, end: End, role: Role, holder: Holder) -> bool {
        match self.peer(end.conn).and_then(Peer::target) {
            Some(Target::There(handle)) => self.remotes.get(&handle).is_some_and(|remote| {
                remote.node == holder.node && generation_of(&remote.key, role.other()) == holder.generation
            }),
            Some(Target::Here { .. }) => true,
            None => false,
        }
    }

    /// An end of the session has no peer: its wish, if it has one, is to be repeated.
    pub(super) fn note_lonely(&mut self, session: SessionId) {
        if let Some(wish) = self.pairs.of(session).and_then(|pair| pair.wish.as_deref()) {
            self.wishes.open.insert((wish.holder.node, session));
        }
    }

    /// Asks for, or opens, the link that is wanted, unless that is under way already or the stream has no room for it.
    fn say_wish(&mut self, session: SessionId, role: Role, now: Time) {
        let Some(pair) = self.pairs.of(session) else { return };
        let (Some(end), Some(&Wish { holder, said })) = (pair.end(role), pair.wish.as_deref()) else {
            return;
        };
        let is_under_way = said.is_some_and(|(_, position)| {
            self.stream_to(holder.node).is_some_and(|stream| stream.is_under_way(position))
        });
        if is_under_way || !self.has_room_for_wish(holder.node) {
            return;
        }
        let item = match role {
            Role::Phone => Item::Ask { session, workstation: holder.generation, phone: end.generation },
            Role::Workstation => self.opening(session, end, holder),
        };
        self.tell(holder.node, item, now);
        let said = self.stream_to(holder.node).map(|stream| (now, stream.position()));
        if let Some(wish) = self.pairs.of_mut(session).and_then(|pair| pair.wish.as_deref_mut()) {
            wish.said = said;
        }
    }

    /// What opens a link from the workstation `end` to the phone `holder`: the same once more where it was said before, as
    /// its answer may be on its way, however slow the bus is.
    fn opening(&mut self, session: SessionId, end: End, holder: Holder) -> Item<'static> {
        let node = holder.node;
        let opening = self.pairs.of(session).and_then(|pair| pair.opening);
        if let Some(handle) = opening
            && let Some(remote) = self.remotes.get(&handle)
        {
            let key = remote.key;
            if remote.node == node && (key.workstation, key.phone) == (end.generation, holder.generation) {
                return Item::Open { session, key, handle };
            }
            self.take_remote(handle);
        }
        let attempt = self.pairs.of_mut(session).map_or(1, |pair| {
            pair.attempts += 1;
            pair.attempts
        });
        let key = LinkKey { workstation: end.generation, phone: holder.generation, attempt };
        let handle = self.add_remote(node, end.conn, session, Role::Workstation, key, None);
        if let Some(pair) = self.pairs.of_mut(session) {
            pair.opening = Some(handle);
        }
        Item::Open { session, key, handle }
    }

    /// Unless the last round is still under way.
    pub(super) fn begin_round_of_wishes(&mut self, now: Time) {
        if !self.wishes.in_round && !self.wishes.open.is_empty() {
            self.wishes.in_round = true;
            self.deadlines.arm(Timer::Wishes, now);
        }
    }

    /// The next few of a round.
    pub(super) fn repeat_some_wishes(&mut self, now: Time) {
        for _ in 0..AT_ONCE {
            let Some((node, session)) = self.wishes.next() else {
                self.wishes.in_round = false;
                return;
            };
            self.repeat_wish(node, session, now);
        }
        self.deadlines.arm(Timer::Wishes, now + PAUSE);
    }

    fn repeat_wish(&mut self, node: NodeId, session: SessionId, now: Time) {
        let pair = self.pairs.of(session);
        let wish = pair.and_then(|pair| pair.wish.as_deref()).filter(|wish| wish.holder.node == node);
        let (Some(pair), Some(wish)) = (pair, wish) else {
            self.wishes.open.remove(&(node, session));
            return;
        };
        let Some((role, end)) = only_end(pair) else { return };
        if self.peer(end.conn).is_some_and(|peer| peer.target().is_some()) {
            self.wishes.open.remove(&(node, session));
        } else if wish.said.is_none_or(|(at, _)| now.since(at) >= WISH_EVERY) {
            self.say_wish(session, role, now);
        }
    }

    pub(super) fn forget_wishes_for(&mut self, node: NodeId) {
        for session in self.wishes.take_of(node) {
            if let Some(pair) = self.pairs.of_mut(session) {
                pair.wish.take_if(|wish| wish.holder.node == node);
            }
        }
    }

    /// What must hold between any two calls. Debug builds only.
    pub(super) fn check_wishes(&self) {
        for (session, pair) in self.pairs.iter() {
            let (Some(wish), Some((_, end))) = (pair.wish.as_deref(), only_end(pair)) else { continue };
            let is_lonely = self.peer(end.conn).is_some_and(|peer| peer.target().is_none());
            let is_open = self.wishes.open.contains(&(wish.holder.node, session));
            assert!(is_open || !is_lonely, "the wish of a connection without a peer is found by its node");
        }
    }
}

fn generation_of(key: &LinkKey, role: Role) -> u64 {
    match role {
        Role::Workstation => key.workstation,
        Role::Phone => key.phone,
    }
}

/// The end of a session of which one role is here.
fn only_end(pair: &Pair) -> Option<(Role, End)> {
    let mut ends = pair.ends();
    let (first, second) = (ends.next(), ends.next());
    first.filter(|_| second.is_none())
}

#[cfg(test)]
#[path = "wishes_tests.rs"]
mod tests;

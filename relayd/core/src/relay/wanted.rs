//! Links to other nodes that are wanted and do not stand.
//!
//! The other node is asked for such a link, and asked again each second until the link stands or that node is
//! gone: it may not have known its own connection yet. A request is never in the stream twice, and only where
//! the stream has room for it, so a bus that carries nothing costs a bounded number of bytes however long
//! that lasts. A round looks only at links that do not stand, a few in one turn.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId};

use super::{Relay, Timer};
use crate::node_link::item::{Item, LinkKey};
use crate::note::LinkStep;
use crate::pairs::{End, Place, Target, Wanted};
use crate::store::Holder;
use crate::time::Time;

/// How often a request is repeated.
const REPEAT_EVERY: Duration = Duration::from_secs(1);

/// Requests that one turn looks at.
const AT_ONCE: usize = 256;

/// Between two such turns of one round.
const PAUSE: Duration = Duration::from_millis(10);

/// The sessions whose wanted link does not stand, by the node that is asked for it.
#[derive(Debug, Default)]
pub(super) struct WantedLinks {
    /// The session of each end that wants a link and has none is here. Others may be, until a round comes by.
    unlinked: BTreeSet<(NodeId, SessionId)>,
    /// A round through them is under way.
    in_round: bool,
    /// The last one that this round has looked at.
    looked_to: Option<(NodeId, SessionId)>,
}

impl WantedLinks {
    /// The next one of this round. `None`: the round is over.
    fn next(&mut self) -> Option<(NodeId, SessionId)> {
        let from = self.looked_to.map_or(Bound::Unbounded, Bound::Excluded);
        self.looked_to = self.unlinked.range((from, Bound::Unbounded)).next().copied();
        self.looked_to
    }

    fn take_of(&mut self, node: NodeId) -> Vec<SessionId> {
        let (first, last) = (SessionId::from_bytes([0; 16]), SessionId::from_bytes([0xFF; 16]));
        let all: Vec<SessionId> =
            self.unlinked.range((node, first)..=(node, last)).map(|&(_, session)| session).collect();
        for &session in &all {
            self.unlinked.remove(&(node, session));
        }
        all
    }
}

impl Relay {
    /// The other role is held on another node: a link to it is wanted.
    pub(super) fn want_link(&mut self, session: SessionId, role: Role, holder: Holder, now: Time) {
        let Some(place) = self.pairs.place_of(session) else { return };
        let Some(pair) = self.pairs.at(place).filter(|pair| pair.end(role).is_some()) else { return };
        if pair.link.wanted().is_some_and(|known| known.holder.generation > holder.generation) {
            return;
        }
        if pair.link.wanted().is_some_and(|known| known.role != role) {
            self.want_nothing(place);
        }
        if let Some(pair) = self.pairs.at_mut(place) {
            pair.link.want(role, holder);
        }
        if !self.is_linked_to(place, role, holder) {
            self.note_unlinked(place);
            self.ask_for_link(place, now);
        }
    }

    fn is_linked_to(&self, place: Place, role: Role, holder: Holder) -> bool {
        match self.pairs.at(place).and_then(|pair| pair.target(role)) {
            Some(Target::There(handle)) => self.remotes.get(&handle).is_some_and(|remote| {
                remote.node == holder.node && remote.key.generation_of(role.other()) == holder.generation
            }),
            Some(Target::Here(_)) => true,
            None => false,
        }
    }

    /// True if the link that is wanted is the one to `node` that this key names.
    pub(super) fn is_wanted(&self, place: Place, node: NodeId, key: &LinkKey) -> bool {
        self.pairs.at(place).and_then(|pair| pair.link.wanted()).is_some_and(|wanted| {
            wanted.holder.node == node && wanted.holder.generation == key.generation_of(wanted.role.other())
        })
    }

    /// A link that is wanted does not stand: it is asked for in the next round.
    pub(super) fn note_unlinked(&mut self, place: Place) {
        let Some(pair) = self.pairs.at(place) else { return };
        if let Some(wanted) = pair.link.wanted() {
            self.wanted.unlinked.insert((wanted.holder.node, pair.session));
        }
    }

    /// No link to another node is wanted any more. One that is being opened is given up.
    pub(super) fn want_nothing(&mut self, place: Place) {
        let Some(pair) = self.pairs.at_mut(place) else { return };
        let opening = pair.link.take_opening();
        pair.link.want_nothing();
        if let Some(handle) = opening {
            self.take_remote(handle);
        }
    }

    /// The same, if the end of this role wanted it.
    pub(super) fn want_nothing_for(&mut self, place: Place, role: Role) {
        let wanted = self.pairs.at(place).and_then(|pair| pair.link.wanted());
        if wanted.is_some_and(|wanted| wanted.role == role) {
            self.want_nothing(place);
        }
    }

    /// Asks for, or opens, the link that is wanted, unless that is under way already or the stream has no
    /// room for it.
    fn ask_for_link(&mut self, place: Place, now: Time) {
        let Some(pair) = self.pairs.at(place) else { return };
        let Some(&Wanted { role, holder, asked, .. }) = pair.link.wanted() else { return };
        let Some(end) = pair.end(role) else { return };
        let session = pair.session;
        let is_under_way = asked.is_some_and(|(_, position)| {
            self.stream_to(holder.node).is_some_and(|stream| stream.is_under_way(position))
        });
        if is_under_way || !self.has_room_for_request(holder.node) {
            return;
        }
        let item = match role {
            Role::Phone => Item::Ask { session, workstation: holder.generation, phone: end.generation },
            Role::Workstation => self.open(place, session, end, holder),
        };
        self.tell(holder.node, item, now);
        let asked = self.stream_to(holder.node).map(|stream| (now, stream.position()));
        if let Some(pair) = self.pairs.at_mut(place) {
            pair.link.note_asked(asked);
        }
    }

    /// What opens a link from the workstation `end` to the phone `holder`: the same once more where it was
    /// said before, as its answer may be on its way, however slow the bus is.
    fn open(&mut self, place: Place, session: SessionId, end: End, holder: Holder) -> Item<'static> {
        let node = holder.node;
        let opening = self.pairs.at(place).and_then(|pair| pair.link.opening());
        if let Some(handle) = opening
            && let Some(remote) = self.remotes.get(&handle)
        {
            let key = remote.key;
            if remote.node == node && (key.workstation, key.phone) == (end.generation, holder.generation) {
                return Item::Open { session, key, handle };
            }
            self.take_remote(handle);
        }
        let attempt = self.pairs.at_mut(place).map_or(1, |pair| pair.link.next_attempt());
        let key = LinkKey { workstation: end.generation, phone: holder.generation, attempt };
        let handle = self.add_remote(node, place, key, None);
        self.note_link(LinkStep::Opening, node, place, Role::Workstation);
        if let Some(pair) = self.pairs.at_mut(place) {
            pair.link.set_opening(handle);
        }
        Item::Open { session, key, handle }
    }

    /// Unless the last round is still under way.
    pub(super) fn begin_round_of_requests(&mut self, now: Time) {
        if !self.wanted.in_round && !self.wanted.unlinked.is_empty() {
            self.wanted.in_round = true;
            self.deadlines.arm(Timer::Wanted, now);
        }
    }

    /// The next few of a round.
    pub(super) fn repeat_some_requests(&mut self, now: Time) {
        for _ in 0..AT_ONCE {
            let Some((node, session)) = self.wanted.next() else {
                self.wanted.in_round = false;
                return;
            };
            self.repeat_request(node, session, now);
        }
        self.deadlines.arm(Timer::Wanted, now + PAUSE);
    }

    fn repeat_request(&mut self, node: NodeId, session: SessionId, now: Time) {
        let found = self.pairs.place_of(session).and_then(|place| Some((place, self.pairs.at(place)?)));
        let wanted = found.and_then(|(_, pair)| pair.link.wanted()).filter(|it| it.holder.node == node);
        let (Some((place, pair)), Some(wanted)) = (found, wanted) else {
            self.wanted.unlinked.remove(&(node, session));
            return;
        };
        if pair.end(wanted.role.other()).is_some() {
            // Both ends are here: the store will say which of them is outdated.
            return;
        }
        if pair.target(wanted.role).is_some() {
            self.wanted.unlinked.remove(&(node, session));
        } else if wanted.asked.is_none_or(|(at, _)| now.since(at) >= REPEAT_EVERY) {
            self.ask_for_link(place, now);
        }
    }

    pub(super) fn want_nothing_of(&mut self, node: NodeId) {
        for session in self.wanted.take_of(node) {
            let Some(place) = self.pairs.place_of(session) else { continue };
            let wanted = self.pairs.at(place).and_then(|pair| pair.link.wanted());
            if wanted.is_some_and(|wanted| wanted.holder.node == node) {
                self.want_nothing(place);
            }
        }
    }

    /// What must hold between any two calls. Debug builds only.
    pub(super) fn check_wanted(&self) {
        for (_, pair) in self.pairs.iter() {
            let Some(wanted) = pair.link.wanted() else { continue };
            assert!(pair.end(wanted.role).is_some(), "the end that wants a link is here");
            let is_alone = pair.end(wanted.role.other()).is_none();
            let is_found = self.wanted.unlinked.contains(&(wanted.holder.node, pair.session));
            assert!(
                is_found || !is_alone || pair.target(wanted.role).is_some(),
                "a wanted link that does not stand is found by its node"
            );
        }
    }
}

#[cfg(test)]
#[path = "wanted_tests.rs"]
mod tests;

//! The link of a session: how it comes to stand, how it ends, and what each end is told.
//!
//! Two ends on this node are joined when the store names both. A link to another node is opened, not assumed:
//! the workstation's node opens it, and the phone's node accepts if it has that connection. Only then is
//! either client told. [`Relay::end_link`] ends every link. The end that stays is told before anything of a
//! later link, because notices and frames share one queue.

use protocol::ids::{NodeId, Role, SessionId};
use protocol::message::Notice;

use super::Relay;
use super::remote::Remote;
use crate::event::Action;
use crate::node_link::item::{Item, LinkKey};
use crate::note::{LinkStep, Note};
#[cfg(test)]
use crate::pairs::Target;
use crate::pairs::{Joined, Pair, Place};
use crate::store::{Conn, Holder, Request};
use crate::time::Time;

/// Why a link ends, which says who must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The end of this role leaves: the other end is told.
    Leaves(Role),
    /// Both ends stay: both are told.
    BothStay,
    /// The session ends for both, who are told that instead.
    BothKilled,
    /// The other node ended it, or its stream did: the end here is told.
    EndedThere,
}

impl Ending {
    fn is_told_to(self, role: Role) -> bool {
        match self {
            Ending::Leaves(leaving) => role != leaving,
            Ending::BothStay | Ending::EndedThere => true,
            Ending::BothKilled => false,
        }
    }
}

impl Relay {
    /// Ends the link of a session, if one stands. What is wanted stays wanted, unless its end leaves.
    pub(super) fn end_link(&mut self, place: Place, ending: Ending, now: Time) {
        if let Ending::Leaves(role) = ending {
            self.want_nothing_for(place, role);
        }
        let Some(pair) = self.pairs.at(place) else { return };
        let conns = Role::ALL.map(|role| pair.target(role).and_then(|_| pair.end(role)).map(|end| end.conn));
        match (pair.link.joined(), ending) {
            (Joined::Nothing, _) => return,
            // The link is the other end's.
            (Joined::There { role, .. }, Ending::Leaves(leaving)) if role != leaving => return,
            _ => {}
        }
        if let Joined::There { role, handle } = self.pairs.join(place, Joined::Nothing) {
            self.drop_remote(place, handle, role, ending, now);
        }
        for (role, conn) in Role::ALL.into_iter().zip(conns) {
            let Some(conn) = conn else { continue };
            if ending.is_told_to(role) {
                self.send(conn, Notice::PeerLeft { role: role.other() });
            }
            self.push(Action::Resume { conn });
            self.rearm(conn);
        }
        self.note_unlinked(place);
    }

    fn drop_remote(&mut self, place: Place, handle: u32, role: Role, ending: Ending, now: Time) {
        let Some(remote) = self.take_remote(handle) else { return };
        let is_ended_there = ending == Ending::EndedThere;
        let step = if is_ended_there { LinkStep::EndedThere } else { LinkStep::EndedHere };
        self.note_link(step, remote.node, place, role);
        if let Some(theirs) = remote.theirs.filter(|_| !is_ended_there) {
            self.tell(remote.node, Item::Left { handle: theirs }, now);
        }
    }

    /// Joins both ends of a session, if both are here and not joined yet. A link to another node is older
    /// than what the store now says, and ends.
    pub(super) fn link_here(&mut self, place: Place, now: Time) {
        let Some(pair) = self.pairs.at(place) else { return };
        let [Some(workstation), Some(phone)] = Role::ALL.map(|role| pair.end(role)) else { return };
        if pair.link.joined() == Joined::Here {
            return;
        }
        self.end_link(place, Ending::BothStay, now);
        self.want_nothing(place);
        self.pairs.join(place, Joined::Here);
        for (role, conn) in [(Role::Workstation, workstation.conn), (Role::Phone, phone.conn)] {
            self.tell_joined(conn, role, None);
        }
    }

    /// The link to another node stands. The other end gets its credit when what waits from earlier links
    /// leaves room, so that links that come and go never make a queue longer.
    fn link_there(&mut self, place: Place, role: Role, handle: u32, now: Time) {
        let Some(end) = self.pairs.at(place).and_then(|pair| pair.end(role)) else { return };
        let Some(node) = self.remotes.get(&handle).map(|remote| remote.node) else { return };
        self.note_link(LinkStep::Accepted, node, place, role);
        self.pairs.join(place, Joined::There { role, handle });
        let (own, agreed) = (self.limits.message_bytes_max, self.message_bytes_max_to(node));
        self.tell_joined(end.conn, role, (agreed < own).then_some(agreed as u64));
        if self.peer(end.conn).is_some_and(|peer| !peer.congested) {
            self.note_taken(end.conn, now);
        }
    }

    fn tell_joined(&mut self, conn: Conn, role: Role, message_bytes_max: Option<u64>) {
        let missed = self.peer_mut(conn).map_or(0, |peer| std::mem::take(&mut peer.missed)).into();
        self.send(conn, Notice::PeerJoined { role: role.other(), missed, message_bytes_max });
        self.push(Action::Resume { conn });
        self.rearm(conn);
    }

    /// The phone's node asks for a link to a workstation of this one.
    pub(super) fn on_ask(
        &mut self,
        from: NodeId,
        session: SessionId,
        workstation: u64,
        phone: u64,
        now: Time,
    ) {
        let role = Role::Workstation;
        match self.pairs.end(session, role) {
            Some(end) if end.generation == workstation => {
                let holder = Holder { node: from, conn: 0, generation: phone };
                self.want_link(session, role, holder, now);
            }
            // Its claim is not answered here yet; the other will ask again.
            _ if self.is_claiming(session, role) => {}
            _ => self.tell(from, Item::Gone { session, role, generation: workstation }, now),
        }
    }

    /// The workstation's node opens a link to a phone of this one.
    pub(super) fn on_open(&mut self, from: NodeId, session: SessionId, key: LinkKey, handle: u32, now: Time) {
        let role = Role::Phone;
        let is_named = |pair: &Pair| pair.end(role).is_some_and(|end| end.generation == key.phone);
        let place = self.pairs.place_of(session);
        let Some(place) = place.filter(|&place| self.pairs.at(place).is_some_and(is_named)) else {
            if !self.is_claiming(session, role) {
                self.tell(from, Item::Gone { session, role, generation: key.phone }, now);
            }
            return;
        };
        if self.remote_of(place).is_some_and(|it| (it.node, it.key, it.theirs) == (from, key, Some(handle))) {
            // Said twice: it was accepted.
            return;
        }
        if self.key_of(place).is_some_and(|current| current >= key) {
            return self.tell(from, Item::Left { handle }, now);
        }
        self.end_link(place, Ending::BothStay, now);
        let own = self.add_remote(from, place, key, Some(handle));
        self.tell(from, Item::Accept { handle, own }, now);
        self.link_there(place, role, own, now);
    }

    /// The phone's node has the connection to which this one opened a link.
    pub(super) fn on_accept(&mut self, from: NodeId, handle: u32, own: u32, now: Time) {
        let opened = self.remotes.get(&handle).filter(|remote| remote.node == from);
        let Some((place, key)) = opened.filter(|r| r.theirs.is_none()).map(|r| (r.place, r.key)) else {
            return self.tell(from, Item::Left { handle: own }, now);
        };
        if let Some(pair) = self.pairs.at_mut(place) {
            pair.link.take_opening();
        }
        if self.key_of(place).is_some_and(|current| current.workstation > key.workstation) {
            // A later workstation is linked, on another node. The one here is about to be told of it.
            self.take_remote(handle);
            return self.tell(from, Item::Left { handle: own }, now);
        }
        self.end_link(place, Ending::BothStay, now);
        if let Some(remote) = self.remotes.get_mut(&handle) {
            remote.theirs = Some(own);
        }
        self.link_there(place, Role::Workstation, handle, now);
    }

    /// The other node does not have the connection that a link to it is wanted with.
    pub(super) fn on_gone_there(&mut self, from: NodeId, session: SessionId, role: Role, generation: u64) {
        let Some(place) = self.pairs.place_of(session) else { return };
        let wanted = self.pairs.at(place).and_then(|pair| pair.link.wanted());
        if wanted.is_some_and(|it| it.role == role.other() && it.holder.generation == generation) {
            self.want_nothing(place);
            self.note_link(LinkStep::Gone, from, place, role.other());
            self.push(Action::Submit(Request::Release { session, role, generation }));
        }
    }

    /// The other node ended a link. It has no connection for another one.
    pub(super) fn on_left_there(&mut self, from: NodeId, handle: u32, now: Time) {
        let Some(remote) = self.remotes.get(&handle).filter(|remote| remote.node == from) else { return };
        let (place, key, is_open) = (remote.place, remote.key, remote.theirs.is_some());
        if is_open && self.is_wanted(place, from, &key) {
            self.want_nothing(place);
        }
        self.end_remote(handle, now);
    }

    /// A link to another node, or the attempt to open it, has ended there.
    pub(super) fn end_remote(&mut self, handle: u32, now: Time) {
        let Some(place) = self.remotes.get(&handle).map(|remote| remote.place) else { return };
        let Some(link) = self.pairs.at_mut(place).map(|pair| &mut pair.link) else { return };
        if link.opening() == Some(handle) {
            link.take_opening();
            self.drop_remote(place, handle, Role::Workstation, Ending::EndedThere, now);
        } else {
            self.end_link(place, Ending::EndedThere, now);
        }
    }

    /// Ends everything that ran over the stream to `node`.
    pub(super) fn end_links_over(&mut self, node: NodeId, now: Time) {
        let handles: Vec<u32> = self.handles_over(node).collect();
        handles.into_iter().for_each(|handle| self.end_remote(handle, now));
    }

    /// What came over the link of `conn` can't be handed on, so that link has a gap: it ends, which both ends
    /// are told, and another one is opened.
    pub fn give_up_link(&mut self, conn: Conn, now: Time) {
        let Some((place, _)) = self.peer(conn).and_then(crate::peer::Peer::holds) else { return };
        self.end_link(place, Ending::BothStay, now);
        if let Some(session) = self.pairs.at(place).map(|pair| pair.session) {
            self.check_session(session, now);
        }
        self.check_invariants();
    }

    /// The link to another node that stands.
    fn remote_of(&self, place: Place) -> Option<&Remote> {
        match self.pairs.at(place)?.link.joined() {
            Joined::There { handle, .. } => self.remotes.get(&handle),
            _ => None,
        }
    }

    pub(super) fn note_link(&mut self, step: LinkStep, node: NodeId, place: Place, role: Role) {
        if let Some(session) = self.pairs.at(place).map(|pair| pair.session) {
            self.push(Action::Note(Note::Link { step, node, session, role }));
        }
    }

    /// What both ends of the link of a session know of it: the generations of the two claims and the attempt.
    /// A link between two ends here is earlier than any that is opened under the same claims.
    pub(super) fn key_of(&self, place: Place) -> Option<LinkKey> {
        let pair = self.pairs.at(place)?;
        match pair.link.joined() {
            Joined::Nothing => None,
            Joined::There { handle, .. } => self.remotes.get(&handle).map(|remote| remote.key),
            Joined::Here => Some(LinkKey {
                workstation: pair.end(Role::Workstation)?.generation,
                phone: pair.end(Role::Phone)?.generation,
                attempt: 0,
            }),
        }
    }

    /// The name of the link of `conn`: the same at both ends.
    #[cfg(test)]
    pub(crate) fn link_name(&self, conn: Conn) -> Option<(u64, u64, u32)> {
        let (place, role) = self.peer(conn)?.holds()?;
        let target = self.pairs.at(place)?.target(role)?;
        let key = self.key_of(place)?;
        let attempt = if matches!(target, Target::Here(_)) { u32::MAX } else { key.attempt };
        Some((key.workstation, key.phone, attempt))
    }
}

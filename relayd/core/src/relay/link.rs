//! The link of a session: how it comes to stand, how it ends, and what each end is told.
//!
//! Two ends on this node are joined when the store names both. A link to another node is opened, not assumed:
//! the workstation's node opens it, and the phone's node accepts if it has that connection. Only then is
//! either client told. [`Relay::end_link`] ends every link. The end that stays is told before anything of a
//! later link, because notices and frames share one queue.

use protocol::ids::{NodeId, Role, SessionId};
use protocol::message::Notice;

use super::Relay;
use super::connection::Connection;
use super::nodes::RemoteLink;
use super::sessions::{End, Joined, Link, Pair, PairIndex, Target, Wanted};
use crate::event::Action;
use crate::node_link::item::{Item, LinkKey};
use crate::note::{LinkStep, Note};
use crate::store::{Conn, Holder, Request};
use crate::time::Time;

/// Why a link ends. It says which ends must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The end of this role leaves: the other end is told.
    Leaves(Role),
    /// Both ends stay: both are told.
    BothStay,
    /// The session ends for both. They are told that instead.
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
    pub(super) fn end_link(&mut self, index: PairIndex, ending: Ending, now: Time) {
        if let Ending::Leaves(role) = ending {
            self.want_nothing_for(index, role);
        }
        let Some(pair) = self.sessions.at(index) else { return };
        let conns = Role::ALL.map(|role| pair.target(role).and_then(|_| pair.end(role)).map(|end| end.conn));
        match (pair.link.joined(), ending) {
            (Joined::Nothing, _) => return,
            // The link is the other end's.
            (Joined::There { role, .. }, Ending::Leaves(leaving)) if role != leaving => return,
            _ => {}
        }
        if let Joined::There { role, handle } = self.sessions.part(index) {
            self.drop_remote(index, handle, role, ending, now);
        }
        for (role, conn) in Role::ALL.into_iter().zip(conns).rev() {
            let Some(conn) = conn else { continue };
            if ending.is_told_to(role) {
                self.send(conn, Notice::PeerLeft { role: role.other() });
            }
            self.push(Action::Resume { conn });
            self.connections.rearm(conn);
        }
    }

    /// Ends the link of `conn`, if it has one, though it stays.
    pub(super) fn end_link_of(&mut self, conn: Conn, now: Time) {
        if let Some((index, role)) = self.connections.get(conn).and_then(Connection::holds)
            && self.sessions.at(index).is_some_and(|pair| pair.target(role).is_some())
        {
            self.end_link(index, Ending::BothStay, now);
        }
    }

    fn drop_remote(&mut self, index: PairIndex, handle: u32, role: Role, ending: Ending, now: Time) {
        let Some(remote) = self.nodes.remove_link(handle) else { return };
        let is_ended_there = ending == Ending::EndedThere;
        let step = if is_ended_there { LinkStep::EndedThere } else { LinkStep::EndedHere };
        self.note_link(step, remote.node, index, role);
        if let Some(theirs) = remote.theirs.filter(|_| !is_ended_there) {
            self.tell(remote.node, Item::Left { handle: theirs }, now);
        }
    }

    /// Joins both ends of a session, if both are here and not joined yet. A link to another node is older
    /// than what the store now says, and ends.
    pub(super) fn link_here(&mut self, index: PairIndex, now: Time) {
        let Some(pair) = self.sessions.at(index) else { return };
        let [Some(workstation), Some(phone)] = Role::ALL.map(|role| pair.end(role)) else { return };
        if pair.link.joined() == Joined::Here {
            return;
        }
        self.end_link(index, Ending::BothStay, now);
        self.want_nothing(index);
        self.sessions.join(index, Joined::Here);
        for (role, conn) in [(Role::Workstation, workstation.conn), (Role::Phone, phone.conn)] {
            self.tell_joined(conn, role, None);
        }
    }

    /// The link to another node stands. The other end gets its credit when what waits from earlier links
    /// leaves room, so that links that come and go never make a queue longer.
    fn link_there(&mut self, index: PairIndex, role: Role, handle: u32, now: Time) {
        let Some(end) = self.sessions.at(index).and_then(|pair| pair.end(role)) else { return };
        let Some(node) = self.nodes.link(handle).map(|remote| remote.node) else { return };
        self.note_link(LinkStep::Accepted, node, index, role);
        self.sessions.join(index, Joined::There { role, handle });
        let (own, agreed) = (self.limits.message_bytes_max, self.nodes.message_bytes_max_to(node));
        self.tell_joined(end.conn, role, (agreed < own).then_some(agreed as u64));
        if self.connections.get(end.conn).is_some_and(|connection| !connection.is_congested) {
            self.note_taken(end.conn, now);
        }
    }

    fn tell_joined(&mut self, conn: Conn, role: Role, message_bytes_max: Option<u64>) {
        let missed = self.connections.get_mut(conn).map_or(0, |it| std::mem::take(&mut it.missed)).into();
        self.send(conn, Notice::PeerJoined { role: role.other(), missed, message_bytes_max });
        self.push(Action::Resume { conn });
        self.connections.rearm(conn);
    }

    /// The other role is held on another node: a link to it is wanted.
    pub(super) fn want_link(&mut self, session: SessionId, role: Role, holder: Holder, now: Time) {
        let Some(index) = self.sessions.index_of(session) else { return };
        let Some(pair) = self.sessions.at(index).filter(|pair| pair.end(role).is_some()) else { return };
        if pair.link.wanted().is_some_and(|known| known.holder.generation > holder.generation) {
            return;
        }
        if pair.link.wanted().is_some_and(|known| known.role != role) {
            self.want_nothing(index);
        }
        if let Some(link) = self.sessions.link_mut(index) {
            link.want(role, holder);
        }
        if !self.is_linked_to(index, role, holder) {
            self.sessions.note_unlinked(index);
            self.ask_for_link(index, now);
        }
    }

    fn is_linked_to(&self, index: PairIndex, role: Role, holder: Holder) -> bool {
        match self.sessions.at(index).and_then(|pair| pair.target(role)) {
            Some(Target::There(handle)) => self.nodes.link(handle).is_some_and(|remote| {
                remote.node == holder.node && remote.key.generation_of(role.other()) == holder.generation
            }),
            Some(Target::Here(_)) => true,
            None => false,
        }
    }

    /// No link to another node is wanted any more. One that is being opened is given up.
    pub(super) fn want_nothing(&mut self, index: PairIndex) {
        if let Some(handle) = self.sessions.link_mut(index).and_then(Link::want_nothing) {
            self.nodes.remove_link(handle);
        }
    }

    /// The same, if the end of this role wanted it.
    fn want_nothing_for(&mut self, index: PairIndex, role: Role) {
        let wanted = self.sessions.wanted(index);
        if wanted.is_some_and(|wanted| wanted.role == role) {
            self.want_nothing(index);
        }
    }

    /// Asks for, or opens, the link that is wanted, unless that is under way already or the stream has no
    /// room for it.
    pub(super) fn ask_for_link(&mut self, index: PairIndex, now: Time) {
        let Some(pair) = self.sessions.at(index) else { return };
        let Some(&Wanted { role, holder, asked, .. }) = pair.link.wanted() else { return };
        let Some(end) = pair.end(role) else { return };
        let session = pair.session;
        let is_under_way = asked.is_some_and(|(_, position)| self.nodes.is_under_way(holder.node, position));
        if is_under_way || !self.nodes.has_room_for_request(holder.node) {
            return;
        }
        let item = match role {
            Role::Phone => Item::Ask { session, workstation: holder.generation, phone: end.generation },
            Role::Workstation => self.open(index, session, end, holder),
        };
        self.tell(holder.node, item, now);
        let asked = self.nodes.position(holder.node).map(|position| (now, position));
        if let Some(link) = self.sessions.link_mut(index) {
            link.note_asked(asked);
        }
    }

    /// What opens a link from the workstation `end` to the phone `holder`: the same once more where it was
    /// said before, as its answer may be on its way, however slow the bus is.
    fn open(&mut self, index: PairIndex, session: SessionId, end: End, holder: Holder) -> Item<'static> {
        let node = holder.node;
        let opening = self.sessions.at(index).and_then(|pair| pair.link.opening());
        if let Some(handle) = opening
            && let Some(remote) = self.nodes.link(handle)
        {
            let key = remote.key;
            if remote.node == node && (key.workstation, key.phone) == (end.generation, holder.generation) {
                return Item::Open { session, key, handle };
            }
            self.nodes.remove_link(handle);
        }
        let attempt = self.sessions.link_mut(index).map_or(1, Link::next_attempt);
        let key = LinkKey { workstation: end.generation, phone: holder.generation, attempt };
        let handle = self.nodes.add_link(node, index, key, None);
        self.note_link(LinkStep::Opening, node, index, Role::Workstation);
        if let Some(link) = self.sessions.link_mut(index) {
            link.set_opening(handle);
        }
        Item::Open { session, key, handle }
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
        match self.sessions.end(session, role) {
            Some(end) if end.generation == workstation => {
                let holder = Holder { node: from, conn: 0, generation: phone };
                self.want_link(session, role, holder, now);
            }
            // Its claim is not answered here yet; the other will ask again.
            _ if self.claims.is_claimed(session, role) => {}
            _ => self.tell(from, Item::Gone { session, role, generation: workstation }, now),
        }
    }

    /// The workstation's node opens a link to a phone of this one.
    pub(super) fn on_open(&mut self, from: NodeId, session: SessionId, key: LinkKey, handle: u32, now: Time) {
        let role = Role::Phone;
        let is_named = |pair: &Pair| pair.end(role).is_some_and(|end| end.generation == key.phone);
        let index = self.sessions.index_of(session);
        let Some(index) = index.filter(|&index| self.sessions.at(index).is_some_and(is_named)) else {
            if !self.claims.is_claimed(session, role) {
                self.tell(from, Item::Gone { session, role, generation: key.phone }, now);
            }
            return;
        };
        if self.remote_of(index).is_some_and(|it| (it.node, it.key, it.theirs) == (from, key, Some(handle))) {
            // Said twice: it was accepted.
            return;
        }
        if self.key_of(index).is_some_and(|current| current >= key) {
            return self.tell(from, Item::Left { handle }, now);
        }
        self.end_link(index, Ending::BothStay, now);
        let own = self.nodes.add_link(from, index, key, Some(handle));
        self.tell(from, Item::Accept { handle, own }, now);
        self.link_there(index, role, own, now);
    }

    /// The phone's node has the connection to which this one opened a link.
    pub(super) fn on_accept(&mut self, from: NodeId, handle: u32, own: u32, now: Time) {
        let opened = self.nodes.link_from(from, handle);
        let Some((index, key)) = opened.filter(|r| r.theirs.is_none()).map(|r| (r.index, r.key)) else {
            return self.tell(from, Item::Left { handle: own }, now);
        };
        self.sessions.link_mut(index).and_then(Link::take_opening);
        if self.key_of(index).is_some_and(|current| current.workstation > key.workstation) {
            // A later workstation is linked, on another node. The one here is about to be told of it.
            self.nodes.remove_link(handle);
            return self.tell(from, Item::Left { handle: own }, now);
        }
        self.end_link(index, Ending::BothStay, now);
        self.nodes.note_accepted(handle, own);
        self.link_there(index, Role::Workstation, handle, now);
    }

    /// The other node does not have the connection that a link to it is wanted with.
    pub(super) fn on_gone_there(&mut self, from: NodeId, session: SessionId, role: Role, generation: u64) {
        let Some(index) = self.sessions.index_of(session) else { return };
        let wanted = self.sessions.wanted(index);
        if wanted.is_some_and(|it| it.role == role.other() && it.holder.generation == generation) {
            self.want_nothing(index);
            self.note_link(LinkStep::Gone, from, index, role.other());
            self.push(Action::Submit(Request::Release { session, role, generation }));
        }
    }

    /// The other node ended a link. Neither its holder nor an earlier one is wanted any more; a later one is.
    pub(super) fn on_left_there(&mut self, from: NodeId, handle: u32, now: Time) {
        let Some(remote) = self.nodes.link_from(from, handle) else { return };
        let (index, key, is_open) = (remote.index, remote.key, remote.theirs.is_some());
        let is_over = self
            .sessions
            .wanted(index)
            .is_some_and(|wanted| wanted.holder.generation <= key.generation_of(wanted.role.other()));
        if is_open && is_over {
            self.want_nothing(index);
        }
        self.end_remote(handle, now);
    }

    /// A link to another node, or the attempt to open it, has ended there.
    fn end_remote(&mut self, handle: u32, now: Time) {
        let Some(index) = self.nodes.link(handle).map(|remote| remote.index) else { return };
        let opening = self.sessions.at(index).and_then(|pair| pair.link.opening());
        if opening == Some(handle) {
            self.sessions.link_mut(index).and_then(Link::take_opening);
            self.drop_remote(index, handle, Role::Workstation, Ending::EndedThere, now);
        } else {
            self.end_link(index, Ending::EndedThere, now);
        }
    }

    /// Ends everything that ran over the stream to `node`.
    pub(super) fn end_links_over(&mut self, node: NodeId, now: Time) {
        let handles: Vec<u32> = self.nodes.links_over(node).collect();
        handles.into_iter().for_each(|handle| self.end_remote(handle, now));
    }

    /// What came over the link of `conn` can't be handed on, so that link has a gap: it ends, which both ends
    /// are told, and another one is opened.
    pub fn give_up_link(&mut self, conn: Conn, now: Time) {
        self.end_link_of(conn, now);
        if let Some((index, _)) = self.connections.get(conn).and_then(Connection::holds) {
            self.check_session(index, now);
        }
        self.check_invariants();
    }

    /// The link to another node that stands.
    fn remote_of(&self, index: PairIndex) -> Option<&RemoteLink> {
        match self.sessions.at(index)?.link.joined() {
            Joined::There { handle, .. } => self.nodes.link(handle),
            _ => None,
        }
    }

    fn note_link(&mut self, step: LinkStep, node: NodeId, index: PairIndex, role: Role) {
        if let Some(session) = self.sessions.at(index).map(|pair| pair.session) {
            self.push(Action::Note(Note::Link { step, node, session, role }));
        }
    }

    /// What both ends of the link of a session know of it: the generations of the two claims and the attempt.
    /// A link between two ends here is earlier than any that is opened under the same claims.
    fn key_of(&self, index: PairIndex) -> Option<LinkKey> {
        let pair = self.sessions.at(index)?;
        match pair.link.joined() {
            Joined::Nothing => None,
            Joined::There { handle, .. } => self.nodes.link(handle).map(|remote| remote.key),
            Joined::Here => Some(LinkKey {
                workstation: pair.end(Role::Workstation)?.generation,
                phone: pair.end(Role::Phone)?.generation,
                attempt: 0,
            }),
        }
    }

    /// What must hold between any two calls. Debug builds only.
    pub(super) fn check_links(&self) {
        let mut named = 0;
        for (index, pair) in self.sessions.iter() {
            let open = match pair.link.joined() {
                Joined::There { handle, .. } => Some(handle),
                _ => None,
            };
            for (handle, is_open) in [(open, true), (pair.link.opening(), false)] {
                let Some(handle) = handle else { continue };
                let remote = self.nodes.link(handle).map(|link| (link.index, link.theirs.is_some()));
                assert_eq!(remote, Some((index, is_open)), "a link to another node is its session's");
                named += 1;
            }
        }
        let links = self.links_remote() + self.links_opening();
        assert_eq!(named, links, "every link to another node is known to its session");
    }

    /// The name of the link of `conn`: the same at both ends.
    #[cfg(test)]
    pub(crate) fn link_name(&self, conn: Conn) -> Option<(u64, u64, u32)> {
        let (index, role) = self.connections.get(conn)?.holds()?;
        let target = self.sessions.at(index)?.target(role)?;
        let key = self.key_of(index)?;
        let attempt = if matches!(target, Target::Here(_)) { u32::MAX } else { key.attempt };
        Some((key.workstation, key.phone, attempt))
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "wanted_tests.rs"]
mod wanted_tests;

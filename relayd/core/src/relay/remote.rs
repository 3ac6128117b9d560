//! Links to connections of other nodes: opened, not assumed.
//!
//! The workstation's node opens, the phone's accepts if it really has that connection; only then is either told. Frames, the
//! end of a link and the credit for its frames travel in one stream, so their order is the order of what happened. A link
//! whose stream starts over has ended; if both ends live it is opened again.

use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId};
use protocol::message::Notice;

use super::Relay;
use crate::event::{Action, Delivery};
use crate::limits::{CREDIT_BYTES, FRAME_COST};
use crate::node_link::item::{Item, LinkKey, PIECE_BYTES_MAX};
use crate::note::{LinkStep, Note};
use crate::pairs::Wish;
use crate::peer::{Peer, State, Target};
use crate::store::{Conn, Holder, Request};
use crate::time::Time;
use crate::wire::inbound::Kind;

const CREDIT: u32 = CREDIT_BYTES as u32;

/// A message larger than this is followed by nothing until all of it was taken: there is one large message in a queue.
pub const LARGE: usize = PIECE_BYTES_MAX;

/// How often a wish is repeated.
const WISH_EVERY: Duration = Duration::from_secs(1);

/// This node's end of a link to another.
#[derive(Debug)]
pub(crate) struct Remote {
    pub node: NodeId,
    pub conn: Conn,
    pub session: SessionId,
    /// The role that is held here.
    pub role: Role,
    key: LinkKey,
    /// The other node's name for the link, once it stands.
    pub theirs: Option<u32>,
    /// What may still be sent, as [`cost_of`] counts. Below zero by less than one piece costs.
    credit: i64,
    /// A large message was sent: nothing more until all credit is back.
    awaits_all: bool,
    /// What came and was not credited.
    owed: u32,
    /// The other end awaits all.
    owes_all: bool,
}

impl Relay {
    /// True if `conn` is linked by this handle.
    pub fn is_linked_by(&self, conn: Conn, handle: u32) -> bool {
        self.peer(conn).and_then(Peer::target) == Some(Target::There(handle))
    }

    /// Puts a frame, or the next piece of a large one, into the stream. Pieces are at most [`PIECE_BYTES_MAX`]; the caller
    /// has seen that `conn` is not paused.
    pub fn put_frame(
        &mut self,
        handle: u32,
        kind: Kind,
        is_last: bool,
        message_len: usize,
        bytes: &[u8],
        now: Time,
    ) {
        let Some(remote) = self.remotes.get_mut(&handle) else { return };
        let (Some(theirs), node) = (remote.theirs, remote.node) else { return };
        remote.credit -= i64::from(cost_of(bytes));
        remote.awaits_all |= is_last && message_len > LARGE;
        self.tell(node, Item::Frame { handle: theirs, kind, is_last, bytes }, now);
    }

    /// The socket of `conn` has taken what came from another node, down to the low mark.
    pub fn note_taken(&mut self, conn: Conn, now: Time) {
        let Some(Target::There(handle)) = self.peer(conn).and_then(Peer::target) else {
            return;
        };
        let Some(remote) = self.remotes.get_mut(&handle) else { return };
        let is_worth = remote.owed >= CREDIT / 4 || (remote.owes_all && remote.owed > 0);
        if let (Some(theirs), true) = (remote.theirs, is_worth) {
            let (bytes, node) = (std::mem::take(&mut remote.owed), remote.node);
            remote.owes_all = false;
            self.tell(node, Item::Credit { handle: theirs, bytes }, now);
        }
    }

    /// One item of another node. A frame is handed on; all else leaves actions to poll.
    pub fn handle_item<'a>(&mut self, from: NodeId, item: Item<'a>, now: Time) -> Option<Delivery<'a>> {
        match item {
            Item::Frame { handle, kind, is_last, bytes } => {
                return self.on_frame(from, handle, kind, is_last, bytes, now);
            }
            Item::Credit { handle, bytes } => self.on_credit(from, handle, bytes),
            Item::Ask { session, workstation, phone } => self.on_ask(from, session, workstation, phone, now),
            Item::Open { session, key, handle } => self.on_open(from, session, key, handle, now),
            Item::Accept { handle, own } => self.on_accept(from, handle, own, now),
            Item::Gone { session, role, generation } => self.on_gone_there(from, session, role, generation),
            Item::Left { handle } => self.on_left_there(from, handle),
            Item::Evict { session, role, generation, same } => {
                self.on_evicted(session, role, generation, same, now);
            }
            Item::Kill { session, reason, generations } => {
                self.on_killed_there(session, reason, generations, now);
            }
        }
        self.check_invariants();
        None
    }

    /// The other role is held on another node: a link to it is wanted.
    pub(super) fn wish_for(&mut self, session: SessionId, role: Role, holder: Holder, now: Time) {
        let Some(pair) = self.pairs.of_mut(session) else { return };
        let Some(end) = pair.end(role) else { return };
        let is_said = |wish: &Wish| wish.holder == holder && now.since(wish.said_at) < WISH_EVERY;
        let is_outdated = |wish: &Wish| wish.holder.generation > holder.generation || is_said(wish);
        if pair.wish.as_deref().is_some_and(is_outdated) {
            return;
        }
        pair.wish = Some(Box::new(Wish { holder, said_at: now }));
        let linked_to = self.peer(end.conn).and_then(Peer::target);
        let stands = match linked_to {
            Some(Target::There(handle)) => self.remotes.get(&handle).is_some_and(|remote| {
                remote.node == holder.node && generation_of(&remote.key, role.other()) == holder.generation
            }),
            Some(Target::Here { .. }) => true,
            None => false,
        };
        if !stands {
            self.say_wish(session, role, now);
        }
    }

    /// Asks for, or opens, the link that is wanted.
    fn say_wish(&mut self, session: SessionId, role: Role, now: Time) {
        let Some(pair) = self.pairs.of_mut(session) else { return };
        let (Some(end), Some(wish)) = (pair.end(role), &mut pair.wish) else { return };
        wish.said_at = now;
        let (node, other) = (wish.holder.node, wish.holder.generation);
        if role == Role::Phone {
            let item = Item::Ask { session, workstation: other, phone: end.generation };
            return self.tell(node, item, now);
        }
        if let Some(handle) = pair.opening
            && let Some(remote) = self.remotes.get(&handle)
        {
            let key = remote.key;
            if remote.node == node && (key.workstation, key.phone) == (end.generation, other) {
                // The same once more: its answer may be on its way, however slow the bus is.
                return self.tell(node, Item::Open { session, key, handle }, now);
            }
            self.remotes.remove(&handle);
        }
        pair.attempts += 1;
        let key = LinkKey { workstation: end.generation, phone: other, attempt: pair.attempts };
        let handle = self.add_remote(node, end.conn, session, role, key, None);
        if let Some(pair) = self.pairs.of_mut(session) {
            pair.opening = Some(handle);
        }
        self.tell(node, Item::Open { session, key, handle }, now);
    }

    /// Each second a wish that has not come true is said again.
    pub(super) fn repeat_wishes(&mut self, now: Time) {
        let due: Vec<(SessionId, Role)> = self
            .pairs
            .iter()
            .filter(|(_, pair)| pair.wish.as_ref().is_some_and(|wish| now.since(wish.said_at) >= WISH_EVERY))
            .filter_map(|(session, pair)| {
                let (role, end) = pair.ends().next()?;
                let is_lonely = self.peer(end.conn).is_some_and(|peer| peer.target().is_none());
                (is_lonely && pair.ends().count() == 1).then_some((session, role))
            })
            .collect();
        for (session, role) in due {
            self.say_wish(session, role, now);
        }
    }

    pub(super) fn forget_wishes_for(&mut self, node: NodeId) {
        self.pairs.retain_wishes(|wish| wish.holder.node != node);
    }

    fn on_ask(&mut self, from: NodeId, session: SessionId, workstation: u64, phone: u64, now: Time) {
        let role = Role::Workstation;
        match self.pairs.end(session, role) {
            Some(end) if end.generation == workstation => {
                let holder = Holder { node: from, conn: 0, generation: phone };
                self.wish_for(session, role, holder, now);
            }
            // Its claim is not answered here yet; the other will ask again.
            _ if self.is_claiming(session, role) => {}
            _ => self.tell(from, Item::Gone { session, role, generation: workstation }, now),
        }
    }

    fn on_open(&mut self, from: NodeId, session: SessionId, key: LinkKey, handle: u32, now: Time) {
        let role = Role::Phone;
        let Some(end) = self.pairs.end(session, role).filter(|end| end.generation == key.phone) else {
            if !self.is_claiming(session, role) {
                self.tell(from, Item::Gone { session, role, generation: key.phone }, now);
            }
            return;
        };
        match self.peer(end.conn).and_then(Peer::target) {
            Some(Target::There(known)) => {
                let current = self.remotes.get(&known);
                if current.is_some_and(|it| (it.node, it.key, it.theirs) == (from, key, Some(handle))) {
                    // Said twice: it was accepted.
                    return;
                }
                if current.is_some_and(|current| current.key >= key) {
                    return self.tell(from, Item::Left { handle }, now);
                }
                self.unlink(end.conn, now);
            }
            Some(Target::Here { .. }) => {
                let here = self.pairs.end(session, Role::Workstation);
                if here.is_some_and(|here| here.generation > key.workstation) {
                    return self.tell(from, Item::Left { handle }, now);
                }
                self.unlink(end.conn, now);
            }
            None => {}
        }
        let own = self.add_remote(from, end.conn, session, role, key, Some(handle));
        self.tell(from, Item::Accept { handle, own }, now);
        self.join_remote(own, now);
    }

    fn on_accept(&mut self, from: NodeId, handle: u32, own: u32, now: Time) {
        let Some(remote) = self.remotes.get_mut(&handle).filter(|r| r.node == from && r.theirs.is_none())
        else {
            return self.tell(from, Item::Left { handle: own }, now);
        };
        remote.theirs = Some(own);
        let (conn, session) = (remote.conn, remote.session);
        if let Some(pair) = self.pairs.of_mut(session) {
            pair.opening = None;
        }
        // Whatever the workstation was linked to, this is later.
        self.unlink(conn, now);
        self.join_remote(handle, now);
    }

    fn on_gone_there(&mut self, from: NodeId, session: SessionId, role: Role, generation: u64) {
        let Some(pair) = self.pairs.of_mut(session) else { return };
        if pair.wish.as_ref().is_some_and(|wish| wish.holder.generation == generation) {
            pair.wish = None;
            self.push(Action::Note(Note::Link {
                step: LinkStep::Gone,
                node: from,
                session,
                role: role.other(),
            }));
            self.push(Action::Submit(Request::Release { session, role, generation }));
        }
    }

    fn on_left_there(&mut self, from: NodeId, handle: u32) {
        let Some(remote) = self.remotes.get(&handle).filter(|remote| remote.node == from) else { return };
        let (session, was_open) = (remote.session, remote.theirs.is_some());
        if let Some(pair) = self.pairs.of_mut(session).filter(|_| was_open) {
            pair.wish = None;
        }
        self.end_remote(handle);
    }

    fn on_frame<'a>(
        &mut self,
        from: NodeId,
        handle: u32,
        kind: Kind,
        is_last: bool,
        bytes: &'a [u8],
        now: Time,
    ) -> Option<Delivery<'a>> {
        let remote = self.remotes.get_mut(&handle).filter(|remote| remote.node == from)?;
        remote.owed += cost_of(bytes);
        let (conn, role, theirs) = (remote.conn, remote.role, remote.theirs?);
        if !is_last {
            // A piece waits in this node's memory, which bounds it; the socket is asked for the whole.
            let bytes = std::mem::take(&mut remote.owed);
            remote.owes_all = true;
            self.tell(from, Item::Credit { handle: theirs, bytes }, now);
        }
        Some(Delivery { conn, link: handle, from: role.other(), kind, is_last, bytes })
    }

    fn on_credit(&mut self, from: NodeId, handle: u32, bytes: u32) {
        let Some(remote) = self.remotes.get_mut(&handle).filter(|remote| remote.node == from) else { return };
        remote.credit = (remote.credit + i64::from(bytes)).min(i64::from(CREDIT));
        if remote.credit == i64::from(CREDIT) {
            remote.awaits_all = false;
        }
        let conn = remote.conn;
        self.push(Action::Resume { conn });
    }

    /// True if nothing may be put into the link now. Who asks will be resumed.
    pub(super) fn is_blocked(&mut self, handle: u32) -> bool {
        let Some(remote) = self.remotes.get(&handle) else { return false };
        let (node, is_out) = (remote.node, remote.credit <= 0 || remote.awaits_all);
        is_out || self.is_window_full(node)
    }

    fn add_remote(
        &mut self,
        node: NodeId,
        conn: Conn,
        session: SessionId,
        role: Role,
        key: LinkKey,
        theirs: Option<u32>,
    ) -> u32 {
        self.next_handle += 1;
        let remote = Remote {
            node,
            conn,
            session,
            role,
            key,
            theirs,
            credit: 0,
            awaits_all: false,
            owed: CREDIT,
            owes_all: false,
        };
        if theirs.is_none() {
            self.note_link(LinkStep::Opening, &remote);
        }
        self.remotes.insert(self.next_handle, remote);
        self.next_handle
    }

    /// The link stands: its connection here is told. The other end gets its credit when what waits from earlier links leaves
    /// room, so that links that come and go never make a queue longer.
    fn join_remote(&mut self, handle: u32, now: Time) {
        let Some(remote) = self.remotes.get(&handle) else { return };
        let &Remote { node, conn, session, role, .. } = remote;
        self.set_state(conn, State::Linked { session, role, to: Target::There(handle) });
        let missed = self.take_missed(conn);
        self.push(Action::Note(Note::Link { step: LinkStep::Accepted, node, session, role }));
        self.send(conn, Notice::PeerJoined { role: role.other(), missed });
        self.push(Action::Resume { conn });
        if self.peer(conn).is_some_and(|peer| !peer.congested) {
            self.note_taken(conn, now);
        }
    }

    /// The link ended on the other side: its connection here is told, if it was told of the link.
    pub(super) fn end_remote(&mut self, handle: u32) {
        let Some(remote) = self.remotes.remove(&handle) else { return };
        if let Some(pair) = self.pairs.of_mut(remote.session) {
            pair.opening.take_if(|opening| *opening == handle);
        }
        self.note_link(LinkStep::EndedThere, &remote);
        let conn = remote.conn;
        if self.peer(conn).and_then(Peer::target) != Some(Target::There(handle)) {
            return;
        }
        self.set_state(conn, State::Waiting { session: remote.session, role: remote.role });
        self.send(conn, Notice::PeerLeft { role: remote.role.other() });
        self.push(Action::Resume { conn });
    }

    /// The link ended on this side: the other node is told, if it was told of the link.
    pub(super) fn leave_remote(&mut self, handle: u32, now: Time) {
        let Some(remote) = self.remotes.remove(&handle) else { return };
        self.note_link(LinkStep::EndedHere, &remote);
        if let Some(theirs) = remote.theirs {
            self.tell(remote.node, Item::Left { handle: theirs }, now);
        }
    }

    /// The link that is being opened for a connection that goes.
    pub(super) fn forget_opening(&mut self, conn: Conn) {
        let Some((session, _)) = self.held_by(conn) else { return };
        let Some(pair) = self.pairs.of_mut(session) else { return };
        let remotes = &self.remotes;
        let is_its = |handle: &u32| remotes.get(handle).is_none_or(|remote| remote.conn == conn);
        if let Some(handle) = pair.opening.take_if(|handle| is_its(handle)) {
            self.remotes.remove(&handle);
        }
    }

    pub(super) fn end_links_over(&mut self, node: NodeId) {
        let handles: Vec<u32> = self.remotes_over(node).collect();
        for handle in handles {
            self.end_remote(handle);
        }
    }

    pub(super) fn resume_over(&mut self, node: NodeId) {
        let conns: Vec<Conn> =
            self.remotes.values().filter(|remote| remote.node == node).map(|remote| remote.conn).collect();
        self.actions.extend(conns.into_iter().map(|conn| Action::Resume { conn }));
    }

    /// What both ends of the link of `conn` know of it: the generations of the two claims and the attempt.
    #[cfg(test)]
    pub(crate) fn link_name(&self, conn: Conn) -> Option<(u64, u64, u32)> {
        match self.peer(conn)?.target()? {
            Target::There(handle) => {
                let key = self.remotes.get(&handle)?.key;
                Some((key.workstation, key.phone, key.attempt))
            }
            Target::Here { .. } => {
                let (session, _) = self.held_by(conn)?;
                let generation = |role| self.pairs.end(session, role).map(|end| end.generation);
                Some((generation(Role::Workstation)?, generation(Role::Phone)?, u32::MAX))
            }
        }
    }

    pub(super) fn remotes_over(&self, node: NodeId) -> impl Iterator<Item = u32> {
        self.remotes.iter().filter(move |(_, remote)| remote.node == node).map(|(&handle, _)| handle)
    }
}

/// What a frame, or a piece of one, takes of the credit. Both ends count alike.
fn cost_of(bytes: &[u8]) -> u32 {
    (bytes.len() + FRAME_COST) as u32
}

fn generation_of(key: &LinkKey, role: Role) -> u64 {
    match role {
        Role::Workstation => key.workstation,
        Role::Phone => key.phone,
    }
}

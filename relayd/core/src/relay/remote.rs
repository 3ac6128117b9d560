//! Links to connections of other nodes, from the moment they stand: frames, credit, and the end.
//!
//! All of these travel in one stream, so their order is the order of what happened. A link whose stream starts over has
//! ended; if both ends live it is opened again, see [`super::opening`].

use std::collections::BTreeSet;

use protocol::ids::{NodeId, Role, SessionId};
use protocol::message::Notice;

use super::Relay;
use crate::event::{Action, Delivery};
use crate::limits::{CREDIT_BYTES, FRAME_COST};
use crate::node_link::item::{Item, LinkKey, PIECE_BYTES_MAX};
use crate::note::{LinkStep, Note};
use crate::peer::{Peer, State, Target};
use crate::store::Conn;
use crate::time::Time;
use crate::wire::inbound::Kind;

const CREDIT: u32 = CREDIT_BYTES as u32;

/// A message larger than this is followed by nothing until all of it was taken: there is one large message in a queue.
pub const LARGE: usize = PIECE_BYTES_MAX;

/// This node's end of a link to another.
#[derive(Debug)]
pub(crate) struct Remote {
    pub node: NodeId,
    pub conn: Conn,
    pub session: SessionId,
    /// The role that is held here.
    pub role: Role,
    pub key: LinkKey,
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
    /// There is no room here for more of a large message: nothing is credited until there is.
    is_held: bool,
}

impl Relay {
    /// True if `conn` is linked by this handle.
    pub fn is_linked_by(&self, conn: Conn, handle: u32) -> bool {
        self.peer(conn).and_then(Peer::target) == Some(Target::There(handle))
    }

    /// The longest message that `conn` may send to whom it is linked with, in bytes.
    pub fn message_bytes_max(&self, conn: Conn) -> usize {
        let remote = match self.peer(conn).and_then(Peer::target) {
            Some(Target::There(handle)) => self.remotes.get(&handle),
            _ => None,
        };
        remote.map_or(self.limits.message_bytes_max, |remote| self.message_bytes_max_to(remote.node))
    }

    /// What came over the link of `conn` can't be handed on, so that link has a gap: it ends, which both ends are told, and
    /// another one is opened.
    pub fn give_up_link(&mut self, conn: Conn, now: Time) {
        let Some((session, _)) = self.held_by(conn) else { return };
        self.unlink(conn, now);
        self.check_session(session, now);
        self.check_invariants();
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
        if remote.is_held {
            return;
        }
        let is_worth = remote.owed >= CREDIT / 4 || (remote.owes_all && remote.owed > 0);
        if let (Some(theirs), true) = (remote.theirs, is_worth) {
            let (bytes, node) = (std::mem::take(&mut remote.owed), remote.node);
            remote.owes_all = false;
            self.tell(node, Item::Credit { handle: theirs, bytes }, now);
        }
    }

    /// There is no room for more of the large message that comes by this link: no piece is credited until
    /// [`Relay::credit_pieces`], so that its source is not read. False if it was held before, or the link has ended.
    pub fn hold_pieces(&mut self, handle: u32) -> bool {
        self.remotes.get_mut(&handle).is_some_and(|remote| !std::mem::replace(&mut remote.is_held, true))
    }

    /// There is room again for more of the large message that comes by this link.
    pub fn credit_pieces(&mut self, handle: u32, now: Time) {
        let Some(remote) = self.remotes.get_mut(&handle) else { return };
        let (was_held, bytes) = (std::mem::take(&mut remote.is_held), std::mem::take(&mut remote.owed));
        let (theirs, node) = (remote.theirs, remote.node);
        if !was_held || bytes == 0 {
            remote.owed = bytes;
        } else if let Some(theirs) = theirs {
            self.tell(node, Item::Credit { handle: theirs, bytes }, now);
        }
    }

    /// The large message that came by this link is whole: what is owed for it is credited when its target takes it.
    pub fn end_hold(&mut self, handle: u32) {
        if let Some(remote) = self.remotes.get_mut(&handle) {
            remote.is_held = false;
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
            Item::Limit { message_bytes_max } => self.on_limit(from, message_bytes_max, now),
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
        let (conn, session, role, theirs) = (remote.conn, remote.session, remote.role, remote.theirs?);
        remote.owes_all |= !is_last;
        if !is_last && !remote.is_held {
            // A piece waits in this node's memory, which bounds it; the socket is asked for the whole.
            let bytes = std::mem::take(&mut remote.owed);
            self.tell(from, Item::Credit { handle: theirs, bytes }, now);
        }
        Some(Delivery { conn, link: handle, session, from: role.other(), kind, is_last, bytes })
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

    pub(super) fn add_remote(
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
            is_held: false,
        };
        if theirs.is_none() {
            self.note_link(LinkStep::Opening, &remote);
        }
        self.handles.insert((node, self.next_handle));
        self.remotes.insert(self.next_handle, remote);
        self.next_handle
    }

    /// The link stands: its connection here is told. The other end gets its credit when what waits from earlier links leaves
    /// room, so that links that come and go never make a queue longer.
    pub(super) fn join_remote(&mut self, handle: u32, now: Time) {
        let Some(remote) = self.remotes.get(&handle) else { return };
        let &Remote { node, conn, session, role, .. } = remote;
        self.set_state(conn, State::Linked { session, role, to: Target::There(handle) });
        let missed = self.take_missed(conn);
        self.push(Action::Note(Note::Link { step: LinkStep::Accepted, node, session, role }));
        let (own, agreed) = (self.limits.message_bytes_max, self.message_bytes_max_to(node));
        let message_bytes_max = (agreed < own).then_some(agreed as u64);
        self.send(conn, Notice::PeerJoined { role: role.other(), missed, message_bytes_max });
        self.push(Action::Resume { conn });
        if self.peer(conn).is_some_and(|peer| !peer.congested) {
            self.note_taken(conn, now);
        }
    }

    /// The link ended on the other side: its connection here is told, if it was told of the link.
    pub(super) fn end_remote(&mut self, handle: u32) {
        let Some(remote) = self.take_remote(handle) else { return };
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
        let Some(remote) = self.take_remote(handle) else { return };
        self.note_link(LinkStep::EndedHere, &remote);
        if let Some(theirs) = remote.theirs {
            self.tell(remote.node, Item::Left { handle: theirs }, now);
        }
    }

    pub(super) fn end_links_over(&mut self, node: NodeId) {
        let handles: Vec<u32> = handles_of(&self.handles, node).collect();
        for handle in handles {
            self.end_remote(handle);
        }
    }

    pub(super) fn resume_over(&mut self, node: NodeId) {
        let conns: Vec<Conn> = self.remotes_over(node).map(|remote| remote.conn).collect();
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

    pub(super) fn remotes_over(&self, node: NodeId) -> impl Iterator<Item = &Remote> {
        handles_of(&self.handles, node).filter_map(|handle| self.remotes.get(&handle))
    }

    pub(super) fn take_remote(&mut self, handle: u32) -> Option<Remote> {
        let remote = self.remotes.remove(&handle)?;
        self.handles.remove(&(remote.node, handle));
        Some(remote)
    }
}

/// The handles of the links to one node.
pub(super) fn handles_of(handles: &BTreeSet<(NodeId, u32)>, node: NodeId) -> impl Iterator<Item = u32> {
    handles.range((node, 0)..=(node, u32::MAX)).map(|&(_, handle)| handle)
}

/// What a frame, or a piece of one, takes of the credit. Both ends count alike.
fn cost_of(bytes: &[u8]) -> u32 {
    (bytes.len() + FRAME_COST) as u32
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;

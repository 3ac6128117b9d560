//! Links to connections of other nodes, from the moment they stand: frames, credit, and the end.
//!
//! All of these travel in one stream, so their order is the order of what happened. A link whose stream
//! starts over has ended; if both ends live it is opened again, see [`super::link`].

use std::collections::BTreeSet;

use protocol::ids::NodeId;

use super::Relay;
use crate::event::{Action, Delivery};
use crate::limits::{CREDIT_BYTES, FRAME_COST};
use crate::node_link::item::{Item, LinkKey, PIECE_BYTES_MAX};
use crate::pairs::{Place, Target};
use crate::store::Conn;
use crate::time::Time;
use crate::wire::inbound::Kind;

const CREDIT: u32 = CREDIT_BYTES as u32;

/// A message larger than this is followed by nothing until all of it was taken: there is one large message in
/// a queue.
pub const LARGE: usize = PIECE_BYTES_MAX;

/// This node's end of a link to another.
#[derive(Debug)]
pub(crate) struct Remote {
    pub node: NodeId,
    /// Whose link it is: that session names it by its handle.
    pub place: Place,
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
        self.target_of(conn) == Some(Target::There(handle))
    }

    /// The longest message that `conn` may send to whom it is linked with, in bytes.
    pub fn message_bytes_max(&self, conn: Conn) -> usize {
        let remote = match self.target_of(conn) {
            Some(Target::There(handle)) => self.remotes.get(&handle),
            _ => None,
        };
        remote.map_or(self.limits.message_bytes_max, |remote| self.message_bytes_max_to(remote.node))
    }

    /// Puts a frame, or the next piece of a large one, into the stream. Pieces are at most
    /// [`PIECE_BYTES_MAX`]; the caller has seen that `conn` is not paused.
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
        let Some(Target::There(handle)) = self.target_of(conn) else {
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
    /// [`Relay::credit_pieces`], so that its source is not read. False if it was held before, or the link has
    /// ended.
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

    /// The large message that came by this link is whole: what is owed for it is credited when its target
    /// takes it.
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
            Item::Left { handle } => self.on_left_there(from, handle, now),
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
        let (place, theirs) = (remote.place, remote.theirs?);
        remote.owes_all |= !is_last;
        if !is_last && !remote.is_held {
            // A piece waits in this node's memory, which bounds it; the socket is asked for the whole.
            let bytes = std::mem::take(&mut remote.owed);
            self.tell(from, Item::Credit { handle: theirs, bytes }, now);
        }
        let pair = self.pairs.at(place)?;
        let ((role, conn), session) = (pair.linked_by(handle)?, pair.session);
        Some(Delivery { conn, link: handle, session, from: role.other(), kind, is_last, bytes })
    }

    fn on_credit(&mut self, from: NodeId, handle: u32, bytes: u32) {
        let Some(remote) = self.remotes.get_mut(&handle).filter(|remote| remote.node == from) else { return };
        remote.credit = (remote.credit + i64::from(bytes)).min(i64::from(CREDIT));
        if remote.credit == i64::from(CREDIT) {
            remote.awaits_all = false;
        }
        let place = remote.place;
        if let Some((_, conn)) = self.pairs.at(place).and_then(|pair| pair.linked_by(handle)) {
            self.push(Action::Resume { conn });
        }
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
        place: Place,
        key: LinkKey,
        theirs: Option<u32>,
    ) -> u32 {
        self.next_handle += 1;
        let remote = Remote {
            node,
            place,
            key,
            theirs,
            credit: 0,
            awaits_all: false,
            owed: CREDIT,
            owes_all: false,
            is_held: false,
        };
        self.handles.insert((node, self.next_handle));
        self.remotes.insert(self.next_handle, remote);
        self.next_handle
    }

    pub(super) fn resume_over(&mut self, node: NodeId) {
        for handle in self.handles_over(node).collect::<Vec<_>>() {
            let place = self.remotes.get(&handle).map(|remote| remote.place);
            let linked = place.and_then(|place| self.pairs.at(place)?.linked_by(handle));
            if let Some((_, conn)) = linked {
                self.push(Action::Resume { conn });
            }
        }
    }

    /// The handles of the links to one node.
    pub(super) fn handles_over(&self, node: NodeId) -> impl Iterator<Item = u32> {
        handles_of(&self.handles, node)
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

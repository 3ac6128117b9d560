//! This node's ends of links to other nodes, and the credit of each.
//!
//! Credit bounds what is on its way to a socket of the other node. A message larger than [`LARGE`] is
//! followed by nothing until all credit is back, so there is one large message in a queue.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::NodeId;

use crate::limits::{CREDIT_BYTES, FRAME_COST};
use crate::node_link::item::{LinkKey, PIECE_BYTES_MAX};
use crate::relay::sessions::PairIndex;

const CREDIT: u32 = CREDIT_BYTES as u32;

/// A message larger than this awaits all credit.
const LARGE: usize = PIECE_BYTES_MAX;

/// This node's end of a link to another.
#[derive(Debug)]
pub(in crate::relay) struct RemoteLink {
    pub node: NodeId,
    /// Whose link it is: that session names it by its handle.
    pub index: PairIndex,
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

/// Every link to another node that stands or is being opened.
#[derive(Debug, Default)]
pub(super) struct RemoteLinks {
    /// By this node's handle, which is never reused.
    by_handle: BTreeMap<u32, RemoteLink>,
    /// `by_node` = { (by_handle[handle].node, handle) }
    by_node: BTreeSet<(NodeId, u32)>,
    last_handle: u32,
}

impl RemoteLinks {
    /// A new link. Gives its handle.
    pub fn add(&mut self, node: NodeId, index: PairIndex, key: LinkKey, theirs: Option<u32>) -> u32 {
        self.last_handle += 1;
        self.by_node.insert((node, self.last_handle));
        self.by_handle.insert(self.last_handle, RemoteLink::new(node, index, key, theirs));
        self.last_handle
    }

    pub fn remove(&mut self, handle: u32) -> Option<RemoteLink> {
        let link = self.by_handle.remove(&handle)?;
        self.by_node.remove(&(link.node, handle));
        Some(link)
    }

    pub fn get(&self, handle: u32) -> Option<&RemoteLink> {
        self.by_handle.get(&handle)
    }

    pub fn get_mut(&mut self, handle: u32) -> Option<&mut RemoteLink> {
        self.by_handle.get_mut(&handle)
    }

    /// The link that another node means by this handle.
    pub fn named_by_mut(&mut self, node: NodeId, handle: u32) -> Option<&mut RemoteLink> {
        self.by_handle.get_mut(&handle).filter(|link| link.node == node)
    }

    /// The handles of the links to one node.
    pub fn over(&self, node: NodeId) -> impl Iterator<Item = u32> {
        self.by_node.range((node, 0)..=(node, u32::MAX)).map(|&(_, handle)| handle)
    }

    pub fn len(&self) -> usize {
        self.by_handle.len()
    }

    /// How many are being opened.
    pub fn opening(&self) -> usize {
        self.by_handle.values().filter(|link| link.theirs.is_none()).count()
    }

    /// What must hold between any two calls. Debug builds only.
    pub fn check_invariants(&self) {
        assert_eq!(self.by_node.len(), self.by_handle.len(), "each link is found by its node");
    }
}

impl RemoteLink {
    fn new(node: NodeId, index: PairIndex, key: LinkKey, theirs: Option<u32>) -> Self {
        RemoteLink {
            node,
            index,
            key,
            theirs,
            credit: 0,
            awaits_all: false,
            owed: CREDIT,
            owes_all: false,
            is_held: false,
        }
    }

    /// True if nothing may be sent before credit comes.
    pub const fn is_out_of_credit(&self) -> bool {
        self.credit <= 0 || self.awaits_all
    }

    /// A frame, or a piece of one, is sent.
    pub fn note_sent(&mut self, is_last: bool, message_len: usize, bytes: &[u8]) {
        self.credit -= i64::from(cost_of(bytes));
        self.awaits_all |= is_last && message_len > LARGE;
    }

    /// The other end gives credit.
    pub fn note_credit(&mut self, bytes: u32) {
        self.credit = (self.credit + i64::from(bytes)).min(i64::from(CREDIT));
        if self.credit == i64::from(CREDIT) {
            self.awaits_all = false;
        }
    }

    /// A frame, or a piece of one, came. Gives what is credited at once: a piece waits in this node's memory,
    /// which bounds it, and the socket is asked for the whole.
    pub fn note_received(&mut self, is_last: bool, bytes: &[u8]) -> Option<u32> {
        self.owed += cost_of(bytes);
        self.owes_all |= !is_last;
        (!is_last && !self.is_held).then(|| std::mem::take(&mut self.owed))
    }

    /// The socket has taken what came. Gives what is credited, if it is worth a word.
    pub fn note_taken(&mut self) -> Option<u32> {
        let is_worth = self.owed >= CREDIT / 4 || (self.owes_all && self.owed > 0);
        if self.is_held || self.theirs.is_none() || !is_worth {
            return None;
        }
        self.owes_all = false;
        Some(std::mem::take(&mut self.owed))
    }

    /// Nothing more of a large message is credited. Returns false if that was so before.
    pub fn hold(&mut self) -> bool {
        !std::mem::replace(&mut self.is_held, true)
    }

    /// More of a large message may come. Gives what is credited for what came meanwhile.
    pub fn release(&mut self) -> Option<u32> {
        let was_held = std::mem::take(&mut self.is_held);
        (was_held && self.owed > 0).then(|| std::mem::take(&mut self.owed))
    }

    /// The large message is whole: what is owed for it is credited when its target takes it.
    pub fn end_hold(&mut self) {
        self.is_held = false;
    }
}

/// What a frame, or a piece of one, takes of the credit. Both ends count alike.
fn cost_of(bytes: &[u8]) -> u32 {
    (bytes.len() + FRAME_COST) as u32
}

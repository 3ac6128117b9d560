//! Other nodes: the stream to each, which of them are alive, and the links that run over the streams.
//!
//! A node publishes a probe to itself each second. While its own probe is old it hears nothing, so it judges
//! nobody and the others' clocks stand still. A node that is silent for long while our probe is fresh is
//! gone: every link over it ends. So do all links to other nodes when the bus is away for longer than
//! [`Limits::bus_hold`].
//!
//! Knows no connection and only the index of a session. What the relay must do comes out as a [`NodeEvent`].

mod links;
mod probe;
mod streams;

use std::collections::VecDeque;
use std::time::Duration;

use protocol::ids::NodeId;

pub(super) use self::links::RemoteLink;
use self::links::RemoteLinks;
use self::probe::Probe;
pub use self::streams::NodeCounts;
use self::streams::Streams;
use super::sessions::PairIndex;
use super::view::NodeView;
use crate::bus::{self, Message};
use crate::limits::Limits;
use crate::node_link::item::{Item, LinkKey};
use crate::node_link::{Header, NodeLink, Position, Taken};
use crate::note::{Note, StreamEnd};
use crate::time::Time;
use crate::wire::inbound::Kind;

/// How often the bus is looked at.
const TICK: Duration = Duration::from_millis(500);

/// Everything of this node that concerns other nodes.
#[derive(Debug)]
pub(super) struct OtherNodes {
    own: NodeId,
    bus_hold: Duration,
    streams: Streams,
    links: RemoteLinks,
    probe: Probe,
    /// `None`: no other node can be reached.
    tick_due: Option<Time>,
    ticked_at: Time,
    /// The bus was away for longer than links outlast it, and is not back.
    is_cut_off: bool,
    events: VecDeque<NodeEvent>,
}

/// What the relay must carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeEvent {
    /// Write it into the log.
    Note(Note),
    /// The own probe came back: the bus is heard. `was_cut_off`: links had ended because it was away.
    BusHeard { was_cut_off: bool },
    /// The stream to this node started over: what ran over it has ended, and each end may want it again.
    Restarted(NodeId),
    /// The stream to this node is over, and everything that ran over it.
    Over(NodeId, StreamEnd),
    /// The stream to this node takes frames again.
    Relieved(NodeId),
}

impl OtherNodes {
    /// No stream yet. `is_alone`: no other node can be reached.
    pub fn new(own: NodeId, is_alone: bool, limits: &Limits, now: Time) -> Self {
        OtherNodes {
            own,
            bus_hold: limits.bus_hold,
            streams: Streams::new(limits.message_bytes_max),
            links: RemoteLinks::default(),
            probe: Probe::new(now),
            tick_due: (!is_alone).then_some(now),
            ticked_at: now,
            is_cut_off: false,
            events: VecDeque::new(),
        }
    }

    /// This node's id.
    pub const fn own(&self) -> NodeId {
        self.own
    }

    /// True if no other node can be reached.
    pub const fn is_alone(&self) -> bool {
        self.tick_due.is_none()
    }

    /// What is to be carried out next. Call until `None` after [`OtherNodes::take_message`] and
    /// [`OtherNodes::on_tick`].
    pub fn poll_event(&mut self) -> Option<NodeEvent> {
        self.events.pop_front()
    }

    /// Writes the next message for the bus; gives the node whose channel it is for. Call until `None` at the
    /// end of a turn.
    pub fn poll_publish(&mut self, now: Time, out: &mut Vec<u8>) -> Option<NodeId> {
        if self.is_alone() {
            return None;
        }
        if let Some(number) = self.probe.poll_transmit(now) {
            bus::write_probe(out, number);
            return Some(self.own);
        }
        let start = out.len();
        bus::begin_packet(out, self.own);
        let to = self.streams.poll_transmit(now, out);
        if to.is_none() {
            out.truncate(start);
        }
        to
    }

    /// A message came from the bus. Gives the items to take, and the node that sent them.
    pub fn take_message<'a>(&mut self, message: &'a [u8], now: Time) -> Option<(NodeId, &'a [u8])> {
        match Message::parse(message)? {
            Message::Probe(number) => {
                if self.probe.handle(number, now) {
                    let was_cut_off = std::mem::take(&mut self.is_cut_off);
                    self.events.push_back(NodeEvent::BusHeard { was_cut_off });
                    self.note_probe(now);
                }
                None
            }
            Message::Packet { from, bytes } if from != self.own => self.take_packet(from, bytes, now),
            Message::Packet { .. } => None,
        }
    }

    fn take_packet<'a>(&mut self, from: NodeId, bytes: &'a [u8], now: Time) -> Option<(NodeId, &'a [u8])> {
        let (header, items) = Header::parse(bytes)?;
        let (began, outcome) = self.streams.handle(from, &header, items, now);
        self.events.extend(began.map(NodeEvent::Note));
        if !outcome.lost.is_empty() {
            // This end started over, and says first what begins each stream.
            self.streams.tell_limit(from, now);
        }
        if outcome.restarted {
            self.events.push_back(NodeEvent::Restarted(from));
        }
        for batch in &outcome.lost {
            self.tell_again(from, batch, now);
        }
        if self.streams.take_relieved(from) {
            self.events.push_back(NodeEvent::Relieved(from));
        }
        match outcome.taken {
            Taken::Items(items) => Some((from, items)),
            Taken::Nothing => None,
        }
    }

    /// Links that a lost batch spoke of have ended, and requests are repeated. Evictions and kills are sent
    /// again.
    fn tell_again(&mut self, to: NodeId, batch: &[u8], now: Time) {
        let mut items = batch;
        while let Some(item) = Item::take(&mut items) {
            if matches!(item, Item::Evict { .. } | Item::Kill { .. }) {
                self.tell(to, item, now);
            }
        }
    }

    /// When [`OtherNodes::on_tick`] must be called.
    pub const fn next_tick(&self) -> Option<Time> {
        self.tick_due
    }

    /// When [`OtherNodes::poll_publish`] must be called at the latest for what came and was not acknowledged.
    pub fn ack_due(&self) -> Option<Time> {
        self.streams.iter().filter_map(NodeLink::ack_due).min()
    }

    /// The bus is looked at: which nodes are gone, and whether this one hears anything.
    pub fn on_tick(&mut self, now: Time) {
        self.tick_due = Some(now + TICK);
        // A turn that came late says nothing of the others.
        let elapsed = now.since(self.ticked_at).min(2 * TICK);
        let judged = if self.probe.is_fresh(now) { elapsed } else { Duration::ZERO };
        self.ticked_at = now;
        let is_cut_off = self.probe.age(now) > self.bus_hold;
        self.is_cut_off |= is_cut_off;
        let has_links = |node| self.links.over(node).next().is_some();
        let over = self.streams.judge(judged, is_cut_off, has_links, now);
        self.events.extend(over.into_iter().map(|(node, why)| NodeEvent::Over(node, why)));
        self.note_probe(now);
    }

    fn note_probe(&mut self, now: Time) {
        self.events.extend(self.probe.poll_note(now).map(NodeEvent::Note));
    }

    /// The next probe is sent at once, and only it or a later one proves that this node hears. Gives its
    /// number.
    pub fn restart_probe(&mut self, now: Time) -> u64 {
        self.probe.restart(now)
    }

    /// True if this probe, or a later one, came back.
    pub fn has_heard(&self, probe: u64) -> bool {
        self.probe.has_heard(probe)
    }

    /// How long ago this node last heard its own probe, or began to listen for one.
    pub fn probe_age(&self, now: Time) -> Duration {
        self.probe.age(now)
    }

    /// What is known of each other node.
    pub fn views(&self) -> impl Iterator<Item = NodeView> {
        self.streams.views().map(|view| NodeView { links: self.links.over(view.node).count(), ..view })
    }

    /// Says something to a node, behind all that was said before. The note is an event.
    pub fn tell(&mut self, to: NodeId, item: Item<'_>, now: Time) {
        let began = self.streams.tell(to, item, now);
        self.events.extend(began.map(NodeEvent::Note));
    }

    /// The end of what was said to a node so far.
    pub fn position(&self, node: NodeId) -> Option<Position> {
        self.streams.to(node).map(NodeLink::position)
    }

    /// True if what was said there may still arrive.
    pub fn is_under_way(&self, node: NodeId, position: Position) -> bool {
        self.streams.to(node).is_some_and(|stream| stream.is_under_way(position))
    }

    /// True if the stream to `node` takes one more request for a link.
    pub fn has_room_for_request(&self, node: NodeId) -> bool {
        self.streams.has_room_for_request(node)
    }

    /// A node said the longest message that it passes on.
    pub fn note_limit(&mut self, from: NodeId, message_bytes_max: u32, now: Time) {
        self.streams.note_limit(from, message_bytes_max, now);
    }

    /// The longest message of a link to `node`, in bytes: the smaller limit of the two.
    pub fn message_bytes_max_to(&self, node: NodeId) -> usize {
        self.streams.message_bytes_max_to(node)
    }

    /// A link of a session to `node`: one that is being opened, or, where the other node's name for it is
    /// known, one that stands. Gives its handle.
    pub fn add_link(&mut self, node: NodeId, index: PairIndex, key: LinkKey, theirs: Option<u32>) -> u32 {
        self.links.add(node, index, key, theirs)
    }

    /// The other node accepted the link.
    pub fn note_accepted(&mut self, handle: u32, theirs: u32) {
        if let Some(link) = self.links.get_mut(handle) {
            link.theirs = Some(theirs);
        }
    }

    pub fn remove_link(&mut self, handle: u32) -> Option<RemoteLink> {
        self.links.remove(handle)
    }

    pub fn link(&self, handle: u32) -> Option<&RemoteLink> {
        self.links.get(handle)
    }

    /// The link that another node means by this handle.
    pub fn link_from(&self, node: NodeId, handle: u32) -> Option<&RemoteLink> {
        self.link(handle).filter(|link| link.node == node)
    }

    /// The handles of the links to one node.
    pub fn links_over(&self, node: NodeId) -> impl Iterator<Item = u32> {
        self.links.over(node)
    }

    /// True if no frame may be put into the link now: it has no credit, or the stream's window is full. An
    /// event or an item of the other node ends that.
    pub fn is_paused(&self, handle: u32) -> bool {
        let link = self.link(handle);
        link.is_some_and(|link| link.is_out_of_credit() || self.streams.is_full(link.node))
    }

    /// Puts a frame, or the next piece of a large one, into the stream.
    pub fn put_frame(
        &mut self,
        handle: u32,
        kind: Kind,
        is_last: bool,
        message_len: usize,
        bytes: &[u8],
        now: Time,
    ) {
        let Some(link) = self.links.get_mut(handle) else { return };
        let (Some(theirs), node) = (link.theirs, link.node) else { return };
        link.note_sent(is_last, message_len, bytes);
        self.tell(node, Item::Frame { handle: theirs, kind, is_last, bytes }, now);
    }

    /// A frame, or a piece of one, came over the link that the other node means. Gives the session's index.
    pub fn take_frame(
        &mut self,
        from: NodeId,
        handle: u32,
        is_last: bool,
        bytes: &[u8],
        now: Time,
    ) -> Option<PairIndex> {
        let link = self.links.named_by_mut(from, handle)?;
        let (index, _) = (link.index, link.theirs?);
        let credit = link.note_received(is_last, bytes);
        self.credit(handle, credit, now);
        Some(index)
    }

    /// The other end gives credit to the link that it means. Gives the session's index.
    pub fn take_credit(&mut self, from: NodeId, handle: u32, bytes: u32) -> Option<PairIndex> {
        let link = self.links.named_by_mut(from, handle)?;
        link.note_credit(bytes);
        Some(link.index)
    }

    /// The socket has taken what came over the link, down to the low mark.
    pub fn note_taken(&mut self, handle: u32, now: Time) {
        let credit = self.links.get_mut(handle).and_then(RemoteLink::note_taken);
        self.credit(handle, credit, now);
    }

    /// No piece of a large message is credited until [`OtherNodes::release_pieces`]. Returns false if that
    /// was so before, or the link has ended.
    pub fn hold_pieces(&mut self, handle: u32) -> bool {
        self.links.get_mut(handle).is_some_and(RemoteLink::hold)
    }

    pub fn release_pieces(&mut self, handle: u32, now: Time) {
        let credit = self.links.get_mut(handle).and_then(RemoteLink::release);
        self.credit(handle, credit, now);
    }

    pub fn end_hold(&mut self, handle: u32) {
        if let Some(link) = self.links.get_mut(handle) {
            link.end_hold();
        }
    }

    fn credit(&mut self, handle: u32, bytes: Option<u32>, now: Time) {
        let Some((node, theirs)) = self.link(handle).and_then(|link| Some((link.node, link.theirs?))) else {
            return;
        };
        if let Some(bytes) = bytes {
            self.tell(node, Item::Credit { handle: theirs, bytes }, now);
        }
    }

    /// The streams as they are now.
    pub fn counts(&self) -> NodeCounts {
        self.streams.counts()
    }

    /// How many links stand.
    pub fn links_open(&self) -> usize {
        self.links.len() - self.links.opening()
    }

    /// How many links were asked for and are not accepted yet.
    pub fn links_opening(&self) -> usize {
        self.links.opening()
    }

    /// True if every stream is acknowledged.
    pub fn is_idle(&self) -> bool {
        self.streams.iter().all(NodeLink::is_idle)
    }

    /// Bytes that are not acknowledged. At most [`UNACKNOWLEDGED_MAX`](crate::limits::UNACKNOWLEDGED_MAX),
    /// but for items that answer one event (a takeover, a kill, the end of a link), unless there are so many
    /// nodes that each has the least of windows.
    #[cfg(test)]
    pub fn unacknowledged(&self) -> usize {
        self.streams.iter().map(NodeLink::pending).sum()
    }

    /// Bytes for one node that are not acknowledged.
    #[cfg(test)]
    pub fn pending_to(&self, node: NodeId) -> usize {
        self.streams.to(node).map_or(0, NodeLink::pending)
    }

    /// What must hold between any two calls. Debug builds only.
    pub fn check_invariants(&self) {
        self.links.check_invariants();
    }
}

//! Other nodes: the stream to each, and who is alive.
//!
//! A node publishes a probe to itself each second. While its own probe is old it hears nothing, so it judges
//! nobody and the others' clocks stand still. A node that is silent for long while our probe is fresh is
//! gone: every link over it ends. So do all links to other nodes when the bus is away for longer than
//! [`Limits::bus_hold`](crate::limits::Limits).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use protocol::ids::NodeId;

use super::remote::handles_of;
use super::{Relay, Timer};
use crate::bus::{self, Message};
use crate::event::Action;
use crate::limits::{WINDOW_MIN, WINDOWS_MAX};
use crate::node_link::item::{self, Item};
use crate::node_link::{BatchCounts, Header, NodeLink, Taken};
use crate::note::{Note, StreamEnd};
use crate::time::Time;

/// How often the bus is looked at.
const TICK: Duration = Duration::from_millis(500);

/// Our own probe, heard within this, proves that we hear.
pub(super) const PROBE_FRESH: Duration = Duration::from_secs(2);

/// Silence, in time that we can judge, after which a node is gone.
const SILENT_MAX: Duration = Duration::from_secs(4);

/// Without links for this long, a stream says nothing more, and is forgotten once the other end says nothing
/// either.
const UNUSED_MAX: Duration = Duration::from_secs(60);

/// The bus, as this node sees it.
#[derive(Debug)]
pub(super) struct Nodes {
    known: BTreeMap<NodeId, Node>,
    /// Rises with every stream that starts over.
    incarnation: u64,
    probe_sent: u64,
    probe_sent_at: Option<Time>,
    /// The last own probe that came back. `probe_heard <= probe_sent`
    probe_heard: u64,
    probe_heard_at: Option<Time>,
    /// Earlier ones prove nothing any more: they were sent before this node was stopped.
    probe_least: u64,
    /// When this node began to listen for the first probe, or for the first after a stop.
    listens_since: Time,
    ticked_at: Time,
    /// The bus was away for longer than links outlast it, and is not back.
    is_cut_off: bool,
    /// The last note of the own probe said that it is late.
    pub is_late: bool,
    /// Of the streams that are over.
    pub past: BatchCounts,
}

/// Another node.
#[derive(Debug)]
struct Node {
    link: NodeLink,
    /// How long it has been silent, in time that we could judge.
    silent: Duration,
    /// When it was last of use.
    used_at: Time,
    /// Somebody is not read because the window was full.
    blocks: bool,
    /// The longest message that it passes on, in bytes, if it said.
    message_bytes_max: Option<usize>,
}

impl Nodes {
    pub fn new(now: Time) -> Self {
        Nodes {
            known: BTreeMap::new(),
            incarnation: 0,
            probe_sent: 0,
            probe_sent_at: None,
            probe_heard: 0,
            probe_heard_at: None,
            probe_least: 1,
            listens_since: now,
            ticked_at: now,
            is_cut_off: false,
            is_late: false,
            past: BatchCounts::default(),
        }
    }

    /// Every stream.
    pub fn streams(&self) -> impl Iterator<Item = &NodeLink> {
        self.known.values().map(|node| &node.link)
    }

    /// The next probe is sent at once; only it proves from here on that this node hears. Gives its number.
    pub fn probe_anew(&mut self, now: Time) -> u64 {
        (self.probe_sent_at, self.probe_heard_at, self.listens_since) = (None, None, now);
        self.probe_least = self.probe_sent + 1;
        self.probe_least
    }

    /// A probe of this node came back. False if it is none, or proves nothing new. On a slow bus later ones
    /// are under way.
    fn hear_probe(&mut self, probe: u64, now: Time) -> bool {
        let is_new = probe > self.probe_heard && (self.probe_least..=self.probe_sent).contains(&probe);
        if is_new {
            (self.probe_heard, self.probe_heard_at) = (probe, Some(now));
        }
        is_new
    }

    /// True if this probe, or a later one, came back.
    pub fn has_heard(&self, probe: u64) -> bool {
        self.probe_heard >= probe
    }

    fn hears(&self, now: Time) -> bool {
        self.probe_heard_at.is_some_and(|at| now.since(at) <= PROBE_FRESH)
    }

    fn next_incarnation(&mut self) -> u64 {
        self.incarnation += 1;
        self.incarnation
    }

    /// What one stream may hold unacknowledged, in bytes.
    fn window(&self) -> usize {
        (WINDOWS_MAX / self.known.len().max(1)).max(WINDOW_MIN)
    }
}

impl Relay {
    /// How many other nodes are known.
    pub fn nodes(&self) -> usize {
        self.nodes.known.len()
    }

    /// True if every stream is acknowledged.
    pub fn is_bus_idle(&self) -> bool {
        self.nodes.known.values().all(|node| node.link.is_idle())
    }

    /// Bytes for other nodes that are not acknowledged. At most
    /// [`UNACKNOWLEDGED_MAX`](crate::limits::UNACKNOWLEDGED_MAX), but for items that answer one event (a
    /// takeover, a kill, the end of a link), unless there are so many nodes that each has the least of
    /// windows.
    pub fn unacknowledged(&self) -> usize {
        self.nodes.known.values().map(|node| node.link.pending()).sum()
    }

    /// How long ago this node last heard its own probe, or began to listen for one.
    pub fn probe_age(&self, now: Time) -> Duration {
        now.since(self.nodes.probe_heard_at.unwrap_or(self.nodes.listens_since))
    }

    /// Writes the next message for the bus; gives whose channel it is for. Call until `None` at the end of a
    /// turn.
    pub fn poll_publish(&mut self, now: Time, out: &mut Vec<u8>) -> Option<NodeId> {
        if self.is_alone {
            return None;
        }
        if self.nodes.probe_sent_at.is_none_or(|at| now.since(at) >= 2 * TICK) {
            self.nodes.probe_sent_at = Some(now);
            self.nodes.probe_sent += 1;
            bus::write_probe(out, self.nodes.probe_sent);
            return Some(self.node);
        }
        let start = out.len();
        bus::begin_packet(out, self.node);
        for (&id, node) in &mut self.nodes.known {
            if node.link.poll_transmit(now, out) {
                return Some(id);
            }
        }
        out.truncate(start);
        None
    }

    /// A message came from the bus. Gives the items to take, one after the other, with
    /// [`Relay::handle_item`].
    pub fn take_message<'a>(&mut self, message: &'a [u8], now: Time) -> Option<(NodeId, &'a [u8])> {
        match Message::parse(message)? {
            Message::Probe(number) => {
                if self.nodes.hear_probe(number, now) {
                    self.note_bus_heard();
                    if std::mem::take(&mut self.nodes.is_cut_off) {
                        // The store names the others' holds again, and with them the links to open.
                        self.check_all(now);
                    }
                    self.note_probe(now);
                }
                self.catch_up(now);
                None
            }
            Message::Packet { from, bytes } if from != self.node => self.take_packet(from, bytes, now),
            Message::Packet { .. } => None,
        }
    }

    fn take_packet<'a>(&mut self, from: NodeId, bytes: &'a [u8], now: Time) -> Option<(NodeId, &'a [u8])> {
        let (header, items) = Header::parse(bytes)?;
        let fresh = self.nodes.next_incarnation();
        let node = self.node_mut(from, now);
        node.silent = Duration::ZERO;
        let outcome = node.link.handle(&header, items, fresh, now);
        let taken = match outcome.taken {
            Taken::Items(items) => Some((from, items)),
            Taken::Nothing => None,
        };
        if !outcome.lost.is_empty() {
            // This end started over, and says first what begins each stream.
            self.tell(from, self.limit(), now);
        }
        if outcome.restarted {
            self.push(Action::Note(Note::StreamOver { node: from, why: StreamEnd::Restarted }));
            // It may have given this node up, and with it the links that it wanted: the store names the peers
            // again. A node that was just revived has all its holds compared anyway.
            if !self.is_catching_up() {
                self.check_links_over(from, now);
            }
            self.end_links_over(from, now);
        }
        for batch in &outcome.lost {
            self.tell_again(from, batch, now);
        }
        self.unblock(from);
        taken
    }

    /// Links that a lost batch spoke of have ended, and requests are repeated; who must go must be told once
    /// more.
    fn tell_again(&mut self, to: NodeId, batch: &[u8], now: Time) {
        let mut items = batch;
        while let Some(item) = Item::take(&mut items) {
            if matches!(item, Item::Evict { .. } | Item::Kill { .. }) {
                self.tell(to, item, now);
            }
        }
    }

    /// Says something to a node, behind all that was said before.
    pub(super) fn tell(&mut self, to: NodeId, item: Item<'_>, now: Time) {
        let node = self.node_mut(to, now);
        node.used_at = now;
        let len = if let Item::Frame { bytes, .. } = item { bytes.len() } else { 0 };
        item.write_to(node.link.item(item::OVERHEAD_MAX + len));
    }

    /// What this node says first in each stream.
    fn limit(&self) -> Item<'static> {
        let message_bytes_max = u32::try_from(self.limits.message_bytes_max).unwrap_or(u32::MAX);
        Item::Limit { message_bytes_max }
    }

    pub(super) fn on_limit(&mut self, from: NodeId, message_bytes_max: u32, now: Time) {
        self.node_mut(from, now).message_bytes_max = Some(message_bytes_max as usize);
    }

    /// The longest message of a link to `node`, in bytes: the smaller limit of the two.
    pub(super) fn message_bytes_max_to(&self, node: NodeId) -> usize {
        let theirs = self.nodes.known.get(&node).and_then(|node| node.message_bytes_max);
        theirs.map_or(self.limits.message_bytes_max, |theirs| theirs.min(self.limits.message_bytes_max))
    }

    /// The stream to `node`, if there is one.
    pub(super) fn stream_to(&self, node: NodeId) -> Option<&NodeLink> {
        self.nodes.known.get(&node).map(|node| &node.link)
    }

    /// True if the stream to `node` takes one more request for a link. They have half a window for
    /// themselves: frames of others keep none waiting, and however many there are they stay within
    /// [`UNACKNOWLEDGED_MAX`](crate::limits::UNACKNOWLEDGED_MAX).
    pub(super) fn has_room_for_request(&self, node: NodeId) -> bool {
        let window = self.nodes.window();
        self.stream_to(node).is_none_or(|stream| stream.pending() < window + window / 2)
    }

    /// True if the stream to `node` takes no more frames now. Who asks will be resumed.
    pub(super) fn is_window_full(&mut self, node: NodeId) -> bool {
        let window = self.nodes.window();
        let Some(node) = self.nodes.known.get_mut(&node) else { return false };
        node.blocks |= node.link.pending() >= window;
        node.link.pending() >= window
    }

    pub(super) fn on_bus_tick(&mut self, now: Time) {
        self.deadlines.arm(Timer::Bus, now + TICK);
        let (hears, elapsed) = (self.nodes.hears(now), now.since(self.nodes.ticked_at));
        self.nodes.ticked_at = now;
        let is_cut_off = self.probe_age(now) > self.limits.bus_hold;
        self.nodes.is_cut_off |= is_cut_off;
        let mut over = Vec::new();
        for (&id, node) in &mut self.nodes.known {
            if hears {
                // A turn that came late says nothing of the others.
                node.silent += elapsed.min(2 * TICK);
            }
            let is_quiet = node.link.is_idle() && now.since(node.used_at) > UNUSED_MAX;
            let is_unused = is_quiet && handles_of(&self.handles, id).next().is_none();
            // Forgotten by one end alone it would be met anew with the other's next word: so both fall silent
            // first.
            node.link.keep_alive(!is_unused);
            if node.silent > SILENT_MAX {
                over.push((id, if is_unused { StreamEnd::Unused } else { StreamEnd::Silent }));
            } else if is_cut_off {
                over.push((id, StreamEnd::CutOff));
            }
        }
        for (id, why) in over {
            if let Some(node) = self.nodes.known.remove(&id) {
                self.nodes.past.add(node.link.counts());
            }
            self.push(Action::Note(Note::StreamOver { node: id, why }));
            self.end_links_over(id, now);
            self.want_nothing_of(id);
        }
        self.note_probe(now);
        self.begin_round_of_requests(now);
        self.catch_up(now);
    }

    /// Whoever waited for room in the stream may go on.
    fn unblock(&mut self, id: NodeId) {
        let low = self.nodes.window() / 2;
        let Some(node) = self.nodes.known.get_mut(&id) else { return };
        if node.blocks && node.link.pending() < low {
            node.blocks = false;
            self.resume_over(id);
        }
    }

    fn node_mut(&mut self, id: NodeId, now: Time) -> &mut Node {
        let (fresh, limit) = (self.nodes.incarnation + 1, self.limit());
        self.nodes.incarnation = fresh;
        match self.nodes.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                self.actions.push_back(Action::Note(Note::StreamBegan { node: id }));
                let mut link = NodeLink::new(fresh, now);
                limit.write_to(link.item(item::OVERHEAD_MAX));
                let (silent, blocks, message_bytes_max) = (Duration::ZERO, false, None);
                place.insert(Node { link, silent, used_at: now, blocks, message_bytes_max })
            }
        }
    }
}

//! The streams to other nodes: one for each node that this one has heard of.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use protocol::ids::NodeId;

use crate::limits::{WINDOW_MIN, WINDOWS_MAX};
use crate::node_link::item::{self, Item};
use crate::node_link::{BatchCounts, Header, NodeLink, Outcome};
use crate::note::{Note, StreamEnd};
use crate::relay::view::NodeView;
use crate::time::Time;

/// Silence, in time that this node can judge, after which another node is gone.
const SILENT_MAX: Duration = Duration::from_secs(4);

/// A stream without links for this long sends no more keepalives. It is forgotten once the other end is
/// silent too.
const UNUSED_MAX: Duration = Duration::from_secs(60);

/// The streams to other nodes, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// Other nodes that there is a stream with.
    pub nodes: usize,
    /// Batches that are not acknowledged.
    pub window_batches: usize,
    /// Their bytes.
    pub window_bytes: usize,
    /// All batches since the process started, also of streams that are over.
    pub batches: BatchCounts,
}

/// Every stream.
#[derive(Debug)]
pub(super) struct Streams {
    by_node: BTreeMap<NodeId, Stream>,
    /// The longest message that this node passes on: what it says first in each stream.
    message_bytes_max: usize,
    /// Rises with every stream that starts over.
    incarnation: u64,
    /// Of the streams that are over.
    past: BatchCounts,
}

/// The stream to and from one node.
#[derive(Debug)]
struct Stream {
    link: NodeLink,
    /// How long the node has been silent, in time that this one could judge.
    silent: Duration,
    /// When something was last said to it.
    used_at: Time,
    /// The window was full, and has not been half empty since.
    was_full: bool,
    /// The longest message that the node passes on, in bytes, if it said.
    message_bytes_max: Option<usize>,
}

impl Streams {
    pub fn new(message_bytes_max: usize) -> Self {
        Streams { by_node: BTreeMap::new(), message_bytes_max, incarnation: 0, past: BatchCounts::default() }
    }

    /// The stream to `node`, if there is one.
    pub fn to(&self, node: NodeId) -> Option<&NodeLink> {
        self.by_node.get(&node).map(|stream| &stream.link)
    }

    pub fn iter(&self) -> impl Iterator<Item = &NodeLink> {
        self.by_node.values().map(|stream| &stream.link)
    }

    /// The streams as they are now.
    pub fn counts(&self) -> NodeCounts {
        let mut counts = NodeCounts { batches: self.past, ..NodeCounts::default() };
        for link in self.iter() {
            let (batches, bytes) = link.window();
            counts.nodes += 1;
            counts.window_batches += batches;
            counts.window_bytes += bytes;
            counts.batches.add(link.counts());
        }
        counts
    }

    /// What is known of each node, but for its links.
    pub fn views(&self) -> impl Iterator<Item = NodeView> {
        self.by_node.iter().map(|(&node, stream)| {
            let (window_batches, window_bytes) = stream.link.window();
            NodeView {
                node,
                links: 0,
                silent: stream.silent,
                window_batches,
                window_bytes,
                batches: stream.link.counts(),
            }
        })
    }

    /// Says something to a node, behind all that was said before. Gives a note if the stream begins with it.
    pub fn tell(&mut self, to: NodeId, item: Item<'_>, now: Time) -> Option<Note> {
        let window = self.window();
        let (stream, is_new) = self.stream_mut(to, now);
        stream.used_at = now;
        stream.link.keep_alive(true);
        let len = if let Item::Frame { bytes, .. } = item { bytes.len() } else { 0 };
        item.write_to(stream.link.item(item::OVERHEAD_MAX + len));
        stream.note_full(window);
        is_new.then(|| self.on_began(to))
    }

    /// Appends the next packet of any stream; gives whose it is.
    pub fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> Option<NodeId> {
        let mut streams = self.by_node.iter_mut();
        streams.find_map(|(&node, stream)| stream.link.poll_transmit(now, out).then_some(node))
    }

    /// A packet came. Gives a note if the stream begins with it.
    pub fn handle<'a>(
        &mut self,
        from: NodeId,
        header: &Header,
        items: &'a [u8],
        now: Time,
    ) -> (Option<Note>, Outcome<'a>) {
        self.incarnation += 1;
        let fresh = self.incarnation;
        let (stream, is_new) = self.stream_mut(from, now);
        stream.silent = Duration::ZERO;
        let outcome = stream.link.handle(header, items, fresh, now);
        (is_new.then(|| self.on_began(from)), outcome)
    }

    /// Says the longest message that this node passes on.
    pub fn tell_limit(&mut self, to: NodeId, now: Time) {
        self.tell(to, self.limit(), now);
    }

    fn limit(&self) -> Item<'static> {
        let message_bytes_max = u32::try_from(self.message_bytes_max).unwrap_or(u32::MAX);
        Item::Limit { message_bytes_max }
    }

    /// A node said the longest message that it passes on.
    pub fn note_limit(&mut self, from: NodeId, message_bytes_max: u32, now: Time) {
        self.stream_mut(from, now).0.message_bytes_max = Some(message_bytes_max as usize);
    }

    /// The longest message of a link to `node`, in bytes: the smaller limit of the two.
    pub fn message_bytes_max_to(&self, node: NodeId) -> usize {
        let theirs = self.by_node.get(&node).and_then(|stream| stream.message_bytes_max);
        theirs.map_or(self.message_bytes_max, |theirs| theirs.min(self.message_bytes_max))
    }

    /// What one stream may hold unacknowledged, in bytes.
    fn window(&self) -> usize {
        (WINDOWS_MAX / self.by_node.len().max(1)).max(WINDOW_MIN)
    }

    /// True if the stream to `node` takes no more frames now. When it does again, [`Streams::take_relieved`]
    /// says so.
    pub fn is_full(&self, node: NodeId) -> bool {
        self.to(node).is_some_and(|link| link.pending() >= self.window())
    }

    /// True if the stream to `node` takes one more request for a link. These have half a window for
    /// themselves: frames of others keep none waiting, and however many there are they stay within
    /// [`UNACKNOWLEDGED_MAX`](crate::limits::UNACKNOWLEDGED_MAX).
    pub fn has_room_for_request(&self, node: NodeId) -> bool {
        let window = self.window();
        self.to(node).is_none_or(|link| link.pending() < window + window / 2)
    }

    /// True once, when the stream to `node` was full and is half empty: what waits for room may go on.
    pub fn take_relieved(&mut self, node: NodeId) -> bool {
        let low = self.window() / 2;
        let Some(stream) = self.by_node.get_mut(&node) else { return false };
        let is_relieved = stream.was_full && stream.link.pending() < low;
        stream.was_full &= !is_relieved;
        is_relieved
    }

    /// Time passed that this node can judge. Gives the nodes that were silent for too long, which are
    /// forgotten.
    pub fn judge(
        &mut self,
        judged: Duration,
        is_cut_off: bool,
        has_links: impl Fn(NodeId) -> bool,
        now: Time,
    ) -> Vec<(NodeId, StreamEnd)> {
        let mut over = Vec::new();
        for (&node, stream) in &mut self.by_node {
            stream.silent += judged;
            let is_quiet = stream.link.is_idle() && now.since(stream.used_at) > UNUSED_MAX;
            let is_unused = is_quiet && !has_links(node);
            // Forgotten by one end alone it would begin again with the other's next word: so both fall silent
            // first.
            stream.link.keep_alive(!is_unused);
            if stream.silent > SILENT_MAX {
                over.push((node, if is_unused { StreamEnd::Unused } else { StreamEnd::Silent }));
            } else if is_cut_off {
                over.push((node, StreamEnd::CutOff));
            }
        }
        for (node, _) in &over {
            if let Some(stream) = self.by_node.remove(node) {
                self.past.add(stream.link.counts());
            }
        }
        over
    }

    /// The stream to a node, and true if it begins now.
    fn stream_mut(&mut self, node: NodeId, now: Time) -> (&mut Stream, bool) {
        self.incarnation += 1;
        let (incarnation, limit) = (self.incarnation, self.limit());
        match self.by_node.entry(node) {
            Entry::Occupied(known) => (known.into_mut(), false),
            Entry::Vacant(vacant) => (vacant.insert(Stream::new(incarnation, limit, now)), true),
        }
    }

    /// One more stream makes the windows of the others smaller.
    fn on_began(&mut self, node: NodeId) -> Note {
        let window = self.window();
        self.by_node.values_mut().for_each(|stream| stream.note_full(window));
        Note::StreamBegan { node }
    }
}

impl Stream {
    fn new(incarnation: u64, limit: Item<'_>, now: Time) -> Self {
        let mut link = NodeLink::new(incarnation, now);
        limit.write_to(link.item(item::OVERHEAD_MAX));
        Stream { link, silent: Duration::ZERO, used_at: now, was_full: false, message_bytes_max: None }
    }

    fn note_full(&mut self, window: usize) {
        self.was_full |= self.link.pending() >= window;
    }
}

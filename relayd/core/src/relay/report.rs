//! What the relay tells of itself: numbers for the metrics, and notes for the log. It decides nothing.

use protocol::ids::{NodeId, SessionId, TokenDigest};

use super::Relay;
use super::nodes::PROBE_FRESH;
use crate::event::Action;
use crate::node_link::BatchCounts;
use crate::note::Note;
use crate::time::Time;

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

impl Relay {
    /// This node's id.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// True if a role of this session is held here and this is the digest of its token.
    pub fn knows(&self, session: SessionId, token: &TokenDigest) -> bool {
        self.pairs.of(session).is_some_and(|pair| pair.token.matches(token))
    }

    /// The streams as they are now.
    pub fn node_counts(&self) -> NodeCounts {
        let mut counts = NodeCounts { batches: self.nodes.past, ..NodeCounts::default() };
        for link in self.nodes.streams() {
            let (batches, bytes) = link.window();
            counts.nodes += 1;
            counts.window_batches += batches;
            counts.window_bytes += bytes;
            counts.batches.add(link.counts());
        }
        counts
    }

    /// How many links to other nodes stand.
    pub fn links_remote(&self) -> usize {
        self.remotes.len() - self.links_opening()
    }

    /// How many links to other nodes were asked for and are not accepted yet.
    pub fn links_opening(&self) -> usize {
        self.remotes.values().filter(|remote| remote.theirs.is_none()).count()
    }

    /// Says when the own probe becomes late, and when it is fresh again.
    pub(super) fn note_probe(&mut self, now: Time) {
        let age = self.probe_age(now);
        let is_late = age > PROBE_FRESH;
        if std::mem::replace(&mut self.nodes.is_late, is_late) != is_late {
            self.push(Action::Note(if is_late { Note::ProbeLate { age } } else { Note::ProbeFresh }));
        }
    }
}

//! Judges what a node says on the bus: numbers, acknowledgements, repeats, keepalives and probes.
//!
//! Each must come in time, and none without a reason. There is one judge per simulated node. It reads every
//! message that the node publishes and takes, as a second implementation of the stream's rules.

mod probe;
mod stream;

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::ids::NodeId;

use self::probe::Probe;
use self::stream::Stream;
use crate::bus::Message;
use crate::node_link::Header;
use crate::note::{Note, StreamEnd};
use crate::relay::{NodeCounts, Relay};
use crate::time::Time;

/// How often a node looks at the bus, at least.
const TICK: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct BusJudge {
    node: NodeId,
    bus_hold: Duration,
    probe: Probe,
    streams: BTreeMap<NodeId, Stream>,
    /// Of the streams that are over: batches put on the bus for the first time, once more, and taken in.
    past: [u64; 3],
}

impl BusJudge {
    pub fn new(node: NodeId, bus_hold: Duration, now: Time) -> Self {
        BusJudge { node, bus_hold, probe: Probe::new(now), streams: BTreeMap::new(), past: [0; 3] }
    }

    /// The node stood still until now.
    pub fn on_revived(&mut self, now: Time) {
        self.probe.on_revived(now);
    }

    pub fn on_note(&mut self, note: Note, now: Time) {
        match note {
            Note::StreamBegan { node } => {
                self.streams.entry(node).or_insert_with(|| Stream::new(now)).note_begun();
            }
            Note::StreamOver { node, why: StreamEnd::Restarted } => {
                let stream = self.streams.get_mut(&node).expect("a stream that began");
                stream.judge_restarted();
            }
            Note::StreamOver { node, why } => {
                let stream = self.streams.remove(&node).expect("a stream that began");
                let age = self.probe.age(now);
                match why {
                    StreamEnd::CutOff => assert!(age > self.bus_hold, "cut off after {age:?}"),
                    _ => stream.judge_over(why, now),
                }
                for (sum, count) in self.past.iter_mut().zip(stream.counts()) {
                    *sum += count;
                }
            }
            Note::ProbeLate { age } => self.probe.judge_late(age, now),
            Note::ProbeFresh => self.probe.judge_fresh(now),
            Note::Link { .. } => {}
        }
    }

    pub fn on_published(&mut self, to: NodeId, message: &[u8], now: Time) {
        match Message::parse(message).expect("a message of the bus") {
            Message::Probe(number) => {
                assert_eq!(to, self.node, "a probe goes to the node that sends it");
                self.probe.on_sent(number, now);
            }
            Message::Packet { from, bytes } => {
                assert!(from == self.node && to != self.node, "a packet to another node");
                let (header, items) = Header::parse(bytes).expect("a packet of the stream");
                self.streams.get_mut(&to).expect("a stream that began").on_said(&header, items, now);
            }
        }
    }

    /// A message came; `is_taken`: its items are to be carried out.
    pub fn on_heard(&mut self, message: &[u8], is_taken: bool, now: Time) {
        match Message::parse(message).expect("a message of the bus") {
            Message::Probe(number) => self.probe.on_heard(number, now),
            Message::Packet { from, bytes } => {
                let (header, items) = Header::parse(bytes).expect("a packet of the stream");
                let stream = self.streams.entry(from).or_insert_with(|| Stream::new(now));
                stream.on_heard(&header, items, is_taken, now);
            }
        }
    }

    /// The node has just said all that it has to say.
    pub fn check_published(&self, now: Time) {
        self.probe.check_sent(now);
        self.streams.values().for_each(|stream| stream.check_said(now));
    }

    /// What must hold while the node runs.
    pub fn check(&self, relay: &Relay, now: Time) {
        assert_eq!(relay.probe_age(now), self.probe.age(now));
        assert_eq!(relay.nodes(), self.streams.len());
        let timeout = relay.poll_timeout().expect("a node with others has timers");
        for stream in self.streams.values() {
            stream.check_wakes(timeout);
        }
        self.check_counts(&relay.node_counts());
    }

    /// All its timers were served just now.
    pub fn check_ticked(&self, now: Time) {
        self.probe.check_noted(now);
        if self.probe.hears_since(now).is_some_and(|since| since >= Duration::from_secs(6)) {
            self.streams.values().for_each(|stream| stream.check_not_silent(now));
        }
    }

    fn check_counts(&self, counts: &NodeCounts) {
        let mut sums = self.past;
        for stream in self.streams.values() {
            for (sum, count) in sums.iter_mut().zip(stream.counts()) {
                *sum += count;
            }
        }
        let batches = counts.batches;
        assert_eq!(sums, [batches.sent, batches.repeated, batches.received]);
        assert_eq!(counts.nodes, self.streams.len());
    }
}

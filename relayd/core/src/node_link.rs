//! The numbered stream between two nodes: ordered, exactly once, over a bus that may lose, double and
//! reorder.
//!
//! Items go into batches, batches are numbered from 1, kept until acknowledged and sent again on a gap.
//! Acknowledged means "in that node's memory". Each end of the stream has an incarnation; when an end forgets
//! (its node was given up for gone, or the process is new) it comes back with a higher one, and both ends
//! start over. What was under way then is lost, and the caller is told so: the links that ran over the stream
//! end.
//!
//! Knows nothing of what items mean. One per remote node; the relay owns them.

pub mod item;
mod packet;

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits::WINDOW_MIN;
use crate::time::Time;

pub use packet::{Header, PACKET_OVERHEAD};

/// The most bytes of items in one batch: one piece of a frame at its largest, or many small ones.
pub const BATCH_BYTES_MAX: usize = item::PIECE_BYTES_MAX + item::OVERHEAD_MAX;

/// Batches that are on their way at once, but for full ones. Bounds the buffers that small batches take.
const BATCHES_MAX: usize = 64;

/// How often an end speaks at least, so that a lost tail shows and silence means something.
pub const KEEPALIVE_EVERY: Duration = Duration::from_secs(1);

/// How long a batch may wait for its acknowledgement.
const ACK_WITHIN: Duration = Duration::from_millis(5);

/// So many batches, or bytes, are acknowledged at once: well before they fill the window of the end that
/// sends.
const ACK_BATCHES: usize = BATCHES_MAX / 8;
const ACK_BYTES: usize = WINDOW_MIN / 4;

/// How long to wait for the answer to a repeat before asking for it again.
const REPEAT_AFTER: Duration = Duration::from_millis(200);

/// One end of the stream.
#[derive(Debug)]
pub struct NodeLink {
    /// Rises each time this end starts over.
    own: u64,
    /// The other end's, once it is known to know nothing older of us.
    theirs: Option<u64>,
    /// The highest that the other end is known to have had: what comes late of an earlier one is not heard.
    /// `theirs >= floor`
    floor: u64,
    /// Items for the next batch. At most [`BATCH_BYTES_MAX`].
    filling: Vec<u8>,
    /// Batches that are not acknowledged; the first is number `acked + 1`.
    window: VecDeque<Vec<u8>>,
    /// Sum of the bytes in `window`.
    window_bytes: usize,
    acked: u64,
    /// The next batch to put on the bus. `acked < next <= acked + window.len() + 1`
    next: u64,
    /// The last batch taken in, without a gap before it.
    received: u64,
    /// Something came that must be answered at once.
    owes_ack: bool,
    /// What came and is to be acknowledged when there is more of it, or soon.
    unanswered: Unanswered,
    /// A gap was seen: the other end is asked to repeat.
    asks_repeat: bool,
    /// When a repeat was last asked for.
    asked_at: Option<Time>,
    /// When something was last put on the bus.
    spoke_at: Time,
    /// It speaks though there is nothing to say.
    keeps_alive: bool,
    /// Emptied batches, for the next ones.
    spare: Vec<Vec<u8>>,
    /// The last batch that was put on the bus at all.
    sent: u64,
    /// Outlasts a start over.
    counts: BatchCounts,
}

/// Where in a stream something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The incarnation of the end that said it.
    own: u64,
    batch: u64,
}

/// What became of the batches of a stream, or of several. Every count only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchCounts {
    /// Put on the bus for the first time.
    pub sent: u64,
    /// Put on the bus once more.
    pub repeated: u64,
    /// Taken in.
    pub received: u64,
    /// Came though they had been taken in, and were dropped.
    pub doubled: u64,
}

/// Batches that were taken in since this end last spoke.
#[derive(Clone, Copy, Debug, Default)]
struct Unanswered {
    batches: usize,
    bytes: usize,
    /// When the first of them came.
    since: Option<Time>,
}

/// What a packet brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<'a> {
    /// The items of the next batch.
    Items(&'a [u8]),
    /// Nothing new.
    Nothing,
}

/// What a packet did to the stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// The other end, or this one for its sake, started over: whatever ran over the stream has ended. To be
    /// dealt with before [`Outcome::taken`].
    pub restarted: bool,
    /// Batches that the other end may not have taken and will not get any more, as this end started over.
    pub lost: Vec<Vec<u8>>,
    /// What came.
    pub taken: Taken<'a>,
}

impl BatchCounts {
    /// Adds those of another stream.
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.repeated += other.repeated;
        self.received += other.received;
        self.doubled += other.doubled;
    }
}

impl NodeLink {
    /// A stream of which nothing was sent. `incarnation` is higher than that of any earlier one to the same
    /// node.
    pub fn new(incarnation: u64, now: Time) -> Self {
        NodeLink {
            own: incarnation,
            theirs: None,
            floor: 0,
            filling: Vec::new(),
            window: VecDeque::new(),
            window_bytes: 0,
            acked: 0,
            next: 1,
            received: 0,
            owes_ack: false,
            unanswered: Unanswered::default(),
            asks_repeat: false,
            asked_at: None,
            spoke_at: now,
            keeps_alive: true,
            spare: Vec::new(),
            sent: 0,
            counts: BatchCounts::default(),
        }
    }

    /// What became of its batches so far.
    pub const fn counts(&self) -> BatchCounts {
        self.counts
    }

    /// How many batches are not acknowledged, and their bytes.
    pub fn window(&self) -> (usize, usize) {
        (self.window.len(), self.window_bytes)
    }

    /// Bytes that wait to be sent or acknowledged.
    pub fn pending(&self) -> usize {
        self.window_bytes + self.filling.len()
    }

    /// True if everything was acknowledged.
    pub fn is_idle(&self) -> bool {
        self.pending() == 0
    }

    /// Where to append an item of at most `len` bytes. Control items must always find room, so the caller
    /// bounds what it appends by [`NodeLink::pending`].
    pub fn item(&mut self, len: usize) -> &mut Vec<u8> {
        debug_assert!(len <= BATCH_BYTES_MAX, "an item fits a batch");
        if self.filling.len() + len > BATCH_BYTES_MAX {
            self.seal();
        }
        &mut self.filling
    }

    /// Where the item that was appended last is.
    pub fn position(&self) -> Position {
        Position { own: self.own, batch: self.acked + self.window.len() as u64 + 1 }
    }

    /// True if what was said there may still arrive: it is neither acknowledged nor given up.
    pub fn is_under_way(&self, position: Position) -> bool {
        position.own == self.own && position.batch > self.acked
    }

    /// Appends the next packet that is to be put on the bus, header included. False if there is none. Call
    /// until then at the end of a turn.
    pub fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        // With many batches on their way, what is said meanwhile goes together in the next one.
        if !self.filling.is_empty() && self.window.len() < BATCHES_MAX {
            self.seal();
        }
        let batch = usize::try_from(self.next - self.acked - 1).ok().and_then(|at| self.window.get(at));
        let owes_ack = self.owes_ack || self.ack_due().is_some_and(|due| due <= now);
        let keeps_alive = self.keeps_alive && now >= self.keepalive_at();
        if batch.is_none() && !owes_ack && !keeps_alive {
            return false;
        }
        let header = Header {
            from: self.own,
            to: self.theirs.unwrap_or(0),
            number: if batch.is_some() { self.next } else { 0 },
            last: self.acked + self.window.len() as u64,
            received: self.received,
            repeat: self.asks_repeat,
        };
        header.write_to(out);
        if let Some(batch) = batch {
            out.extend_from_slice(batch);
            self.counts.sent += u64::from(self.next > self.sent);
            self.counts.repeated += u64::from(self.next <= self.sent);
            self.sent = self.sent.max(self.next);
            self.next += 1;
        }
        (self.owes_ack, self.asks_repeat, self.spoke_at) = (false, false, now);
        self.unanswered = Unanswered::default();
        true
    }

    /// When [`NodeLink::poll_transmit`] must be called for what came and was not acknowledged.
    pub fn ack_due(&self) -> Option<Time> {
        self.unanswered.since.map(|since| since + ACK_WITHIN)
    }

    /// Whether it is to speak though there is nothing to say. An end that does not is silent, in time, for
    /// the other.
    pub fn keep_alive(&mut self, keeps_alive: bool) {
        self.keeps_alive = keeps_alive;
    }

    /// When [`NodeLink::poll_transmit`] must be called at the latest.
    pub fn keepalive_at(&self) -> Time {
        self.spoke_at + KEEPALIVE_EVERY
    }

    /// A packet came. `items` is what followed its header; `fresh` is a higher incarnation, should this end
    /// have to start over.
    pub fn handle<'a>(&mut self, header: &Header, items: &'a [u8], fresh: u64, now: Time) -> Outcome<'a> {
        if header.to != 0 && header.to != self.own {
            let restarted = self.on_misdirected(header.from);
            return Outcome { restarted, lost: Vec::new(), taken: Taken::Nothing };
        }
        if header.from < self.floor {
            return Outcome { restarted: false, lost: Vec::new(), taken: Taken::Nothing };
        }
        let restarted = self.theirs.is_some_and(|theirs| header.from > theirs);
        let lost =
            if self.theirs == Some(header.from) { Vec::new() } else { self.meet(header.from, fresh, now) };
        if header.to == self.own {
            self.on_acknowledged(header.received);
            if header.repeat {
                self.next = self.acked + 1;
            }
        }
        Outcome { restarted, lost, taken: self.take(header, items, now) }
    }

    /// A packet for an earlier incarnation of this end: the answer must show the new one. If it is from one
    /// that is newer than the one known, that one is over.
    fn on_misdirected(&mut self, from: u64) -> bool {
        let is_newer = self.theirs.is_some_and(|theirs| from > theirs);
        if is_newer {
            (self.theirs, self.floor) = (None, from);
        }
        self.owes_ack |= self.theirs.is_none_or(|theirs| from == theirs);
        is_newer
    }

    /// The other end is new. Its memory of this stream is empty: if some of that is not here any more, this
    /// end starts over as well, and gives up what was not acknowledged.
    fn meet(&mut self, theirs: u64, fresh: u64, now: Time) -> Vec<Vec<u8>> {
        let mut lost = Vec::new();
        if self.acked > 0 {
            let new =
                NodeLink { counts: self.counts, keeps_alive: self.keeps_alive, ..NodeLink::new(fresh, now) };
            let old = std::mem::replace(self, new);
            lost.extend(old.window);
            lost.push(old.filling);
        }
        (self.theirs, self.floor, self.received, self.next) = (Some(theirs), theirs, 0, 1);
        (self.owes_ack, self.asks_repeat, self.asked_at) = (true, false, None);
        lost
    }

    fn take<'a>(&mut self, header: &Header, items: &'a [u8], now: Time) -> Taken<'a> {
        if header.number == self.received + 1 {
            self.received += 1;
            self.counts.received += 1;
            self.asked_at = None;
            self.note_taken(items.len(), now);
            return Taken::Items(items);
        }
        let is_gap = header.number > self.received || header.last > self.received;
        if header.number != 0 {
            self.owes_ack = true;
            self.counts.doubled += u64::from(header.number <= self.received);
        }
        if is_gap && self.asked_at.is_none_or(|at| now.since(at) >= REPEAT_AFTER) {
            (self.owes_ack, self.asks_repeat, self.asked_at) = (true, true, Some(now));
        }
        Taken::Nothing
    }

    /// One acknowledgement answers many batches, and goes with whatever is said in the other direction.
    fn note_taken(&mut self, bytes: usize, now: Time) {
        let Unanswered { batches, bytes: sum, since } = &mut self.unanswered;
        (*batches, *sum) = (*batches + 1, *sum + bytes);
        since.get_or_insert(now);
        self.owes_ack |= *batches >= ACK_BATCHES || *sum >= ACK_BYTES;
    }

    fn on_acknowledged(&mut self, received: u64) {
        // What was never sent can't have come: taking its acknowledgement would lose it.
        if received > self.sent {
            return;
        }
        while self.acked < received {
            let Some(mut batch) = self.window.pop_front() else { break };
            self.acked += 1;
            self.window_bytes -= batch.len();
            batch.clear();
            self.spare.push(batch);
        }
        self.next = self.next.max(self.acked + 1);
    }

    fn seal(&mut self) {
        let empty = self.spare.pop().unwrap_or_default();
        let batch = std::mem::replace(&mut self.filling, empty);
        self.window_bytes += batch.len();
        self.window.push_back(batch);
    }
}

#[cfg(test)]
#[path = "node_link/tests.rs"]
mod tests;

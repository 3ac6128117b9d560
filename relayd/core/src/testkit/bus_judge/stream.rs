//! One end of the numbered stream between two nodes, as its rules have it.

use std::time::Duration;

use super::TICK;
use crate::limits::WINDOW_MIN;
use crate::node_link::{BATCH_BYTES_MAX, Header};
use crate::note::StreamEnd;
use crate::time::Time;

/// A batch waits for its acknowledgement no longer.
const ACK_WITHIN: Duration = Duration::from_millis(5);

/// So many batches, or bytes, are acknowledged at once.
const ACK_BATCHES: usize = 8;
const ACK_BYTES: usize = WINDOW_MIN / 4;

/// An end speaks so often.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(1);

/// Between two requests for one repeat.
const REPEAT_AFTER: Duration = Duration::from_millis(200);

/// A node that says nothing for so long is gone.
const SILENT_MAX: Duration = Duration::from_secs(4);

/// A stream without links is forgotten after this.
const UNUSED_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Stream {
    own: u64,
    /// The incarnation of the other end, while it is sure that this end has met it.
    theirs: u64,
    is_sure: bool,
    /// The next batch to say; `None` where a restart may have changed it.
    next: Option<u64>,
    acked: u64,
    top: u64,
    /// The last batch taken.
    taken: u64,
    /// Batches and bytes taken since it last spoke, and when the first came.
    owed: (usize, usize),
    owed_since: Option<Time>,
    /// Something came that is answered at once.
    may_answer: bool,
    must_repeat: bool,
    /// A gap was seen since it last asked. It asks though the gap was filled meanwhile.
    may_repeat: bool,
    asked_at: Option<Time>,
    spoke_at: Time,
    heard_at: Time,
    /// When it last said a batch for the first time.
    said_at: Time,
    has_begun: bool,
    has_restarted: bool,
    /// It met a new incarnation of the other end after batches of its own were acknowledged. So it is a new
    /// one itself, whose number shows when it next says something.
    is_new: bool,
    sent: u64,
    repeated: u64,
    received: u64,
}

impl Stream {
    pub fn new(now: Time) -> Self {
        Stream {
            own: 0,
            theirs: 0,
            is_sure: false,
            next: None,
            acked: 0,
            top: 0,
            taken: 0,
            owed: (0, 0),
            owed_since: None,
            may_answer: false,
            must_repeat: false,
            may_repeat: false,
            asked_at: None,
            spoke_at: now,
            heard_at: now,
            said_at: now,
            has_begun: false,
            has_restarted: false,
            is_new: false,
            sent: 0,
            repeated: 0,
            received: 0,
        }
    }

    /// Batches put on the bus for the first time, once more, and taken in.
    pub fn counts(&self) -> [u64; 3] {
        [self.sent, self.repeated, self.received]
    }

    pub fn note_begun(&mut self) {
        assert!(!std::mem::replace(&mut self.has_begun, true), "a stream began twice");
    }

    pub fn on_said(&mut self, header: &Header, items: &[u8], now: Time) {
        assert!(header.from >= self.own, "incarnations rise");
        if header.from > self.own {
            (self.own, self.next, self.acked, self.top) = (header.from, Some(1), 0, 0);
        }
        if header.number == 0 {
            self.judge_empty(header, now);
        } else {
            self.judge_batch(header, items, now);
        }
        if self.is_sure && header.to == self.theirs {
            assert_eq!(header.received, self.taken, "it acknowledges what it took");
        }
        if header.repeat {
            assert!(std::mem::take(&mut self.may_repeat), "there was no gap: {self:?}");
        }
        (self.owed, self.owed_since, self.spoke_at) = ((0, 0), None, now);
        (self.may_answer, self.must_repeat, self.is_new) = (false, false, false);
    }

    fn judge_empty(&self, header: &Header, now: Time) {
        let (batches, bytes) = self.owed;
        let is_due = self.owed_since.is_some_and(|since| now.since(since) >= ACK_WITHIN);
        let acknowledges = is_due || batches >= ACK_BATCHES || bytes >= ACK_BYTES;
        let keeps_alive = now.since(self.spoke_at) >= KEEPALIVE_EVERY;
        let is_needed = acknowledges || keeps_alive || self.may_answer || header.repeat;
        assert!(is_needed, "a packet that says nothing: {header:?} of {self:?}");
    }

    fn judge_batch(&mut self, header: &Header, items: &[u8], now: Time) {
        assert!(!items.is_empty() && items.len() <= BATCH_BYTES_MAX, "{} bytes in a batch", items.len());
        if let Some(next) = self.next {
            assert_eq!(header.number, next, "batches are said in order, and again only when asked for");
        }
        self.next = Some(header.number + 1);
        if header.number > self.top {
            (self.top, self.said_at) = (header.number, now);
            self.sent += 1;
        } else {
            self.repeated += 1;
        }
    }

    pub fn on_heard(&mut self, header: &Header, items: &[u8], is_taken: bool, now: Time) {
        self.heard_at = now;
        if header.to != 0 && (header.to != self.own || self.is_new) {
            self.may_answer = true;
            if self.is_sure && header.from > self.theirs {
                // What an earlier incarnation said before is not taken any more.
                (self.is_sure, self.theirs) = (false, header.from);
                (self.next, self.has_restarted) = (None, true);
            }
            assert!(!is_taken || self.own == 0, "said to an earlier incarnation");
            return;
        }
        if header.from < self.theirs {
            return;
        }
        if header.from > self.theirs || !self.is_sure {
            self.meet(header.from);
        }
        self.on_acknowledged(header);
        self.judge_taken(header, items, is_taken, now);
    }

    fn meet(&mut self, from: u64) {
        self.is_new |= self.acked > 0;
        self.has_restarted |= self.is_sure && from > self.theirs;
        (self.theirs, self.is_sure, self.may_answer, self.next) = (from, true, true, None);
        (self.taken, self.owed, self.owed_since) = (0, (0, 0), None);
        (self.asked_at, self.must_repeat) = (None, false);
    }

    fn on_acknowledged(&mut self, header: &Header) {
        if header.to != self.own || self.own == 0 || header.received > self.top {
            return;
        }
        self.acked = self.acked.max(header.received);
        if let Some(next) = self.next {
            let from = if header.repeat { self.acked + 1 } else { next };
            self.next = Some(from.max(self.acked + 1));
        }
    }

    fn judge_taken(&mut self, header: &Header, items: &[u8], is_taken: bool, now: Time) {
        assert_eq!(is_taken, header.number == self.taken + 1, "in order, once: {header:?} by {self:?}");
        if is_taken {
            self.taken += 1;
            self.received += 1;
            self.owed = (self.owed.0 + 1, self.owed.1 + items.len());
            self.owed_since.get_or_insert(now);
            (self.asked_at, self.must_repeat) = (None, false);
            return;
        }
        self.may_answer |= header.number != 0;
        let is_gap = header.number > self.taken || header.last > self.taken;
        if is_gap && self.asked_at.is_none_or(|at| now.since(at) >= REPEAT_AFTER) {
            (self.must_repeat, self.may_repeat, self.asked_at) = (true, true, Some(now));
        }
    }

    /// It has just said all that it has to say.
    pub fn check_said(&self, now: Time) {
        let (batches, bytes) = self.owed;
        let is_overdue = self.owed_since.is_some_and(|since| now.since(since) >= ACK_WITHIN);
        assert!(!is_overdue && batches < ACK_BATCHES && bytes < ACK_BYTES, "not acknowledged: {self:?}");
        assert!(!self.must_repeat, "a gap is asked for: {self:?}");
        let is_used = now.since(self.said_at) < UNUSED_MAX / 2;
        assert!(!is_used || now.since(self.spoke_at) < KEEPALIVE_EVERY, "no keepalive: {self:?}");
    }

    /// It wakes in time for its acknowledgement.
    pub fn check_wakes(&self, timeout: Time) {
        assert!(self.has_begun, "nobody was told that it began");
        if let Some(since) = self.owed_since.filter(|_| !self.may_answer) {
            assert!(timeout <= since + ACK_WITHIN, "sleeps over an acknowledgement: {self:?}");
        }
    }

    pub fn check_not_silent(&self, now: Time) {
        let silent = now.since(self.heard_at);
        assert!(silent < SILENT_MAX + Duration::from_secs(2), "silent for {silent:?} and not given up");
    }

    pub fn judge_restarted(&mut self) {
        assert!(self.has_restarted, "nobody restarted: {self:?}");
        self.has_restarted = false;
    }

    pub fn judge_over(&self, why: StreamEnd, now: Time) {
        let (silent, unused) = (now.since(self.heard_at), now.since(self.said_at));
        // The tick that hears it silent counts the time since the tick before.
        assert!(silent + 2 * TICK > SILENT_MAX, "{why:?} after {silent:?} of silence");
        // What was said may have waited for its turn on the bus.
        assert!(why != StreamEnd::Unused || unused > UNUSED_MAX / 2, "unused for {unused:?}");
    }
}

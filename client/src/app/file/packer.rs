//! Several records in one message: each message has a cost of its own, and most records are small.

use std::collections::VecDeque;

use super::limits::MESSAGE_BYTES_MIN;
use super::wire::number_len;
use crate::app::limits::PAYLOAD_BYTES_MAX;

/// Messages that are being filled.
#[derive(Debug)]
pub(super) struct Packer {
    /// Complete ones, the oldest first.
    full: VecDeque<Vec<u8>>,
    /// The one that takes the next record.
    open: Vec<u8>,
    /// A message gets no longer, unless one record is.
    len_max: usize,
}

impl Packer {
    pub(super) fn new() -> Self {
        Packer { full: VecDeque::new(), open: Vec::new(), len_max: PAYLOAD_BYTES_MAX }
    }

    /// The length that messages should have from now on.
    pub(super) fn set_len(&mut self, len: usize) {
        self.len_max = len.clamp(MESSAGE_BYTES_MIN, PAYLOAD_BYTES_MAX);
    }

    /// Adds one record.
    pub(super) fn add(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let before = self.open.len();
        put(&mut self.open);
        if self.open.len() > self.len_max && before > 0 {
            let record = self.open.split_off(before);
            let full = std::mem::replace(&mut self.open, record);
            self.full.push_back(full);
        }
    }

    /// Bytes of data that a record of file `number` has room for in the open message.
    pub(super) fn data_room(&self, number: u32) -> usize {
        let header = 1 + number_len(self.len_max as u64) + number_len(number.into());
        self.len_max.saturating_sub(self.open.len() + header)
    }

    /// The next complete message; also the open one, if `flushes`.
    pub(super) fn poll(&mut self, flushes: bool) -> Option<Vec<u8>> {
        let open = |open: &mut Vec<u8>| (flushes && !open.is_empty()).then(|| std::mem::take(open));
        self.full.pop_front().or_else(|| open(&mut self.open))
    }

    /// Ends the open message, whatever room it has.
    pub(super) fn close(&mut self) {
        if !self.open.is_empty() {
            self.full.push_back(std::mem::take(&mut self.open));
        }
    }
}

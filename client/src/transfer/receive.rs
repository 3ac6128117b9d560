//! Receiving a set of files and folders.

mod shelf;

use std::collections::VecDeque;
use std::time::Duration;

use super::{FileChannel, Outcome, Progress, SendRefused, Step, Totals};
use crate::app::Reason;
use crate::app::file::{self, FileReceiver, Incoming, SetParams, reason};
use crate::app::limits::CREDIT_FILE;
use crate::folder::Inbox;
use shelf::Shelf;

/// What is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveOptions {
    /// Files of one set; further ones are refused.
    pub files_max: u64,
    /// Bytes of one file; longer ones are refused.
    pub file_bytes_max: u64,
    /// Each file gets the permissions that its sender says. Else no file can be run, and only its owner may
    /// write to it.
    pub mode: bool,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        ReceiveOptions { files_max: 1_000_000, file_bytes_max: 1 << 50, mode: false }
    }
}

/// One thing that happened while a set is received, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiveEvent {
    /// Bytes of a file begin to come. Small files have `Done` only.
    Started {
        /// Its name as it was offered, harmless to show.
        name: String,
        /// Its length.
        size: u64,
        /// Bytes that are there already.
        offset: u64,
    },
    /// A file is whole.
    Done {
        /// Its name as it was offered, harmless to show.
        name: String,
        /// Its path in the folder.
        kept_as: String,
        /// Its length.
        size: u64,
    },
    /// A file is not taken.
    Failed {
        /// Its name as it was offered, harmless to show.
        name: String,
        /// Why.
        reason: Reason,
    },
}

/// A set that is received over one channel. What is not whole when the channel ends stays in the inbox, and
/// the next set that offers it goes on there.
#[derive(Debug)]
pub struct ReceiveSet {
    shelf: Shelf,
    receiver: Option<FileReceiver>,
    /// Came, and not dealt with; of the first one, so many bytes are.
    messages: VecDeque<Vec<u8>>,
    dealt_with: usize,
    /// Bytes of messages that are dealt with, while others wait here: they are returned together, as each
    /// return costs the other end a message.
    unreturned: usize,
    /// Taken from the receiver, and the channel had no room for it.
    pending: Option<Vec<u8>>,
    /// The other end says nothing more.
    has_ended: bool,
    is_gone: bool,
    is_cancelled: bool,
    outcome: Option<Outcome>,
}

/// Records, and bytes of files that are there, that one `advance` deals with.
const RECORDS: usize = 256;
const HASH_BYTES: u64 = 4 * 1024 * 1024;

/// Credit is returned at once from this many bytes on: a quarter of what the sender has.
const RETURN_BYTES: usize = CREDIT_FILE / 4;

impl ReceiveSet {
    /// A channel of kind `file` was opened with `params`. `from` names its sender in what is kept for
    /// resuming: it must be the same for the same phone or desk, and different for others.
    ///
    /// # Errors
    /// The parameters are not those of this kind. Refuse the channel with this reason.
    pub fn new(inbox: Inbox, from: &str, params: &str, options: ReceiveOptions) -> Result<Self, Reason> {
        let params = SetParams::parse(params)?;
        Ok(ReceiveSet {
            shelf: Shelf::new(inbox, from, params, options),
            receiver: None,
            messages: VecDeque::new(),
            dealt_with: 0,
            unreturned: 0,
            pending: None,
            has_ended: false,
            is_gone: false,
            is_cancelled: false,
            outcome: None,
        })
    }

    /// The parameters to accept the channel with.
    pub fn params(&self) -> String {
        format!("{{\"v\":{}}}", file::VERSION)
    }

    /// What the sender said about the set.
    pub fn announced(&self) -> &SetParams {
        self.shelf.announced()
    }

    /// A message came on the channel.
    pub fn on_data(&mut self, message: Vec<u8>, now: Duration) {
        self.receiver(now).on_message(now);
        self.messages.push_back(message);
    }

    /// The other end sends nothing more.
    pub fn on_ended(&mut self) {
        self.has_ended = true;
    }

    /// The channel is gone: the next `advance` gives up. What was begun stays, and is free for another set.
    pub fn on_gone(&mut self) {
        self.is_gone = true;
        self.shelf.drop_files();
    }

    /// Whether the other end is connected. While it is not, no deadline passes. It is at first.
    pub fn on_link(&mut self, is_up: bool, now: Duration) {
        self.receiver(now).on_link(is_up, now);
    }

    fn receiver(&mut self, now: Duration) -> &mut FileReceiver {
        self.receiver.get_or_insert_with(|| FileReceiver::new(now))
    }

    /// Works on. `now` is the span since any fixed point.
    pub fn advance(&mut self, channel: &mut dyn FileChannel, now: Duration) -> Step {
        if let Some(outcome) = &self.outcome {
            return Step::Over(outcome.clone());
        }
        if self.is_gone {
            return self
                .over(Reason::new(Reason::CANCELLED, "the channel is gone; what was begun can be resumed"));
        }
        if self.is_cancelled {
            let words = "the receiver's user does not want the rest";
            return self.give_up(channel, Reason::new(Reason::CANCELLED, words));
        }
        if self.receiver(now).is_silent(now) {
            let words = "the other program has said nothing for five minutes";
            return self.give_up(channel, Reason::new(reason::SILENT, words));
        }
        match self.deal_with_some(channel, now) {
            Ok(has_more) => self.answer(channel, has_more, now),
            Err(reason) => self.give_up(channel, reason),
        }
    }

    /// Gives whether there is more to do.
    fn deal_with_some(&mut self, channel: &mut dyn FileChannel, now: Duration) -> Result<bool, Reason> {
        let receiver = self.receiver.get_or_insert_with(|| FileReceiver::new(now));
        let has_hashed = self.shelf.hash_some(receiver, HASH_BYTES);
        let Some(message) = self.messages.front() else {
            return Ok(has_hashed);
        };
        let mut rest = &message[self.dealt_with..];
        // A hole of a few bytes is as much to hash as the data that it stands for.
        let mut bytes_left = HASH_BYTES;
        for _ in 0..RECORDS {
            if rest.is_empty() || bytes_left == 0 {
                break;
            }
            if let Some(incoming) = receiver.take_record(&mut rest).map_err(malformed)? {
                if let Incoming::Hole { len, .. } = incoming {
                    bytes_left = bytes_left.saturating_sub(len);
                }
                self.shelf.take(incoming, receiver)?;
            }
        }
        self.dealt_with = message.len() - rest.len();
        if rest.is_empty() {
            self.unreturned += message.len();
            self.messages.pop_front();
            self.dealt_with = 0;
            if self.messages.is_empty() || self.unreturned >= RETURN_BYTES {
                channel.consumed(std::mem::take(&mut self.unreturned));
            }
        }
        Ok(true)
    }

    fn answer(&mut self, channel: &mut dyn FileChannel, has_more: bool, now: Duration) -> Step {
        let receiver = self.receiver.get_or_insert_with(|| FileReceiver::new(now));
        receiver.set_message_len(channel.message_len());
        while let Some(message) = self.pending.take().or_else(|| receiver.poll_message(now)) {
            if channel.try_send(&message) == Err(SendRefused::Full) {
                self.pending = Some(message);
                break;
            }
        }
        channel.flush();
        let until = receiver.next_deadline();
        if receiver.is_over() && self.pending.is_none() {
            channel.end();
            let (done, failed, bytes) = receiver.taken();
            let totals = Totals { done: done.into(), failed: failed.into(), bytes };
            self.outcome = Some(Outcome::Complete(totals));
            return Step::Over(Outcome::Complete(totals));
        }
        if has_more {
            return Step::More;
        }
        if self.has_ended {
            let words = "the sender ended before every file was settled";
            return self.give_up(channel, Reason::new(Reason::PROTOCOL, words));
        }
        Step::Wait { until }
    }

    fn give_up(&mut self, channel: &mut dyn FileChannel, reason: Reason) -> Step {
        channel.reset(reason.clone());
        self.over(reason)
    }

    fn over(&mut self, reason: Reason) -> Step {
        // Parts are unlocked now: a next set may take them.
        self.shelf.drop_files();
        self.outcome = Some(Outcome::Broken(reason.clone()));
        Step::Over(Outcome::Broken(reason))
    }

    /// The user does not want the rest. The next `advance` resets the channel. What was begun stays.
    pub fn cancel(&mut self) {
        self.is_cancelled = true;
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ReceiveEvent> {
        self.shelf.poll_event()
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let (done, failed, bytes) = self.receiver.as_ref().map_or((0, 0, 0), FileReceiver::taken);
        let offered = self.receiver.as_ref().map_or(0, FileReceiver::offered);
        let announced = self.shelf.announced();
        let bytes_written = bytes.saturating_add(self.shelf.written());
        Progress {
            files_total: announced.files.unwrap_or(0).max(offered.into()),
            bytes_total: announced.bytes.unwrap_or(0).max(bytes_written),
            files_settled: u64::from(done) + u64::from(failed),
            bytes_written,
        }
    }
}

fn malformed(error: file::Malformed) -> Reason {
    Reason::new(Reason::MALFORMED, error.to_string())
}

//! The end that sends the files.

use std::collections::BTreeMap;
use std::time::Duration;

use super::limits::{INLINE_BYTES_MAX, OFFERS_MAX, UNSETTLED_MAX};
use super::packer::Packer;
use super::patience::Patience;
use super::record::{FileHash, Offer, ReceiverRecord, SenderRecord};
use super::wire::Malformed;
use crate::app::Reason;

/// The sender's end of one channel. Files have the numbers 0, 1, 2 … in the order in which they are offered.
#[derive(Debug)]
pub struct FileSender {
    /// Those that are not settled: `files.len() <= UNSETTLED_MAX`.
    files: BTreeMap<u32, Outgoing>,
    /// The number of the next offer.
    next: u32,
    has_total: bool,
    packer: Packer,
    patience: Patience,
}

#[derive(Debug)]
struct Outgoing {
    size: u64,
    is_inline: bool,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The receiver has not answered.
    Offered,
    /// All up to here was said.
    Open { at: u64 },
    /// Its hash was said.
    Ended,
}

/// What the receiver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It takes the file from `offset`. Where that is not 0, compare `prefix`: if the first bytes have
    /// another hash, call [`FileSender::again`]. Then send data.
    Accepted {
        /// The file.
        number: u32,
        /// Where to begin.
        offset: u64,
        /// The hash of what comes before.
        prefix: Option<FileHash>,
    },
    /// Its app has written this much of the file.
    Written {
        /// The file.
        number: u32,
        /// Bytes from the file's start.
        bytes: u64,
    },
    /// The file is whole there.
    Done {
        /// The file.
        number: u32,
        /// Its name there.
        kept_as: String,
    },
    /// The file is not taken.
    Failed {
        /// The file.
        number: u32,
        /// Why.
        reason: Reason,
    },
    /// Every file is settled. Nothing follows: end the channel.
    Taken {
        /// Files that are whole.
        done: u32,
        /// Files that are not.
        failed: u32,
        /// Bytes of those that are whole.
        bytes: u64,
    },
}

impl FileSender {
    /// For a channel that was just accepted.
    pub fn new(now: Duration) -> Self {
        FileSender {
            files: BTreeMap::new(),
            next: 0,
            has_total: false,
            packer: Packer::new(),
            patience: Patience::new(now),
        }
    }

    /// A message of the receiver came.
    ///
    /// # Errors
    /// It may not come: reset the channel.
    pub fn on_message(&mut self, message: &[u8], now: Duration) -> Result<Vec<Answer>, Malformed> {
        self.patience.heard(now);
        let (mut rest, mut answers) = (message, Vec::new());
        while !rest.is_empty() {
            if let Some(record) = ReceiverRecord::take(&mut rest)? {
                answers.extend(self.on_record(record)?);
            }
        }
        Ok(answers)
    }

    fn on_record(&mut self, record: ReceiverRecord) -> Result<Option<Answer>, Malformed> {
        match record {
            ReceiverRecord::Wait => Ok(None),
            ReceiverRecord::Accept(number, offset, prefix) => self.on_accept(number, offset, prefix),
            ReceiverRecord::Written(number, bytes) => {
                let is_known = self.known(number)?.map(|file| bytes <= file.size);
                match is_known {
                    Some(false) => Err(Malformed::Value("written")),
                    Some(true) => Ok(Some(Answer::Written { number, bytes })),
                    None => Ok(None),
                }
            }
            ReceiverRecord::Done(number, kept_as) => match self.known(number)?.map(|file| &file.stage) {
                None => Ok(None),
                Some(Stage::Ended) => {
                    self.files.remove(&number);
                    Ok(Some(Answer::Done { number, kept_as }))
                }
                Some(_) => Err(Malformed::OutOfStep("done before the end")),
            },
            ReceiverRecord::Failed(number, reason) => {
                let is_known = self.known(number)?.is_some();
                self.files.remove(&number);
                Ok(is_known.then_some(Answer::Failed { number, reason }))
            }
            ReceiverRecord::Taken { done, failed, bytes } => {
                let is_whole = self.has_total && self.files.is_empty();
                if !is_whole || done.checked_add(failed) != Some(self.next) {
                    return Err(Malformed::OutOfStep("taken before all is settled"));
                }
                Ok(Some(Answer::Taken { done, failed, bytes }))
            }
        }
    }

    fn on_accept(
        &mut self,
        number: u32,
        offset: u64,
        prefix: Option<FileHash>,
    ) -> Result<Option<Answer>, Malformed> {
        let Some(file) = self.known(number)? else { return Ok(None) };
        if file.stage != Stage::Offered {
            return Err(Malformed::OutOfStep("accept twice"));
        }
        if offset > file.size {
            return Err(Malformed::Value("offset"));
        }
        file.stage = Stage::Open { at: offset };
        Ok(Some(Answer::Accepted { number, offset, prefix }))
    }

    /// A file that is not settled; `None` if it is.
    fn known(&mut self, number: u32) -> Result<Option<&mut Outgoing>, Malformed> {
        if number >= self.next {
            return Err(Malformed::OutOfStep("a file that was not offered"));
        }
        Ok(self.files.get_mut(&number))
    }

    /// The connection to the other end comes or goes. While it is away, no deadline passes.
    pub fn on_link(&mut self, is_up: bool, now: Duration) {
        self.patience.set_up(is_up, now);
    }
}

/// What the app says.
impl FileSender {
    /// True if one more file may be offered now.
    pub fn may_offer(&self, is_inline: bool) -> bool {
        let waiting = || self.files.values().filter(|file| !file.is_inline).count();
        !self.has_total && self.files.len() < UNSETTLED_MAX && (is_inline || waiting() < OFFERS_MAX)
    }

    /// Offers a file; gives its number. An inline file's data may follow at once. `None` if it may not be
    /// offered now.
    pub fn offer(&mut self, offer: Offer) -> Option<u32> {
        let (size, is_inline) = (offer.size, offer.is_inline);
        let after = self.next.checked_add(1)?;
        if !self.may_offer(is_inline) || (is_inline && size > INLINE_BYTES_MAX) {
            return None;
        }
        let number = std::mem::replace(&mut self.next, after);
        let stage = if is_inline { Stage::Open { at: 0 } } else { Stage::Offered };
        self.files.insert(number, Outgoing { size, is_inline, stage });
        self.say(&SenderRecord::Offer(number, offer));
        Some(number)
    }

    /// Sends data of an accepted or inline file, at most [`FileSender::data_room`] bytes.
    pub fn data(&mut self, number: u32, bytes: &[u8]) {
        if self.advance(number, bytes.len() as u64) && !bytes.is_empty() {
            self.say(&SenderRecord::Data(number, bytes));
        }
    }

    /// This many bytes of the file are zero, at most [`super::limits::HOLE_BYTES_MAX`].
    pub fn hole(&mut self, number: u32, len: u64) {
        if self.advance(number, len) && len > 0 {
            self.say(&SenderRecord::Hole(number, len));
        }
    }

    fn advance(&mut self, number: u32, len: u64) -> bool {
        let Some(Outgoing { size, stage: Stage::Open { at }, .. }) = self.files.get_mut(&number) else {
            return false;
        };
        let fits = len <= *size - *at;
        debug_assert!(fits, "more data than the file has");
        if fits {
            *at += len;
        }
        fits
    }

    /// All data was said, and this is the file's hash.
    pub fn end(&mut self, number: u32, hash: FileHash) {
        if let Some(file) = self.files.get_mut(&number)
            && file.stage == (Stage::Open { at: file.size })
        {
            file.stage = Stage::Ended;
            self.say(&SenderRecord::End(number, hash));
        }
    }

    /// What the receiver has is not the start of this file: its data begins at 0.
    pub fn again(&mut self, number: u32) {
        if let Some(Outgoing { stage: Stage::Open { at }, .. }) = self.files.get_mut(&number) {
            *at = 0;
            self.say(&SenderRecord::Again(number));
        }
    }

    /// The file can't be sent. It is settled.
    pub fn fail(&mut self, number: u32, reason: Reason) {
        if self.files.remove(&number).is_some() {
            self.say(&SenderRecord::Fail(number, reason));
        }
    }

    /// All files were offered. [`Answer::Taken`] follows when they are settled.
    pub fn total(&mut self) {
        if !std::mem::replace(&mut self.has_total, true) {
            self.say(&SenderRecord::Total(self.next));
        }
    }

    /// True if all files were offered.
    pub fn has_total(&self) -> bool {
        self.has_total
    }

    fn say(&mut self, record: &SenderRecord<'_>) {
        self.packer.add(|out| record.put(out));
    }
}

/// Outputs.
impl FileSender {
    /// The length that messages should have from now on.
    pub fn set_message_len(&mut self, len: usize) {
        self.packer.set_len(len);
    }

    /// Bytes of a file's data that the open message has room for.
    pub fn data_room(&self, number: u32) -> usize {
        self.packer.data_room(number)
    }

    /// Ends the open message, whatever room it has.
    pub fn close_message(&mut self) {
        self.packer.close();
    }

    /// The next message to send: a complete one, or if there is nothing more to say, the begun one too.
    pub fn poll_message(&mut self, flushes: bool, now: Duration) -> Option<Vec<u8>> {
        if self.patience.is_word_due(now) {
            self.patience.said(now);
            self.say(&SenderRecord::Wait);
            self.packer.close();
        }
        let message = self.packer.poll(flushes)?;
        self.patience.said(now);
        Some(message)
    }

    /// True if the receiver has said nothing for too long.
    pub fn is_silent(&self, now: Duration) -> bool {
        self.patience.is_over(now)
    }

    /// When to call [`FileSender::poll_message`] at the latest.
    pub fn next_deadline(&self) -> Duration {
        self.patience.next()
    }

    /// Files that the receiver has not answered, and that need an answer before their data.
    pub fn unanswered(&self) -> usize {
        self.files.values().filter(|file| file.stage == Stage::Offered).count()
    }

    /// Files that are not settled.
    pub fn unsettled(&self) -> usize {
        self.files.len()
    }
}

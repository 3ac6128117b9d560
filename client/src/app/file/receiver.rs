//! The end that receives the files.

use std::collections::BTreeMap;
use std::time::Duration;

use super::limits::{NAME_BYTES_MAX, OFFERS_MAX, UNSETTLED_MAX, WRITTEN_EVERY, WRITTEN_STEP};
use super::packer::Packer;
use super::patience::Patience;
use super::record::{FileHash, Offer, ReceiverRecord, SenderRecord};
use super::wire::Malformed;
use crate::app::{Reason, cut};

/// The receiver's end of one channel. What it keeps is bounded by [`UNSETTLED_MAX`], however many files are
/// offered.
#[derive(Debug)]
pub struct FileReceiver {
    /// Those that are not settled: `files.len() <= UNSETTLED_MAX`.
    files: BTreeMap<u32, Arriving>,
    /// The number that the next offer must have.
    next: u32,
    has_total: bool,
    taken: Totals,
    /// All is settled, and the sender was told.
    is_over: bool,
    /// Written and not told: bytes from each file's start.
    untold: BTreeMap<u32, u64>,
    told_at: Duration,
    packer: Packer,
    patience: Patience,
}

#[derive(Debug, Default)]
struct Totals {
    done: u32,
    failed: u32,
    bytes: u64,
}

#[derive(Debug)]
struct Arriving {
    size: u64,
    is_inline: bool,
    stage: Stage,
    /// What was told as written.
    told: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The app has not answered.
    Asked,
    /// All up to here came. `may_restart` until the first of it, if the app has a part of the file.
    Open { at: u64, may_restart: bool },
    /// The app must say whether it has the file.
    Ended,
}

/// What the app must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A file is offered. An inline one needs no answer; its data follows. For others, call
    /// [`FileReceiver::accept`] or [`FileReceiver::failed`].
    Offered {
        /// The file, from now on.
        number: u32,
        /// What it is.
        offer: Offer,
    },
    /// The next bytes of a file.
    Data {
        /// The file.
        number: u32,
        /// What to write.
        bytes: &'a [u8],
    },
    /// The next bytes of a file are zero.
    Hole {
        /// The file.
        number: u32,
        /// How many.
        len: u64,
    },
    /// What the app has is not the start of the file: drop it, the data begins at 0.
    Again {
        /// The file.
        number: u32,
    },
    /// All bytes came. Compare the hash, then call [`FileReceiver::done`] or [`FileReceiver::failed`].
    Ended {
        /// The file.
        number: u32,
        /// The hash of the whole file.
        hash: FileHash,
    },
    /// The sender can't send the file. It is settled.
    Dropped {
        /// The file.
        number: u32,
        /// Why.
        reason: Reason,
    },
}

impl FileReceiver {
    /// For a channel that is just accepted.
    pub fn new(now: Duration) -> Self {
        FileReceiver {
            files: BTreeMap::new(),
            next: 0,
            has_total: false,
            taken: Totals::default(),
            is_over: false,
            untold: BTreeMap::new(),
            told_at: Duration::ZERO,
            packer: Packer::new(),
            patience: Patience::new(now),
        }
    }

    /// A message of the sender came: take its records by [`FileReceiver::take_record`].
    pub fn on_message(&mut self, now: Duration) {
        self.patience.heard(now);
    }

    /// Takes one record off a message's `bytes`. `None` if there is nothing to do for it.
    ///
    /// # Errors
    /// It may not come: reset the channel.
    pub fn take_record<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Incoming<'a>>, Malformed> {
        let Some(record) = SenderRecord::take(bytes)? else { return Ok(None) };
        match record {
            SenderRecord::Wait => Ok(None),
            SenderRecord::Offer(number, offer) => self.on_offer(number, offer).map(Some),
            SenderRecord::Data(number, bytes) => {
                let is_open = self.on_bytes(number, bytes.len() as u64)?;
                Ok(is_open.then_some(Incoming::Data { number, bytes }))
            }
            SenderRecord::Hole(number, len) => {
                Ok(self.on_bytes(number, len)?.then_some(Incoming::Hole { number, len }))
            }
            SenderRecord::End(number, hash) => self.on_end(number, hash),
            SenderRecord::Again(number) => self.on_again(number),
            SenderRecord::Fail(number, reason) => {
                let is_known = self.known(number)?.is_some();
                if is_known {
                    self.settle(number, false);
                }
                Ok(is_known.then_some(Incoming::Dropped { number, reason }))
            }
            SenderRecord::Total(files) if files == self.next && !self.has_total => {
                self.has_total = true;
                Ok(None)
            }
            SenderRecord::Total(_) => Err(Malformed::OutOfStep("another total than was offered")),
        }
    }

    fn on_offer<'a>(&mut self, number: u32, offer: Offer) -> Result<Incoming<'a>, Malformed> {
        let after = number.checked_add(1).ok_or(Malformed::Value("file"))?;
        if number != self.next || self.has_total {
            return Err(Malformed::OutOfStep("an offer out of order"));
        }
        let waiting = || self.files.values().filter(|file| !file.is_inline).count();
        if self.files.len() >= UNSETTLED_MAX || (!offer.is_inline && waiting() >= OFFERS_MAX) {
            return Err(Malformed::OutOfStep("more offers than may be open"));
        }
        self.next = after;
        let (size, is_inline) = (offer.size, offer.is_inline);
        let stage = if is_inline { Stage::Open { at: 0, may_restart: false } } else { Stage::Asked };
        self.files.insert(number, Arriving { size, is_inline, stage, told: 0 });
        Ok(Incoming::Offered { number, offer })
    }

    /// Gives whether the bytes are to be written.
    fn on_bytes(&mut self, number: u32, len: u64) -> Result<bool, Malformed> {
        let Some(file) = self.known(number)? else { return Ok(false) };
        let Stage::Open { at, .. } = file.stage else { return Err(Malformed::OutOfStep("data")) };
        if len > file.size - at {
            return Err(Malformed::OutOfStep("more data than the file has"));
        }
        file.stage = Stage::Open { at: at + len, may_restart: false };
        Ok(true)
    }

    fn on_end<'a>(&mut self, number: u32, hash: FileHash) -> Result<Option<Incoming<'a>>, Malformed> {
        let Some(file) = self.known(number)? else { return Ok(None) };
        match file.stage {
            Stage::Open { at, .. } if at == file.size => {
                file.stage = Stage::Ended;
                Ok(Some(Incoming::Ended { number, hash }))
            }
            _ => Err(Malformed::OutOfStep("an end before all data")),
        }
    }

    fn on_again<'a>(&mut self, number: u32) -> Result<Option<Incoming<'a>>, Malformed> {
        let Some(file) = self.known(number)? else { return Ok(None) };
        let Stage::Open { may_restart: true, .. } = file.stage else {
            return Err(Malformed::OutOfStep("a file that begins again"));
        };
        file.stage = Stage::Open { at: 0, may_restart: false };
        self.untold.remove(&number);
        Ok(Some(Incoming::Again { number }))
    }

    /// A file that is not settled; `None` if it is.
    fn known(&mut self, number: u32) -> Result<Option<&mut Arriving>, Malformed> {
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
impl FileReceiver {
    /// Takes an offered file from `offset`. Where that is not 0, `prefix` is the hash of what comes before.
    pub fn accept(&mut self, number: u32, offset: u64, prefix: FileHash) {
        if let Some(file) = self.files.get_mut(&number)
            && file.stage == Stage::Asked
        {
            debug_assert!(offset <= file.size);
            file.stage = Stage::Open { at: offset, may_restart: offset > 0 };
            file.told = offset;
            self.say(&ReceiverRecord::Accept(number, offset, (offset > 0).then_some(prefix)));
        }
    }

    /// All of the file up to here is written.
    pub fn written(&mut self, number: u32, bytes: u64) {
        if self.files.contains_key(&number) {
            self.untold.insert(number, bytes);
        }
    }

    /// The file is whole, under this name.
    pub fn done(&mut self, number: u32, kept_as: &str) {
        let is_ended = self.files.get(&number).is_some_and(|file| file.stage == Stage::Ended);
        if is_ended {
            self.settle(number, true);
            self.say(&ReceiverRecord::Done(number, cut(kept_as, NAME_BYTES_MAX).to_owned()));
        }
    }

    /// The file is not taken, or the app failed with it. It is settled.
    pub fn failed(&mut self, number: u32, reason: Reason) {
        if self.files.contains_key(&number) {
            self.settle(number, false);
            self.say(&ReceiverRecord::Failed(number, reason));
        }
    }

    fn settle(&mut self, number: u32, is_done: bool) {
        let Some(file) = self.files.remove(&number) else { return };
        self.untold.remove(&number);
        if is_done {
            self.taken.done += 1;
            self.taken.bytes = self.taken.bytes.saturating_add(file.size);
        } else {
            self.taken.failed += 1;
        }
    }

    fn say(&mut self, record: &ReceiverRecord) {
        self.packer.add(|out| record.put(out));
    }
}

/// Outputs.
impl FileReceiver {
    /// The length that messages should have from now on.
    pub fn set_message_len(&mut self, len: usize) {
        self.packer.set_len(len);
    }

    /// The next message to send.
    pub fn poll_message(&mut self, now: Duration) -> Option<Vec<u8>> {
        self.say_written(now);
        if self.has_total && self.files.is_empty() && !self.is_over {
            self.is_over = true;
            let Totals { done, failed, bytes } = self.taken;
            self.say(&ReceiverRecord::Taken { done, failed, bytes });
        }
        if self.patience.is_word_due(now) {
            self.say(&ReceiverRecord::Wait);
        }
        let message = self.packer.poll(true)?;
        self.patience.said(now);
        Some(message)
    }

    fn say_written(&mut self, now: Duration) {
        let is_due = now >= self.told_at + WRITTEN_EVERY;
        let files = &mut self.files;
        let due = self.untold.iter().filter(|(number, bytes)| {
            let told = files.get(number).map_or(0, |file| file.told);
            is_due || bytes.abs_diff(told) >= WRITTEN_STEP
        });
        let due: Vec<(u32, u64)> = due.map(|(number, bytes)| (*number, *bytes)).collect();
        for (number, bytes) in due {
            self.untold.remove(&number);
            self.told_at = now;
            if let Some(file) = self.files.get_mut(&number) {
                file.told = bytes;
            }
            self.say(&ReceiverRecord::Written(number, bytes));
        }
    }

    /// True if every file is settled and the sender was told. Send what is left, then end the channel.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Files that are whole, files that are not, and bytes of those that are.
    pub fn taken(&self) -> (u32, u32, u64) {
        (self.taken.done, self.taken.failed, self.taken.bytes)
    }

    /// Files that were offered.
    pub fn offered(&self) -> u32 {
        self.next
    }

    /// True if the sender has said nothing for too long.
    pub fn is_silent(&self, now: Duration) -> bool {
        self.patience.is_over(now)
    }

    /// When to call [`FileReceiver::poll_message`] at the latest.
    pub fn next_deadline(&self) -> Duration {
        let told = if self.untold.is_empty() { Duration::MAX } else { self.told_at + WRITTEN_EVERY };
        told.min(self.patience.next())
    }

    /// Files that are not settled.
    pub fn unsettled(&self) -> usize {
        self.files.len()
    }
}

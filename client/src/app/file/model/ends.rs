//! One channel of the model: two apps, each with its machine, and a line between them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::limits::{INLINE_BYTES_MAX, UNSETTLED_MAX};
use super::super::*;
use super::Counts;
use crate::app::Reason;
use crate::app::limits::PAYLOAD_BYTES_MAX;
use crate::tunnel::model::Rng;

/// What the receiver keeps over breaks.
#[derive(Debug, Default)]
pub(super) struct Disk {
    parts: BTreeMap<u32, Vec<u8>>,
    whole: BTreeMap<u32, Vec<u8>>,
}

impl Disk {
    pub(super) fn whole(&self, file: u32) -> Option<&Vec<u8>> {
        self.whole.get(&file)
    }

    /// Something happens to a part between two channels.
    pub(super) fn damage(&mut self, rng: &mut Rng) {
        for part in self.parts.values_mut().filter(|part| !part.is_empty()) {
            match rng.below(8) {
                0 => part[0] ^= 1,
                1 => part.truncate(part.len() / 2),
                _ => {}
            }
        }
    }
}

/// Files that the sender's app knows to be done (`true`) or failed.
pub(super) type Settled = BTreeMap<u32, bool>;

pub(super) struct World<'a> {
    sources: &'a BTreeMap<u32, Vec<u8>>,
    disk: &'a mut Disk,
    settled: &'a mut Settled,
    counts: &'a mut Counts,
    sender: FileSender,
    receiver: FileReceiver,
    /// What the numbers of this channel mean: sources, the ones of the sender's app and of the receiver's.
    sent: BTreeMap<u32, u32>,
    kept: BTreeMap<u32, Kept>,
    to_offer: VecDeque<u32>,
    /// Accepted, or inline: how much of each is said.
    open: BTreeMap<u32, usize>,
    lines: [VecDeque<Vec<u8>>; 2],
    now: Duration,
}

/// A file at the receiver's app.
struct Kept {
    file: u32,
    size: u64,
    bytes: Vec<u8>,
}

fn hash(bytes: &[u8]) -> FileHash {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).into()
}

impl<'a> World<'a> {
    pub(super) fn new(
        sources: &'a BTreeMap<u32, Vec<u8>>,
        disk: &'a mut Disk,
        settled: &'a mut Settled,
        counts: &'a mut Counts,
    ) -> Self {
        let to_offer = sources.keys().copied().filter(|file| !settled.contains_key(file)).collect();
        let now = Duration::from_secs(1);
        World {
            sources,
            disk,
            settled,
            counts,
            sender: FileSender::new(now),
            receiver: FileReceiver::new(now),
            sent: BTreeMap::new(),
            kept: BTreeMap::new(),
            to_offer,
            open: BTreeMap::new(),
            lines: Default::default(),
            now,
        }
    }

    /// Until the set is taken (true), or the channel breaks.
    pub(super) fn run(&mut self, rng: &mut Rng, is_calm: bool) -> bool {
        let steps = if is_calm { u64::MAX } else { rng.below(300) };
        for _ in 0..steps {
            self.now += Duration::from_millis(rng.below(100));
            let is_taken = match rng.below(4) {
                0 => self.say(rng, is_calm),
                1 => self.pump(rng),
                2 => self.hear(rng, is_calm),
                _ => self.on_answers(),
            };
            assert!(self.sender.unsettled() <= UNSETTLED_MAX && self.receiver.unsettled() <= UNSETTLED_MAX);
            if is_taken {
                return true;
            }
        }
        // What the receiver has written is on its disk.
        for kept in std::mem::take(&mut self.kept).into_values() {
            if kept.size > INLINE_BYTES_MAX && !kept.bytes.is_empty() {
                self.disk.parts.insert(kept.file, kept.bytes);
            }
        }
        false
    }

    /// The sender's app offers, and sends of one of its open files.
    fn say(&mut self, rng: &mut Rng, is_calm: bool) -> bool {
        self.sender.set_message_len(2048 + rng.index(30_000));
        match self.to_offer.front().copied() {
            Some(file) if rng.one_in(2) => self.offer(file),
            None => self.sender.total(),
            Some(_) => {}
        }
        let some = self.open.keys().nth(rng.index(self.open.len().max(1))).copied();
        let Some(number) = some else { return false };
        if !is_calm && rng.one_in(60) {
            self.sender.fail(number, Reason::new(reason::CHANGED, ""));
            self.open.remove(&number);
            self.settled.insert(self.sent[&number], false);
            self.counts.failed_by_sender += 1;
            return false;
        }
        self.send_some(number, rng);
        false
    }

    fn offer(&mut self, file: u32) {
        let size = self.sources[&file].len() as u64;
        let is_inline = size <= INLINE_BYTES_MAX;
        let (id, name) = (FileId([file.to_le_bytes()[0]; 16]), file.to_string());
        let offered =
            self.sender.offer(Offer { id, name, size, mtime_ms: 5, mode: None, hash: None, is_inline });
        if let Some(number) = offered {
            self.to_offer.pop_front();
            self.sent.insert(number, file);
            if is_inline {
                self.open.insert(number, 0);
            }
        }
    }

    fn send_some(&mut self, number: u32, rng: &mut Rng) {
        let bytes = &self.sources[&self.sent[&number]];
        let at = self.open[&number];
        let left = &bytes[at..];
        let zeros = left.iter().take_while(|byte| **byte == 0).count();
        let len = if zeros > 512 && rng.one_in(2) {
            self.sender.hole(number, zeros as u64);
            self.counts.holes += 1;
            zeros
        } else {
            let len = left.len().min(1 + rng.index(20_000)).min(self.sender.data_room(number));
            self.sender.data(number, &left[..len]);
            len
        };
        if len == 0 && !left.is_empty() {
            return self.sender.close_message();
        }
        self.open.insert(number, at + len);
        if at + len == bytes.len() {
            self.sender.end(number, hash(bytes));
            self.open.remove(&number);
        }
    }

    /// Messages go on their way. A slow reader's line fills, and its sender waits.
    fn pump(&mut self, rng: &mut Rng) -> bool {
        if self.lines[0].len() < 8 {
            self.lines[0].extend(self.sender.poll_message(rng.one_in(2), self.now));
        }
        if self.lines[1].len() < 8 {
            self.lines[1].extend(self.receiver.poll_message(self.now));
        }
        assert!(self.lines.iter().flatten().all(|message| message.len() <= PAYLOAD_BYTES_MAX));
        false
    }

    fn hear(&mut self, rng: &mut Rng, is_calm: bool) -> bool {
        let Some(message) = self.lines[0].pop_front() else { return false };
        self.receiver.on_message(self.now);
        let mut rest = &message[..];
        while !rest.is_empty() {
            if let Some(incoming) = self.receiver.take_record(&mut rest).expect("an honest sender") {
                self.act(incoming, rng, is_calm);
            }
        }
        false
    }

    /// The receiver's app.
    fn act(&mut self, incoming: Incoming<'_>, rng: &mut Rng, is_calm: bool) {
        match incoming {
            Incoming::Offered { number, offer } => self.begin(number, &offer),
            Incoming::Data { number, bytes } => self.write(number, bytes, rng, is_calm),
            Incoming::Hole { number, len } => {
                self.write(number, &vec![0; usize::try_from(len).expect("small")], rng, is_calm);
            }
            Incoming::Again { number } => {
                self.counts.again += 1;
                self.kept.get_mut(&number).expect("it was offered").bytes.clear();
            }
            Incoming::Ended { number, hash: said } => self.finish(number, said),
            Incoming::Dropped { number, .. } => drop(self.kept.remove(&number)),
        }
    }

    fn begin(&mut self, number: u32, offer: &Offer) {
        let file = offer.name.parse().expect("a number");
        let (mut bytes, mut offset) = (Vec::new(), 0);
        if !offer.is_inline {
            let there = self.disk.whole.get(&file).cloned().or_else(|| self.disk.parts.remove(&file));
            bytes = there.unwrap_or_default();
            offset = bytes.len() as u64;
            self.receiver.accept(number, offset, hash(&bytes));
        }
        self.counts.there_already += u64::from(offset > 0 && offset == offer.size);
        self.kept.insert(number, Kept { file, size: offer.size, bytes });
    }

    fn write(&mut self, number: u32, bytes: &[u8], rng: &mut Rng, is_calm: bool) {
        let kept = self.kept.get_mut(&number).expect("it was offered");
        if !is_calm && rng.one_in(100) {
            self.receiver.failed(number, Reason::new(reason::NO_SPACE, ""));
            self.kept.remove(&number);
            self.counts.failed_by_receiver += 1;
            return;
        }
        kept.bytes.extend_from_slice(bytes);
        assert!(kept.bytes.len() as u64 <= kept.size);
        self.receiver.written(number, kept.bytes.len() as u64);
    }

    fn finish(&mut self, number: u32, said: FileHash) {
        let kept = self.kept.remove(&number).expect("it was offered");
        assert!(hash(&kept.bytes) == said, "file {} has another hash", kept.file);
        self.receiver.done(number, &kept.file.to_string());
        self.disk.whole.insert(kept.file, kept.bytes);
    }

    /// The sender's app hears. Gives whether all is taken.
    fn on_answers(&mut self) -> bool {
        let Some(message) = self.lines[1].pop_front() else { return false };
        for answer in self.sender.on_message(&message, self.now).expect("an honest receiver") {
            match answer {
                Answer::Accepted { number, offset, prefix } => self.on_accepted(number, offset, prefix),
                Answer::Written { .. } => {}
                Answer::Done { number, .. } => drop(self.settled.insert(self.sent[&number], true)),
                Answer::Failed { number, .. } => {
                    self.open.remove(&number);
                    self.settled.insert(self.sent[&number], false);
                }
                Answer::Taken { done, failed, .. } => {
                    assert_eq!(u64::from(done + failed), self.sent.len() as u64);
                    return true;
                }
            }
        }
        false
    }

    fn on_accepted(&mut self, number: u32, offset: u64, prefix: Option<FileHash>) {
        let (bytes, offset) = (&self.sources[&self.sent[&number]], usize::try_from(offset).expect("small"));
        let is_same = prefix.is_none_or(|prefix| prefix == hash(&bytes[..offset]));
        if !is_same {
            self.sender.again(number);
        }
        self.counts.resumed += u64::from(is_same && offset > 0);
        self.open.insert(number, if is_same { offset } else { 0 });
    }
}

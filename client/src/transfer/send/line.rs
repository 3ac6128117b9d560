//! One channel of a set that is sent.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::{FileChannel, SendRefused};
use super::flight::{Flight, Flown};
use super::{Queue, SendEvent};
use crate::app::Reason;
use crate::app::file::limits::INLINE_BYTES_MAX;
use crate::app::file::{Answer, FileHash, FileSender, Offer};
use crate::folder::FoundFile;

/// Files that are offered and wait for their turn, so that none costs a round trip.
const AHEAD_MAX: usize = 8;

/// Bits of work of one `advance`.
const ROUNDS: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    sender: FileSender,
    /// Came, and not read.
    messages: VecDeque<Vec<u8>>,
    /// Offered and not settled.
    files: BTreeMap<u32, Offered>,
    /// Accepted: where to begin, and the hash of what comes before.
    ready: VecDeque<(u32, u64, Option<FileHash>)>,
    flight: Option<Flight>,
    /// Taken from the sender, and the channel had no room for it.
    pending: Option<Vec<u8>>,
    /// The next file, if there was no place for it yet.
    next: Option<Offered>,
    /// The other end says nothing more.
    has_ended: bool,
}

/// A file that is not settled.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) file: FoundFile,
    /// What the receiver has written of it, as far as it has said so, also on a channel that is gone.
    pub(super) written: u64,
}

/// What came of a bit of work.
pub(super) enum Sent {
    More,
    Wait {
        until: Duration,
    },
    /// All is settled.
    Taken,
    /// The receiver said something that it may not say.
    Wrong(String),
    /// The receiver said nothing for too long.
    Silent,
}

impl Line {
    pub(super) fn new(now: Duration) -> Self {
        Line {
            sender: FileSender::new(now),
            messages: VecDeque::new(),
            files: BTreeMap::new(),
            ready: VecDeque::new(),
            flight: None,
            pending: None,
            next: None,
            has_ended: false,
        }
    }

    pub(super) fn on_data(&mut self, message: Vec<u8>) {
        self.messages.push_back(message);
    }

    pub(super) fn on_ended(&mut self) {
        self.has_ended = true;
    }

    pub(super) fn on_link(&mut self, is_up: bool, now: Duration) {
        self.sender.on_link(is_up, now);
    }

    /// Bytes that the receiver has written of files that are not settled.
    pub(super) fn written(&self) -> u64 {
        self.files.values().chain(&self.next).map(|offered| offered.written).sum()
    }

    /// What must be offered again, in the same order.
    pub(super) fn into_unsettled(self) -> impl Iterator<Item = Offered> {
        self.files.into_values().chain(self.next)
    }

    pub(super) fn advance(
        &mut self,
        queue: &mut Queue,
        channel: &mut dyn FileChannel,
        now: Duration,
    ) -> Sent {
        while let Some(message) = self.messages.pop_front() {
            channel.consumed(message.len());
            match self.sender.on_message(&message, now) {
                Err(error) => return Sent::Wrong(error.to_string()),
                Ok(answers) => {
                    for answer in answers {
                        if self.on_answer(answer, queue) {
                            return Sent::Taken;
                        }
                    }
                }
            }
        }
        if self.has_ended {
            return Sent::Wrong("the receiver ended before it had said what became of every file".into());
        }
        if self.sender.is_silent(now) {
            return Sent::Silent;
        }
        let sent = self.send(queue, channel, now);
        channel.flush();
        sent
    }

    /// Gives whether it was the last one.
    fn on_answer(&mut self, answer: Answer, queue: &mut Queue) -> bool {
        match answer {
            Answer::Accepted { number, offset, prefix } => {
                if let Some(offered) = self.files.get_mut(&number) {
                    // Its prefix may turn out to be another one; and a new one has nothing.
                    offered.written = offered.written.min(offset);
                }
                self.ready.push_back((number, offset, prefix));
            }
            Answer::Written { number, bytes } => {
                if let Some(offered) = self.files.get_mut(&number) {
                    offered.written = bytes;
                }
            }
            Answer::Done { number, kept_as } => {
                if let Some(offered) = self.files.remove(&number) {
                    queue.done(&offered.file, kept_as);
                }
            }
            Answer::Failed { number, reason } => self.settle_failed(number, reason, queue),
            Answer::Taken { .. } => return true,
        }
        false
    }

    fn settle_failed(&mut self, number: u32, reason: Reason, queue: &mut Queue) {
        let Some(offered) = self.files.remove(&number) else { return };
        self.flight.take_if(|flight| flight.number == number);
        self.ready.retain(|(ready, ..)| *ready != number);
        queue.failed(&offered.file, reason);
    }

    /// Sends what is said, and says more, as long as the channel takes it.
    fn send(&mut self, queue: &mut Queue, channel: &mut dyn FileChannel, now: Duration) -> Sent {
        self.sender.set_message_len(channel.message_len());
        let mut is_idle = false;
        for _ in 0..ROUNDS {
            if let Some(message) = self.pending.take().or_else(|| self.sender.poll_message(is_idle, now)) {
                match channel.try_send(&message) {
                    Ok(()) => continue,
                    Err(SendRefused::Full) => self.pending = Some(message),
                    // The program hears of it.
                    Err(SendRefused::Gone) => {}
                }
                return Sent::Wait { until: self.sender.next_deadline() };
            }
            if is_idle {
                return Sent::Wait { until: self.sender.next_deadline() };
            }
            is_idle = !self.say_more(queue);
        }
        Sent::More
    }

    /// Says a bit more. False if there is nothing to say now.
    fn say_more(&mut self, queue: &mut Queue) -> bool {
        if self.flight.is_some() {
            self.offer_ahead(queue);
            self.go_on(queue);
            return true;
        }
        if let Some((number, offset, prefix)) = self.ready.pop_front() {
            self.begin(number, offset, prefix, queue);
            return true;
        }
        if self.sender.has_total() {
            return false;
        }
        let Some(next) = self.next.take().or_else(|| queue.next()) else {
            self.sender.total();
            return true;
        };
        let has_said = self.has_room_for(&next.file);
        if has_said {
            self.offer(next, queue);
        } else {
            self.next = Some(next);
        }
        has_said
    }

    fn has_room_for(&self, file: &FoundFile) -> bool {
        let is_inline = file.size() <= INLINE_BYTES_MAX;
        self.sender.may_offer(is_inline) && (is_inline || self.ahead() < AHEAD_MAX)
    }

    /// Files that are offered, not inline, and not begun.
    fn ahead(&self) -> usize {
        self.sender.unanswered() + self.ready.len()
    }

    /// While a file is sent, the next ones are offered, up to one that is small: it needs no answer.
    fn offer_ahead(&mut self, queue: &mut Queue) {
        if self.sender.has_total() {
            return;
        }
        let Some(next) = self.next.take().or_else(|| queue.next()) else { return };
        if next.file.size() > INLINE_BYTES_MAX && self.has_room_for(&next.file) {
            self.offer(next, queue);
        } else {
            self.next = Some(next);
        }
    }

    fn offer(&mut self, next: Offered, queue: &mut Queue) {
        let file = &next.file;
        let is_inline = file.size() <= INLINE_BYTES_MAX;
        let offer = Offer {
            id: file.id,
            name: file.name.clone(),
            size: file.size(),
            mtime_ms: file.mtime_ms,
            mode: queue.options.mode.then_some(file.mode),
            hash: None,
            is_inline,
        };
        let Some(number) = self.sender.offer(offer) else {
            self.next = Some(next);
            return;
        };
        self.files.insert(number, next);
        if is_inline {
            self.begin(number, 0, None, queue);
        }
    }

    /// Opens a file whose bytes go next.
    fn begin(&mut self, number: u32, offset: u64, prefix: Option<FileHash>, queue: &mut Queue) {
        let Some(offered) = self.files.get(&number) else { return };
        match queue.opener.open(&offered.file) {
            Ok(source) => self.flight = Some(Flight::new(number, source, offset, prefix)),
            Err(error) => self.fail(number, error.reason(), queue),
        }
    }

    fn go_on(&mut self, queue: &mut Queue) {
        let Some(flight) = &mut self.flight else { return };
        let number = flight.number;
        match flight.go_on(&mut self.sender) {
            Ok(Flown::More) => {}
            Ok(Flown::Resumed(offset)) => {
                if let Some(offered) = self.files.get_mut(&number) {
                    offered.written = offset;
                    let name = offered.file.name.clone();
                    queue.events.push_back(SendEvent::Resumed { name, offset });
                }
            }
            Ok(Flown::Ended) => self.flight = None,
            Err(error) => self.fail(number, error.reason(), queue),
        }
    }

    /// This end can't send it.
    fn fail(&mut self, number: u32, reason: Reason, queue: &mut Queue) {
        self.sender.fail(number, reason.clone());
        self.settle_failed(number, reason, queue);
    }
}

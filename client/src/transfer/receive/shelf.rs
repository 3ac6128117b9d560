//! What a set that is received does with the disk.

use std::collections::{BTreeMap, VecDeque};

use super::{ReceiveEvent, ReceiveOptions};
use crate::app::Reason;
use crate::app::file::{FileHash, FileReceiver, Incoming, Offer, SetParams, reason};
use crate::folder::{Begun, Existing, FolderError, Inbox, Part, Wanted};

/// The files that are not settled: `files.len()` is the receiver's count of them.
#[derive(Debug)]
pub(super) struct Shelf {
    inbox: Inbox,
    from: String,
    announced: SetParams,
    options: ReceiveOptions,
    files: BTreeMap<u32, Kept>,
    /// What is there of these is hashed before they are accepted.
    hashing: VecDeque<u32>,
    events: VecDeque<ReceiveEvent>,
}

/// What a sender may say of permissions.
const PLAIN_MODE: u32 = 0o644;

#[derive(Debug)]
struct Kept {
    wanted: Wanted,
    state: State,
}

#[derive(Debug)]
enum State {
    /// An inline file, kept in memory until it is whole.
    Small(Vec<u8>),
    Part(Part),
    /// The file may be there already.
    Whole(Existing),
}

impl Shelf {
    pub(super) fn new(inbox: Inbox, from: &str, announced: SetParams, options: ReceiveOptions) -> Self {
        let from = from.to_owned();
        let (files, hashing, events) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Shelf { inbox, from, announced, options, files, hashing, events }
    }

    pub(super) fn announced(&self) -> &SetParams {
        &self.announced
    }

    pub(super) fn poll_event(&mut self) -> Option<ReceiveEvent> {
        self.events.pop_front()
    }

    /// Bytes that are on the disk of files that are not settled.
    pub(super) fn written(&self) -> u64 {
        let written = |kept: &Kept| match &kept.state {
            State::Small(_) => 0,
            State::Part(part) => part.offset(),
            State::Whole(existing) => existing.size(),
        };
        self.files.values().map(written).fold(0, u64::saturating_add)
    }

    pub(super) fn drop_files(&mut self) {
        self.files.clear();
        self.hashing.clear();
    }

    /// Does what the sender's record wants.
    ///
    /// # Errors
    /// The set can't go on.
    pub(super) fn take(&mut self, incoming: Incoming<'_>, receiver: &mut FileReceiver) -> Result<(), Reason> {
        let (number, done) = match incoming {
            Incoming::Offered { number, offer } => return self.take_offer(number, offer, receiver),
            Incoming::Dropped { number, reason } => {
                self.drop_offer(number, reason);
                return Ok(());
            }
            Incoming::Data { number, bytes } => (number, self.write(number, bytes, receiver)),
            Incoming::Hole { number, len } => (number, self.skip(number, len, receiver)),
            Incoming::Again { number } => (number, self.restart(number)),
            Incoming::Ended { number, hash } => (number, self.finish(number, &hash, receiver)),
        };
        if let Err(error) = done {
            self.fail(number, error.reason(), receiver);
        }
        Ok(())
    }

    fn take_offer(&mut self, number: u32, offer: Offer, receiver: &mut FileReceiver) -> Result<(), Reason> {
        if u64::from(number) >= self.options.files_max {
            let words = format!("this end takes at most {} files in one set", self.options.files_max);
            return Err(Reason::new(Reason::TOO_MANY, words));
        }
        let Offer { id, name, size, mtime_ms, mode, is_inline, .. } = offer;
        let mode = mode.map(|mode| if self.options.mode { mode } else { mode & PLAIN_MODE });
        let wanted = Wanted { name, size, mtime_ms, mode, id, from: self.from.clone() };
        if size > self.options.file_bytes_max {
            let words = format!("it has {size} bytes and this end takes {}", self.options.file_bytes_max);
            self.refuse(number, &wanted, Reason::new(reason::TOO_LARGE, words), receiver);
            return Ok(());
        }
        let state = if is_inline { Ok(State::Small(Vec::new())) } else { self.begin(&wanted) };
        match state {
            Ok(state) => {
                self.files.insert(number, Kept { wanted, state });
                if !is_inline {
                    self.hashing.push_back(number);
                }
            }
            Err(error) => self.refuse(number, &wanted, error.reason(), receiver),
        }
        Ok(())
    }

    fn begin(&self, wanted: &Wanted) -> Result<State, FolderError> {
        Ok(match self.inbox.begin(wanted)? {
            Begun::Part(part) => State::Part(part),
            Begun::Whole(existing) => State::Whole(existing),
        })
    }

    /// Hashes what is there of offered files, at most this many bytes, and accepts what is hashed. True if
    /// there is more to do.
    pub(super) fn hash_some(&mut self, receiver: &mut FileReceiver, bytes_max: u64) -> bool {
        let Some(&number) = self.hashing.front() else { return false };
        let Some(kept) = self.files.get_mut(&number) else {
            self.hashing.pop_front();
            return true;
        };
        let hashed = match &mut kept.state {
            State::Small(_) => Ok((true, 0, [0; 32])),
            State::Part(part) => part.hash_some(bytes_max).map(|is_all| (is_all, part.offset(), part.hash())),
            State::Whole(existing) => hash_existing(existing, &kept.wanted, bytes_max),
        };
        match hashed {
            Ok((false, ..)) => {}
            Ok((true, offset, hash)) => {
                self.hashing.pop_front();
                receiver.accept(number, offset, hash);
                let (name, size) = (kept.wanted.shown(), kept.wanted.size);
                self.events.push_back(ReceiveEvent::Started { name, size, offset });
            }
            Err(error) => {
                self.hashing.pop_front();
                self.fail(number, error.reason(), receiver);
            }
        }
        true
    }

    fn write(&mut self, number: u32, bytes: &[u8], receiver: &mut FileReceiver) -> Result<(), FolderError> {
        match self.files.get_mut(&number).map(|kept| &mut kept.state) {
            Some(State::Small(small)) => small.extend_from_slice(bytes),
            Some(State::Part(part)) => {
                part.write(bytes)?;
                receiver.written(number, part.offset());
            }
            // The file is whole, so nothing can follow.
            Some(State::Whole(_)) | None => {}
        }
        Ok(())
    }

    fn skip(&mut self, number: u32, len: u64, receiver: &mut FileReceiver) -> Result<(), FolderError> {
        match self.files.get_mut(&number).map(|kept| &mut kept.state) {
            Some(State::Small(small)) => {
                // The receiver's machine has compared it with the length of an inline file.
                let len = usize::try_from(len).unwrap_or(0);
                small.resize(small.len() + len, 0);
            }
            Some(State::Part(part)) => {
                part.hole(len);
                receiver.written(number, part.offset());
            }
            Some(State::Whole(_)) | None => {}
        }
        Ok(())
    }

    fn restart(&mut self, number: u32) -> Result<(), FolderError> {
        let Some(kept) = self.files.get_mut(&number) else { return Ok(()) };
        match &mut kept.state {
            State::Small(_) => {}
            State::Part(part) => part.restart()?,
            State::Whole(_) => {
                let mut part = self.inbox.begin_part(&kept.wanted)?;
                part.restart()?;
                kept.state = State::Part(part);
            }
        }
        Ok(())
    }

    fn finish(
        &mut self,
        number: u32,
        hash: &FileHash,
        receiver: &mut FileReceiver,
    ) -> Result<(), FolderError> {
        let Some(Kept { wanted, state }) = self.files.remove(&number) else { return Ok(()) };
        let kept_as = match state {
            State::Small(bytes) => self.inbox.put(&wanted, &bytes, hash),
            State::Part(part) => part.finish(hash),
            State::Whole(existing) if existing.hash() == *hash => Ok(existing.kept_as().to_owned()),
            State::Whole(_) => Err(FolderError::Hash { name: wanted.shown() }),
        };
        match kept_as {
            Ok(kept_as) => {
                receiver.done(number, &kept_as);
                self.events.push_back(ReceiveEvent::Done {
                    name: wanted.shown(),
                    kept_as,
                    size: wanted.size,
                });
            }
            Err(error) => self.refuse(number, &wanted, error.reason(), receiver),
        }
        Ok(())
    }

    /// This end failed with it.
    fn fail(&mut self, number: u32, reason: Reason, receiver: &mut FileReceiver) {
        receiver.failed(number, reason.clone());
        self.drop_file(number, reason);
    }

    /// As [`Shelf::fail`], of a file that is not kept here.
    fn refuse(&mut self, number: u32, wanted: &Wanted, reason: Reason, receiver: &mut FileReceiver) {
        receiver.failed(number, reason.clone());
        self.events.push_back(ReceiveEvent::Failed { name: wanted.shown(), reason });
    }

    /// The sender can't send it. If its file is another one now, nobody will ever ask for this part.
    fn drop_offer(&mut self, number: u32, reason: Reason) {
        let is_other =
            [reason::CHANGED, reason::SHRANK, reason::GREW, reason::VANISHED].contains(&reason.token());
        let Some(Kept { wanted, state }) = self.files.remove(&number) else { return };
        if let State::Part(part) = state
            && is_other
        {
            part.discard();
        }
        self.events.push_back(ReceiveEvent::Failed { name: wanted.shown(), reason });
    }

    /// What was written of it stays in the inbox.
    fn drop_file(&mut self, number: u32, reason: Reason) {
        if let Some(kept) = self.files.remove(&number) {
            self.events.push_back(ReceiveEvent::Failed { name: kept.wanted.shown(), reason });
        }
    }
}

fn hash_existing(
    existing: &mut Existing,
    wanted: &Wanted,
    bytes_max: u64,
) -> Result<(bool, u64, FileHash), FolderError> {
    let is_all = existing.hash_some(bytes_max);
    let is_all = is_all.map_err(|error| FolderError::Other { name: wanted.shown(), error })?;
    Ok((is_all, existing.size(), existing.hash()))
}

//! The file whose bytes go out now.

use crate::app::file::{FileHash, FileSender};
use crate::folder::{Block, Source, SourceError};

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// Bytes of a file's start that are compared at once.
const CHECK_BYTES: u64 = 4 * 1024 * 1024;

/// Less room than this is not filled, if more follows.
const ROOM_MIN: usize = 512;

/// An accepted file that is read. Reads ahead one block.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) number: u32,
    source: Source,
    /// What the receiver has, and its hash: not compared yet.
    prefix: Option<(u64, FileHash)>,
    block: Vec<u8>,
    /// The part of the block that is not sent.
    unsent: std::ops::Range<usize>,
}

/// What came of a bit of work.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flown {
    More,
    /// The receiver has the first bytes; the rest follows.
    Resumed(u64),
    /// All of it, and its hash, was said.
    Ended,
}

impl Flight {
    pub(super) fn new(number: u32, source: Source, offset: u64, prefix: Option<FileHash>) -> Self {
        let len = usize::try_from(source.size()).map_or(BLOCK_BYTES, |size| size.min(BLOCK_BYTES));
        let prefix = prefix.map(|hash| (offset, hash));
        Flight { number, source, prefix, block: vec![0; len], unsent: 0..0 }
    }

    /// Says a bit more of the file.
    pub(super) fn go_on(&mut self, sender: &mut FileSender) -> Result<Flown, SourceError> {
        if let Some((offset, hash)) = self.prefix {
            return self.compare(offset, hash, sender);
        }
        if !self.unsent.is_empty() {
            self.say(sender);
            return Ok(Flown::More);
        }
        match self.source.next_block(&mut self.block, u64::MAX)? {
            Block::Data(len) => {
                self.source.check_unchanged()?;
                self.unsent = 0..len;
            }
            Block::Hole(len) => sender.hole(self.number, len),
            Block::End => {
                self.source.check_unchanged()?;
                sender.end(self.number, self.source.hash());
                return Ok(Flown::Ended);
            }
        }
        Ok(Flown::More)
    }

    fn say(&mut self, sender: &mut FileSender) {
        let (room, left) = (sender.data_room(self.number), self.unsent.len());
        if room < left.min(ROOM_MIN) {
            return sender.close_message();
        }
        let end = self.unsent.start + room.min(left);
        sender.data(self.number, &self.block[self.unsent.start..end]);
        self.unsent.start = end;
    }

    /// Hashes what the receiver has, a bit at a time, and goes on behind it if it is the same.
    fn compare(
        &mut self,
        offset: u64,
        hash: FileHash,
        sender: &mut FileSender,
    ) -> Result<Flown, SourceError> {
        let until = offset.min(self.source.at() + CHECK_BYTES);
        while self.source.next_block(&mut self.block, until)? != Block::End {}
        if self.source.at() < offset {
            return Ok(Flown::More);
        }
        self.prefix = None;
        if self.source.hash() == hash {
            return Ok(Flown::Resumed(offset));
        }
        self.source.rewind()?;
        sender.again(self.number);
        Ok(Flown::More)
    }
}

//! A file that is sent: read block by block, hashed on the way, and watched for changes.

use std::fs::File;
use std::io::{self, Read, Seek};

use rustix::fs::{Stat, fstat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::existing::is_regular;
use super::zeros::hash_zeros;
use crate::app::Reason;
use crate::app::file::limits::HOLE_BYTES_MAX;
use crate::app::file::{FileHash, reason};

/// Why a file can't be sent.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It is shorter than it was when it was offered.
    #[error("{name} became shorter while it was sent: it has {now} bytes and had {before}. Send it again")]
    Shrank {
        /// The file.
        name: String,
        /// Its length then.
        before: u64,
        /// Its length now.
        now: u64,
    },
    /// It is longer than it was when it was offered.
    #[error("{name} became longer while it was sent: it has {now} bytes and had {before}. Send it again")]
    Grew {
        /// The file.
        name: String,
        /// Its length then.
        before: u64,
        /// Its length now.
        now: u64,
    },
    /// It has another time of change than when it was offered, or is another file.
    #[error("{name} was changed while it was sent. Send it again")]
    Changed {
        /// The file.
        name: String,
    },
    /// It is gone.
    #[error("{name} was removed before it was sent")]
    Vanished {
        /// The file.
        name: String,
    },
    /// Any other failure.
    #[error("{name} can't be read: {error}")]
    Other {
        /// The file.
        name: String,
        /// The system's answer.
        error: io::Error,
    },
}

impl SourceError {
    pub(super) fn of(error: io::Error, name: &str) -> Self {
        let name = name.to_owned();
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => SourceError::Vanished { name },
            // A link is there now, or a folder.
            Some(Errno::LOOP | Errno::NOTDIR | Errno::ISDIR) => SourceError::Changed { name },
            _ => SourceError::Other { name, error },
        }
    }

    /// For the receiver.
    pub fn reason(&self) -> Reason {
        let token = match self {
            SourceError::Shrank { .. } => reason::SHRANK,
            SourceError::Grew { .. } => reason::GREW,
            SourceError::Changed { .. } => reason::CHANGED,
            SourceError::Vanished { .. } => reason::VANISHED,
            SourceError::Other { .. } => reason::READ,
        };
        Reason::new(token, self.to_string())
    }
}

/// What identifies a state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) size: u64,
    pub(super) secs: i64,
    pub(super) nanos: i64,
}

impl State {
    pub(super) fn of(stat: &Stat) -> Self {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        State { size, secs: stat.st_mtime, nanos: stat.st_mtime_nsec }
    }
}

/// A file that is sent.
#[derive(Debug)]
pub struct Source {
    name: String,
    file: File,
    state: State,
    hasher: Sha256,
    at: u64,
    /// Where the data that begins before `at` ends, if the file has holes; else the file's end.
    data_until: u64,
    is_sparse: bool,
}

/// The next piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// So many bytes were read.
    Data(usize),
    /// So many bytes are zero, at most [`HOLE_BYTES_MAX`].
    Hole(u64),
    /// Nothing follows.
    End,
}

/// A shorter hole is sent as data.
const HOLE_BYTES_MIN: u64 = 64 * 1024;

impl Source {
    /// Takes a file that is open, and must be in this state.
    pub(super) fn new(name: &str, file: File, state: State) -> Result<Self, SourceError> {
        let stat = fstat(&file).map_err(|error| SourceError::of(error.into(), name))?;
        // Fewer blocks than bytes: there are holes.
        let allocated = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        let is_sparse = allocated + HOLE_BYTES_MIN <= state.size;
        let data_until = if is_sparse { 0 } else { state.size };
        let (name, hasher) = (name.to_owned(), Sha256::new());
        let source = Source { name, file, state, hasher, at: 0, data_until, is_sparse };
        source.check(&stat)?;
        Ok(source)
    }

    /// Its length.
    pub fn size(&self) -> u64 {
        self.state.size
    }

    /// Bytes that were read, or skipped as holes.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The hash of these.
    pub fn hash(&self) -> FileHash {
        self.hasher.clone().finalize().into()
    }

    /// Begins again.
    ///
    /// # Errors
    /// It can't be read.
    pub fn rewind(&mut self) -> Result<(), SourceError> {
        self.file.rewind().map_err(|error| SourceError::of(error, &self.name))?;
        (self.hasher, self.at) = (Sha256::new(), 0);
        self.data_until = if self.is_sparse { 0 } else { self.state.size };
        Ok(())
    }

    /// Reads and hashes at most `block.len()` bytes, or finds a hole. Not beyond `until`.
    ///
    /// # Errors
    /// The file was changed, or can't be read.
    pub fn next_block(&mut self, block: &mut [u8], until: u64) -> Result<Block, SourceError> {
        let until = until.min(self.state.size);
        if self.at >= until {
            return Ok(Block::End);
        }
        if self.at >= self.data_until
            && let Some(hole) = self.find_hole(until)?
        {
            hash_zeros(&mut self.hasher, hole);
            self.at += hole;
            return Ok(Block::Hole(hole));
        }
        let left = self.data_until.min(until) - self.at;
        let len = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
        let read =
            read(&mut self.file, &mut block[..len]).map_err(|error| SourceError::of(error, &self.name))?;
        if read == 0 {
            return Err(self.shorter());
        }
        self.hasher.update(&block[..read]);
        self.at += read as u64;
        Ok(Block::Data(read))
    }

    /// The hole that begins here, if there is one. Sets `data_until` if there is not.
    fn find_hole(&mut self, until: u64) -> Result<Option<u64>, SourceError> {
        let failed = |error: Errno, name: &str| SourceError::of(error.into(), name);
        let data = match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(self.at)) {
            Ok(data) => data.min(self.state.size),
            Err(Errno::NXIO) => self.state.size,
            Err(_) => self.at,
        };
        let hole = data.saturating_sub(self.at).min(until - self.at).min(HOLE_BYTES_MAX);
        let is_hole = hole >= HOLE_BYTES_MIN || (hole > 0 && self.at + hole == self.state.size);
        if !is_hole {
            let end = rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Hole(data.min(self.state.size - 1)));
            self.data_until = end.map_or(self.state.size, |end| end.clamp(self.at + 1, self.state.size));
        }
        let from = self.at + if is_hole { hole } else { 0 };
        rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Start(from))
            .map_err(|error| failed(error, &self.name))?;
        Ok(is_hole.then_some(hole))
    }

    /// All was read: fails if the file was changed meanwhile.
    ///
    /// # Errors
    /// It was, or can't be read.
    pub fn check_unchanged(&self) -> Result<(), SourceError> {
        let stat = fstat(&self.file).map_err(|error| SourceError::of(error.into(), &self.name))?;
        self.check(&stat)
    }

    fn check(&self, stat: &Stat) -> Result<(), SourceError> {
        let (now, before) = (State::of(stat), self.state);
        let name = || self.name.clone();
        if !is_regular(stat) {
            return Err(SourceError::Changed { name: name() });
        }
        match now.size.cmp(&before.size) {
            std::cmp::Ordering::Less => {
                Err(SourceError::Shrank { name: name(), before: before.size, now: now.size })
            }
            std::cmp::Ordering::Greater => {
                Err(SourceError::Grew { name: name(), before: before.size, now: now.size })
            }
            std::cmp::Ordering::Equal if now != before => Err(SourceError::Changed { name: name() }),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }

    fn shorter(&self) -> SourceError {
        let now = fstat(&self.file).map_or(self.at, |stat| State::of(&stat).size);
        SourceError::Shrank { name: self.name.clone(), before: self.state.size, now: now.min(self.at) }
    }
}

fn read(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

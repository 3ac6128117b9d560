//! `NAME.part`: a file that is under way. Its length says how much of it is there.

use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, openat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::error::FolderError;
use super::existing::{hash_from, is_regular};
use super::inbox::Wanted;
use super::name::{STEM_BYTES_MAX, numbered};
use super::place::{Place, is_named, seal};
use super::sidecar::{Sidecar, remove};
use super::zeros::hash_zeros;
use crate::app::file::FileHash;

/// A file that is under way, locked against other programs that receive into the same folder. Dropping it
/// leaves what was written, for the next try.
#[derive(Debug)]
pub struct Part {
    place: Place,
    wanted: Wanted,
    /// Its own name in the place's folder.
    name: String,
    file: File,
    /// Of the first `hashed` bytes. All later writes go behind these.
    hasher: Sha256,
    hashed: u64,
    /// What was there when it was opened: `hashed <= found` until all of it is hashed.
    found: u64,
    /// Nothing of it needs to be kept.
    is_spent: bool,
}

/// Parts of the same name that are looked at, and that may be there.
const FIND_MAX: u32 = 8;
const CREATE_MAX: u32 = 64;

/// A file of this length is forced to the disk before it gets its name.
const SYNC_FROM: u64 = 1024 * 1024;

impl Part {
    /// The part of an earlier try, if there is one.
    pub(super) fn find(place: &Place, wanted: &Wanted) -> Result<Option<Self>, FolderError> {
        for number in 0..FIND_MAX {
            let name = part_name(place, number);
            let open = open(&place.folder, &name, wanted).map_err(|error| place.failed(error, wanted))?;
            if let Some((file, found)) = open {
                return Ok(Some(Self::new(place.clone(), wanted, name, file, found)));
            }
        }
        Ok(None)
    }

    /// A new one.
    pub(super) fn create(place: Place, wanted: &Wanted) -> Result<Self, FolderError> {
        for number in 0..CREATE_MAX {
            let name = part_name(&place, number);
            let file = create(&place.folder, &name, wanted).map_err(|error| place.failed(error, wanted))?;
            if let Some(file) = file {
                return Ok(Self::new(place, wanted, name, file, 0));
            }
        }
        Err(FolderError::TooMany { name: wanted.shown() })
    }

    fn new(place: Place, wanted: &Wanted, name: String, file: File, found: u64) -> Self {
        let (hasher, wanted) = (Sha256::new(), wanted.clone());
        Part { place, wanted, name, file, hasher, hashed: 0, found, is_spent: false }
    }

    /// Bytes of the file that are there.
    pub fn offset(&self) -> u64 {
        self.hashed.max(self.found)
    }

    /// Hashes at most `bytes_max` bytes more of what was there. True if all of it is hashed.
    ///
    /// # Errors
    /// It can't be read.
    pub fn hash_some(&mut self, bytes_max: u64) -> Result<bool, FolderError> {
        let step = self.found.saturating_sub(self.hashed).min(bytes_max);
        hash_from(&mut self.file, &mut self.hasher, step).map_err(|error| self.failed(error))?;
        self.hashed += step;
        Ok(self.hashed >= self.found)
    }

    /// The hash of what is there.
    pub fn hash(&self) -> FileHash {
        self.hasher.clone().finalize().into()
    }

    /// What is there is not the start of the file.
    ///
    /// # Errors
    /// The part can't be changed.
    pub fn restart(&mut self) -> Result<(), FolderError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|error| self.failed(error))?;
        (self.hasher, self.hashed, self.found) = (Sha256::new(), 0, 0);
        Ok(())
    }

    /// Adds bytes behind what is there, all of which must be hashed.
    ///
    /// # Errors
    /// They can't be written; the error says why.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        debug_assert!(self.hashed >= self.found);
        self.file.write_all_at(bytes, self.hashed).map_err(|error| self.failed(error))?;
        self.hasher.update(bytes);
        self.hashed += bytes.len() as u64;
        Ok(())
    }

    /// Adds this many zeros, which need no room on the disk.
    pub fn hole(&mut self, len: u64) {
        hash_zeros(&mut self.hasher, len);
        self.hashed += len;
    }

    /// All of the file is there. Gives its name in the inbox.
    ///
    /// # Errors
    /// It has another hash, and is removed; or it can't get its name, and stays a part.
    pub fn finish(mut self, hash: &FileHash) -> Result<String, FolderError> {
        if self.hash() != *hash {
            self.is_spent = true;
            return Err(FolderError::Hash { name: self.wanted.shown() });
        }
        let kept_as = self.name_it().map_err(|error| self.failed(error))?;
        kept_as.ok_or_else(|| FolderError::TooMany { name: self.wanted.shown() })
    }

    fn name_it(&mut self) -> io::Result<Option<String>> {
        // Its end may be a hole.
        if self.file.metadata()?.len() != self.hashed {
            self.file.set_len(self.hashed)?;
        }
        seal(&self.file, &self.wanted)?;
        let is_long = self.hashed >= SYNC_FROM;
        if is_long {
            self.file.sync_all()?;
        }
        if !is_named(&self.place.folder, &self.name, &self.file) {
            return Err(io::Error::other(format!("{} was removed or replaced meanwhile", self.name)));
        }
        let kept_as = self.place.name_it(&self.name)?;
        if kept_as.is_some() {
            Sidecar::remove(&self.place.folder, &self.name)?;
            if is_long {
                sync_folder(&self.place.folder)?;
            }
        }
        Ok(kept_as)
    }

    /// It can't be resumed: removes it.
    pub fn discard(mut self) {
        self.is_spent = true;
    }

    fn failed(&self, error: io::Error) -> FolderError {
        self.place.failed(error, &self.wanted)
    }
}

impl Drop for Part {
    /// A part without a byte is of no use.
    fn drop(&mut self) {
        let is_empty = self.offset() == 0 && is_named(&self.place.folder, &self.name, &self.file);
        if self.is_spent || is_empty {
            // What can't be removed is found by the next try.
            let _ = remove(&self.place.folder, &self.name);
            let _ = Sidecar::remove(&self.place.folder, &self.name);
        }
    }
}

fn part_name(place: &Place, number: u32) -> String {
    format!("{}.part", numbered(&place.target, number, STEM_BYTES_MAX))
}

/// A part of this very file that no other program uses, and its length.
fn open(folder: &Arc<OwnedFd>, name: &str, wanted: &Wanted) -> io::Result<Option<(File, u64)>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // Not there, or not a part of ours.
        Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR | Errno::ACCESS | Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if Sidecar::read(folder, name) != Some(sidecar(wanted))
        || flock(&file, FlockOperation::NonBlockingLockExclusive).is_err()
        || !is_named(folder, name, &file)
    {
        return Ok(None);
    }
    let len = file.metadata()?.len();
    if len <= wanted.size {
        return Ok(Some((file, len)));
    }
    file.set_len(0)?;
    Ok(Some((file, 0)))
}

/// A new part; `None` if the name is taken.
fn create(folder: &Arc<OwnedFd>, name: &str, wanted: &Wanted) -> io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::from_raw_mode(0o666)) {
        Ok(file) => File::from(file),
        Err(Errno::EXIST) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let locked = flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from);
    if let Err(error) = locked.and_then(|()| sidecar(wanted).write(folder, name)) {
        remove(folder, name)?;
        return Err(error);
    }
    debug_assert!(fstat(&file).is_ok_and(|stat| is_regular(&stat)));
    Ok(Some(file))
}

fn sidecar(wanted: &Wanted) -> Sidecar {
    let (id, from) = (wanted.id.to_string(), wanted.from.clone());
    Sidecar { v: 1, id, from, size: wanted.size, mtime_ms: wanted.mtime_ms }
}

/// The file's name itself is safe too. Some file systems have no such call.
fn sync_folder(folder: &OwnedFd) -> io::Result<()> {
    match rustix::fs::fsync(folder) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

//! Files that are in the inbox already.

use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};
use sha2::{Digest, Sha256};

use super::inbox::Wanted;
use super::place::Place;
use crate::app::file::FileHash;

/// A file of the name, length and time of one that is offered.
#[derive(Debug)]
pub struct Existing {
    file: File,
    hasher: Sha256,
    left: u64,
    size: u64,
    shown: String,
}

impl Existing {
    /// `None` if it can't be read, or became something else: then it is not the wanted one.
    pub(super) fn open(place: &Place, name: &str, wanted: &Wanted) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&place.folder, name, flags, Mode::empty()).ok()?);
        if !is_like(&fstat(&file).ok()?, wanted) {
            return None;
        }
        let (shown, size) = (place.shown(name), wanted.size);
        Some(Existing { file, hasher: Sha256::new(), left: size, size, shown })
    }

    /// Hashes at most `bytes_max` bytes more. True if the whole file is hashed.
    ///
    /// # Errors
    /// It can't be read, or became shorter.
    pub fn hash_some(&mut self, bytes_max: u64) -> io::Result<bool> {
        let step = self.left.min(bytes_max);
        hash_from(&mut self.file, &mut self.hasher, step)?;
        self.left -= step;
        Ok(self.left == 0)
    }

    /// The hash of what was hashed.
    pub fn hash(&self) -> FileHash {
        self.hasher.clone().finalize().into()
    }

    /// Its length.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its name in the inbox.
    pub fn kept_as(&self) -> &str {
        &self.shown
    }

    /// True if it has exactly these bytes.
    pub(super) fn reads_as(&self, bytes: &[u8]) -> bool {
        let mut found = Vec::with_capacity(bytes.len() + 1);
        let read = (&self.file).take(bytes.len() as u64 + 1).read_to_end(&mut found);
        read.is_ok() && found == bytes
    }
}

/// Reads and hashes exactly `len` bytes.
pub(super) fn hash_from(file: &mut File, hasher: &mut Sha256, len: u64) -> io::Result<()> {
    let mut block = vec![0; usize::try_from(len).map_or(BLOCK, |len| len.min(BLOCK))];
    let mut left = len;
    while left > 0 {
        let step = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
        file.read_exact(&mut block[..step])?;
        hasher.update(&block[..step]);
        left -= step as u64;
    }
    Ok(())
}

const BLOCK: usize = 256 * 1024;

pub(super) fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// True if it may be the wanted file. Its hash decides.
pub(super) fn is_like(stat: &Stat, wanted: &Wanted) -> bool {
    is_regular(stat)
        && u64::try_from(stat.st_size) == Ok(wanted.size)
        && mtime_ms(stat).is_some_and(|at| at.abs_diff(wanted.mtime_ms) <= COARSE_MS)
}

/// Some file systems, as those of memory cards, keep times in steps of two seconds.
const COARSE_MS: u64 = 2000;

/// When a file was changed, in milliseconds since 1970.
pub(super) fn mtime_ms(stat: &Stat) -> Option<u64> {
    let secs = u64::try_from(stat.st_mtime).ok()?;
    secs.checked_mul(1000)?.checked_add(u64::try_from(stat.st_mtime_nsec).ok()? / 1_000_000)
}

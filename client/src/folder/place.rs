//! Where a file of the inbox goes, and how it gets its name.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, Timespec, Timestamps, flock, fstat, futimens, openat, statat,
};
use rustix::io::Errno;

use super::error::FolderError;
use super::existing::{Existing, is_like, is_regular};
use super::inbox::Wanted;
use super::name;
use super::sidecar::remove;

/// Where a file goes.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) folder: Arc<OwnedFd>,
    /// The folder's name in the inbox; empty, or with a `/` at its end.
    pub(super) prefix: String,
    /// The file's name, if that is free.
    pub(super) target: String,
    /// The inbox, for messages.
    pub(super) inbox: Arc<str>,
}

/// Numbers that a name may get.
pub(super) const NUMBERS_MAX: u32 = 1000;

impl Place {
    pub(super) fn shown(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn failed(&self, error: io::Error, wanted: &Wanted) -> FolderError {
        FolderError::of(error, &self.inbox, &wanted.shown())
    }

    /// A file with this or a numbered name that seems to be the wanted one.
    pub(super) fn existing(&self, wanted: &Wanted) -> Result<Option<Existing>, FolderError> {
        for number in 0..NUMBERS_MAX {
            let name = name::numbered(&self.target, number, name::NAME_BYTES_MAX);
            match statat(&self.folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_like(&stat, wanted) => {
                    if let Some(existing) = Existing::open(self, &name, wanted) {
                        return Ok(Some(existing));
                    }
                }
                Ok(_) => {}
                Err(Errno::NOENT) => break,
                Err(error) => return Err(self.failed(error.into(), wanted)),
            }
        }
        Ok(None)
    }

    /// A small file: written beside its place, then renamed.
    pub(super) fn put(&self, wanted: &Wanted, bytes: &[u8]) -> io::Result<Result<String, FolderError>> {
        let (mut file, new) = self.scratch()?;
        let written = file.write_all(bytes).and_then(|()| seal(&file, wanted));
        if let Err(error) = written {
            remove(&self.folder, &new)?;
            return Err(error);
        }
        let named = self.name_it(&new)?;
        if named.is_none() {
            remove(&self.folder, &new)?;
        }
        Ok(named.ok_or_else(|| FolderError::TooMany { name: wanted.shown() }))
    }

    /// An empty file that no other program uses. One that was left behind is used again.
    fn scratch(&self) -> io::Result<(File, String)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        for number in 0..SCRATCH_MAX {
            let name = format!(".relay-new-{number}");
            let Ok(file) = openat(&self.folder, &name, flags, Mode::from_raw_mode(0o666)).map(File::from)
            else {
                continue;
            };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
                && is_named(&self.folder, &name, &file)
            {
                if file.metadata()?.len() > 0 {
                    file.set_len(0)?;
                }
                return Ok((file, name));
            }
        }
        // All are in use, or none can be made: this says why.
        let flags = flags | OFlags::EXCL;
        let name = format!(".relay-new-{SCRATCH_MAX}");
        Ok((openat(&self.folder, &name, flags, Mode::from_raw_mode(0o666))?.into(), name))
    }

    /// Gives a file its name or a numbered one, whichever is free; `None` if none is.
    pub(super) fn name_it(&self, from: &str) -> io::Result<Option<String>> {
        for number in 0..NUMBERS_MAX {
            let name = name::numbered(&self.target, number, name::NAME_BYTES_MAX);
            match rename_no_replace(&self.folder, from, &name) {
                Ok(()) => return Ok(Some(self.shown(&name))),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

/// Programs that write small files to one folder at the same time.
const SCRATCH_MAX: u32 = 16;

/// True if the name still means this file, and no other name does.
pub(super) fn is_named(folder: &OwnedFd, name: &str, file: &File) -> bool {
    let named = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let (Ok(named), Ok(open)) = (named, fstat(file)) else { return false };
    named.st_ino == open.st_ino && named.st_dev == open.st_dev && open.st_nlink == 1 && is_regular(&open)
}

/// The time, and on request the mode, of a file that is whole.
pub(super) fn seal(file: &File, wanted: &Wanted) -> io::Result<()> {
    if let Some(mode) = wanted.mode {
        let mode = rustix::fs::RawMode::try_from(mode & 0o777).unwrap_or(0o600);
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
    }
    let secs = i64::try_from(wanted.mtime_ms / 1000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(wanted.mtime_ms % 1000).unwrap_or(0) * 1_000_000;
    let time = Timespec { tv_sec: secs, tv_nsec: nanos.into() };
    Ok(futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

/// Renames if the new name is free, in one step.
fn rename_no_replace(folder: &OwnedFd, from: &str, to: &str) -> rustix::io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    match rustix::fs::renameat_with(folder, from, folder, to, rustix::fs::RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        done => return done,
    }
    // This file system can't: a second name, then the first one goes.
    rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())?;
    rustix::fs::unlinkat(folder, from, AtFlags::empty())
}

//! The folder that received files go to.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat, Timespec, Timestamps, flock, fstat, futimens,
    mkdirat, openat, statat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::error::FolderError;
use super::name::{self, safe_name};
use super::part::Part;
use super::sidecar::remove;
use crate::app::file::{FileHash, FileId};
use crate::text::harmless;

/// The folder that received files go to. Clones are the same folder.
#[derive(Clone, Debug)]
pub struct Inbox {
    root: Arc<OwnedFd>,
    shown: Arc<str>,
    /// The folder that was used last.
    recent: Arc<Mutex<Option<Recent>>>,
}

/// A folder in the inbox, by its components.
type Recent = (Vec<String>, Arc<OwnedFd>);

/// A file that is to be received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As its sender offered it.
    pub name: String,
    /// Its length.
    pub size: u64,
    /// When it was changed, in milliseconds since 1970.
    pub mtime_ms: u64,
    /// Its permissions, if they are to be kept.
    pub mode: Option<u32>,
    /// The sender's id of the file.
    pub id: FileId,
    /// The sender: the same text for the same one, another text for others.
    pub from: String,
}

impl Wanted {
    /// Its name, harmless to show.
    pub fn shown(&self) -> String {
        harmless(&self.name)
    }
}

/// What is there of a file.
#[derive(Debug)]
pub enum Begun {
    /// Nothing, or the first part of it: `offset` says how much.
    Part(Part),
    /// A file of its name, length and time, which may be all of it.
    Whole(Existing),
}

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
const NUMBERS_MAX: u32 = 1000;

impl Inbox {
    /// Opens a folder that exists.
    ///
    /// # Errors
    /// It is not there, is not a folder, or can't be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty())?;
        let shown = path.display().to_string().into();
        Ok(Inbox { root: Arc::new(root), shown, recent: Arc::default() })
    }

    /// Finds what is there of a file, or makes a new part for it.
    ///
    /// # Errors
    /// It can't be written; the error says why.
    pub fn begin(&self, wanted: &Wanted) -> Result<Begun, FolderError> {
        let place = self.place(wanted)?;
        if let Some(part) = Part::find(&place, wanted)? {
            return Ok(Begun::Part(part));
        }
        match place.existing(wanted)? {
            Some(existing) => Ok(Begun::Whole(existing)),
            None => Part::create(place, wanted).map(Begun::Part),
        }
    }

    /// Makes a part of a file of which a whole one seems to be there, and is not.
    ///
    /// # Errors
    /// It can't be written; the error says why.
    pub fn begin_part(&self, wanted: &Wanted) -> Result<Part, FolderError> {
        Part::create(self.place(wanted)?, wanted)
    }

    /// Keeps a small file at once; gives its name in the folder. If the same file is there already, nothing is
    /// written.
    ///
    /// # Errors
    /// It has another hash, or can't be written; the error says why.
    pub fn put(&self, wanted: &Wanted, bytes: &[u8], hash: &FileHash) -> Result<String, FolderError> {
        let place = self.place(wanted)?;
        if Sha256::digest(bytes).as_slice() != hash {
            return Err(FolderError::Hash { name: wanted.shown() });
        }
        if let Some(existing) = place.existing(wanted)?
            && existing.has(bytes)
        {
            return Ok(place.shown(&existing.name));
        }
        place.put(wanted, bytes).map_err(|error| place.failed(error, wanted))?
    }

    /// Opens, and where needed makes, the folders of a name; each by itself and never through a link.
    fn place(&self, wanted: &Wanted) -> Result<Place, FolderError> {
        let mut folders = safe_name(&wanted.name);
        let target = folders.pop().unwrap_or_default();
        let prefix = folders.iter().map(|folder| format!("{folder}/")).collect();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.as_ref().filter(|(names, _)| *names == folders).map(|(_, folder)| folder.clone());
        let folder = match known {
            Some(folder) => folder,
            None => self.folder(&folders, wanted)?,
        };
        *recent = Some((folders, folder.clone()));
        Ok(Place { folder, prefix, target, inbox: self.shown.clone() })
    }

    fn folder(&self, folders: &[String], wanted: &Wanted) -> Result<Arc<OwnedFd>, FolderError> {
        let mut folder = self.root.clone();
        for component in folders {
            match mkdirat(&folder, component, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(FolderError::of(error.into(), &self.shown, &wanted.shown())),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = match openat(&folder, component, flags, Mode::empty()) {
                Ok(inner) => Arc::new(inner),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let (name, component) = (wanted.shown(), component.clone());
                    return Err(FolderError::InTheWay {
                        name,
                        what: what_is(&folder, &component),
                        component,
                    });
                }
                Err(error) => return Err(FolderError::of(error.into(), &self.shown, &wanted.shown())),
            };
        }
        Ok(folder)
    }
}

fn what_is(folder: &OwnedFd, name: &str) -> &'static str {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::Symlink) => "a link",
        Ok(FileType::RegularFile) => "a file",
        _ => "something else",
    }
}

/// A file of the name, length and time of one that is offered.
#[derive(Debug)]
pub struct Existing {
    file: File,
    hasher: Sha256,
    left: u64,
    size: u64,
    pub(super) name: String,
    shown: String,
}

impl Existing {
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
    fn has(&self, bytes: &[u8]) -> bool {
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

impl Place {
    pub(super) fn shown(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn failed(&self, error: io::Error, wanted: &Wanted) -> FolderError {
        FolderError::of(error, &self.inbox, &wanted.shown())
    }

    /// A file with this or a numbered name that seems to be the wanted one.
    fn existing(&self, wanted: &Wanted) -> Result<Option<Existing>, FolderError> {
        for number in 0..NUMBERS_MAX {
            let name = name::numbered(&self.target, number, name::NAME_BYTES_MAX);
            match statat(&self.folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_like(&stat, wanted) => {
                    if let Some(existing) = self.open_existing(&name, wanted) {
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

    /// `None` if it can't be read, or became something else: then it is not the wanted one.
    fn open_existing(&self, name: &str, wanted: &Wanted) -> Option<Existing> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.folder, name, flags, Mode::empty()).ok()?);
        if !is_like(&fstat(&file).ok()?, wanted) {
            return None;
        }
        let (name, shown, size) = (name.to_owned(), self.shown(name), wanted.size);
        Some(Existing { file, hasher: Sha256::new(), left: size, size, name, shown })
    }

    /// A small file: written beside its place, then renamed.
    fn put(&self, wanted: &Wanted, bytes: &[u8]) -> io::Result<Result<String, FolderError>> {
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

pub(super) fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn is_like(stat: &Stat, wanted: &Wanted) -> bool {
    is_regular(stat)
        && u64::try_from(stat.st_size) == Ok(wanted.size)
        && mtime_ms(stat) == Some(wanted.mtime_ms)
}

/// When a file was changed, in milliseconds since 1970.
pub(super) fn mtime_ms(stat: &Stat) -> Option<u64> {
    let secs = u64::try_from(stat.st_mtime).ok()?;
    secs.checked_mul(1000)?.checked_add(u64::try_from(stat.st_mtime_nsec).ok()? / 1_000_000)
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

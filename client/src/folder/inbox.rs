//! The folder that received files go to.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::error::FolderError;
use super::existing::Existing;
use super::mark;
use super::name::{NAME_BYTES_MAX, numbered, safe_name};
use super::part::Part;
use super::place::{NUMBERS_MAX, Place};
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

/// A folder in the inbox, by its sender and its components, as safe names.
#[derive(Clone, Debug)]
struct Recent {
    from: String,
    folders: Vec<String>,
    folder: Arc<OwnedFd>,
    /// Its name in the inbox; empty, or with a `/` at its end.
    prefix: String,
}

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

    /// Keeps a small file at once; gives its name in the folder. If the same file is there already, nothing
    /// is written.
    ///
    /// # Errors
    /// It has another hash, or can't be written; the error says why.
    pub fn put(&self, wanted: &Wanted, bytes: &[u8], hash: &FileHash) -> Result<String, FolderError> {
        let place = self.place(wanted)?;
        if Sha256::digest(bytes).as_slice() != hash {
            return Err(FolderError::Hash { name: wanted.shown() });
        }
        if let Some(existing) = place.existing(wanted)?
            && existing.reads_as(bytes)
        {
            return Ok(existing.kept_as().to_owned());
        }
        place.put(wanted, bytes).map_err(|error| place.failed(error, wanted))?
    }

    /// Opens, and where needed makes, the folders of a name; each by itself and never through a link.
    fn place(&self, wanted: &Wanted) -> Result<Place, FolderError> {
        let mut folders = safe_name(&wanted.name);
        let target = folders.pop().unwrap_or_default();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |recent: &&Recent| recent.from == wanted.from && recent.folders == folders;
        let found = match recent.as_ref().filter(is_known) {
            Some(known) => known.clone(),
            None => self.folder(folders, wanted)?,
        };
        *recent = Some(found.clone());
        Ok(Place { folder: found.folder, prefix: found.prefix, target, inbox: self.shown.clone() })
    }

    fn folder(&self, folders: Vec<String>, wanted: &Wanted) -> Result<Recent, FolderError> {
        let (mut folder, mut prefix) = (self.root.clone(), String::new());
        for (depth, component) in folders.iter().enumerate() {
            let (inner, name) = match depth {
                0 => self.top(component, wanted)?,
                _ => (self.inner(&folder, component, wanted)?.0, component.clone()),
            };
            folder = Arc::new(inner);
            prefix.push_str(&format!("{name}/"));
        }
        Ok(Recent { from: wanted.from.clone(), folders, folder, prefix })
    }

    /// The folder of this name that was made for the sender. One that was not is left alone: a user's own
    /// folder may hold what programs run.
    fn top(&self, name: &str, wanted: &Wanted) -> Result<(OwnedFd, String), FolderError> {
        for number in 0..NUMBERS_MAX {
            let name = numbered(name, number, NAME_BYTES_MAX);
            let (folder, is_new) = self.inner(&self.root, &name, wanted)?;
            if is_new && let Err(error) = mark::write(&folder, &wanted.from) {
                // It is left if it can't be removed, and then another one is made.
                let _ = unlinkat(&self.root, &name, AtFlags::REMOVEDIR);
                return Err(FolderError::of(error, &self.shown, &wanted.shown()));
            }
            if is_new || mark::is_of(&folder, &wanted.from) {
                return Ok((folder, name));
            }
        }
        Err(FolderError::TooMany { name: wanted.shown() })
    }

    /// A folder in another one, and whether it was made now.
    fn inner(&self, outer: &OwnedFd, name: &str, wanted: &Wanted) -> Result<(OwnedFd, bool), FolderError> {
        let failed = |error: Errno| FolderError::of(error.into(), &self.shown, &wanted.shown());
        let is_new = match mkdirat(outer, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(failed(error)),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(outer, name, flags, Mode::empty()) {
            Ok(inner) => Ok((inner, is_new)),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let what = what_is(outer, name);
                Err(FolderError::InTheWay { name: wanted.shown(), what, component: name.to_owned() })
            }
            Err(error) => Err(failed(error)),
        }
    }
}

fn what_is(folder: &OwnedFd, name: &str) -> &'static str {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::Symlink) => "a link",
        Ok(FileType::RegularFile) => "a file",
        _ => "something else",
    }
}

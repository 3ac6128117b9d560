//! The folder that received files go to.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::error::FolderError;
use super::existing::Existing;
use super::name::safe_name;
use super::part::Part;
use super::place::Place;
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

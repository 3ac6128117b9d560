//! The files that a user named, and those in the folders that the user named.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use sha2::{Digest, Sha256};

use super::existing::mtime_ms;
use super::mark;
use super::source::{Source, SourceError, State};
use crate::app::file::FileId;
use crate::app::file::limits::{NAME_BYTES_MAX, SIZE_MAX};

/// Finds files one by one, in the order of their names, and holds open only the folders around the last one.
/// It follows a link that the user named, and none inside a folder.
#[derive(Debug)]
pub struct Walk {
    named: VecDeque<PathBuf>,
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    folder: OwnedFd,
    /// What is in it and was not looked at, the last one first.
    names: Vec<OsString>,
    root: Arc<PathBuf>,
    /// Its components behind the root.
    inner: Vec<OsString>,
    /// Its name in the set, with a `/` at its end.
    prefix: String,
}

/// What a [`Walk`] finds.
#[derive(Clone, Debug)]
pub enum Found {
    /// A file.
    File(FoundFile),
    /// Something that is not sent.
    Skipped {
        /// Its name in the set.
        name: String,
        /// Why.
        why: String,
        /// The user may miss it: it is not one of the links and devices that a folder may have in it.
        is_missed: bool,
    },
}

/// A file that can be sent. It holds nothing open.
#[derive(Clone, Debug)]
pub struct FoundFile {
    /// Its name in the set, with `/` between folders.
    pub name: String,
    /// The same for the same file in the same state.
    pub id: FileId,
    /// When it was changed, in milliseconds since 1970.
    pub mtime_ms: u64,
    /// Its permissions: nine bits.
    pub mode: u32,
    state: State,
    root: Arc<PathBuf>,
    inner: Vec<OsString>,
}

/// Folders inside each other.
const DEPTH_MAX: usize = 64;

impl Walk {
    /// Over these files and folders.
    pub fn new(paths: &[PathBuf]) -> Self {
        Walk { named: paths.iter().cloned().collect(), levels: Vec::new() }
    }

    fn next_named(&mut self, path: &Path) -> Option<Found> {
        match self.begin(path) {
            Ok(found) => found,
            Err(error) => Some(missed(shown(path.as_os_str()), error.to_string())),
        }
    }

    /// Looks at a path that the user named. A folder's files follow.
    fn begin(&mut self, path: &Path) -> io::Result<Option<Found>> {
        let real = fs::canonicalize(path)?;
        let name = path.file_name().or(real.file_name()).map_or_else(|| "files".to_owned(), shown);
        if real.is_dir() {
            let root = Arc::new(real);
            let folder = openat(CWD, root.as_path(), FOLDER, Mode::empty())?;
            self.levels.push(level(folder, root, Vec::new(), format!("{name}/"))?);
            return Ok(None);
        }
        let (Some(parent), Some(file)) = (real.parent(), real.file_name()) else { return Ok(None) };
        let folder = openat(CWD, parent, FOLDER, Mode::empty())?;
        Ok(Some(
            look(&folder, file, &Arc::new(parent.to_owned()), &[], &name)?
                .unwrap_or_else(|| missed(name, "it is not a file or folder any more".to_owned())),
        ))
    }

    /// The next thing of the innermost folder.
    fn next_inside(&mut self) -> Option<Found> {
        let depth = self.levels.len();
        let level = self.levels.last_mut()?;
        let Some(file) = level.names.pop() else {
            self.levels.pop();
            return None;
        };
        let name = format!("{}{}", level.prefix, shown(&file));
        let skipped = |why: String| Some(missed(name.clone(), why));
        match look(&level.folder, &file, &level.root, &level.inner, &name) {
            Ok(Some(found)) => return Some(found),
            Ok(None) if depth >= DEPTH_MAX => {
                return skipped(format!("it is more than {DEPTH_MAX} folders deep"));
            }
            Ok(None) => {}
            Err(error) => return skipped(error.to_string()),
        }
        let inner: Vec<OsString> = level.inner.iter().cloned().chain([file.clone()]).collect();
        let folder = openat(&level.folder, &file, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        let next = folder.map_err(io::Error::from);
        match next.and_then(|folder| self::level(folder, level.root.clone(), inner, format!("{name}/"))) {
            Ok(next) => self.levels.push(next),
            Err(error) => return skipped(error.to_string()),
        }
        None
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let found = if self.levels.is_empty() {
                let path = self.named.pop_front()?;
                self.next_named(&path)
            } else {
                self.next_inside()
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn level(folder: OwnedFd, root: Arc<PathBuf>, inner: Vec<OsString>, prefix: String) -> io::Result<Level> {
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        // A folder that was received has a mark, which is not one of the user's files.
        if name != "." && name != ".." && name != mark::NAME {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(Level { folder, names, root, inner, prefix })
}

/// What this is; `None` for a folder.
fn look(
    folder: &OwnedFd,
    file: &OsStr,
    root: &Arc<PathBuf>,
    inner: &[OsString],
    name: &str,
) -> io::Result<Option<Found>> {
    let stat = statat(folder, file, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => return Ok(None),
        FileType::RegularFile => {}
        FileType::Symlink => return Ok(Some(odd(name, "it is a link"))),
        _ => return Ok(Some(odd(name, "it is not a file"))),
    }
    let state = State::of(&stat);
    if name.len() > NAME_BYTES_MAX {
        return Ok(Some(missed(name.to_owned(), "its name, with its folders, is too long".to_owned())));
    }
    if state.size > SIZE_MAX {
        return Ok(Some(missed(name.to_owned(), "it is too long".to_owned())));
    }
    let inner: Vec<OsString> = inner.iter().cloned().chain([file.to_owned()]).collect();
    let (id, root) = (id_of(root, &inner, state), root.clone());
    #[allow(clippy::useless_conversion, reason = "16 bits on some systems")]
    let (mtime_ms, mode) = (mtime_ms(&stat).unwrap_or(0), u32::from(stat.st_mode) & 0o777);
    Ok(Some(Found::File(FoundFile { name: name.to_owned(), id, mtime_ms, mode, state, root, inner })))
}

/// The user wanted it, and it can't be sent.
fn missed(name: String, why: String) -> Found {
    Found::Skipped { name, why, is_missed: true }
}

/// Not a file.
fn odd(name: &str, why: &str) -> Found {
    Found::Skipped { name: name.to_owned(), why: why.to_owned(), is_missed: false }
}

/// The path, length and time of change: so a sender that starts again offers the same id without keeping
/// anything, and another one as soon as the file is another.
fn id_of(root: &Path, inner: &[OsString], state: State) -> FileId {
    let mut hasher = Sha256::new();
    hasher.update(b"relay file 1\0");
    hasher.update(root.as_os_str().as_bytes());
    for component in inner {
        hasher.update(b"/");
        hasher.update(component.as_bytes());
    }
    hasher.update(b"\0");
    hasher.update(state.size.to_be_bytes());
    hasher.update(state.secs.to_be_bytes());
    hasher.update(state.nanos.to_be_bytes());
    let hash: [u8; 32] = hasher.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    FileId(id)
}

fn shown(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

impl FoundFile {
    /// Its length.
    pub fn size(&self) -> u64 {
        self.state.size
    }
}

/// Opens files that were found. Keeps the folder of the last one.
#[derive(Debug, Default)]
pub struct Opener {
    recent: Option<(Arc<PathBuf>, Vec<OsString>, OwnedFd)>,
}

impl Opener {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// It is gone or is not what was found; the error says why.
    pub fn open(&mut self, found: &FoundFile) -> Result<Source, SourceError> {
        let file = self.file(found).map_err(|error| SourceError::of(error, &found.name))?;
        Source::new(&found.name, file, found.state)
    }

    fn file(&mut self, found: &FoundFile) -> io::Result<File> {
        let (Some(name), folders) = (found.inner.last(), &found.inner[..found.inner.len().max(1) - 1]) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let is_recent = |(root, inner, _): &&(Arc<PathBuf>, Vec<OsString>, OwnedFd)| {
            *root == found.root && *inner == folders
        };
        if let Some((.., folder)) = self.recent.as_ref().filter(is_recent) {
            return Ok(openat(folder, name, flags, Mode::empty())?.into());
        }
        let mut folder = openat(CWD, found.root.as_path(), FOLDER, Mode::empty())?;
        for inner in folders {
            folder = openat(&folder, inner, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
        }
        let file = openat(folder.as_fd(), name, flags, Mode::empty())?;
        self.recent = Some((found.root.clone(), folders.to_vec(), folder));
        Ok(file.into())
    }
}

/// True if the path is there and can be opened.
///
/// # Errors
/// The system's words.
pub fn check_readable(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile | FileType::Directory => Ok(()),
        _ => Err(io::Error::other("it is not a file or folder")),
    }
}

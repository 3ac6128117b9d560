//! Files on disk: the folder that a receiver never leaves, and the files that a sender reads.

use std::io;
use std::path::Path;

/// The folder that received files go to. Clones are the same folder.
#[derive(Clone, Debug)]
pub struct Inbox {}

impl Inbox {
    /// Opens a folder that exists.
    ///
    /// # Errors
    /// It is not there, is not a folder, or can't be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        path.read_dir().map(|_| Inbox {})
    }
}

//! `NAME.part.info`: whose part it is. A part without one was not made here, and is left alone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// What is known of a file that is under way. Its length says how much of it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sidecar {
    pub(super) v: u8,
    /// The sender's id of the file.
    pub(super) id: String,
    /// Its sender, as this program names it.
    pub(super) from: String,
    pub(super) size: u64,
    #[serde(rename = "mtimeMs")]
    pub(super) mtime_ms: u64,
}

const BYTES_MAX: u64 = 8 * 1024;

impl Sidecar {
    /// Writes it whole or not at all.
    pub(super) fn write(&self, folder: &OwnedFd, part_name: &str) -> io::Result<()> {
        let (name, new) = (format!("{part_name}.info"), format!("{part_name}.info.new"));
        let text = sonic_rs::to_vec(self).map_err(io::Error::other)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(folder, &new, flags, Mode::RUSR | Mode::WUSR)?);
        let written = file.write_all(&text).and_then(|()| Ok(renameat(folder, &new, folder, &name)?));
        if written.is_err() {
            remove(folder, &new)?;
        }
        written
    }

    /// The one of this part; `None` if it is not there or damaged.
    pub(super) fn read(folder: &OwnedFd, part_name: &str) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(folder, format!("{part_name}.info"), flags, Mode::empty()).ok()?;
        let mut text = Vec::new();
        File::from(file).take(BYTES_MAX).read_to_end(&mut text).ok()?;
        sonic_rs::from_slice(&text).ok()
    }

    /// Removes the one of this part, if there is one.
    pub(super) fn remove(folder: &OwnedFd, part_name: &str) -> io::Result<()> {
        remove(folder, &format!("{part_name}.info"))
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(folder: &OwnedFd, name: &str) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

//! `.relay-from` in a folder: for which sender it was made. No name from elsewhere begins with a dot, so no
//! sender can write one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, openat};

pub(super) const NAME: &str = ".relay-from";

const BYTES_MAX: u64 = 1024;

/// Marks a new folder as made for this sender.
pub(super) fn write(folder: &OwnedFd, from: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    File::from(openat(folder, NAME, flags, Mode::RUSR | Mode::WUSR)?).write_all(from.as_bytes())
}

/// True if the folder was made for this sender.
pub(super) fn is_of(folder: &OwnedFd, from: &str) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = openat(folder, NAME, flags, Mode::empty()).map(File::from) else { return false };
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text).is_ok() && text == from.as_bytes()
}

//! Where a terminal is found: its socket in the profile's folder.
//!
//! The system removes `XDG_RUNTIME_DIR` with everything in it when a user's last session ends, and makes it
//! again at the next login. So the host looks whether its socket is there, and makes a new one if it can.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use super::names;
use crate::ipc::folder::Folders;

/// How often the host looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A terminal's socket. Dropping this removes it.
#[derive(Debug)]
pub(super) struct Place {
    profile: String,
    socket: PathBuf,
    /// The socket as a file, so that no other is taken for it.
    file: Option<(u64, u64)>,
    look_at: Duration,
}

impl Place {
    pub(super) fn new(profile: String, socket: PathBuf) -> Self {
        let file = identity(&socket);
        Self { profile, socket, file, look_at: LOOK_EVERY }
    }

    /// Looks if it is time to. Returns another listener and the name that it has, if the socket was gone.
    pub(super) fn poll_moved(&mut self, name: &str, now: Duration) -> Option<(String, UnixListener)> {
        if now < self.look_at {
            return None;
        }
        self.look_at = now + LOOK_EVERY;
        // If that fails, there is no place for it now.
        let folders = Folders::open(&self.profile).ok()?;
        let is_there = self.file.is_some() && identity(&self.socket) == self.file;
        // While there is no runtime folder, the sockets are in the state folder.
        let is_found = self.socket.parent() == Some(folders.terminals().ok()?.as_path());
        if is_there && is_found {
            return None;
        }
        let made = names::bind(&folders, name, false).ok()?;
        if is_there {
            // If that fails, the next one to look finds a dead socket, and removes it.
            drop(fs::remove_file(&self.socket));
        }
        (self.socket, self.file) = (made.socket.clone(), identity(&made.socket));
        Some((made.name, made.listener))
    }

    /// When to look.
    pub(super) fn next_at(&self) -> Duration {
        self.look_at
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.file.is_some() && identity(&self.socket) == self.file {
            // If that fails, the next one to look finds a dead socket, and removes it.
            drop(fs::remove_file(&self.socket));
        }
    }
}

fn identity(socket: &PathBuf) -> Option<(u64, u64)> {
    fs::symlink_metadata(socket).ok().map(|file| (file.dev(), file.ino()))
}

//! The agent's place: one lock, so that a profile has one agent, and the socket that commands find it by.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

use crate::ipc::folder::Folders;

/// How long an agent that is ending may take.
const FREE_WITHIN: Duration = Duration::from_secs(15);

const TRY_EVERY: Duration = Duration::from_millis(20);

/// The place, taken. It is free again when this is dropped, or with the process.
pub(super) struct Place {
    socket: PathBuf,
    /// The socket's own number: another file of its name is not ours.
    inode: u64,
    /// Locked while it is open, and names the socket. Closed last.
    lock: File,
}

impl Place {
    /// Takes the place; waits for an agent that is ending. `None` if another agent has it and answers.
    ///
    /// # Errors
    /// It can't be taken.
    pub(super) fn take(folders: &Folders) -> anyhow::Result<Option<(Self, UnixListener)>> {
        // With the state, which it protects: the folder of the sockets may differ between two logins.
        let path = folders.agent_lock();
        let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = file.with_context(|| format!("can't open {}", path.display()))?;
        let socket = folders.agent_socket()?;
        let deadline = Instant::now() + FREE_WITHIN;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(error) if error == rustix::io::Errno::WOULDBLOCK => {}
                Err(error) => return Err(error).with_context(|| format!("can't lock {}", path.display())),
            }
            let noted = folders.noted_socket();
            if [Some(&socket), noted.as_ref()]
                .into_iter()
                .flatten()
                .any(|path| UnixStream::connect(path).is_ok())
            {
                return Ok(None);
            }
            if Instant::now() > deadline {
                bail!(
                    "another agent has {} locked and does not listen at {}: end its process, and try again",
                    path.display(),
                    noted.unwrap_or(socket).display()
                );
            }
            thread::sleep(TRY_EVERY);
        }
        let mut place = Place { socket, inode: 0, lock };
        let listener = place.listen(folders)?;
        Ok(Some((place, listener)))
    }

    /// True if commands don't find this agent at the socket of these folders.
    pub(super) fn is_lost(&self, folders: &Folders) -> bool {
        let is_elsewhere = folders.agent_socket().is_ok_and(|socket| socket != self.socket);
        is_elsewhere || fs::symlink_metadata(&self.socket).map(|file| file.ino()).ok() != Some(self.inode)
    }

    /// Listens at the socket of these folders, and writes that down.
    ///
    /// # Errors
    /// It can't be made, or written down.
    pub(super) fn listen(&mut self, folders: &Folders) -> anyhow::Result<UnixListener> {
        let socket = folders.agent_socket()?;
        let shown = socket.display().to_string();
        let listener = listen(&socket).with_context(|| format!("can't listen at {shown}"))?;
        self.inode = fs::symlink_metadata(&socket).with_context(|| format!("can't use {shown}"))?.ino();
        if self.socket != socket {
            self.close();
        }
        self.socket = socket;
        // On a full disk only commands with the same variables find it.
        let path = self.socket.as_os_str().as_bytes();
        drop(self.lock.set_len(0).and_then(|()| self.lock.write_all_at(path, 0)));
        Ok(listener)
    }

    /// Lets no further command find this agent.
    pub(super) fn close(&self) {
        // None there is as good, and a later agent replaces any.
        drop(fs::remove_file(&self.socket));
    }
}

/// Only the agent that has the lock comes here, so what lies there is a dead one's.
fn listen(socket: &PathBuf) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

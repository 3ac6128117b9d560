//! The agent's place: one lock, so that a profile has one agent, and the socket that commands find it by.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
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
    listener: Option<UnixListener>,
    /// Locked while it is open. Closed last.
    _lock: File,
}

impl Place {
    /// Takes the place; waits for an agent that is ending. `None` if another agent has it and answers.
    ///
    /// # Errors
    /// It can't be taken.
    pub(super) fn take(folders: &Folders) -> anyhow::Result<Option<Self>> {
        // With the state, which it protects: the folder of the sockets may differ between two logins.
        let path = folders.state().join("agent.lock");
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
            if UnixStream::connect(&socket).is_ok() {
                return Ok(None);
            }
            if Instant::now() > deadline {
                bail!(
                    "another agent has {} locked and does not listen at {}: end its process, or use the \
                     XDG_RUNTIME_DIR that it was started with",
                    path.display(),
                    socket.display()
                );
            }
            thread::sleep(TRY_EVERY);
        }
        let listener = listen(&socket).with_context(|| format!("can't listen at {}", socket.display()))?;
        Ok(Some(Place { socket, listener: Some(listener), _lock: lock }))
    }

    /// The socket that commands connect to, once.
    pub(super) fn listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
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

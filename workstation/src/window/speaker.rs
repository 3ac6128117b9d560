//! What a window says to the host. Several threads share it.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ipc::frame;

/// Writes frames to the host, each one whole.
#[derive(Clone, Debug)]
pub(super) struct Speaker(Arc<Mutex<UnixStream>>);

impl Speaker {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Says one thing. Blocks while the command does not read what was typed.
    ///
    /// # Errors
    /// The host is gone.
    pub(super) fn say(&self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(frame::HEADER_LEN + payload.len());
        frame::encode(kind, payload, &mut bytes);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }
}

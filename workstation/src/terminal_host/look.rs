//! Asks a terminal's host how it is. Blocking.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::names;
use super::wire::{LOOK, STATUS, Status, parsed};
use crate::ipc::folder::{Folders, terminal_names};
use crate::ipc::frame::{Decoder, encode};

/// A host that does not answer for so long is taken for silent.
const PATIENCE: Duration = Duration::from_secs(2);

/// The status of the host at the other end.
///
/// # Errors
/// It is gone, or does not answer.
pub(crate) fn status_of(mut stream: UnixStream) -> io::Result<Status> {
    let (mut decoder, mut question) = (Decoder::default(), Vec::new());
    encode(LOOK, b"", &mut question);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&question)?;
    loop {
        if let Some(frame) = decoder.next_frame()? {
            if frame.kind == STATUS {
                return parsed(frame.payload).ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
        } else if decoder.read_from(&mut stream)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The names of the terminals that are there and do not answer.
pub(crate) fn silent(folders: &Folders) -> Vec<String> {
    let names = folders.terminals().and_then(|folder| Ok(terminal_names(&folder)?)).unwrap_or_default();
    let is_silent = |name: &String| {
        let connected = names::connect(folders, name);
        connected.and_then(|stream| Ok(stream.map(status_of).transpose()?)).is_err()
    };
    names.into_iter().filter(is_silent).collect()
}

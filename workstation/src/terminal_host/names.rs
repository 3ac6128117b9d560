//! The names of the terminals: each has a socket in the profile's folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

use crate::ipc::folder::{Folders, is_terminal_name};
use crate::ipc::peer::check_own;

/// The most bytes of a name that comes from a program, so that there is room for a number behind it.
const PROGRAM_NAME_MAX: usize = 28;

/// Further names that are tried for a command.
const NUMBERS: std::ops::Range<u32> = 2..1000;

/// Checks a name that the user gave.
///
/// # Errors
/// Words about names.
pub(crate) fn checked_name(name: &str) -> Result<String, String> {
    let words = "a terminal's name has 1 to 32 letters, digits, '-', '_' and '.', and begins with no dot";
    if is_terminal_name(name) { Ok(name.to_owned()) } else { Err(words.to_owned()) }
}

/// The name of a command's terminal, if nobody gave one: that of its program.
pub(crate) fn name_of_program(program: &OsStr) -> String {
    let file = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "-_".contains(*c);
    let name: String = file.chars().filter(is_plain).take(PROGRAM_NAME_MAX).collect();
    if name.is_empty() { "terminal".to_owned() } else { name }
}

/// A terminal's place: nobody else has this name.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) socket: PathBuf,
    pub(crate) listener: UnixListener,
}

/// Makes a socket for a terminal of this name. If `is_given` is false and the name is taken, a number is put
/// behind it.
///
/// # Errors
/// The name is taken, or the system refuses the socket.
pub(crate) fn bind(folders: &Folders, name: &str, is_given: bool) -> anyhow::Result<Place> {
    // Two programs that look for a name at once take turns.
    let _lock = lock(folders)?;
    let numbered = NUMBERS.map(|number| format!("{name}{number}"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let socket = folders.terminal_socket(&name)?;
        let bound = try_bind(&socket).with_context(|| format!("can't make {}", socket.display()))?;
        if let Some(listener) = bound {
            return Ok(Place { name, socket, listener });
        }
        if is_given {
            bail!("there is a terminal {name} already: come back to it with `workstation attach {name}`");
        }
    }
    bail!("every name from {name} to {name}{} is taken: choose one with --name", NUMBERS.end - 1)
}

/// `None` if a terminal lives there.
fn try_bind(path: &Path) -> io::Result<Option<UnixListener>> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
        bound => return bound.map(Some),
    }
    if UnixStream::connect(path).is_ok() {
        return Ok(None);
    }
    fs::remove_file(path)?;
    UnixListener::bind(path).map(Some)
}

/// Connects to a terminal; `None` if there is none of this name. The socket of one that died is removed.
///
/// # Errors
/// The name is not a terminal's, or the system refuses the connection.
pub(crate) fn connect(folders: &Folders, name: &str) -> anyhow::Result<Option<UnixStream>> {
    let socket = folders.terminal_socket(name)?;
    match UnixStream::connect(&socket) {
        Ok(stream) => {
            check_own(&stream)?;
            Ok(Some(stream))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            remove_dead(folders, &socket)?;
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("can't reach {}", socket.display())),
    }
}

/// Removes a socket if it is still dead once nobody is making one.
fn remove_dead(folders: &Folders, socket: &Path) -> anyhow::Result<()> {
    let _lock = lock(folders)?;
    if UnixStream::connect(socket).is_err() {
        // If that fails, the next one to look tries again.
        drop(fs::remove_file(socket));
    }
    Ok(())
}

/// Keeps others from making and removing sockets while the file is open.
fn lock(folders: &Folders) -> anyhow::Result<File> {
    let folder = folders.terminals()?;
    let words = || format!("can't lock {}", folder.display());
    let lock = File::open(&folder).with_context(words)?;
    flock(&lock, FlockOperation::LockExclusive).with_context(words)?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_made() {
        for bad in ["", ".", ".a", "a/b", "a b", "ü", &"x".repeat(33)] {
            assert!(checked_name(bad).is_err(), "{bad}");
        }
        for (program, name) in
            [("/usr/bin/python3.11", "python311"), ("vim", "vim"), ("/", "terminal"), ("ü", "terminal")]
        {
            assert_eq!(name_of_program(OsStr::new(program)), name);
            assert!(checked_name(name).is_ok());
        }
        assert!(checked_name(&format!("{}999", name_of_program(OsStr::new(&"x".repeat(99))))).is_ok());
    }
}

//! The folder of the terminals' sockets, `NAME.sock` each. It is the list of terminals.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

/// The most bytes of a name, which is part of a socket's path.
const NAME_MAX: usize = 32;

/// The ending of a socket's name.
const ENDING: &str = "sock";

/// Further names that are tried for a command.
const NUMBERS: std::ops::Range<u32> = 2..1000;

/// A stand-in.
pub(crate) fn of_profile(profile: &str) -> anyhow::Result<PathBuf> {
    let base = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = base.join("relay-workstation").join(profile).join("terminals");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Checks a name that the user gave.
///
/// # Errors
/// Words about names.
pub(crate) fn checked_name(name: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_good = (1..=NAME_MAX).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('.');
    let words = "a terminal's name has 1 to 32 letters, digits, '-', '_' and '.', and begins with none of these dots";
    if is_good { Ok(name.to_owned()) } else { Err(words.to_owned()) }
}

/// The name of a command's terminal, if nobody gave one: that of its program.
pub(crate) fn name_of_program(program: &OsStr) -> String {
    let file = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "-_".contains(*c);
    // Room for a number behind it.
    let name: String = file.chars().filter(is_plain).take(NAME_MAX - 4).collect();
    if name.is_empty() { "terminal".to_owned() } else { name }
}

/// Makes a socket for a terminal of this name. If `is_given` is false and the name is taken, a number is put
/// behind it.
///
/// # Errors
/// The name is taken, or the system refuses the socket.
pub(crate) fn bind(folder: &Path, name: &str, is_given: bool) -> anyhow::Result<(String, UnixListener)> {
    // Two programs that look for a name at once take turns.
    let lock = File::open(folder).with_context(|| format!("can't open {}", folder.display()))?;
    flock(&lock, FlockOperation::LockExclusive).with_context(|| format!("can't lock {}", folder.display()))?;
    let numbered = NUMBERS.map(|number| format!("{name}{number}"));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let path = socket(folder, &name);
        if let Some(listener) = try_bind(&path).with_context(|| format!("can't make {}", path.display()))? {
            return Ok((name, listener));
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

/// Where the socket of a terminal is.
pub(crate) fn socket(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.{ENDING}"))
}

/// The names of the terminals, sorted. Some may have died.
///
/// # Errors
/// The folder can't be read. One that does not exist is empty.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(ENDING))
            && let Some(name) = path.file_stem().and_then(OsStr::to_str)
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Connects to a terminal; `None` if there is none of this name. The socket of one that died is removed.
///
/// # Errors
/// The system refuses the connection for another reason.
pub(crate) fn connect(folder: &Path, name: &str) -> io::Result<Option<UnixStream>> {
    let path = socket(folder, name);
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            remove_dead(folder, &path);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Removes a socket if it is still dead once nobody is making one.
fn remove_dead(folder: &Path, path: &Path) {
    let Ok(lock) = File::open(folder) else { return };
    let is_locked = flock(&lock, FlockOperation::LockExclusive).is_ok();
    if is_locked && UnixStream::connect(path).is_err() {
        // If that fails, the next one to look tries again.
        drop(fs::remove_file(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_made() {
        for good in ["a", "My-shell_2.0", &"x".repeat(32)] {
            assert_eq!(checked_name(good).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", ".a", "a/b", "a b", "ü", &"x".repeat(33)] {
            assert!(checked_name(bad).is_err(), "{bad}");
        }
        for (program, name) in [("/usr/bin/python3.11", "python311"), ("vim", "vim"), ("/", "terminal"), ("ü", "terminal")] {
            assert_eq!(name_of_program(OsStr::new(program)), name);
            assert!(checked_name(name).is_ok());
        }
        assert!(checked_name(&format!("{}999", name_of_program(OsStr::new(&"x".repeat(99))))).is_ok());
    }

    #[test]
    fn a_taken_name_gets_a_number_and_a_dead_socket_is_replaced() {
        let folder = std::env::temp_dir().join(format!("relay-terminals-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (first, listener) = bind(&folder, "sh", false).unwrap();
        let (second, _other) = bind(&folder, "sh", false).unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("sh", "sh2"));
        assert!(bind(&folder, "sh", true).unwrap_err().to_string().contains("attach sh"));
        assert!(connect(&folder, "sh").unwrap().is_some());
        drop(listener);
        assert_eq!(bind(&folder, "sh", true).unwrap().0, "sh");
        assert!(connect(&folder, "sh").unwrap().is_none());
        assert_eq!(names(&folder).unwrap(), ["sh2"], "the dead one is removed");
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(names(&folder).unwrap(), [""; 0]);
    }
}

//! The Unix socket for `relayctl`: made so that nobody else can open it, and taken away at the end.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

/// Why the socket can't be made.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another process serves it.
    #[error("another relayd serves the socket {0}: stop that one, or give this one its own --admin-socket")]
    InUse(PathBuf),
    /// Something else is there.
    #[error("{0} is there and is not a socket: move it away, or write another --admin-socket")]
    NotASocket(PathBuf),
    /// The operating system refused.
    #[error(
        "the socket {path} can't be made: {source}; its folder must exist and be writable, see --admin-socket"
    )]
    Failed {
        /// Where.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// A file of this process, removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: tell it from a later one at the same path.
    identity: (u64, u64),
}

/// Makes the socket and listens. A socket that nobody serves any more is replaced. The mode is 0600 before
/// the path exists.
///
/// # Errors
/// See [`SocketError`].
pub fn bind(path: &Path) -> Result<(UnixListener, SocketFile), SocketError> {
    check_free(path)?;
    try_bind(path).map_err(|source| SocketError::Failed { path: path.to_owned(), source })
}

fn check_free(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(SocketError::NotASocket(path.to_owned())),
        Ok(_) if is_served(path) => Err(SocketError::InUse(path.to_owned())),
        _ => Ok(()),
    }
}

/// A stale socket refuses. One whose owner is stopped may have a full queue, so nothing waits here.
fn is_served(path: &Path) -> bool {
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    connect().map_or_else(|error: io::Error| error.kind() == ErrorKind::WouldBlock, |()| true)
}

fn try_bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("~");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&beside)?;
    fs::set_permissions(&beside, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    fs::rename(&beside, path)?;
    let made = fs::symlink_metadata(path)?;
    Ok((listener, SocketFile { path: path.to_owned(), identity: (made.dev(), made.ino()) }))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_own =
            fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if is_own && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the socket for relayctl is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ra-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn the_socket_is_for_its_owner_and_goes_with_its_process() {
        let folder = Folder::new("mode");
        let path = folder.0.join("s");
        let (_listener, file) = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_served_one_is_not() {
        let folder = Folder::new("stale");
        let path = folder.0.join("s");
        let (listener, first) = bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(SocketError::InUse(_))));
        drop(listener);
        let (_listener, _second) = bind(&path).unwrap();
        drop(first);
        assert!(path.exists(), "the earlier owner leaves the later one's alone");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_queue_counts_as_served_and_nothing_waits_for_it() {
        let folder = Folder::new("full");
        let path = folder.0.join("s");
        let unix = || Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let (listener, address) = (unix(), SockAddr::unix(&path).unwrap());
        listener.bind(&address).unwrap();
        listener.listen(0).unwrap();
        let queued: Vec<Socket> = std::iter::repeat_with(unix)
            .take_while(|socket| {
                socket.set_nonblocking(true).unwrap();
                socket.connect(&address).is_ok()
            })
            .collect();
        assert!(matches!(bind(&path), Err(SocketError::InUse(_))), "{} are queued", queued.len());
        drop(listener);
        bind(&path).unwrap();
    }

    #[test]
    fn nothing_but_a_socket_is_replaced() {
        let folder = Folder::new("other");
        let path = folder.0.join("s");
        fs::write(&path, "text").unwrap();
        assert!(matches!(bind(&path), Err(SocketError::NotASocket(_))));
        assert!(matches!(bind(&folder.0.join("none/s")), Err(SocketError::Failed { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }
}

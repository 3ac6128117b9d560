//! Whose process is at the other end of a Unix socket.

use std::io;
use std::os::fd::AsFd;

use rustix::process::geteuid;

/// Makes sure that the process at the other end of `socket` is this user's. The folder's rights keep others
/// away already; this holds even if they were changed.
///
/// # Errors
/// It is another user's, or the system does not say.
pub(crate) fn check_own(socket: impl AsFd) -> io::Result<()> {
    let Some(owner) = owner_of(socket)? else { return Ok(()) };
    let own = geteuid().as_raw();
    if owner == own {
        return Ok(());
    }
    let words =
        format!("the process at the other end of the socket is user {owner}'s, and this one is user {own}'s");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
}

/// The process at the other end, if the system says.
#[cfg(target_os = "linux")]
pub(crate) fn pid_of(socket: impl AsFd) -> Option<u32> {
    let peer = rustix::net::sockopt::socket_peercred(socket).ok()?;
    u32::try_from(peer.pid.as_raw_nonzero().get()).ok()
}

/// Other systems don't.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pid_of(_: impl AsFd) -> Option<u32> {
    None
}

#[cfg(target_os = "linux")]
fn owner_of(socket: impl AsFd) -> io::Result<Option<u32>> {
    Ok(Some(rustix::net::sockopt::socket_peercred(socket)?.uid.as_raw()))
}

/// Other systems have no call for it without `unsafe`; there the folder alone protects.
#[cfg(not(target_os = "linux"))]
fn owner_of(_: impl AsFd) -> io::Result<Option<u32>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn our_own_process_is_ours() {
        let (one, _other) = UnixStream::pair().unwrap();
        check_own(&one).unwrap();
        #[cfg(target_os = "linux")]
        assert_eq!(pid_of(&one), Some(std::process::id()));
    }
}

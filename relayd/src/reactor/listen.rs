//! Opens the listening socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// Opens it. Without an address: on every interface, IPv6 and IPv4, or IPv4 alone where there is no IPv6.
///
/// # Errors
/// The address is in use, or is not one of this machine.
pub fn bind(address: Option<IpAddr>, port: u16) -> io::Result<std::net::TcpListener> {
    open(address, port, listen)
}

/// Looks whether [`bind`] would succeed. It never listens, so that a server that starts meanwhile can.
///
/// # Errors
/// Those of [`bind`].
pub fn try_address(address: Option<IpAddr>, port: u16) -> io::Result<()> {
    open(address, port, bound).map(drop)
}

fn open<T>(address: Option<IpAddr>, port: u16, how: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    match address {
        Some(address) => how(SocketAddr::new(address, port)),
        None => {
            how(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).or_else(|error| match error.kind() {
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
                _ => {
                    tracing::info!(%error, "this machine has no IPv6: only IPv4 is listened on");
                    how(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
                }
            })
        }
    }
}

/// True if the operating system does not know this kind of address: there is no IPv6.
pub fn is_family_unknown(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = bound(address)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// How many connections the kernel queues for us.
const BACKLOG: i32 = 4096;

// errno(3).
const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };

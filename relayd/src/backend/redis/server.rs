//! One Redis server, read from its URL: its address, its user, and how to set up sockets to it.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::password::PasswordSource;
use redis::{ConnectionAddr, ConnectionInfo};
use rustls::ClientConfig;
use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// One server.
#[derive(Clone)]
pub(super) struct RedisServer {
    pub(super) endpoint: Endpoint,
    pub(super) username: Option<String>,
    pub(super) password: PasswordSource,
    pub(super) database: i64,
    pub(super) socket: SocketOptions,
}

/// Where a server listens.
#[derive(Clone)]
pub(super) enum Endpoint {
    Tcp {
        host: String,
        port: u16,
        /// `None`: without TLS.
        tls: Option<Arc<ClientConfig>>,
    },
    /// At the path of a socket on this machine, without TLS.
    Unix(PathBuf),
}

/// How to set up a TCP socket to a server. All sockets send small writes at once (TCP_NODELAY).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SocketOptions {
    /// Unsent bytes are dropped when the connection ends.
    pub(super) is_lost_with_connection: bool,
    /// Give up a connection whose bytes are not acknowledged for this long. Linux only.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "other systems can't"))]
    pub(super) unacknowledged_for_max: Option<Duration>,
}

impl RedisServer {
    /// Takes the parts of a URL. `None`: it names neither a host nor a socket.
    pub(super) fn new(
        info: &ConnectionInfo,
        tls: impl FnOnce() -> Arc<ClientConfig>,
        socket: SocketOptions,
    ) -> Option<Self> {
        let endpoint = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Endpoint::Tcp { host: host.clone(), port: *port, tls: None },
            ConnectionAddr::TcpTls { host, port, .. } => {
                Endpoint::Tcp { host: host.clone(), port: *port, tls: Some(tls()) }
            }
            ConnectionAddr::Unix(path) => Endpoint::Unix(path.clone()),
            _ => return None,
        };
        let redis = info.redis_settings();
        let username = redis.username().map(str::to_owned);
        let password = PasswordSource::in_url(redis.password().map(str::to_owned));
        Some(RedisServer { endpoint, username, password, database: redis.db(), socket })
    }

    /// The same server at another host.
    pub(super) fn at(&self, host: &str, port: u16) -> Self {
        let tls = match &self.endpoint {
            Endpoint::Tcp { tls, .. } => tls.clone(),
            Endpoint::Unix(_) => None,
        };
        RedisServer { endpoint: Endpoint::Tcp { host: host.to_owned(), port, tls }, ..self.clone() }
    }

    /// Host and port, or the path, for logs.
    pub(super) fn address(&self) -> String {
        match &self.endpoint {
            Endpoint::Tcp { host, port, .. } => format!("{host}:{port}"),
            Endpoint::Unix(path) => path.display().to_string(),
        }
    }
}

/// Dials the socket at this path. Does not wait for a server whose queue of connections is full.
pub(super) fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

impl SocketOptions {
    /// Dials each of the host's addresses, for `timeout` in all.
    pub(super) fn connect(self, host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
        let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
        let share = timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect_timeout(&address, share) {
                Ok(stream) => return self.set_up(&stream).map(|()| stream),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn set_up(self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))?;
        if self.is_lost_with_connection {
            socket.set_linger(Some(Duration::ZERO))?;
        }
        // On other systems the node's own probe shows a dead connection.
        #[cfg(target_os = "linux")]
        if let Some(longest) = self.unacknowledged_for_max {
            socket.set_tcp_user_timeout(Some(longest))?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_tls = matches!(&self.endpoint, Endpoint::Tcp { tls: Some(_), .. });
        f.debug_struct("RedisServer")
            .field("address", &self.address())
            .field("is_tls", &is_tls)
            .finish_non_exhaustive()
    }
}

/// A peer that vanished must be noticed even without traffic.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_whose_queue_is_full_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("relayd-full-queue-{}", std::process::id()));
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let mut waiting = Vec::new();
        let refused = loop {
            match connect_unix(&path) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
        };
        std::fs::remove_file(&path).unwrap();
        assert!(!waiting.is_empty(), "the first one is let in");
        // Linux reports that it would block, other systems that it is refused.
        let kinds = [io::ErrorKind::WouldBlock, io::ErrorKind::ConnectionRefused];
        assert!(kinds.contains(&refused.kind()), "{refused}");
    }
}

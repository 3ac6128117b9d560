//! Where a Redis is and as whom it is spoken to, read from its URL.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo};
use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};

/// One server.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    /// `None`: it is spoken to in clear.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: i64,
    pub(super) socket: SocketOptions,
}

/// How the socket to a server is set up. Small requests are waited for in all cases, so nothing is gathered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SocketOptions {
    /// What is unsent is lost when the connection ends.
    pub(super) is_lost_with_connection: bool,
    /// Give up a connection whose bytes nobody acknowledges. Linux only.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "other systems can't"))]
    pub(super) unacknowledged_for_max: Option<Duration>,
}

impl Server {
    /// Reads what a URL said. `None`: it names no host.
    pub(super) fn new(
        info: &ConnectionInfo,
        tls: impl FnOnce() -> Arc<ClientConfig>,
        socket: SocketOptions,
    ) -> Option<Self> {
        let (host, port, tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host.clone(), *port, None),
            ConnectionAddr::TcpTls { host, port, .. } => (host.clone(), *port, Some(tls())),
            _ => return None,
        };
        let redis = info.redis_settings();
        let (username, password) = (redis.username().map(str::to_owned), redis.password().map(str::to_owned));
        Some(Server { host, port, tls, username, password, database: redis.db(), socket })
    }

    /// The same user and way at another address.
    pub(super) fn at(&self, host: &str, port: u16) -> Self {
        Server { host: host.to_owned(), port, ..self.clone() }
    }

    /// Host and port, for logs.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Dials each of the host's addresses, for `timeout` in all.
    pub(super) fn connect(&self, timeout: Duration) -> io::Result<TcpStream> {
        let addresses: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        let share = timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut refused = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect_timeout(&address, share) {
                Ok(stream) => return self.socket.set_up(&stream).map(|()| stream),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

impl SocketOptions {
    fn set_up(self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))?;
        if self.is_lost_with_connection {
            socket.set_linger(Some(Duration::ZERO))?;
        }
        // Elsewhere the node's own probe shows it.
        #[cfg(target_os = "linux")]
        if let Some(longest) = self.unacknowledged_for_max {
            socket.set_tcp_user_timeout(Some(longest))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address())
            .field("is_tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// A peer that vanished must show even without traffic.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);

//! One connection's bytes, plain or under TLS: blocking while it is set up, then polled.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};
use rustls::ClientConfig;

use super::endpoint::Endpoint;
use super::tls::{self, Tls};

/// A byte stream to a relay. Counts what comes in, so that every byte shows as life.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Socket,
    tls: Option<Box<Tls>>,
    bytes_in: u64,
}

#[derive(Debug)]
enum Socket {
    /// While it is set up: nothing waits longer than until then, however slowly bytes come.
    Blocking {
        socket: TcpStream,
        deadline: Instant,
    },
    Polled(mio::net::TcpStream),
}

impl Stream {
    /// Connects, trying every address of the host until `deadline`, which holds for all reads and writes up to
    /// [`Stream::register`], too. Blocks; a name's look-up has the system's own time limit.
    ///
    /// # Errors
    /// A text for people: which address, what happened, what to try.
    pub(crate) fn connect(endpoint: &Endpoint, deadline: Instant) -> Result<Self, String> {
        let config = endpoint.is_tls().then(tls::default_config);
        Self::connect_believing(endpoint, deadline, config)
    }

    /// As `connect`; `config` is what a TLS address is believed by.
    pub(crate) fn connect_believing(
        endpoint: &Endpoint,
        deadline: Instant,
        config: Option<Arc<ClientConfig>>,
    ) -> Result<Self, String> {
        let connected = connect_to_any(endpoint, deadline).and_then(|socket| {
            socket.set_nodelay(true)?;
            let tls = config.map(|config| Tls::new(config, endpoint.host()).map(Box::new)).transpose()?;
            Ok(Stream { socket: Socket::Blocking { socket, deadline }, tls, bytes_in: 0 })
        });
        connected.map_err(|error| unreachable_words(endpoint, &error))
    }

    /// Bytes received since the start.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    /// From blocking to polled: reads and writes say `WouldBlock` from here on.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if let Socket::Blocking { socket, .. } = &self.socket {
            socket.set_nonblocking(true)?;
            self.socket = Socket::Polled(mio::net::TcpStream::from_std(socket.try_clone()?));
        }
        match &mut self.socket {
            Socket::Polled(socket) => {
                registry.register(socket, token, Interest::READABLE | Interest::WRITABLE)
            }
            Socket::Blocking { .. } => Ok(()),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut counted = Counted { socket: &mut self.socket, bytes_in: &mut self.bytes_in };
        match &mut self.tls {
            Some(tls) => tls.read(&mut counted, out),
            None => counted.read(out),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(&mut self.socket, bytes),
            None => self.socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.flush(&mut self.socket),
            None => self.socket.flush(),
        }
    }
}

/// The socket with its counter, apart from the TLS state that reads through it.
struct Counted<'a> {
    socket: &'a mut Socket,
    bytes_in: &'a mut u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(out)?;
        *self.bytes_in += count as u64;
        Ok(count)
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Blocking { socket, deadline } => {
                socket.set_read_timeout(Some(time_left(*deadline)?))?;
                socket.read(out)
            }
            Socket::Polled(socket) => socket.read(out),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Blocking { socket, deadline } => {
                socket.set_write_timeout(Some(time_left(*deadline)?))?;
                socket.write(bytes)
            }
            Socket::Polled(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connect_to_any(endpoint: &Endpoint, deadline: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = (endpoint.host(), endpoint.port()).to_socket_addrs()?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (done, address) in addresses.iter().enumerate() {
        // Each address gets its share of what is left, so that a dead first one does not use it all up.
        let share = time_left(deadline)? / u32::try_from(addresses.len() - done).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What is left until `deadline`; over is an error.
pub(crate) fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What to tell people about an address that can't be reached.
pub(crate) fn unreachable_words(endpoint: &Endpoint, error: &io::Error) -> String {
    let host = endpoint.host();
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "connection refused; is relayd running there? start it with `relayd`".to_owned()
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            "no answer in time; is the address right, and does a firewall let it through?".to_owned()
        }
        io::ErrorKind::NotFound => format!("{host:?} has no address; is the name right?"),
        io::ErrorKind::InvalidData => format!("TLS failed ({error}); does its certificate name {host:?}?"),
        // The system's resolver has no kind of its own for a name that is not known.
        _ if error.to_string().contains("lookup") => format!("{host:?} is not known; is the name right?"),
        _ => error.to_string(),
    };
    format!("can't reach {endpoint}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_says_what_to_start() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let endpoint = Endpoint::parse_http(&format!("http://{address}")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let error = Stream::connect(&endpoint, deadline).unwrap_err();
        let words = "connection refused; is relayd running there? start it with `relayd`";
        assert_eq!(error, format!("can't reach http://{address}: {words}"));
    }
}

//! One connection's bytes, plain or under TLS: blocking while it is set up, then polled.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};

use super::endpoint::Endpoint;
use super::queue;
use super::tls::Tls;
use super::tls_words::explain;

/// A byte stream to a relay. Counts what comes in, so that every byte counts as a sign of life, and the bytes
/// that go out.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Counted,
    tls: Option<Box<Tls>>,
}

/// The socket and its counters, apart from the TLS state that reads and writes through it.
#[derive(Debug)]
struct Counted {
    socket: Socket,
    bytes_in: u64,
    bytes_out: u64,
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
    /// Connects to the first of `addresses` that accepts until `deadline`, which holds for all reads and
    /// writes up to [`Stream::register`], too. Blocks.
    ///
    /// # Errors
    /// A text for people: which address, what happened, what to try.
    pub(crate) fn connect(
        endpoint: &Endpoint,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<Self, String> {
        let config = endpoint.trust().map_err(|error| format!("can't reach {endpoint}: {error}"))?;
        let connected = connect_to_any(addresses, deadline).and_then(|socket| {
            socket.set_nodelay(true)?;
            let tls = config.map(|config| Tls::new(config, endpoint.host()).map(Box::new)).transpose()?;
            let socket = Socket::Blocking { socket, deadline };
            Ok(Stream { socket: Counted { socket, bytes_in: 0, bytes_out: 0 }, tls })
        });
        connected.map_err(|error| unreachable_words(endpoint, &error))
    }

    /// Bytes received since the start.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.socket.bytes_in
    }

    /// Bytes given to the socket since the start.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.socket.bytes_out
    }

    /// Bytes of them that the kernel still holds; 0 where this system does not say.
    pub(crate) fn bytes_queued(&self) -> u64 {
        match &self.socket.socket {
            Socket::Polled(socket) => queue::bytes_queued(socket).unwrap_or(0),
            Socket::Blocking { .. } => 0,
        }
    }

    /// The address at the other end, while there is one.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match &self.socket.socket {
            Socket::Polled(socket) => socket.peer_addr().ok(),
            Socket::Blocking { socket, .. } => socket.peer_addr().ok(),
        }
    }

    /// From blocking to polled: reads and writes say `WouldBlock` from here on.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if let Socket::Blocking { socket, .. } = &self.socket.socket {
            socket.set_nonblocking(true)?;
            self.socket.socket = Socket::Polled(mio::net::TcpStream::from_std(socket.try_clone()?));
        }
        match &mut self.socket.socket {
            Socket::Polled(socket) => {
                registry.register(socket, token, Interest::READABLE | Interest::WRITABLE)
            }
            Socket::Blocking { .. } => Ok(()),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.read(&mut self.socket, out),
            None => self.socket.read(out),
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

impl Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(out)?;
        self.bytes_in += count as u64;
        Ok(count)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.socket.write(bytes)?;
        self.bytes_out += count as u64;
        Ok(count)
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

/// The addresses of a host, those behind `failed` first: that one accepted and led to no relay. Blocks; a
/// name's look-up has the system's own time limit.
///
/// # Errors
/// A text for people: which name, what happened, what to try.
pub(crate) fn addresses(endpoint: &Endpoint, failed: Option<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    let found = endpoint.look_up().map_err(|error| unreachable_words(endpoint, &error))?;
    Ok(behind(failed, found))
}

fn behind(failed: Option<SocketAddr>, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if let Some(at) = addresses.iter().position(|address| Some(*address) == failed) {
        addresses.rotate_left(at + 1);
    }
    addresses
}

/// The share of the time left for the first of this many addresses, so that a dead one does not use it all
/// up.
pub(crate) fn share_of(deadline: Instant, addresses: usize) -> io::Result<Duration> {
    let share = time_left(deadline)? / u32::try_from(addresses.max(1)).unwrap_or(u32::MAX);
    Ok(share.max(Duration::from_millis(1)))
}

fn connect_to_any(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (done, address) in addresses.iter().enumerate() {
        let share = share_of(deadline, addresses.len() - done)?;
        match TcpStream::connect_timeout(address, share) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The time left until `deadline`; an error when it has passed.
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
        io::ErrorKind::InvalidData => explain(endpoint, error),
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
    fn the_next_try_starts_behind_the_address_that_failed() {
        let [first, second, third] = [1, 2, 3].map(|last| SocketAddr::from(([127, 0, 0, last], 9)));
        for (failed, order) in [
            (None, [first, second, third]),
            (Some(first), [second, third, first]),
            (Some(second), [third, first, second]),
            (Some(third), [first, second, third]),
            (Some(SocketAddr::from(([127, 0, 0, 4], 9))), [first, second, third]),
        ] {
            assert_eq!(behind(failed, vec![first, second, third]), order);
        }
    }

    #[test]
    fn a_refused_connection_says_what_to_start() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let endpoint = Endpoint::parse_http(&format!("http://{address}")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let error = Stream::connect(&endpoint, &[address], deadline).unwrap_err();
        let words = "connection refused; is relayd running there? start it with `relayd`";
        assert_eq!(error, format!("can't reach http://{address}: {words}"));
    }
}

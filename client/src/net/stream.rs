//! One connection's bytes, plain or under TLS: blocking while it is set up, then polled.

use std::io::{self, Read, Write};
use std::time::Instant;

use mio::{Interest, Registry, Token};

use super::endpoint::Endpoint;
use super::queue;
use super::tls::Tls;
use super::tls_words::explain;
use super::way::{Blocking, Way, connect_by_any, through_words};

/// A byte stream to a relay. Counts what comes in, so that every byte counts as a sign of life, and the bytes
/// that go out.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Counted,
    tls: Option<Box<Tls>>,
    way: Way,
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
    /// While it is set up.
    Blocking(Blocking),
    Polled(mio::net::TcpStream),
}

impl Stream {
    /// Connects by the first of `ways` that is open until `deadline`, which holds for all reads and writes up
    /// to [`Stream::register`], too. Blocks.
    ///
    /// # Errors
    /// A text for people: which address, what happened, what to try.
    pub(crate) fn connect(endpoint: &Endpoint, ways: &[Way], deadline: Instant) -> Result<Self, String> {
        let config = endpoint.trust().map_err(|error| format!("can't reach {endpoint}: {error}"))?;
        let connected = connect_by_any(ways, deadline).and_then(|(socket, way)| {
            let tls = config.map(|config| Tls::new(config, endpoint.host()).map(Box::new)).transpose()?;
            let socket = Socket::Blocking(Blocking { socket, deadline });
            Ok(Stream { socket: Counted { socket, bytes_in: 0, bytes_out: 0 }, tls, way })
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
            Socket::Blocking(_) => 0,
        }
    }

    /// The way that it was connected by.
    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    /// From blocking to polled: reads and writes say `WouldBlock` from here on.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if let Socket::Blocking(Blocking { socket, .. }) = &self.socket.socket {
            socket.set_nonblocking(true)?;
            self.socket.socket = Socket::Polled(mio::net::TcpStream::from_std(socket.try_clone()?));
        }
        match &mut self.socket.socket {
            Socket::Polled(socket) => {
                registry.register(socket, token, Interest::READABLE | Interest::WRITABLE)
            }
            Socket::Blocking(_) => Ok(()),
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
            Socket::Blocking(socket) => socket.read(out),
            Socket::Polled(socket) => socket.read(out),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Blocking(socket) => socket.write(bytes),
            Socket::Polled(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
    format!("can't reach {endpoint}{}: {why}", through_words(endpoint))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refused_connection_says_what_to_start() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let endpoint = Endpoint::parse_http(&format!("http://{address}")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let error = Stream::connect(&endpoint, &[Way::direct(address)], deadline).unwrap_err();
        let words = "connection refused; is relayd running there? start it with `relayd`";
        assert_eq!(error, format!("can't reach http://{address}: {words}"));
    }
}

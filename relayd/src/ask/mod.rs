//! A small blocking client, by which this program asks a server, often itself: HTTP and WebSocket, plain or
//! over TLS. `healthcheck` and `doctor` use it, the server never.
//!
//! A question has a deadline, also against a server that sends a byte at a time.

mod http;
mod own;
mod place;
mod tls;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use thiserror::Error;
use tungstenite::WebSocket;
use tungstenite::handshake::HandshakeError;

pub use self::http::{Answer, Question};
pub use self::own::ask_own;
pub use self::place::Place;
pub use self::tls::{Shown, machine_roots};

/// An open connection to a server.
pub struct Line {
    stream: Stream,
    /// What the server showed of itself. `None` if plain.
    pub shown: Option<Shown>,
    /// This end.
    pub local: IpAddr,
    /// The server, as far as this end can see.
    pub peer: SocketAddr,
}

/// Its bytes, with the deadline of all that is asked over it.
pub struct Stream {
    bytes: Bytes,
    until: Instant,
}

enum Bytes {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Why there was no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// The host's name has no address.
    #[error("the name {host} can't be looked up: {source}")]
    Name {
        /// The name.
        host: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// No address took the connection.
    #[error("no connection to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The other side speaks no TLS, or none that fits.
    #[error("TLS with {address} fails: {source}")]
    Tls {
        /// Host and port.
        address: String,
        /// What was wrong.
        source: io::Error,
    },
    /// The connection ended, or nothing came in time.
    #[error("{0}")]
    Broken(#[from] io::Error),
    /// What came is no answer of HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
}

/// A refusal of a WebSocket.
#[derive(Debug)]
pub enum NoWebSocket {
    /// An answer of HTTP came instead.
    Answered(Answer),
    /// There was no answer.
    Failed(AskError),
}

impl Line {
    /// Connects, and speaks TLS where the place does. A certificate that is not trusted ends nothing: what
    /// was found is in [`Line::shown`].
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn dial(place: &Place, roots: rustls::RootCertStore, within: Duration) -> Result<Self, AskError> {
        let until = Instant::now() + within;
        let found = (place.host.as_str(), place.port).to_socket_addrs();
        let found = found.map_err(|source| AskError::Name { host: place.host.clone(), source })?;
        Self::dial_at(place, &found.collect::<Vec<_>>(), roots, until)
    }

    /// Does the same at these addresses.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn dial_at(
        place: &Place,
        addresses: &[SocketAddr],
        roots: rustls::RootCertStore,
        until: Instant,
    ) -> Result<Self, AskError> {
        let socket = connect(addresses, until)
            .map_err(|source| AskError::Connect { address: place.address(), source })?;
        let (local, peer) = (socket.local_addr()?.ip(), socket.peer_addr()?);
        socket.set_nodelay(true)?;
        if !place.is_tls {
            let stream = Stream { bytes: Bytes::Plain(socket), until };
            return Ok(Line { stream, shown: None, local, peer });
        }
        let failed = |source| AskError::Tls { address: place.address(), source };
        let name = ServerName::try_from(place.host.clone());
        let name = name.map_err(|error| failed(io::Error::new(ErrorKind::InvalidInput, error)))?;
        let (config, watched) = tls::watching(roots);
        let tls = ClientConnection::new(config, name).map_err(|error| failed(io::Error::other(error)))?;
        let mut stream = Stream { bytes: Bytes::Tls(Box::new(StreamOwned::new(tls, socket))), until };
        stream.shake_hands().map_err(failed)?;
        Ok(Line { stream, shown: watched.take(), local, peer })
    }

    /// Sends a request and reads its answer. The connection ends with it.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn ask(mut self, question: &Question<'_>) -> Result<Answer, AskError> {
        question.write(&mut self.stream)?;
        http::read_answer(&mut self.stream)
    }

    /// Upgrades to a WebSocket. `url` is its address, as the server is to see it.
    ///
    /// # Errors
    /// See [`NoWebSocket`].
    pub fn upgrade(self, url: &str) -> Result<WebSocket<Stream>, NoWebSocket> {
        match tungstenite::client(url, self.stream) {
            Ok((socket, _)) => Ok(socket),
            Err(HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                Err(NoWebSocket::Answered(http::answer_of(&answer)))
            }
            Err(HandshakeError::Failure(tungstenite::Error::Io(error))) => {
                Err(NoWebSocket::Failed(error.into()))
            }
            Err(HandshakeError::Failure(error)) => {
                Err(NoWebSocket::Failed(io::Error::new(ErrorKind::InvalidData, error).into()))
            }
            Err(HandshakeError::Interrupted(_)) => {
                Err(NoWebSocket::Failed(io::Error::from(ErrorKind::TimedOut).into()))
            }
        }
    }
}

/// To the first address that takes it. Each gets its share of the time, so that a silent one is not the last.
fn connect(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for (at, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, share.max(LEAST_WAIT)) {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

impl Stream {
    /// From now on everything has to be done by then.
    pub fn set_deadline(&mut self, until: Instant) {
        self.until = until;
    }

    fn shake_hands(&mut self) -> io::Result<()> {
        while let Bytes::Tls(tls) = &self.bytes
            && tls.conn.is_handshaking()
        {
            self.arm()?;
            let Bytes::Tls(tls) = &mut self.bytes else { return Ok(()) };
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(())
    }

    /// The socket's timeouts are what is left.
    fn arm(&self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(ErrorKind::TimedOut, "no answer in time"));
        }
        let socket = match &self.bytes {
            Bytes::Plain(socket) => socket,
            Bytes::Tls(tls) => &tls.sock,
        };
        let left = Some(left.max(LEAST_WAIT));
        socket.set_read_timeout(left).and_then(|()| socket.set_write_timeout(left))
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.arm()?;
        let read = match &mut self.bytes {
            Bytes::Plain(socket) => socket.read(into),
            Bytes::Tls(tls) => tls.read(into),
        };
        read.map_err(in_words)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.arm()?;
        let written = match &mut self.bytes {
            Bytes::Plain(socket) => socket.write(bytes),
            Bytes::Tls(tls) => tls.write(bytes),
        };
        written.map_err(in_words)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.bytes {
            Bytes::Plain(socket) => socket.flush(),
            Bytes::Tls(tls) => tls.flush(),
        }
    }
}

/// A socket's timeout says "would block".
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            io::Error::new(ErrorKind::TimedOut, "no answer in time")
        }
        _ => error,
    }
}

/// A timeout of zero would mean none.
const LEAST_WAIT: Duration = Duration::from_millis(1);

//! One connection to a Redis: dialed, let in, written to and read from. Knows no request. Blocks, but never for much
//! longer than it is told to.
//!
//! A signal, or a process that was stopped and goes on, ends a read without a reason; the read is then made again.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Parser, Value};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::error::{Fault, Refusal};
use super::rights;
use super::server::{Endpoint, Server, connect_unix};

/// An open connection. After a fault it is of no use any more.
pub(super) struct Connection {
    stream: Stream,
    parser: Parser,
    /// How long [`Connection::read`] waits.
    patience: Duration,
    /// What the socket was told to wait.
    told: Option<Duration>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Unix(UnixStream),
}

impl Connection {
    /// Dials, within about `dial`, and gives user and password. Later reads and writes may take `answer` each.
    pub(super) fn open(server: &Server, dial: Duration, answer: Duration) -> Result<Self, Fault> {
        let stream = Stream::dial(server, dial)?;
        stream.set_write_timeout(dial)?;
        // TLS reads before its first write.
        stream.set_read_timeout(dial)?;
        let mut connection = Connection { stream, parser: Parser::new(), patience: dial, told: Some(dial) };
        connection.log_in(server)?;
        connection.stream.set_write_timeout(answer)?;
        connection.patience = answer;
        Ok(connection)
    }

    /// Writes commands, as they are.
    pub(super) fn write(&mut self, commands: &[u8]) -> Result<(), Fault> {
        self.write_pieces(&mut [IoSlice::new(commands)])
    }

    /// Writes commands that lie in several buffers, without copying them into one.
    pub(super) fn write_pieces(&mut self, mut pieces: &mut [IoSlice<'_>]) -> Result<(), Fault> {
        // Takes empty pieces off the front.
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            match self.stream.write_vectored(pieces) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(count) => IoSlice::advance_slices(&mut pieces, count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.stream.flush()?;
        Ok(())
    }

    /// The next reply.
    pub(super) fn read(&mut self) -> Result<Value, Fault> {
        self.poll(self.patience)?.ok_or_else(Fault::silent)
    }

    /// The next reply, or `None` if it does not come within `wait`. What has come of it is kept.
    pub(super) fn poll(&mut self, wait: Duration) -> Result<Option<Value>, Fault> {
        self.set_read_timeout(wait)?;
        let mut reader = Reader { stream: &mut self.stream, until: Instant::now() + wait, failed: None };
        let parsed = self.parser.parse_value(&mut reader);
        match (parsed, reader.failed) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(_), Some(error)) if is_timeout(&error) => Ok(None),
            (Err(_), Some(error)) => Err(error.into()),
            (Err(_), None) => Err(Fault::unexpected()),
        }
    }

    /// Reads bytes as they come, past the parser. Gives how many, or `None` if nothing comes within `wait`.
    pub(super) fn receive(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        wait: Duration,
    ) -> Result<Option<usize>, Fault> {
        self.set_read_timeout(wait)?;
        match self.stream.read_until(into, Instant::now() + wait) {
            Ok(count) => Ok(Some(count)),
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How long an answer may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    fn set_read_timeout(&mut self, wait: Duration) -> io::Result<()> {
        if self.told != Some(wait) {
            self.stream.set_read_timeout(wait)?;
            self.told = Some(wait);
        }
        Ok(())
    }

    /// One command and its answer, while the connection is set up. `name` is its name in [`rights`].
    pub(super) fn ask(&mut self, name: &'static str, cmd: &Cmd) -> Result<Value, Fault> {
        self.write(&cmd.get_packed_command())?;
        self.answer(name)
    }

    /// The answer to the next command of those that were written, while the connection is set up.
    pub(super) fn answer(&mut self, name: &'static str) -> Result<Value, Fault> {
        match self.read()? {
            Value::ServerError(error) => Err(Refusal::while_dialing(&error, rights::named(name))),
            value => Ok(value),
        }
    }

    fn log_in(&mut self, server: &Server) -> Result<(), Fault> {
        if let Some(password) = &server.password {
            let mut auth = redis::cmd("AUTH");
            server.username.iter().for_each(|username| _ = auth.arg(username));
            self.ask("auth", auth.arg(password)).and_then(|said| expect_ok(&said))?;
        }
        if server.database != 0 {
            self.ask(rights::WITH_DATABASE, redis::cmd("SELECT").arg(server.database))
                .and_then(|said| expect_ok(&said))?;
        }
        Ok(())
    }
}

impl Stream {
    fn dial(server: &Server, timeout: Duration) -> Result<Self, Fault> {
        match &server.endpoint {
            Endpoint::Tcp { host, port, tls: None } => {
                Ok(Stream::Plain(server.socket.connect(host, *port, timeout)?))
            }
            Endpoint::Tcp { host, port, tls: Some(config) } => {
                Self::over_tls(config, host, server.socket.connect(host, *port, timeout)?)
            }
            Endpoint::Unix(path) => {
                connect_unix(path).map(Stream::Unix).map_err(|error| socket_fault(path, error))
            }
        }
    }

    fn over_tls(config: &Arc<ClientConfig>, host: &str, stream: TcpStream) -> Result<Self, Fault> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| Fault::new("its host can't stand in a certificate; check REDIS_URL"))?;
        let tls = ClientConnection::new(config.clone(), name);
        let tls = tls.map_err(|error| Fault::from(io::Error::new(ErrorKind::InvalidData, error)))?;
        Ok(Stream::Tls(Box::new(StreamOwned::new(tls, stream))))
    }

    /// Reads at least one byte. The end of the stream is an error.
    fn read_until(&mut self, into: &mut [IoSliceMut<'_>], until: Instant) -> io::Result<usize> {
        let mut was_last = false;
        loop {
            let read = match self {
                Stream::Plain(stream) => stream.read_vectored(into),
                Stream::Tls(stream) => stream.read_vectored(into),
                Stream::Unix(stream) => stream.read_vectored(into),
            };
            match read {
                // A process that stood still finds the time over, and what came meanwhile unread: one more look.
                Err(error) if error.kind() == ErrorKind::Interrupted && !was_last => {
                    was_last = Instant::now() >= until;
                }
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                other => return other,
            }
        }
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write_vectored(pieces),
            Stream::Tls(stream) => stream.write_vectored(pieces),
            Stream::Unix(stream) => stream.write_vectored(pieces),
        }
    }

    /// Only TLS keeps back what it is given.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) | Stream::Unix(_) => Ok(()),
            Stream::Tls(stream) => stream.flush(),
        }
    }

    fn set_read_timeout(&self, wait: Duration) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.set_read_timeout(Some(wait)),
            Stream::Tls(stream) => stream.sock.set_read_timeout(Some(wait)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(wait)),
        }
    }

    fn set_write_timeout(&self, wait: Duration) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.set_write_timeout(Some(wait)),
            Stream::Tls(stream) => stream.sock.set_write_timeout(Some(wait)),
            Stream::Unix(stream) => stream.set_write_timeout(Some(wait)),
        }
    }
}

/// What the parser reads from: it hears of no interruption, and leaves behind why it got nothing.
struct Reader<'a> {
    stream: &'a mut Stream,
    until: Instant,
    failed: Option<io::Error>,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read_until(&mut [IoSliceMut::new(into)], self.until).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }
}

/// Why the socket at this path can't be dialed.
fn socket_fault(path: &Path, error: io::Error) -> Fault {
    let why = Fault::from(error);
    Fault::new(format!("the socket {}: {}; check REDIS_URL and unixsocket", path.display(), why.why()))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn expect_ok(value: &Value) -> Result<(), Fault> {
    if *value == Value::Okay { Ok(()) } else { Err(Fault::unexpected()) }
}

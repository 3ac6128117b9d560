//! One connection to a Redis: dials, logs in, writes and reads. Knows nothing of requests. Blocks, but hardly
//! longer than its caller allows.
//!
//! A signal, or a stop and continuation of the process, may interrupt a read. Such a read is repeated.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Parser, Value};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::error::{Fault, ServerRefusal};
use super::rights;
use super::server::{Endpoint, RedisServer, connect_unix};

/// An open connection. Drop it after the first fault.
pub(super) struct RedisConnection {
    stream: Stream,
    parser: Parser,
    /// How long [`RedisConnection::read`] waits.
    patience: Duration,
    /// The read timeout that the socket has.
    told: Option<Duration>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Unix(UnixStream),
}

impl RedisConnection {
    /// Fetches the password, then dials and logs in within about `dial`. Later reads and writes may take
    /// `answer` each.
    pub(super) fn open(server: &RedisServer, dial: Duration, answer: Duration) -> Result<Self, Fault> {
        let password = server.password.fetch()?;
        let stream = Stream::dial(server, dial)?;
        stream.set_write_timeout(dial)?;
        // TLS reads before its first write.
        stream.set_read_timeout(dial)?;
        let mut connection =
            RedisConnection { stream, parser: Parser::new(), patience: dial, told: Some(dial) };
        connection.log_in(server, password.as_deref())?;
        connection.stream.set_write_timeout(answer)?;
        connection.patience = answer;
        Ok(connection)
    }

    /// Writes packed commands.
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

    /// The next reply, or `None` if it does not come within `wait`. A part that came is kept.
    pub(super) fn poll(&mut self, wait: Duration) -> Result<Option<Value>, Fault> {
        self.set_read_timeout(wait)?;
        let mut reader = ReplySource { stream: &mut self.stream, until: Instant::now() + wait, failed: None };
        let parsed = self.parser.parse_value(&mut reader);
        match (parsed, reader.failed) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(_), Some(error)) if is_timeout(&error) => Ok(None),
            (Err(_), Some(error)) => Err(error.into()),
            (Err(_), None) => Err(Fault::unexpected()),
        }
    }

    /// Reads bytes past the parser. Returns their number, or `None` if none come within `wait`.
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

    /// Sends one command and reads its answer, during set-up. `name` is the command's name in [`rights`].
    pub(super) fn ask(&mut self, name: &'static str, cmd: &Cmd) -> Result<Value, Fault> {
        self.write(&cmd.get_packed_command())?;
        self.answer(name)
    }

    /// Reads the answer to the oldest unanswered command, during set-up.
    pub(super) fn answer(&mut self, name: &'static str) -> Result<Value, Fault> {
        match self.read()? {
            Value::ServerError(error) => Err(ServerRefusal::while_dialing(&error, rights::named(name))),
            value => Ok(value),
        }
    }

    fn log_in(&mut self, server: &RedisServer, password: Option<&str>) -> Result<(), Fault> {
        if let Some(password) = password {
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
    fn dial(server: &RedisServer, timeout: Duration) -> Result<Self, Fault> {
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
        let name =
            name.map_err(|_| Fault::new("its host can't be the name in a certificate; check REDIS_URL"))?;
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
                // After a stop of the process the time is over, but data may have come: read once more.
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

    /// Only TLS buffers what is written.
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

/// The parser's source of bytes. It hides interruptions, and keeps the error that ended a read.
struct ReplySource<'a> {
    stream: &'a mut Stream,
    until: Instant,
    failed: Option<io::Error>,
}

impl Read for ReplySource<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read_until(&mut [IoSliceMut::new(into)], self.until).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }
}

/// The reason why the socket at this path can't be dialed.
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

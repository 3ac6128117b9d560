//! A small blocking HTTPS client: one request for each connection. Every exchange has one deadline, and no
//! answer is larger than a bound.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection, StreamOwned};
use thiserror::Error;

use super::answer::{Answer, Progress};
use super::url::HttpsUrl;

/// Talks to the CA.
#[derive(Debug)]
pub(super) struct HttpClient {
    tls: Arc<ClientConfig>,
    within: Duration,
}

/// One request.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub url: &'a HttpsUrl,
    /// What the answer may be.
    pub accept: &'static str,
    /// A signed message. `None`: the request is a GET.
    pub jose: Option<&'a str>,
}

/// Why there is no answer. Each message names the host and what to do.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Its name has no address.
    #[error("{host} has no address ({said}); check --acme-directory and this machine's DNS")]
    Unresolved {
        /// The CA's host.
        host: String,
        /// What the resolver said.
        said: String,
    },
    /// No connection to it could be made.
    #[error("{host} can't be connected to ({source}); check that this machine may reach it")]
    Unconnected {
        /// The CA's host.
        host: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is not the host that it should be.
    #[error("TLS with {host} failed ({said}); {remedy}")]
    Tls {
        /// The CA's host.
        host: String,
        /// What the library said.
        said: String,
        /// What to do.
        remedy: &'static str,
    },
    /// It took too long.
    #[error("{host} did not answer within {secs} s; it is asked again later")]
    TimedOut {
        /// The CA's host.
        host: String,
        /// The deadline.
        secs: u64,
    },
    /// The connection ended before the answer did.
    #[error("{host} broke off ({source}); it is asked again later")]
    Broken {
        /// The CA's host.
        host: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The answer is not one.
    #[error("{host} sent {what}; check that --acme-directory is the URL of an ACME directory")]
    Malformed {
        /// The CA's host.
        host: String,
        /// What is wrong with the answer.
        what: &'static str,
    },
}

/// For all of one exchange: connecting, TLS, the request and its answer.
pub(super) const EXCHANGE_MAX: Duration = Duration::from_secs(30);

impl HttpClient {
    pub fn new(tls: Arc<ClientConfig>, within: Duration) -> Self {
        HttpClient { tls, within }
    }

    /// Sends a request and reads its answer, whatever its status is.
    pub fn exchange(&self, request: &Request<'_>) -> Result<Answer, HttpError> {
        let (url, deadline) = (request.url, Instant::now() + self.within);
        let socket = Timed { socket: connect(url, deadline)?, deadline };
        let failed = |error| self.explain(url, error);
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| HttpError::Unresolved {
            host: url.authority().to_owned(),
            said: "it is not a name".to_owned(),
        })?;
        let connection = ClientConnection::new(Arc::clone(&self.tls), name)
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let mut stream = StreamOwned::new(connection, socket);
        stream.write_all(request_text(request).as_bytes()).and_then(|()| stream.flush()).map_err(failed)?;
        self.read_answer(url, &mut stream)
    }

    fn read_answer(&self, url: &HttpsUrl, stream: &mut impl Read) -> Result<Answer, HttpError> {
        let malformed = |what| HttpError::Malformed { host: url.authority().to_owned(), what };
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let count = retry(|| stream.read(&mut chunk)).map_err(|error| self.explain(url, error))?;
            bytes.extend_from_slice(&chunk[..count]);
            match Answer::parse(&bytes, count == 0).map_err(malformed)? {
                Progress::Whole(answer) => return Ok(answer),
                Progress::NeedMore if bytes.len() > ANSWER_BYTES_MAX => {
                    return Err(malformed("an answer that is too large"));
                }
                Progress::NeedMore if count == 0 => return Err(malformed("half an answer")),
                Progress::NeedMore => {}
            }
        }
    }

    fn explain(&self, url: &HttpsUrl, error: io::Error) -> HttpError {
        let host = url.authority().to_owned();
        if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
            return HttpError::TimedOut { host, secs: self.within.as_secs() };
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => HttpError::Tls { host, said: tls.to_string(), remedy: remedy(tls) },
            None => HttpError::Broken { host, source: error },
        }
    }
}

fn remedy(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
            | CertificateError::Expired
            | CertificateError::ExpiredContext { .. },
        ) => "check this machine's clock",
        rustls::Error::InvalidCertificate(_) => {
            "name the file of the CA that signed its certificate with --acme-ca-cert"
        }
        _ => "check --acme-directory",
    }
}

fn connect(url: &HttpsUrl, deadline: Instant) -> Result<TcpStream, HttpError> {
    let host = || url.authority().to_owned();
    let unresolved = |said: String| HttpError::Unresolved { host: host(), said };
    let found = (url.host(), url.port()).to_socket_addrs().map_err(|error| unresolved(error.to_string()))?;
    let mut last = None;
    for address in found.take(ADDRESSES_MAX) {
        let left = deadline.saturating_duration_since(Instant::now()).min(CONNECT_MAX).max(LEAST_WAIT);
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => return Ok(socket),
            Err(source) => last = Some(HttpError::Unconnected { host: host(), source }),
        }
    }
    Err(last.unwrap_or_else(|| unresolved("none was found".to_owned())))
}

/// RFC 8555 §6.1: a client says what it is.
fn request_text(request: &Request<'_>) -> String {
    let (method, body) = request.jose.map_or(("GET", ""), |jose| ("POST", jose));
    let content = match request.jose {
        Some(jose) => format!("Content-Type: application/jose+json\r\nContent-Length: {}\r\n", jose.len()),
        None => String::new(),
    };
    format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: relayd/{}\r\nAccept: {}\r\nAccept-Language: en\r\n\
         Connection: close\r\n{content}\r\n{body}",
        request.url.target(),
        request.url.authority(),
        env!("CARGO_PKG_VERSION"),
        request.accept,
    )
}

/// A socket whose every call ends at the deadline, so a peer that sends single bytes gains no time.
struct Timed {
    socket: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < LEAST_WAIT { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

fn retry(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Without close_notify. Whether the answer is whole shows in its length.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            other => return other,
        }
    }
}

/// One address that does not answer must not use up the whole deadline.
const CONNECT_MAX: Duration = Duration::from_secs(8);

/// A timeout of zero would mean no timeout.
const LEAST_WAIT: Duration = Duration::from_millis(1);

const ADDRESSES_MAX: usize = 8;

/// A chain of a hundred names has some 10 KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

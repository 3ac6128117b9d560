//! One connection of the load: plain, or under TLS with the certificate of this process.
//!
//! A write under TLS takes bytes once the kernel has their ciphertext, and a read fills the room that it gets
//! unless the socket is drained. So both mean the same as on a plain socket.

use std::fs;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Where a server answers, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination {
    pub addr: SocketAddr,
    pub is_tls: bool,
}

/// A socket that does not block.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    tls: Option<Box<Tls>>,
}

#[derive(Debug)]
struct Tls {
    connection: ClientConnection,
    /// Bytes that were encrypted and not reported as written.
    held: usize,
}

/// A certificate for this machine, made once, as files for servers. Its folder is in the system's temporary
/// one.
#[derive(Debug)]
pub(crate) struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    config: Arc<ClientConfig>,
}

impl Socket {
    /// Begins to connect.
    pub fn connect(to: Destination) -> anyhow::Result<Self> {
        let mut socket = Socket::plain(TcpStream::connect(to.addr)?);
        if to.is_tls {
            let config = Arc::clone(&identity()?.config);
            let connection = ClientConnection::new(config, "localhost".try_into()?)?;
            socket.tls = Some(Box::new(Tls { connection, held: 0 }));
        }
        Ok(socket)
    }

    pub fn plain(tcp: TcpStream) -> Self {
        Socket { tcp, tls: None }
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.tcp.take_error()
    }

    pub fn set_nodelay(&self, is_on: bool) -> io::Result<()> {
        self.tcp.set_nodelay(is_on)
    }
}

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.tcp.read(out),
            Some(tls) => tls.read(&mut self.tcp, out),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.tcp.write(bytes),
            Some(tls) => tls.write(&mut self.tcp, bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tls {
    fn read(&mut self, tcp: &mut TcpStream, out: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < out.len() {
            match self.connection.reader().read(&mut out[count..]) {
                Ok(0) => break,
                Ok(more) => {
                    count += more;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match self.connection.read_tls(tcp) {
                Err(error) if count > 0 && error.kind() == io::ErrorKind::WouldBlock => break,
                read => read?,
            };
            self.connection.process_new_packets().map_err(io::Error::other)?;
            match self.write_out(tcp) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(count)
    }

    fn write(&mut self, tcp: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            match self.write_out(tcp) {
                Ok(()) => taken += std::mem::take(&mut self.held),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => return Ok(taken),
                Err(error) => return Err(error),
            }
            if taken == bytes.len() {
                return Ok(taken);
            }
            if self.connection.is_handshaking() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.held = self.connection.writer().write(&bytes[taken..])?;
        }
    }

    fn write_out(&mut self, tcp: &mut TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(tcp)?;
        }
        Ok(())
    }
}

impl Source for Socket {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.tcp.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.tcp.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.tcp.deregister(registry)
    }
}

/// The certificate of this process.
///
/// # Errors
/// The temporary folder can't be written.
pub(crate) fn identity() -> anyhow::Result<&'static Identity> {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    if IDENTITY.get().is_none() {
        // Only the main thread comes here, so it is made once.
        let _ = IDENTITY.set(make_identity().context("a certificate for the load could not be made")?);
    }
    IDENTITY.get().context("a certificate was made")
}

fn make_identity() -> anyhow::Result<Identity> {
    let made = rcgen::generate_simple_self_signed(["localhost", "127.0.0.1"].map(str::to_owned))?;
    let folder = std::env::temp_dir().join(format!("relay-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let file = |name: &str, label: &str, der: &[u8]| {
        let path = folder.join(name);
        let body = STANDARD.encode(der);
        fs::write(&path, format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")).map(|()| path)
    };
    let certificate = file("certificate.pem", "CERTIFICATE", made.cert.der())?;
    let key = file("key.pem", "PRIVATE KEY", made.signing_key.serialized_der())?;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    Ok(Identity { certificate, key, config })
}

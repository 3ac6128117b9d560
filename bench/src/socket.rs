//! One connection of the load: plain, or under TLS with the certificate of this process.
//!
//! A write under TLS takes bytes once the kernel has their ciphertext, and a read fills the room that it gets
//! unless the socket is drained. So both mean the same as on a plain socket.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::{ClientConnection, HandshakeKind};

use crate::identity::identity;

/// Where a server answers, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination {
    pub addr: SocketAddr,
    pub is_tls: bool,
    /// Under TLS: goes on from an earlier connection's ticket, if there is one. Otherwise each connection is
    /// of a client that was never here.
    pub resumes: bool,
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

impl Socket {
    /// Begins to connect.
    pub fn connect(to: Destination) -> anyhow::Result<Self> {
        let mut socket = Socket::plain(TcpStream::connect(to.addr)?);
        if to.is_tls {
            let config = identity()?.client(to.resumes);
            let connection = ClientConnection::new(config, "localhost".try_into()?)?;
            socket.tls = Some(Box::new(Tls { connection, held: 0 }));
        }
        Ok(socket)
    }

    pub fn plain(tcp: TcpStream) -> Self {
        Socket { tcp, tls: None }
    }

    /// True if its TLS went on from an earlier connection's ticket.
    pub fn is_resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.connection.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
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

//! A client of the relay's own TLS: its handshake in any pieces, and beyond that a [`Wire`] as of a plain
//! connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ALL_VERSIONS, ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion,
};
use socket2::SockRef;

use super::authority::Authority;
use super::guard::GUARD;
use super::wire::Wire;

/// What a client trusts and speaks. Clients that share it resume.
#[derive(Clone, Debug)]
pub struct TlsClient(Arc<ClientConfig>);

/// A connection with agreed keys.
#[derive(Debug)]
pub struct TlsConnection {
    connection: ClientConnection,
    socket: TcpStream,
}

impl TlsClient {
    /// Trusts one authority.
    pub fn new(authority: &Authority) -> Self {
        Self::with_versions(authority, ALL_VERSIONS)
    }

    /// The same with these versions of TLS.
    pub fn with_versions(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsClient(Arc::new(config))
    }

    /// Of a handshake that has not begun, with a server of this name.
    pub fn begin(&self, name: &str) -> ClientConnection {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        ClientConnection::new(Arc::clone(&self.0), name).unwrap()
    }

    /// Connects and agrees on keys.
    pub fn connect(&self, addr: SocketAddr, name: &str) -> TlsConnection {
        self.try_over(TcpStream::connect(addr).unwrap(), name)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Agrees on keys over this connection.
    pub fn try_over(&self, mut socket: TcpStream, name: &str) -> io::Result<TlsConnection> {
        socket.set_read_timeout(Some(GUARD))?;
        socket.set_nodelay(true)?;
        let mut connection = self.begin(name);
        while connection.is_handshaking() || connection.wants_write() {
            connection.complete_io(&mut socket)?;
        }
        Ok(TlsConnection { connection, socket })
    }

    /// The bytes below TLS are hidden from here on.
    pub fn wire(&self, addr: SocketAddr, name: &str) -> Wire {
        self.connect(addr, name).into_wire()
    }

    /// A plain port in front of the relay's TLS. It ends with the test.
    pub fn front(&self, relay: SocketAddr, name: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let client = self.clone();
        thread::spawn(move || {
            for plain in listener.incoming().flatten() {
                let client = client.clone();
                thread::spawn(move || {
                    let socket = TcpStream::connect(relay).and_then(|socket| client.try_over(socket, name));
                    if let Ok(TlsConnection { connection, socket }) = socket {
                        pump(connection, socket, plain);
                    }
                });
            }
        });
        addr
    }
}

impl TlsConnection {
    /// Wraps a connection whose handshake was done elsewhere.
    pub fn over(connection: ClientConnection, socket: TcpStream) -> Self {
        TlsConnection { connection, socket }
    }

    /// How the keys were agreed on.
    pub fn kind(&self) -> Option<HandshakeKind> {
        self.connection.handshake_kind()
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> Vec<u8> {
        self.connection.peer_certificates().unwrap()[0].to_vec()
    }

    /// What the server said of the protocol above.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// The bytes below TLS are hidden from here on. An end without close_notify shows as a reset.
    pub fn into_wire(self) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        let TlsConnection { connection, socket } = self;
        thread::spawn(move || pump(connection, socket, far));
        Wire::over(near)
    }
}

/// Passes bytes on until both sides have ended.
fn pump(connection: ClientConnection, socket: TcpStream, plain: TcpStream) {
    let mut pump = Pump { connection, socket, plain, heard: Vec::new(), is_heard: false, is_said: false };
    if pump.run().is_err() {
        // The end shows as what it is: not an orderly one.
        let _ = SockRef::from(&pump.plain).set_linger(Some(Duration::ZERO));
    }
}

/// Neither way waits for the other, as the relay may pause one of them.
struct Pump {
    connection: ClientConnection,
    socket: TcpStream,
    plain: TcpStream,
    /// Plain bytes of the server that the client has not taken yet.
    heard: Vec<u8>,
    /// The server has ended its side; the client has.
    is_heard: bool,
    is_said: bool,
}

/// With more than this on its way to the client, the server is not read.
const HEARD_MAX: usize = 64 * 1024;

impl Pump {
    fn run(&mut self) -> io::Result<()> {
        self.socket.set_nonblocking(true)?;
        self.plain.set_nonblocking(true)?;
        // Bytes that came with the end of the handshake.
        self.take_plain()?;
        loop {
            self.write_out()?;
            self.hand_over()?;
            let is_idle = self.heard.is_empty() && !self.connection.wants_write();
            if self.is_heard && self.is_said && is_idle {
                return Ok(());
            }
            let (from_server, from_client) = self.wait()?;
            if from_server {
                self.hear()?;
            }
            if from_client {
                self.say()?;
            }
        }
    }

    /// Waits until something can be done. True for each side that can be read.
    fn wait(&self) -> io::Result<(bool, bool)> {
        let (reads_server, reads_client) =
            (!self.is_heard && self.heard.len() < HEARD_MAX, !self.is_said && !self.connection.wants_write());
        let events = |reads, writes| {
            let reads = if reads { PollFlags::IN } else { PollFlags::empty() };
            if writes { reads | PollFlags::OUT } else { reads }
        };
        let mut fds = [
            PollFd::new(&self.socket, events(reads_server, self.connection.wants_write())),
            PollFd::new(&self.plain, events(reads_client, !self.heard.is_empty())),
        ];
        poll(&mut fds, None)?;
        let ended = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        let came = |fd: &PollFd<'_>| fd.revents().intersects(ended);
        Ok((reads_server && came(&fds[0]), reads_client && came(&fds[1])))
    }

    fn hear(&mut self) -> io::Result<()> {
        match self.connection.read_tls(&mut self.socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            read => read?,
        };
        self.connection.process_new_packets().map_err(io::Error::other)?;
        self.take_plain()
    }

    fn take_plain(&mut self) -> io::Result<()> {
        match self.connection.reader().read_to_end(&mut self.heard) {
            Ok(_) => self.is_heard = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // Without close_notify.
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Gives the client what it takes now, and after all of it the end.
    fn hand_over(&mut self) -> io::Result<()> {
        while !self.heard.is_empty() {
            match self.plain.write(&self.heard) {
                Ok(count) => drop(self.heard.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.is_heard {
            // Again has no effect.
            let _ = self.plain.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn say(&mut self) -> io::Result<()> {
        // No more than rustls takes at once.
        let mut bytes = [0; 16 * 1024];
        match self.plain.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Ok(0) => {
                self.is_said = true;
                self.connection.send_close_notify();
                self.write_out()
            }
            read => self.connection.writer().write_all(&bytes[..read?]),
        }
    }

    fn write_out(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                written => written?,
            };
        }
        if self.is_said {
            // Again has no effect.
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }
}

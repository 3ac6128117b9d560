//! TLS of the clients: which certificates are believed, and a connection's reading and writing over any
//! socket.
//!
//! Reading and writing are independent here: a write that blocks never holds up a read. (A relay pauses the
//! sender too fast; if both ends of a pair waited to write before they read, neither would go on.)

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// One TLS connection without its socket. Boxed by its owner: it is large.
#[derive(Debug)]
pub(crate) struct Tls {
    connection: ClientConnection,
}

impl Tls {
    /// Begins; the handshake happens in the first reads and writes.
    pub(crate) fn new(config: Arc<ClientConfig>, host: &str) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{host:?} is not a name that a certificate can have"),
            )
        })?;
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Tls { connection })
    }

    /// Reads plain bytes; 0 is the end. Blocks, or says `WouldBlock`, as `socket` does.
    pub(crate) fn read(&mut self, socket: &mut (impl Read + Write), out: &mut [u8]) -> io::Result<usize> {
        loop {
            // The handshake answers, and so do key updates; if the socket takes no more now, a later call
            // sends them.
            would_block_is_fine(self.write_out(socket))?;
            match self.connection.reader().read(out) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            self.connection.read_tls(socket)?;
            self.connection.process_new_packets().map_err(|error| {
                // The alert that says why should still go out.
                let _ = self.connection.write_tls(socket);
                io::Error::new(io::ErrorKind::InvalidData, error)
            })?;
        }
    }

    /// Takes plain bytes, as many as there is room for; `WouldBlock` if there is no room.
    pub(crate) fn write(&mut self, socket: &mut (impl Read + Write), bytes: &[u8]) -> io::Result<usize> {
        loop {
            let taken = self.connection.writer().write(bytes)?;
            match self.write_out(socket) {
                // The bytes taken are kept, so they count as written; `flush` sends the rest.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => return Ok(taken),
                Err(error) => return Err(error),
                Ok(()) if taken > 0 || bytes.is_empty() => return Ok(taken),
                // Nothing was taken for lack of room, and now there is room.
                Ok(()) => {}
            }
        }
    }

    /// Sends all that was taken.
    pub(crate) fn flush(&mut self, socket: &mut (impl Read + Write)) -> io::Result<()> {
        self.write_out(socket)
    }

    fn write_out(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

fn would_block_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::thread::{self, JoinHandle};
    use std::time::{Duration, Instant};

    use mio::{Events, Poll, Token};
    use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::net::ca::Ca;
    use crate::net::endpoint::Endpoint;
    use crate::net::stream::Stream;
    use crate::net::way::Way;

    /// More than the buffers of both sockets hold.
    const BYTES: usize = 24 << 20;

    /// A TLS server that writes all of its bytes before it reads any.
    fn server() -> (SocketAddr, RootCertStore, JoinHandle<io::Result<Vec<u8>>>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = move || {
            let (socket, _) = listener.accept()?;
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            stream.write_all(&vec![b's'; BYTES])?;
            stream.flush()?;
            let mut read = vec![0; BYTES];
            stream.read_exact(&mut read)?;
            Ok(read)
        };
        (address, roots, thread::spawn(serve))
    }

    fn connect(address: SocketAddr, host: &str, roots: RootCertStore) -> Stream {
        let endpoint = Endpoint::parse_ws(&format!("wss://{host}:{}/ws", address.port())).unwrap();
        let endpoint = endpoint.with_ca(Some(Ca::of(roots)));
        let deadline = Instant::now() + Duration::from_secs(10);
        Stream::connect(&endpoint, &[Way::direct(address)], deadline).unwrap()
    }

    #[test]
    fn reading_goes_on_while_writing_is_blocked() {
        let (address, roots, server) = server();
        let mut stream = connect(address, "localhost", roots);
        // The first byte comes behind the handshake, which blocks.
        let mut got = vec![0];
        stream.read_exact(&mut got).unwrap();
        let mut poll = Poll::new().unwrap();
        stream.register(poll.registry(), Token(0)).unwrap();
        let mut events = Events::with_capacity(8);
        let (mut unwritten, mut chunk) = (BYTES, vec![0; 64 * 1024]);
        let mut flushed = false;
        while got.len() < BYTES || !flushed {
            while unwritten > 0 {
                match stream.write(&chunk_of(b'c', unwritten)) {
                    Ok(count) => unwritten -= count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            flushed = unwritten == 0 && stream.flush().is_ok();
            loop {
                match stream.read(&mut chunk) {
                    Ok(count) => got.extend_from_slice(&chunk[..count]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
                if got.len() == BYTES {
                    break;
                }
            }
            if got.len() < BYTES || !flushed {
                poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
                assert!(!events.is_empty(), "stuck: {} read, {unwritten} unwritten", got.len());
            }
        }
        assert!(got.iter().all(|byte| *byte == b's'));
        assert!(server.join().unwrap().unwrap().iter().all(|byte| *byte == b'c'));
        assert!(stream.bytes_in() > BYTES as u64);
    }

    fn chunk_of(byte: u8, at_most: usize) -> Vec<u8> {
        vec![byte; at_most.min(16 * 1024)]
    }

    #[test]
    fn a_certificate_that_nobody_vouches_for_or_of_another_name_is_refused() {
        let (address, _, server) = server();
        let mut strangers = RootCertStore::empty();
        strangers.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let error = connect(address, "localhost", strangers).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        assert!(server.join().unwrap().is_err());

        let (address, roots, server) = self::server();
        let error = connect(address, "127.0.0.1", roots).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        assert!(server.join().unwrap().is_err());
    }
}

//! One TCP connection as bytes: sends exactly what it is given, keeps what arrived, and knows how it ended.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use super::guard::{GUARD, let_pass};

/// How the other side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An orderly FIN.
    Eof,
    /// A reset: unread bytes or worse.
    Reset,
}

/// A connection with a read buffer.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    taken: usize,
}

impl Wire {
    /// Connects, with [`GUARD`] on every read and write.
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap_or_else(|error| panic!("connect to {addr}: {error}"));
        Self::over(stream)
    }

    /// Connects with a small receive buffer, so that little fits between the server and a client that does
    /// not read.
    pub fn connect_narrow(addr: SocketAddr, receive_bytes: usize) -> Self {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(receive_bytes).unwrap();
        socket.connect(&addr.into()).unwrap_or_else(|error| panic!("connect to {addr}: {error}"));
        Self::over(socket.into())
    }

    /// Connects with a small send buffer, so that a sender that is not read is blocked soon.
    pub fn connect_narrow_to_send(addr: SocketAddr, send_bytes: usize) -> Self {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
        socket.set_send_buffer_size(send_bytes).unwrap();
        socket.connect(&addr.into()).unwrap_or_else(|error| panic!("connect to {addr}: {error}"));
        Self::over(socket.into())
    }

    /// Connects from this address: on Linux all of 127.0.0.0/8 is this machine.
    pub fn connect_from(addr: SocketAddr, source: IpAddr) -> Self {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap_or_else(|error| panic!("{source}: {error}"));
        socket.connect(&addr.into()).unwrap_or_else(|error| panic!("connect to {addr}: {error}"));
        Self::over(socket.into())
    }

    /// Wraps a connected stream.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(GUARD)).unwrap();
        stream.set_write_timeout(Some(GUARD)).unwrap();
        Self { stream, buffer: Vec::new(), taken: 0 }
    }

    /// Sends all of it.
    ///
    /// # Panics If the connection does not take it.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap_or_else(|error| panic!("sending {} bytes: {error}", bytes.len()));
    }

    /// Sends all of it, or returns why not. For cases in which the server may have closed.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends until the connection takes nothing for `patience`. Returns how much it took.
    pub fn send_until_blocked(&mut self, bytes: &[u8], patience: Duration) -> usize {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let mut sent = 0;
        while sent < bytes.len() {
            match retry(|| self.stream.write(&bytes[sent..])) {
                Ok(count) => sent += count,
                Err(error) if is_timeout(&error) => break,
                Err(error) => panic!("sending: {error}"),
            }
        }
        self.stream.set_write_timeout(Some(GUARD)).unwrap();
        sent
    }

    /// Bytes that arrived and were not taken yet.
    pub fn pending(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Drops `count` bytes of [`Wire::pending`].
    pub fn take(&mut self, count: usize) {
        self.taken += count;
        assert!(self.taken <= self.buffer.len());
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            self.taken = 0;
        }
    }

    /// Waits for more bytes.
    ///
    /// # Panics
    /// When nothing comes for [`GUARD`]; the message names `what`.
    pub fn fill(&mut self, what: &str) -> Result<(), End> {
        self.fill_within(GUARD, || panic!("waited {GUARD:?} for {what}; nothing came"))
    }

    /// Waits for more bytes for `patience`. False if none came.
    pub fn fill_for(&mut self, patience: Duration) -> Result<bool, End> {
        let mut came = true;
        self.fill_within(patience, || came = false)?;
        Ok(came)
    }

    fn fill_within(&mut self, patience: Duration, on_nothing: impl FnOnce()) -> Result<(), End> {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        let start = self.buffer.len();
        self.buffer.resize(start + READ_BYTES, 0);
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let read = retry(|| self.stream.read(&mut self.buffer[start..]));
        self.buffer.truncate(start + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(End::Eof),
            Ok(_) => Ok(()),
            Err(error) if is_timeout(&error) => {
                on_nothing();
                Ok(())
            }
            Err(error) if is_reset(&error) => Err(End::Reset),
            Err(error) => panic!("reading: {error}"),
        }
    }

    /// Reads at most `count` more bytes from the socket, perhaps a part of a frame.
    pub fn sip(&mut self, count: usize) -> Result<(), End> {
        let mut bytes = vec![0; count];
        match retry(|| self.stream.read(&mut bytes)) {
            Ok(0) => Err(End::Eof),
            Ok(read) => {
                self.buffer.extend_from_slice(&bytes[..read]);
                Ok(())
            }
            Err(error) if is_reset(&error) => Err(End::Reset),
            Err(error) => panic!("reading: {error}"),
        }
    }

    /// Reads at most at this pace while `goes_on`, or until the connection's end. The bytes are in
    /// [`Wire::pending`].
    pub fn sip_at(&mut self, bytes_per_sec: usize, mut goes_on: impl FnMut() -> bool) -> Result<(), End> {
        let (started, before) = (Instant::now(), self.buffer.len());
        while goes_on() {
            self.sip(bytes_per_sec / 20)?;
            let due = Duration::from_secs_f64((self.buffer.len() - before) as f64 / bytes_per_sec as f64);
            let_pass(due.saturating_sub(started.elapsed()));
        }
        Ok(())
    }

    /// Reads to the end and returns how it ended. The bytes are in [`Wire::pending`].
    pub fn read_to_end(&mut self, what: &str) -> End {
        loop {
            if let Err(end) = self.fill(what) {
                return end;
            }
        }
    }

    /// Sends FIN and goes on reading.
    pub fn shutdown_write(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection with a reset, as a crashed machine's NAT would.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// A second handle for sending from another thread.
    pub fn sender(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }
}

/// The most bytes of one read.
const READ_BYTES: usize = 64 * 1024;

pub(super) fn retry(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn joined() -> (Wire, Wire) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = Wire::connect(listener.local_addr().unwrap());
        (wire, Wire::over(listener.accept().unwrap().0))
    }

    #[test]
    fn a_fin_and_a_reset_are_told_apart() {
        let (mut near, mut far) = joined();
        far.send(b"bye");
        drop(far);
        assert_eq!(near.read_to_end("the end"), End::Eof);
        assert_eq!(near.pending(), b"bye");
        let (mut near, far) = joined();
        far.reset();
        assert_eq!(near.read_to_end("the end"), End::Reset);
    }

    #[test]
    fn a_receiver_who_does_not_read_blocks_the_sender() {
        let (mut near, mut far) = joined();
        let plenty = vec![7; 64 << 20];
        let sent = near.send_until_blocked(&plenty, Duration::from_millis(200));
        assert!(sent < plenty.len());
        drop(near);
        far.read_to_end("the end");
        assert_eq!(far.pending().len(), sent);
    }
}

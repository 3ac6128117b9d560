//! One connection's bytes, plain or under TLS. The only place where they differ.
//!
//! A plain stream is the socket itself. Under TLS a write takes bytes only when their ciphertext is with the
//! kernel, so the queue above sees what the peer has not taken. A read leaves no plaintext behind while there
//! is room for it, so an edge of the poll is never missed.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{HandshakeKind, ServerConfig, ServerConnection};

/// A socket, and TLS over it once the client began that.
#[derive(Debug)]
pub(super) struct Stream {
    pub socket: TcpStream,
    tls: Option<Box<Tls>>,
}

/// One TLS connection without its socket. Large, so it is boxed.
#[derive(Debug)]
struct Tls {
    connection: ServerConnection,
    /// Bytes that were encrypted and not reported as written: their ciphertext waits.
    /// `held <= WRITE_BYTES`
    held: usize,
    partial: Partial,
    /// Bytes that came while the keys were not agreed on.
    shaking: usize,
    /// Bytes that the limit on all memory counts for it.
    counted: usize,
    /// The peer said close_notify: nothing more is taken.
    is_over: bool,
    is_closed: bool,
}

/// How much of a record has come that is not whole. RFC 8446 §5.1: five bytes, of which the last two are the
/// length of what follows.
#[derive(Debug, Default)]
struct Partial {
    /// What came of the header.
    header: [u8; 5],
    /// Bytes of the record that came.
    came: usize,
}

/// What a read under TLS came to.
#[derive(Debug)]
pub(super) struct TlsRead {
    /// Plain bytes; 0 is the end.
    pub result: io::Result<usize>,
    /// A further read may bring something though no event comes.
    pub has_more: bool,
}

/// Plain bytes that are encrypted at once.
const WRITE_BYTES: usize = 32 * 1024;

/// Reads of the socket that bring no plain bytes, before the other connections get their turn.
const EMPTY_READS_MAX: usize = 4;

impl Stream {
    /// A plain one.
    pub fn plain(socket: TcpStream) -> Self {
        Stream { socket, tls: None }
    }

    /// From here on it speaks TLS.
    pub fn begin_tls(&mut self, config: Arc<ServerConfig>) -> Result<(), rustls::Error> {
        let mut connection = ServerConnection::new(config)?;
        connection.set_buffer_limit(Some(WRITE_BYTES));
        self.tls = Some(Box::new(Tls {
            connection,
            held: 0,
            partial: Partial::default(),
            shaking: 0,
            counted: 0,
            is_over: false,
            is_closed: false,
        }));
        Ok(())
    }

    #[inline]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// True while the client and we have not agreed on keys.
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.connection.is_handshaking())
    }

    /// How the keys were agreed on, once they are.
    pub fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.tls.as_ref()?.connection.handshake_kind()
    }

    /// Bytes that TLS holds for it, as counted last.
    pub fn counted(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.counted)
    }

    /// Counts what TLS holds: how much it was before, and is now.
    pub fn recount(&mut self) -> (usize, usize) {
        let Some(tls) = &mut self.tls else { return (0, 0) };
        let now = tls.held + tls.partial.came.max(tls.shaking);
        (std::mem::replace(&mut tls.counted, now), now)
    }

    /// True if bytes of TLS itself wait for the socket.
    pub fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.connection.wants_write())
    }

    /// Takes in ciphertext that was read before TLS began.
    pub fn feed(&mut self, ciphertext: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.feed(ciphertext, &mut [], &mut self.socket).map(drop)
    }

    /// Reads under TLS. `ciphertext` is room for what the socket brings.
    pub fn read_tls(&mut self, out: &mut [u8], ciphertext: &mut [u8]) -> TlsRead {
        match &mut self.tls {
            Some(tls) => tls.read(&mut self.socket, out, ciphertext),
            None => TlsRead { result: Err(io::ErrorKind::WouldBlock.into()), has_more: false },
        }
    }

    /// Writes what TLS itself has to say.
    pub fn flush_tls(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => would_block_is_fine(tls.write_out(&mut self.socket)),
            None => Ok(()),
        }
    }

    /// Ends our side: close_notify, then FIN. False if the socket takes no more now.
    pub fn shut_down(&mut self) -> io::Result<bool> {
        if let Some(tls) = &mut self.tls {
            if !std::mem::replace(&mut tls.is_closed, true) {
                tls.connection.send_close_notify();
            }
            match tls.write_out(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                written => written?,
            }
        }
        self.socket.shutdown(Shutdown::Write).map(|()| true)
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => tls.write(&mut self.socket, bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tls {
    fn read(&mut self, socket: &mut TcpStream, out: &mut [u8], ciphertext: &mut [u8]) -> TlsRead {
        let done = |result, has_more| TlsRead { result, has_more };
        match self.take_plain(out) {
            Ok(None) => {}
            // The rest, or the socket, is looked at in the next turn.
            Ok(Some(count)) => return done(Ok(count), true),
            Err(error) => return done(Err(error), false),
        }
        let most = ciphertext.len().min(out.len());
        for _ in 0..EMPTY_READS_MAX {
            let count = match retry(|| socket.read(&mut ciphertext[..most])) {
                Ok(count) => count,
                Err(error) => return done(Err(error), false),
            };
            if count == 0 {
                return done(self.end(), true);
            }
            // epoll(7): a short read says that a stream socket is drained.
            let may_have_more = count == most;
            match self.feed(&ciphertext[..count], out, socket) {
                Ok(None) if may_have_more => {}
                Ok(None) => return done(Err(io::ErrorKind::WouldBlock.into()), false),
                Ok(Some(plain)) => {
                    let has_more = may_have_more || plain == out.len() || self.is_over;
                    return done(Ok(plain), has_more);
                }
                Err(error) => return done(Err(error), false),
            }
        }
        done(Err(io::ErrorKind::WouldBlock.into()), true)
    }

    /// Takes in ciphertext and answers what TLS itself asks. Gives how many plain bytes came of it, 0 for the
    /// end; `None` if there are none yet.
    ///
    /// With room for as many plain bytes as there is ciphertext, less than one record stays behind, so rustls
    /// never refuses more.
    fn feed(
        &mut self,
        mut ciphertext: &[u8],
        out: &mut [u8],
        socket: &mut TcpStream,
    ) -> io::Result<Option<usize>> {
        let mut count = 0;
        self.partial.note(ciphertext);
        let came = ciphertext.len();
        while !ciphertext.is_empty() && !self.is_over {
            self.is_over = self.connection.read_tls(&mut ciphertext)? == 0;
            if let Err(error) = self.connection.process_new_packets() {
                // The alert that says why.
                would_block_is_fine(self.write_out(socket))?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            match self.take_plain(&mut out[count..])? {
                Some(0) => self.is_over = true,
                taken => count += taken.unwrap_or(0),
            }
        }
        // A message of the handshake may have several records, which rustls keeps until it is whole.
        self.shaking = if self.connection.is_handshaking() { self.shaking + came } else { 0 };
        match would_block_is_fine(self.write_out(socket)) {
            // What came before the peer went counts.
            Err(error) if count == 0 => Err(error),
            _ => Ok(Some(count).filter(|count| *count > 0 || self.is_over)),
        }
    }

    /// Plain bytes that wait, 0 for the end; `None` if there are none yet.
    fn take_plain(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        if out.is_empty() {
            return Ok(None);
        }
        match self.connection.reader().read(out) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            // A FIN without close_notify. A cut message shows in its own length.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// The peer's FIN came.
    fn end(&mut self) -> io::Result<usize> {
        self.connection.read_tls(&mut io::empty())?;
        Ok(0)
    }

    /// Takes the bytes whose ciphertext the socket takes. After a write that says less than all, the next one
    /// begins with the same bytes.
    fn write(&mut self, socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            match self.write_out(socket) {
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
            let next = &bytes[taken..bytes.len().min(taken + WRITE_BYTES)];
            self.held = self.connection.writer().write(next)?;
            if self.held == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
    }

    fn write_out(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            if retry(|| self.connection.write_tls(socket))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

impl Partial {
    /// More bytes came.
    fn note(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Some(next) = self.header.get_mut(self.came) {
                *next = byte;
                self.came += 1;
                bytes = rest;
            } else {
                let taken = bytes.len().min(self.whole() - self.came);
                self.came += taken;
                bytes = &bytes[taken..];
            }
            if self.came >= self.header.len() && self.came == self.whole() {
                self.came = 0;
            }
        }
    }

    fn whole(&self) -> usize {
        self.header.len() + usize::from(u16::from_be_bytes([self.header[3], self.header[4]]))
    }
}

fn retry(mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
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
    use super::*;

    #[test]
    fn a_record_that_is_not_whole_is_counted_however_it_is_cut() {
        let record = |len: u16| [&[23, 3, 3][..], &len.to_be_bytes(), &vec![0; usize::from(len)]].concat();
        let bytes = [record(0), record(1), record(300), record(16_000)[..9_000].to_vec()].concat();
        for step in [1, 2, 7, 300, bytes.len()] {
            let mut partial = Partial::default();
            bytes.chunks(step).for_each(|chunk| partial.note(chunk));
            assert_eq!(partial.came, 9_000, "{step}");
            partial.note(&record(16_000)[9_000..]);
            assert_eq!(partial.came, 0, "{step}");
        }
    }
}

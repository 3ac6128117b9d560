//! Parses what a client receives: bytes into frames, frames into messages. Strict, and without a copy for a
//! message of one frame.

mod header;

use std::io::{self, Read};

use protocol::ws::header::OpCode;

use self::header::{Breach, Header};

/// The receiving half of one connection.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// `buffer[start..end]` came and is not taken. `start <= end <= buffer.len()`
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_masked: bool,
    /// The message whose fragments have not all arrived. RFC 6455 §5.4.
    gathered: Option<(OpCode, Vec<u8>)>,
    /// `gathered` is whole and was lent out.
    is_lent: bool,
}

/// One whole message or control frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// Text or binary.
    Data(OpCode, &'a [u8]),
    /// A ping and what the pong must carry.
    Ping(&'a [u8]),
    /// A Close frame and its body.
    Close(&'a [u8]),
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// There may be more.
    More,
    /// All there is for now.
    Drained,
}

/// A buffer's first size. It grows while reads fill it, and with a frame that is larger.
const BUFFER_BYTES: usize = 4 * 1024;

/// It does not grow beyond this for reads alone.
const READ_BYTES: usize = 64 * 1024;

impl Inbox {
    /// `is_masked`: frames come as a client sent them.
    pub fn new(is_masked: bool) -> Self {
        Inbox { buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, is_masked, gathered: None, is_lent: false }
    }

    /// Reads once.
    ///
    /// # Errors The stream has ended, or the socket failed. "Would block" is not an error.
    pub fn fill(&mut self, socket: &mut impl Read) -> io::Result<Filled> {
        self.make_room();
        let room = self.buffer.len() - self.end;
        match socket.read(&mut self.buffer[self.end..]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.end += count;
                if count == room && self.buffer.len() < READ_BYTES {
                    self.buffer.resize(self.buffer.len() * 2, 0);
                }
                // epoll(7): a short read says that a stream socket is drained.
                Ok(if count == room { Filled::More } else { Filled::Drained })
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Filled::More),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Filled::Drained),
            Err(error) => Err(error),
        }
    }

    /// The next whole message of what came; pongs are passed over.
    ///
    /// # Errors
    /// The server broke the protocol.
    pub fn next(&mut self) -> Result<Option<Message<'_>>, Breach> {
        if std::mem::take(&mut self.is_lent) {
            self.gathered = None;
        }
        loop {
            let Some(header) = self.parse()? else { return Ok(None) };
            let body = self.start + header.header_len;
            if self.end - body < header.payload_len {
                return Ok(None);
            }
            self.start = body + header.payload_len;
            let body = body..self.start;
            match header.opcode {
                OpCode::Pong => {}
                OpCode::Ping => return Ok(Some(Message::Ping(&self.buffer[body]))),
                OpCode::Close => return Ok(Some(Message::Close(&self.buffer[body]))),
                opcode if header.fin && opcode != OpCode::Continuation && self.gathered.is_none() => {
                    return Ok(Some(Message::Data(opcode, &self.buffer[body])));
                }
                opcode => {
                    if self.gather(opcode, body, header.fin)? {
                        self.is_lent = true;
                        return Ok(self
                            .gathered
                            .as_ref()
                            .map(|(opcode, bytes)| Message::Data(*opcode, bytes)));
                    }
                }
            }
        }
    }

    /// True if the message is whole.
    fn gather(&mut self, opcode: OpCode, body: std::ops::Range<usize>, fin: bool) -> Result<bool, Breach> {
        match (&mut self.gathered, opcode) {
            (Some((_, bytes)), OpCode::Continuation) => bytes.extend_from_slice(&self.buffer[body]),
            (None, OpCode::Continuation) => return Err(Breach("a continuation of nothing")),
            (Some(_), _) => return Err(Breach("a message within another")),
            (none, _) => *none = Some((opcode, self.buffer[body].to_vec())),
        }
        Ok(fin)
    }

    fn parse(&self) -> Result<Option<Header>, Breach> {
        let bytes = &self.buffer[self.start..self.end];
        if self.is_masked { header::parse_masked(bytes) } else { header::parse_unmasked(bytes) }
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else if self.end == self.buffer.len() {
            self.buffer.resize(self.end * 2, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::ws::header;

    use super::*;

    /// Gives out as many bytes at a time as it is told.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn frame(out: &mut Vec<u8>, fin: bool, opcode: OpCode, body: &[u8]) {
        header::write(out, fin, opcode, body.len(), None);
        out.extend_from_slice(body);
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let large = vec![b'l'; 200_000];
        let mut bytes = Vec::new();
        frame(&mut bytes, true, OpCode::Text, b"one");
        frame(&mut bytes, true, OpCode::Pong, b"");
        frame(&mut bytes, false, OpCode::Binary, b"t");
        frame(&mut bytes, true, OpCode::Ping, b"p");
        frame(&mut bytes, false, OpCode::Continuation, b"w");
        frame(&mut bytes, true, OpCode::Continuation, b"o");
        frame(&mut bytes, true, OpCode::Binary, &large);
        frame(&mut bytes, true, OpCode::Close, b"");
        for step in [1, 2, 3, 70_000, bytes.len()] {
            let (mut source, mut inbox, mut came) = (Dribble(&bytes, step), Inbox::new(false), Vec::new());
            while !source.0.is_empty() {
                inbox.fill(&mut source).unwrap();
                while let Some(message) = inbox.next().unwrap() {
                    came.push(match message {
                        Message::Data(opcode, body) => (opcode, body.to_vec()),
                        Message::Ping(body) => (OpCode::Ping, body.to_vec()),
                        Message::Close(body) => (OpCode::Close, body.to_vec()),
                    });
                }
            }
            let wanted = [
                (OpCode::Text, b"one".to_vec()),
                (OpCode::Ping, b"p".to_vec()),
                (OpCode::Binary, b"two".to_vec()),
                (OpCode::Binary, large.clone()),
                (OpCode::Close, Vec::new()),
            ];
            assert!(came == wanted, "in steps of {step}");
        }
    }

    #[test]
    fn breaches_are_told() {
        for bytes in [
            &[0xC1, 0][..],
            &[0x81, 0x80],
            &[0x83, 0],
            &[0x09, 0],
            &[0x88, 126, 0, 126],
            &[0x81, 126, 0, 125],
            &[0x81, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
            &[0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0],
            &[0x80, 0],
            &[0x01, 0, 0x81, 0],
        ] {
            let mut inbox = Inbox::new(false);
            inbox.fill(&mut Dribble(bytes, bytes.len())).unwrap();
            assert!(inbox.next().is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn the_end_of_the_stream_is_an_error() {
        assert!(Inbox::new(false).fill(&mut io::empty()).is_err());
    }
}

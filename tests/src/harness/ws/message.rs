//! Messages, put together from frames. Every rule of RFC 6455 about a server's output is checked.

use std::net::SocketAddr;
use std::time::Duration;

use super::frame::{FrameSpec, Opcode, Received, decode, in_pieces};
use super::upgrade::Upgrade;
use crate::harness::json::cut;
use crate::harness::wire::{End, Wire};

/// One message of the server.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message, valid UTF-8.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A Close frame: code and reason; 1005 means no body.
    Close(u16, String),
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Ws {
    wire: Wire,
    begun: Option<(Opcode, Vec<u8>)>,
}

impl Ws {
    /// Connects to `/ws` and upgrades.
    pub fn connect(addr: SocketAddr) -> Self {
        Upgrade::default().open(addr)
    }

    /// Continues after an accepted upgrade.
    pub fn over(wire: Wire) -> Self {
        Self { wire, begun: None }
    }

    /// The bytes below.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Gives up the WebSocket and keeps the bytes.
    pub fn into_wire(self) -> Wire {
        self.wire
    }

    /// Sends a frame.
    pub fn send(&mut self, frame: &FrameSpec) {
        self.wire.send(&frame.encode());
    }

    /// Sends a text message in one frame.
    pub fn text(&mut self, text: &str) {
        self.send(&FrameSpec::text(text));
    }

    /// Sends a binary message in one frame.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.send(&FrameSpec::new(Opcode::Binary, bytes));
    }

    /// Sends one message in pieces.
    pub fn fragments(&mut self, opcode: Opcode, pieces: &[&[u8]]) {
        self.wire.send(&in_pieces(opcode, pieces));
    }

    /// Reads one frame.
    ///
    /// # Panics
    /// When the server breaks RFC 6455.
    pub fn frame(&mut self) -> Result<Received, End> {
        loop {
            match decode(self.wire.pending()) {
                Ok(Some((frame, length))) => {
                    self.wire.take(length);
                    return Ok(frame);
                }
                Ok(None) => self.wire.fill("a WebSocket frame")?,
                Err(breach) => panic!("the server broke RFC 6455: {breach:?}"),
            }
        }
    }

    /// Reads one message or control frame.
    pub fn message(&mut self) -> Result<Message, End> {
        loop {
            let frame = self.frame()?;
            match frame.opcode {
                Opcode::Ping => return Ok(Message::Ping(frame.payload)),
                Opcode::Pong => return Ok(Message::Pong(frame.payload)),
                Opcode::Close => return Ok(parse_close(&frame.payload)),
                _ => {
                    if let Some(message) = self.gather(frame) {
                        return Ok(message);
                    }
                }
            }
        }
    }

    /// [`Ws::message`], if something arrives within `patience`.
    pub fn message_within(&mut self, patience: Duration) -> Result<Option<Message>, End> {
        while decode(self.wire.pending()) == Ok(None) {
            if !self.wire.fill_for(patience)? {
                return Ok(None);
            }
        }
        self.message().map(Some)
    }

    /// RFC 6455 §5.4: a message is a first frame, then continuations, with no other message between.
    fn gather(&mut self, frame: Received) -> Option<Message> {
        let (opcode, payload) = match (self.begun.take(), frame.opcode) {
            (None, Opcode::Continuation) => panic!("a continuation without a message"),
            (None, opcode) => (opcode, frame.payload),
            (Some((opcode, mut payload)), Opcode::Continuation) => {
                payload.extend_from_slice(&frame.payload);
                (opcode, payload)
            }
            (Some(_), opcode) => panic!("{opcode:?} inside another message"),
        };
        if !frame.fin {
            self.begun = Some((opcode, payload));
            return None;
        }
        Some(match opcode {
            Opcode::Text => Message::Text(String::from_utf8(payload).expect("a text message in UTF-8")),
            _ => Message::Binary(payload),
        })
    }

    /// Expects a Close with this code next, then EOF. Returns its reason.
    pub fn expect_close(&mut self, code: u16) -> String {
        let message = self.message().unwrap_or_else(|end| panic!("{end:?} without a Close {code}"));
        let Message::Close(got, reason) = message else { panic!("{message:?} instead of a Close {code}") };
        assert_eq!(got, code, "{reason}");
        self.expect_eof();
        reason
    }

    /// Answers the Close, if possible, and expects an orderly end.
    pub fn expect_eof(&mut self) {
        // The server may have closed the connection already.
        let _ = self.wire.try_send(&FrameSpec::close(1000, "").encode());
        let end = self.wire.read_to_end("the end after a Close");
        assert!(self.wire.pending().is_empty(), "{} bytes after the Close", self.wire.pending().len());
        assert_eq!(end, End::Eof, "a reset can eat the Close on its way");
    }
}

fn parse_close(body: &[u8]) -> Message {
    match body {
        [] => Message::Close(1005, String::new()),
        [_] => panic!("a Close body of one byte"),
        [high, low, reason @ ..] => {
            let reason = std::str::from_utf8(reason).expect("a reason in UTF-8");
            Message::Close(u16::from_be_bytes([*high, *low]), reason.to_owned())
        }
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Message::Text(text) => write!(f, "Text({:?})", cut(text)),
            Message::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
            Message::Ping(bytes) => write!(f, "Ping({bytes:?})"),
            Message::Pong(bytes) => write!(f, "Pong({bytes:?})"),
            Message::Close(code, reason) => write!(f, "Close({code}, {reason:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// An independent echo server checks what we send, and answers.
    fn echo() -> (SocketAddr, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
            loop {
                match socket.read() {
                    Ok(message) if message.is_text() || message.is_binary() => socket.send(message).unwrap(),
                    Ok(_) => {}
                    Err(tungstenite::Error::ConnectionClosed) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        (addr, server)
    }

    #[test]
    fn another_implementation_understands_us_and_we_it() {
        let (addr, server) = echo();
        let mut ws = Ws::connect(addr);
        let said = |ws: &mut Ws, expected| assert_eq!(ws.message(), Ok(expected));
        for length in [0usize, 1, 125, 126, 65_535, 65_536, 200_000] {
            ws.binary(&vec![7; length]);
            said(&mut ws, Message::Binary(vec![7; length]));
        }
        let umlaut = "ü".as_bytes();
        ws.fragments(Opcode::Text, &[b"gr", &umlaut[..1], &umlaut[1..], b"n"]);
        said(&mut ws, Message::Text("grün".into()));
        ws.send(&FrameSpec::new(Opcode::Ping, "p"));
        said(&mut ws, Message::Pong(b"p".to_vec()));
        ws.send(&FrameSpec::close(4000, "done"));
        said(&mut ws, Message::Close(4000, "done".into()));
        server.join().unwrap();
    }
}

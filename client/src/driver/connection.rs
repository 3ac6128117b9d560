//! One WebSocket after its upgrade: reading into inputs, writing until the socket takes no more.
//!
//! Owns tungstenite's rules: on `WouldBlock` a written message is kept and only `flush` may be called until
//! it is gone. Called by the driver only, never blocks.

use std::collections::VecDeque;
use std::io;

use mio::{Registry, Token};
use protocol::close::CloseCode;
use protocol::message::ServerMessage;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message, Utf8Bytes, WebSocket};

use crate::event::Lost;
use crate::net::stream::Stream;
use crate::net::way::Way;
use crate::session::Input;
use crate::text::excerpt;

/// Control texts that wait: a hello and a heartbeat fit, a second heartbeat behind an unsent one says nothing
/// new.
const CONTROLS_MAX: usize = 2;

/// The result of one attempt to read.
pub(super) enum Received {
    /// Nothing more for now.
    Nothing,
    /// Something that means nothing to the machine (a ping, a pong).
    Ignored,
    /// Something for the machine.
    Input(Input),
    /// The connection was ended over a message that is too long; these are the words for it.
    TooLong(String),
}

/// How an attempt to write ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The socket took everything it was given.
    Free,
    /// The socket takes no more for now; the rest is kept.
    Blocked,
}

/// A connection that is polled.
pub(super) struct Connection {
    socket: WebSocket<Stream>,
    controls: VecDeque<String>,
    /// `socket`'s byte count when last asked.
    bytes_heard: u64,
    /// The relay has accepted the hello.
    accepted: bool,
    closing: Closing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    WhenWritten,
    Sent,
}

impl Connection {
    /// Takes over a socket from its connect.
    pub(super) fn new(mut socket: WebSocket<Stream>, registry: &Registry, token: Token) -> io::Result<Self> {
        socket.get_mut().register(registry, token)?;
        let bytes_heard = socket.get_ref().bytes_in();
        let controls = VecDeque::new();
        Ok(Connection { socket, controls, bytes_heard, accepted: false, closing: Closing::No })
    }

    /// The relay has accepted the hello: this way is the right one.
    pub(super) fn on_accepted(&mut self) {
        self.accepted = true;
    }

    /// The way to the relay, unless it has accepted the hello there.
    pub(super) fn unaccepted(&self) -> Option<&Way> {
        Some(self.socket.get_ref().way()).filter(|_| !self.accepted)
    }

    /// Bytes given to the socket so far.
    pub(super) fn bytes_out(&self) -> u64 {
        self.socket.get_ref().bytes_out()
    }

    /// Of them, those that the other end's kernel has, as far as this system tells.
    pub(super) fn delivered(&self) -> u64 {
        self.bytes_out().saturating_sub(self.socket.get_ref().bytes_queued())
    }

    /// Puts a control text before the frames that wait.
    pub(super) fn queue_control(&mut self, text: String) {
        if self.controls.len() < CONTROLS_MAX {
            self.controls.push_back(text);
        }
    }

    /// From now on: close with 1000 when everything is written.
    pub(super) fn close_when_written(&mut self) {
        if self.closing == Closing::No {
            self.closing = Closing::WhenWritten;
        }
    }

    /// Closes as well as it goes without waiting; the connection is dropped next.
    pub(super) fn close_now(&mut self) {
        let _ = self.socket.close(Some(normal()));
    }

    /// True if bytes came since last asked, whole messages or not.
    pub(super) fn heard_something(&mut self) -> bool {
        let bytes_in = self.socket.get_ref().bytes_in();
        std::mem::replace(&mut self.bytes_heard, bytes_in) != bytes_in
    }

    /// Reads one message.
    pub(super) fn receive(&mut self) -> Received {
        match self.socket.read() {
            Ok(Message::Text(text)) => Received::Input(match ServerMessage::parse(&text) {
                Ok(message) => Input::Message(message),
                Err(error) => Input::Odd(error.to_string()),
            }),
            Ok(Message::Binary(bytes)) => Received::Input(Input::Binary(bytes)),
            Ok(Message::Close(frame)) => {
                // Our answer is queued already; the relay does not wait for it for long.
                let _ = self.socket.flush();
                Received::Input(Input::Closed(frame.map(|frame| frame.code.into())))
            }
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Received::Ignored,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => Received::Ignored,
            Err(Error::Capacity(CapacityError::MessageTooLong { size, max_size })) if self.accepted => {
                self.say_goodbye(CloseCode::TooBig);
                Received::TooLong(format!(
                    "a message of {size} bytes arrived; this client accepts {max_size}"
                ))
            }
            Err(error) => Received::Input(self.judge(error)),
        }
    }

    /// Writes controls, then what `next` gives, until that gives nothing or the socket takes no more.
    pub(super) fn transmit(&mut self, next: impl FnMut() -> Option<Message>) -> Result<Flow, Input> {
        match self.write_all(next) {
            Ok(()) => Ok(Flow::Free),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(Flow::Blocked),
            // Why the relay ended this may still lie unread: reading finds its close frame, or the same end.
            Err(Error::Io(_) | Error::Protocol(_) | Error::ConnectionClosed | Error::AlreadyClosed) => {
                Ok(Flow::Blocked)
            }
            Err(error) => Err(self.judge(error)),
        }
    }

    /// Everything is written: now close, if that was asked for.
    pub(super) fn on_all_written(&mut self) {
        if self.closing == Closing::WhenWritten {
            self.closing = Closing::Sent;
            self.close_now();
        }
    }

    fn write_all(&mut self, mut next: impl FnMut() -> Option<Message>) -> Result<(), Error> {
        self.socket.flush()?;
        while let Some(text) = self.controls.pop_front() {
            self.socket.write(Message::text(text))?;
        }
        while let Some(message) = next() {
            self.socket.write(message)?;
        }
        self.socket.flush()
    }

    fn judge(&mut self, error: Error) -> Input {
        match error {
            Error::Io(error) => Input::Lost(Lost::Broken(error.to_string())),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            | Error::ConnectionClosed
            | Error::AlreadyClosed => Input::Lost(Lost::Broken("the relay hung up without a word".into())),
            Error::Utf8(words) => self.refuse(CloseCode::InvalidUtf8, &words),
            other => self.refuse(CloseCode::Protocol, &other.to_string()),
        }
    }

    /// Ends a connection through which came what no relay sends: damage, or somebody else's bytes.
    fn refuse(&mut self, code: CloseCode, words: &str) -> Input {
        self.say_goodbye(code);
        Input::Odd(format!("the answer could not be read ({})", excerpt(words)))
    }

    fn say_goodbye(&mut self, code: CloseCode) {
        let frame = CloseFrame { code: code.code().into(), reason: Utf8Bytes::default() };
        let _ = self.socket.close(Some(frame));
    }
}

fn normal() -> CloseFrame {
    CloseFrame { code: CloseCode::Normal.code().into(), reason: Utf8Bytes::default() }
}

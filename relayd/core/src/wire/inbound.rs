//! What a client sends, taken apart: frames to whole messages. RFC 6455 §5 and §6.2.
//!
//! A message that came whole in one frame is unmasked where it lies and never copied. Anything cut by the end
//! of a read or by fragmentation is gathered in a chunk that grows with the bytes that came, never with a
//! length that was claimed.

use protocol::close::CloseCode;
use protocol::limits::CONTROL_BYTES_MAX;
use protocol::ws::control::PeerClose;
use protocol::ws::header::{self, Header, OpCode};
use protocol::ws::mask;

use super::pool::Pool;
use super::utf8::Utf8Check;
use crate::limits::LARGE_MESSAGE;

/// Text or binary. RFC 6455 §5.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8, checked.
    Text,
    /// Any bytes.
    Binary,
}

/// The result of one step.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A whole text message, in the bytes that were read: UTF-8.
    Text(&'a [u8]),
    /// A whole binary message, in the bytes that were read.
    Binary(&'a [u8]),
    /// A whole message that was gathered from parts: take it with [`Inbound::take_message`]. Text is UTF-8.
    Gathered(Kind),
    /// A ping and what the pong must carry.
    Ping(&'a [u8]),
    /// A pong. It only shows that the client is alive.
    Pong,
    /// The peer's Close frame. Nothing after it is read.
    Close(PeerClose),
    /// The message under way has no room to grow. The bytes at the cursor wait.
    Held,
    /// Nothing whole is left; pass the bytes that were not taken again, followed by more.
    NeedMore,
    /// The client broke the protocol; it is answered with this code. RFC 6455 §7.1.7.
    Breach(CloseCode),
}

/// The bytes at hand and how far they have been taken.
#[derive(Debug)]
pub struct Cursor<'a> {
    bytes: &'a mut [u8],
    taken: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `bytes`.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Cursor { bytes, taken: 0 }
    }

    /// How many bytes are taken.
    pub const fn taken(&self) -> usize {
        self.taken
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Takes the next `len` bytes, which must be there.
    fn take(&mut self, len: usize) -> &mut [u8] {
        let start = self.taken;
        self.taken += len;
        &mut self.bytes[start..self.taken]
    }
}

/// The limits of one step.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// The longest message, in bytes.
    pub message_bytes_max: usize,
    /// Bytes by which the memory of a message may grow that is longer than [`LARGE_MESSAGE`].
    pub room: usize,
}

/// The half of a connection that reads. Empty between messages.
#[derive(Debug, Default)]
pub struct Inbound {
    /// The message under way, unmasked. Lent while there is one.
    message: Vec<u8>,
    /// The kind of the message under way.
    kind: Option<Kind>,
    /// How far the message under way is checked, if it is text.
    utf8: Utf8Check,
    /// The data frame under way.
    frame: Option<PartFrame>,
}

/// A data frame that has arrived in part.
#[derive(Debug, Clone, Copy)]
struct PartFrame {
    fin: bool,
    mask: [u8; 4],
    /// Bytes of it that have arrived. `came <= len`
    came: usize,
    len: usize,
}

impl Inbound {
    /// Takes the next whole thing from the cursor. Call until it is [`Step::NeedMore`], [`Step::Held`] or an
    /// end.
    pub fn step<'a>(&mut self, cursor: &'a mut Cursor<'_>, allowed: Allowance, pool: &mut Pool) -> Step<'a> {
        loop {
            if self.frame.is_some() {
                match self.gather(cursor, allowed, pool) {
                    Gather::FrameDone => {}
                    Gather::MessageDone(kind) => return Step::Gathered(kind),
                    Gather::Stop(step) => return step,
                }
            }
            let header = match header::parse(cursor.rest()) {
                Ok(Some(header)) => header,
                Ok(None) => return Step::NeedMore,
                Err(_) => return Step::Breach(CloseCode::Protocol),
            };
            if header.opcode.is_control() {
                return control(&header, cursor);
            }
            if let Err(code) = self.check_data(&header, allowed) {
                return Step::Breach(code);
            }
            let whole = header.payload_len as usize <= cursor.left() - header.header_len;
            if whole && header.fin && header.opcode != OpCode::Continuation {
                return whole_message(&header, cursor);
            }
            cursor.take(header.header_len);
            self.begin_frame(&header);
        }
    }

    /// The message of a [`Step::Gathered`], in the chunk it was gathered in. Give it back to the pool.
    pub fn take_message(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.message)
    }

    /// True if no message is under way.
    pub fn is_idle(&self) -> bool {
        self.kind.is_none() && self.message.capacity() == 0
    }

    /// Bytes held for the message under way.
    pub fn held(&self) -> usize {
        self.message.capacity()
    }

    /// Bytes by which the memory of the message under way may still grow: the frame under way says how much
    /// comes, but only the last of a message says all.
    pub fn growth_max(&self, message_bytes_max: usize) -> usize {
        let left = match self.frame {
            Some(frame) if frame.fin => frame.len - frame.came,
            _ => message_bytes_max.saturating_sub(self.message.len()),
        };
        Pool::growth(&self.message, left)
    }

    /// Gives all memory back; the connection will not be read again.
    pub fn release(&mut self, pool: &mut Pool) {
        pool.give_back(self.take_message());
        *self = Inbound::default();
    }

    /// RFC 6455 §5.4: continuations continue, other data frames begin; and the size limit, from the header
    /// alone.
    fn check_data(&self, header: &Header, allowed: Allowance) -> Result<(), CloseCode> {
        let continues = header.opcode == OpCode::Continuation;
        if continues != self.kind.is_some() {
            return Err(CloseCode::Protocol);
        }
        let room = allowed.message_bytes_max.saturating_sub(self.message.len());
        if header.payload_len > room as u64 {
            return Err(CloseCode::TooBig);
        }
        Ok(())
    }

    fn begin_frame(&mut self, header: &Header) {
        match header.opcode {
            OpCode::Text => self.begin_message(Kind::Text),
            OpCode::Binary => self.begin_message(Kind::Binary),
            _ => {}
        }
        let len = header.payload_len as usize;
        self.frame = Some(PartFrame { fin: header.fin, mask: header.mask, came: 0, len });
    }

    fn begin_message(&mut self, kind: Kind) {
        self.kind = Some(kind);
        self.utf8 = Utf8Check::default();
    }

    /// Moves what has come of the frame under way into the message. Not inlined, as most messages come whole.
    #[inline(never)]
    fn gather<'a>(&mut self, cursor: &mut Cursor<'_>, allowed: Allowance, pool: &mut Pool) -> Gather<'a> {
        let (Some(mut frame), Some(kind)) = (self.frame, self.kind) else { return Gather::FrameDone };
        let take = cursor.left().min(frame.len - frame.came);
        if self.message.len() + take > LARGE_MESSAGE && Pool::growth(&self.message, take) > allowed.room {
            return Gather::Stop(Step::Held);
        }
        if take > 0 {
            let bytes = cursor.take(take);
            let is_ascii = mask::apply(bytes, frame.mask, frame.came);
            pool.grow(&mut self.message, take);
            self.message.extend_from_slice(bytes);
            frame.came += take;
            if kind == Kind::Text && self.utf8.advance(&self.message, take, is_ascii).is_err() {
                return Gather::Stop(Step::Breach(CloseCode::InvalidUtf8));
            }
        }
        if frame.came < frame.len {
            self.frame = Some(frame);
            return Gather::Stop(Step::NeedMore);
        }
        self.frame = None;
        if frame.fin { self.end_message(kind) } else { Gather::FrameDone }
    }

    fn end_message<'a>(&mut self, kind: Kind) -> Gather<'a> {
        self.kind = None;
        if kind == Kind::Text && self.utf8.finish(&self.message).is_err() {
            return Gather::Stop(Step::Breach(CloseCode::InvalidUtf8));
        }
        Gather::MessageDone(kind)
    }
}

enum Gather<'a> {
    FrameDone,
    MessageDone(Kind),
    Stop(Step<'a>),
}

/// An unfragmented message that lies whole in the bytes at hand.
fn whole_message<'a>(header: &Header, cursor: &'a mut Cursor<'_>) -> Step<'a> {
    cursor.take(header.header_len);
    let payload = cursor.take(header.payload_len as usize);
    let is_ascii = mask::apply(payload, header.mask, 0);
    if header.opcode == OpCode::Binary {
        return Step::Binary(payload);
    }
    // RFC 6455 §8.1: a text that is not UTF-8 fails the connection.
    if is_ascii || simdutf8::basic::from_utf8(payload).is_ok() {
        Step::Text(payload)
    } else {
        Step::Breach(CloseCode::InvalidUtf8)
    }
}

/// RFC 6455 §5.5: control frames may come between the fragments of a message.
fn control<'a>(header: &Header, cursor: &'a mut Cursor<'_>) -> Step<'a> {
    let len = header.payload_len as usize;
    debug_assert!(len <= CONTROL_BYTES_MAX);
    if cursor.left() < header.header_len + len {
        return Step::NeedMore;
    }
    cursor.take(header.header_len);
    let payload = cursor.take(len);
    mask::apply(payload, header.mask, 0);
    match header.opcode {
        OpCode::Ping => Step::Ping(payload),
        OpCode::Close => Step::Close(PeerClose::parse(payload)),
        _ => Step::Pong,
    }
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;

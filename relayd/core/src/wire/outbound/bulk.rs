//! A message too large for the room at hand, written piece by piece as one fragmented message. RFC 6455 §5.4.
//!
//! It belongs to the target from the moment it is accepted, so it arrives whole whatever becomes of its
//! source.

use protocol::envelope::{self, Head};
use protocol::json;
use protocol::ws::header::{HEADER_BYTES_MAX, OpCode, OpenFrame};

use crate::limits::CONTROL_ROOM;
use crate::wire::inbound::Kind;
use crate::wire::pool::Pool;

/// The message, how far it is written, and what must not overtake it.
#[derive(Debug)]
pub(super) struct Bulk {
    kind: Kind,
    /// `None`: bare, in raw mode.
    head: Option<Head>,
    message: Vec<u8>,
    /// Bytes of the message that are written. `0 <= at <= message.len()`
    at: usize,
    /// The first piece is written.
    begun: bool,
    /// Notices, and perhaps a Close frame, for after the last piece. At most [`CONTROL_ROOM`] bytes.
    waiting: Vec<u8>,
}

/// Payload bytes of a piece that is escaped: as control characters each becomes six.
const TEXT_PIECE: usize = 8 * 1024;

/// Payload bytes of a binary piece. A multiple of 3, so that base64 pieces join without padding.
const BINARY_PIECE: usize = 24 * 1024;

impl Bulk {
    /// `first_piece`: this many bytes of the message are in the queue already, as an unfinished frame.
    pub(super) fn new(kind: Kind, head: Option<Head>, message: Vec<u8>, first_piece: Option<usize>) -> Self {
        let (at, begun) = (first_piece.unwrap_or(0), first_piece.is_some());
        Bulk { kind, head, message, at, begun, waiting: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.begun && self.at == self.message.len()
    }

    /// Payload bytes that are not written yet.
    pub(super) fn left(&self) -> usize {
        self.message.len() - self.at
    }

    pub(super) fn held(&self) -> usize {
        self.message.capacity() + self.waiting.capacity()
    }

    /// What follows the message.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// Where to write `len` bytes that follow the message; `None` if there is no room for them.
    pub(super) fn after(&mut self, len: usize) -> Option<&mut Vec<u8>> {
        (self.waiting.len() + len <= CONTROL_ROOM).then_some(&mut self.waiting)
    }

    /// True if an answer may still wait behind the message.
    pub(super) fn has_answer_room(&self) -> bool {
        self.waiting.len() < CONTROL_ROOM / 2
    }

    /// The most bytes that the next piece can take, its header included.
    pub(super) fn piece_bytes_max(&self) -> usize {
        let payload = match (self.kind, self.head) {
            (Kind::Text, _) => envelope::text_bytes_max(self.left().min(TEXT_PIECE)),
            (Kind::Binary, Some(_)) => envelope::binary_bytes_max(self.left().min(BINARY_PIECE)),
            (Kind::Binary, None) => self.left().min(BINARY_PIECE),
        };
        payload + HEADER_BYTES_MAX
    }

    /// Writes the next piece as one frame. `out` has room for [`Bulk::piece_bytes_max`].
    pub(super) fn write_piece(&mut self, out: &mut Vec<u8>) {
        let end = self.piece_end();
        let (first, last) = (!self.begun, end == self.message.len());
        let frame = OpenFrame::begin(out);
        let piece = &self.message[self.at..end];
        match &self.head {
            None => out.extend_from_slice(piece),
            Some(head) => {
                if first {
                    head.write_to(out);
                }
                match self.kind {
                    Kind::Binary => envelope::binary(out, piece),
                    Kind::Text => envelope::text(out, piece),
                }
                if last {
                    envelope::close(out, self.kind == Kind::Binary);
                }
            }
        }
        frame.finish(out, last, self.opcode(first));
        self.at = end;
        self.begun = true;
    }

    pub(super) fn release(self, pool: &mut Pool) {
        pool.give_back(self.message);
    }

    /// An envelope is a text message whatever it wraps.
    fn opcode(&self, first: bool) -> OpCode {
        match (first, self.head) {
            (false, _) => OpCode::Continuation,
            (true, Some(_)) => OpCode::Text,
            (true, None) => OpCode::Binary,
        }
    }

    fn piece_end(&self) -> usize {
        let piece = if self.kind == Kind::Text { TEXT_PIECE } else { BINARY_PIECE };
        let end = (self.at + piece).min(self.message.len());
        if self.kind == Kind::Text { json::char_boundary_before(&self.message, end) } else { end }
    }
}

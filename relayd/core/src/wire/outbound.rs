//! What a client will get, queued as bytes until its socket takes them.
//!
//! Frames are written once, header and envelope included, into one chunk that is lent while anything waits.
//! The queue is bounded: past [`HIGH_MARK`] the source is not read, and the [`CONTROL_ROOM`] above is for
//! answers, notices and the Close frame. A message that does not fit becomes a bulk: it is written piece by
//! piece as room appears.

mod bulk;

use std::collections::VecDeque;
use std::io;

use protocol::close::CloseCode;
use protocol::envelope::{self, Head, OVERHEAD_MAX};
use protocol::message::{NOTICE_BYTES_MAX, Notice};
use protocol::ws::control;
use protocol::ws::header::{self, HEADER_BYTES_MAX, OpCode, OpenFrame};

use self::bulk::Bulk;
use super::inbound::Kind;
use super::pool::Pool;
use crate::limits::{CONTROL_ROOM, GRANTED_BYTES_MAX, HIGH_MARK, LOW_MARK, OVERSHOOT, READ_BYTES};

/// Milliseconds since 1970 as decimal digits, made once per turn.
#[derive(Clone, Copy, Debug)]
pub struct UnixMs {
    digits: [u8; 20],
    start: u8,
}

/// A notice found no room: the connection has not read for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// What one flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Bytes the socket took.
    pub taken: usize,
    /// Bytes that still wait, a large message under way included.
    pub left: usize,
    /// The socket may take more at once; the budget was used up first.
    pub wants_more: bool,
}

/// The half of a connection that writes. Empty while nothing waits.
#[derive(Debug, Default)]
pub struct Outbound {
    /// `chunk[head..]` waits. `0 <= head <= chunk.len()`
    chunk: Vec<u8>,
    head: usize,
    /// Bytes of answers and notices that were queued over the high mark since the queue was last under it.
    /// `0 <= control <= CONTROL_ROOM`
    control: usize,
    /// Messages that are written piece by piece, the first one now.
    bulks: VecDeque<Bulk>,
    /// Bytes of the program itself that follow the chunk: the body of an HTTP answer.
    /// `fixed.is_empty() || bulks.is_empty()`
    fixed: &'static [u8],
}

/// How much of the queue a frame may use before it is written piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Up to the high mark: its source is here and is not read beyond.
    ToMark,
    /// Its source is on another node and was granted credit for it: it finds room whatever waits.
    Granted,
}

impl Outbound {
    /// Nothing waits.
    pub const fn new() -> Self {
        Outbound { chunk: Vec::new(), head: 0, control: 0, bulks: VecDeque::new(), fixed: &[] }
    }

    /// Bytes that are written and wait for the socket.
    pub fn queued(&self) -> usize {
        self.chunk.len() - self.head
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queued() == 0 && self.fixed.is_empty() && self.bulks.is_empty()
    }

    /// True if its source must be paused.
    pub fn is_over_high(&self) -> bool {
        self.is_over(HIGH_MARK)
    }

    /// The same by another mark, which is not under [`LOW_MARK`].
    #[inline]
    pub fn is_over(&self, mark: usize) -> bool {
        self.queued() > mark || !self.bulks.is_empty()
    }

    /// True if a source that was paused because of this connection may be read again.
    pub fn is_under_low(&self) -> bool {
        self.queued() < LOW_MARK && self.fixed.is_empty() && self.bulks.is_empty()
    }

    /// True if a pong or a heartbeat ack finds room. While it is false the connection itself is not read.
    pub fn has_answer_room(&self) -> bool {
        self.control < CONTROL_ROOM / 2 && self.bulks.back().is_none_or(Bulk::has_answer_room)
    }

    /// Bytes held, for the sum over all connections.
    pub fn held(&self) -> usize {
        self.chunk.capacity() + self.bulks.iter().map(Bulk::held).sum::<usize>()
    }

    /// Queues a text frame, which must be UTF-8, in its envelope. The source must have been allowed: not over
    /// the high mark.
    #[inline]
    pub fn text(&mut self, head: &Head, text: &[u8], room: Room, pool: &mut Pool) {
        if let Written::Upto(first_piece) = self.write_text(head, text, room, pool) {
            let message = pool.lend_copy(text);
            self.begin_bulk(Bulk::new(Kind::Text, Some(*head), message, first_piece), pool);
        }
    }

    /// Queues a binary frame: bare for a connection in raw mode, else in its envelope.
    #[inline]
    pub fn binary(&mut self, head: &Head, bytes: &[u8], bare: bool, room: Room, pool: &mut Pool) {
        let head = (!bare).then_some(head);
        if let Written::Upto(first_piece) = self.write_binary(head, bytes, room, pool) {
            let message = pool.lend_copy(bytes);
            self.begin_bulk(Bulk::new(Kind::Binary, head.copied(), message, first_piece), pool);
        }
    }

    /// Queues a message that was gathered in a chunk of the pool. Text must be UTF-8. A large one keeps its
    /// chunk.
    pub fn gathered(
        &mut self,
        head: &Head,
        kind: Kind,
        message: Vec<u8>,
        bare: bool,
        room: Room,
        pool: &mut Pool,
    ) {
        let head = (kind == Kind::Text || !bare).then_some(head);
        let written = match (kind, head) {
            (Kind::Text, Some(head)) => self.write_text(head, &message, room, pool),
            (_, head) => self.write_binary(head, &message, room, pool),
        };
        match written {
            Written::Whole => pool.give_back(message),
            Written::Upto(first_piece) => {
                self.begin_bulk(Bulk::new(kind, head.copied(), message, first_piece), pool);
            }
        }
    }

    /// Writes a text in one piece, if there is room for that.
    #[inline]
    fn write_text(&mut self, head: &Head, text: &[u8], room: Room, pool: &mut Pool) -> Written {
        let bytes_max = HEADER_BYTES_MAX + envelope::text_bytes_max(text.len());
        if !self.fits(bytes_max, room) {
            return self.write_text_while_room(head, text, pool);
        }
        // The JSON writer asks for room it may not use.
        self.reserve(bytes_max, pool);
        let frame = OpenFrame::begin(&mut self.chunk);
        head.write_to(&mut self.chunk);
        envelope::text(&mut self.chunk, text);
        envelope::close(&mut self.chunk, false);
        frame.finish(&mut self.chunk, true, OpCode::Text);
        Written::Whole
    }

    /// Writes a text that would not fit if every byte became six. Few texts grow that much, so it is escaped
    /// until the room ends. If some of it is left by then, what is written is the first piece.
    #[inline(never)]
    fn write_text_while_room(&mut self, head: &Head, text: &[u8], pool: &mut Pool) -> Written {
        const AROUND: usize = HEADER_BYTES_MAX + OVERHEAD_MAX;
        let bytes_min = AROUND + text.len();
        if !self.fits(bytes_min, Room::ToMark) {
            return Written::Upto(None);
        }
        let room = room_end(bytes_min, Room::ToMark) - self.queued();
        self.reserve(room + AROUND, pool);
        let frame = OpenFrame::begin_at_least(&mut self.chunk, text.len());
        head.write_to(&mut self.chunk);
        let at = envelope::text_within(&mut self.chunk, text, room - AROUND);
        let is_whole = at == text.len();
        if is_whole {
            envelope::close(&mut self.chunk, false);
        }
        frame.finish(&mut self.chunk, is_whole, OpCode::Text);
        if is_whole { Written::Whole } else { Written::Upto(Some(at)) }
    }

    /// Writes a binary message in one piece, if there is room for that; bare without a head.
    #[inline]
    fn write_binary(&mut self, head: Option<&Head>, bytes: &[u8], room: Room, pool: &mut Pool) -> Written {
        let payload_max = if head.is_some() { envelope::binary_bytes_max(bytes.len()) } else { bytes.len() };
        if !self.fits(HEADER_BYTES_MAX + payload_max, room) {
            return Written::Upto(None);
        }
        self.reserve(HEADER_BYTES_MAX + payload_max, pool);
        match head {
            None => {
                header::write(&mut self.chunk, true, OpCode::Binary, bytes.len(), None);
                self.chunk.extend_from_slice(bytes);
            }
            Some(head) => {
                let payload = envelope::binary_bytes(head, bytes.len());
                header::write(&mut self.chunk, true, OpCode::Text, payload, None);
                head.write_to(&mut self.chunk);
                envelope::binary(&mut self.chunk, bytes);
                envelope::close(&mut self.chunk, true);
            }
        }
        Written::Whole
    }

    /// Queues a notice. Behind a large message under way it waits for that message's end.
    ///
    /// # Errors
    /// There is no room left for notices; close the connection.
    pub fn notice(&mut self, notice: &Notice, pool: &mut Pool) -> Result<(), Overflow> {
        const FRAME_BYTES_MAX: usize = NOTICE_BYTES_MAX + 4;
        if let Some(bulk) = self.bulks.back_mut() {
            let out = bulk.after(FRAME_BYTES_MAX).ok_or(Overflow)?;
            write_notice(out, notice);
            return Ok(());
        }
        // Room for the Close frame is never given away.
        if self.control + FRAME_BYTES_MAX > CONTROL_ROOM - CLOSE_FRAME_BYTES_MAX {
            return Err(Overflow);
        }
        self.reserve(FRAME_BYTES_MAX, pool);
        let before = self.queued();
        write_notice(&mut self.chunk, notice);
        self.count_control(before);
        Ok(())
    }

    /// Queues a pong. The caller has seen [`Outbound::has_answer_room`].
    pub fn pong(&mut self, payload: &[u8], pool: &mut Pool) {
        self.control(OpCode::Pong, payload, pool);
    }

    /// Queues an empty ping.
    pub fn ping(&mut self, pool: &mut Pool) {
        if self.has_answer_room() {
            self.control(OpCode::Ping, &[], pool);
        }
    }

    /// Queues the Close frame, after which nothing may be queued. What waits before it still goes out, but a
    /// large message under way is cut off, and notices behind it with it, unless the close can wait
    /// (`at_once` false).
    pub fn close(&mut self, code: Option<u16>, reason: &str, at_once: bool, pool: &mut Pool) {
        if !at_once
            && let Some(out) = self.bulks.back_mut().and_then(|bulk| bulk.after(CLOSE_FRAME_BYTES_MAX))
        {
            return control::write_close(out, code, reason);
        }
        // RFC 6455 §5.5.1: nothing is sent after a Close frame.
        self.bulks.drain(..).for_each(|bulk| bulk.release(pool));
        self.reserve(CLOSE_FRAME_BYTES_MAX, pool);
        control::write_close(&mut self.chunk, code, reason);
    }

    /// Queues bytes as they are: an HTTP answer.
    pub fn bytes(&mut self, bytes: &[u8], pool: &mut Pool) {
        let before = std::mem::take(&mut self.fixed);
        self.reserve(before.len() + bytes.len(), pool);
        self.chunk.extend_from_slice(before);
        self.chunk.extend_from_slice(bytes);
    }

    /// Queues bytes of the program itself behind all others, without a copy. The next answer is not written
    /// before the socket has taken them: see [`Outbound::is_under_low`].
    pub fn fixed(&mut self, bytes: &'static [u8], pool: &mut Pool) {
        self.bytes(&[], pool);
        self.fixed = bytes;
    }

    /// Writes what waits until the socket takes no more, or the budget of one turn is used up: then
    /// [`Flushed::wants_more`]. Memory goes back when nothing is left.
    ///
    /// # Errors
    /// What the socket says, but for "would block", which is [`Flushed::left`].
    pub fn flush(&mut self, socket: &mut impl io::Write, pool: &mut Pool) -> io::Result<Flushed> {
        let (mut taken, mut is_full) = (0, false);
        while !self.is_empty() && taken < FLUSH_BYTES_MAX {
            self.continue_bulks(pool);
            let is_fixed = self.queued() == 0;
            let next = if is_fixed { self.fixed } else { &self.chunk[self.head..] };
            let waiting = next.len();
            match socket.write(next) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    if is_fixed {
                        self.fixed = &self.fixed[written..];
                    } else {
                        self.head += written;
                    }
                    taken += written;
                    // epoll(7): a short write says that the socket is full, as EAGAIN would.
                    is_full = written < waiting;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_full = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if is_full {
                break;
            }
        }
        if self.queued() <= HIGH_MARK {
            self.control = 0;
        }
        if self.is_empty() {
            self.release(pool);
        }
        let left = self.queued() + self.fixed.len() + self.bulks.iter().map(Bulk::left).sum::<usize>();
        Ok(Flushed { taken, left, wants_more: left > 0 && !is_full })
    }

    /// Gives all memory back, with whatever waits in it.
    pub fn release(&mut self, pool: &mut Pool) {
        pool.give_back(std::mem::take(&mut self.chunk));
        (self.head, self.control, self.fixed) = (0, 0, &[]);
        self.bulks.drain(..).for_each(|bulk| bulk.release(pool));
    }

    /// True if a message of at most this many bytes may be written now, in one piece.
    #[inline]
    fn fits(&self, bytes_max: usize, room: Room) -> bool {
        self.bulks.is_empty() && self.queued() + bytes_max <= room_end(bytes_max, room)
    }

    fn begin_bulk(&mut self, bulk: Bulk, pool: &mut Pool) {
        self.bulks.push_back(bulk);
        self.continue_bulks(pool);
    }

    /// Writes pieces of large messages while there is room, and at the end of each what waited behind it.
    fn continue_bulks(&mut self, pool: &mut Pool) {
        while let Some(mut bulk) = self.bulks.pop_front() {
            while !bulk.is_done() {
                let piece_max = bulk.piece_bytes_max();
                if self.queued() + piece_max > HIGH_MARK {
                    return self.bulks.push_front(bulk);
                }
                self.reserve(piece_max, pool);
                bulk.write_piece(&mut self.chunk);
            }
            self.reserve(bulk.waiting().len(), pool);
            self.chunk.extend_from_slice(bulk.waiting());
            bulk.release(pool);
        }
    }

    fn control(&mut self, opcode: OpCode, payload: &[u8], pool: &mut Pool) {
        self.reserve(HEADER_BYTES_MAX + payload.len(), pool);
        let before = self.queued();
        header::write(&mut self.chunk, true, opcode, payload.len(), None);
        self.chunk.extend_from_slice(payload);
        self.count_control(before);
    }

    /// What was queued since the queue had `before` bytes counts as control, if it is over the high mark.
    fn count_control(&mut self, before: usize) {
        if self.queued() > HIGH_MARK {
            self.control += self.queued() - before;
        }
    }

    /// Makes room for `len` bytes at the end: from the pool, or from what the socket has taken already.
    #[inline]
    fn reserve(&mut self, len: usize, pool: &mut Pool) {
        if self.chunk.capacity() - self.chunk.len() < len {
            self.make_room(len, pool);
        }
    }

    #[cold]
    fn make_room(&mut self, len: usize, pool: &mut Pool) {
        if self.chunk.capacity() == 0 {
            // A frame seldom comes alone.
            let room = if len > NOTICE_BYTES_MAX * 2 { len.max(READ_BYTES) } else { len };
            self.chunk = pool.lend(room);
            return;
        }
        if self.head > 0 {
            self.chunk.copy_within(self.head.., 0);
            self.chunk.truncate(self.chunk.len() - self.head);
            self.head = 0;
        }
        pool.grow(&mut self.chunk, len);
    }
}

/// How much of a message was written into the queue.
enum Written {
    /// All of it, in one frame.
    Whole,
    /// This many bytes of it, in an unfinished first frame; or nothing.
    Upto(Option<usize>),
}

/// Bytes that the queue may have once a message of `bytes` is in it.
#[inline]
const fn room_end(bytes: usize, room: Room) -> usize {
    match room {
        Room::ToMark if bytes <= OVERSHOOT => HIGH_MARK + OVERSHOOT,
        Room::ToMark => HIGH_MARK,
        Room::Granted => HIGH_MARK + OVERSHOOT + GRANTED_BYTES_MAX,
    }
}

impl UnixMs {
    /// The digits of `ms`.
    pub fn new(ms: u64) -> Self {
        let (mut digits, mut start, mut left) = ([0; 20], 20, ms);
        loop {
            start -= 1;
            digits[start] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                return UnixMs { digits, start: start as u8 };
            }
        }
    }

    /// The digits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[usize::from(self.start)..]
    }
}

/// Bytes that one flush writes, so that a large message to a fast reader does not keep everybody else
/// waiting.
const FLUSH_BYTES_MAX: usize = 1024 * 1024;

/// RFC 6455 §5.5: two bytes of header and at most 125 of body.
const CLOSE_FRAME_BYTES_MAX: usize = 127;

fn write_notice(out: &mut Vec<u8>, notice: &Notice) {
    let frame = OpenFrame::begin(out);
    notice.write_to(out);
    frame.finish(out, true, OpCode::Text);
}

/// What a close with one of our own codes says.
pub fn close_words(code: CloseCode) -> (Option<u16>, &'static str) {
    (Some(code.code()), code.reason())
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;

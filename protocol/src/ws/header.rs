//! The frame header: strict parsing of what clients send, writing of what either side sends. RFC 6455 §5.2.

use thiserror::Error;

use crate::limits::CONTROL_BYTES_MAX;

/// The longest header: two bytes, a 64-bit length and a mask.
pub const HEADER_BYTES_MAX: usize = 14;

/// What a frame is. Reserved opcodes never get this far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OpCode {
    /// A further piece of the message under way.
    Continuation = 0x0,
    /// The first piece of a text message.
    Text = 0x1,
    /// The first piece of a binary message.
    Binary = 0x2,
    /// The closing handshake.
    Close = 0x8,
    /// Asks for a pong.
    Ping = 0x9,
    /// Answers a ping, or is unasked for.
    Pong = 0xA,
}

/// One parsed header of a masked frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// What the frame is.
    pub opcode: OpCode,
    /// The key that unmasks the payload.
    pub mask: [u8; 4],
    /// Bytes of payload. Whatever it claims, nothing is reserved by it.
    pub payload_len: u64,
    /// Bytes of the header itself, 6 to 14.
    pub header_len: usize,
}

/// How a header breaks RFC 6455. Each is answered 1002.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// RFC 6455 §5.2: RSV1–3 must be 0 unless an extension defines them, and none is ever accepted.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// RFC 6455 §5.2: opcodes 3–7 and B–F are reserved.
    #[error("opcode {0:#x} is reserved")]
    ReservedOpcode(u8),
    /// RFC 6455 §5.1: a client masks every frame.
    #[error("a client's frame is not masked")]
    Unmasked,
    /// RFC 6455 §5.5: control frames carry at most 125 bytes.
    #[error("a control frame of more than 125 bytes")]
    LongControl,
    /// RFC 6455 §5.5: control frames are never fragmented.
    #[error("a fragmented control frame")]
    FragmentedControl,
    /// RFC 6455 §5.2: the shortest form of the length is compulsory.
    #[error("a length that is not in its shortest form")]
    LongForm,
    /// RFC 6455 §5.2: the most significant bit of a 64-bit length must be 0.
    #[error("a 64-bit length with its top bit set")]
    LengthTopBit,
}

impl OpCode {
    fn parse(nibble: u8) -> Result<Self, HeaderError> {
        Ok(match nibble {
            0x0 => OpCode::Continuation,
            0x1 => OpCode::Text,
            0x2 => OpCode::Binary,
            0x8 => OpCode::Close,
            0x9 => OpCode::Ping,
            0xA => OpCode::Pong,
            other => return Err(HeaderError::ReservedOpcode(other)),
        })
    }

    /// Close, ping and pong.
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// Parses the header of a client's frame. `Ok(None)` asks for more bytes; an error is told as soon as the
/// byte that proves it is there.
#[inline]
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    match bytes.first_chunk() {
        Some(whole) => parse_front(whole, HEADER_BYTES_MAX),
        None => {
            let mut front = [0; HEADER_BYTES_MAX];
            front[..bytes.len()].copy_from_slice(bytes);
            parse_front(&front, bytes.len())
        }
    }
}

/// `have` is how many bytes of `front` there are. With all of them there, as almost always, nothing is left
/// of the looks at it.
#[inline(always)]
fn parse_front(front: &[u8; HEADER_BYTES_MAX], have: usize) -> Result<Option<Header>, HeaderError> {
    if have == 0 {
        return Ok(None);
    }
    let [first, second, wide @ ..] = front;
    if first & 0x70 != 0 {
        return Err(HeaderError::ReservedBit);
    }
    let (fin, opcode) = (first & 0x80 != 0, OpCode::parse(first & 0x0F)?);
    if opcode.is_control() && !fin {
        return Err(HeaderError::FragmentedControl);
    }
    if have == 1 {
        return Ok(None);
    }
    if second & 0x80 == 0 {
        return Err(HeaderError::Unmasked);
    }
    let short = usize::from(second & 0x7F);
    if opcode.is_control() && short > CONTROL_BYTES_MAX {
        return Err(HeaderError::LongControl);
    }
    let [a, b, c, d, e, f, g, h, ..] = *wide;
    let (payload_len, mask_at) = match short {
        126 if have < 4 => return Ok(None),
        126 => (u64::from(u16::from_be_bytes([a, b])), 4),
        127 if have < 10 => return Ok(None),
        127 => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 10),
        _ => (short as u64, 2),
    };
    match mask_at {
        4 if payload_len < 126 => return Err(HeaderError::LongForm),
        10 if payload_len >> 63 != 0 => return Err(HeaderError::LengthTopBit),
        10 if payload_len <= 0xFFFF => return Err(HeaderError::LongForm),
        _ => {}
    }
    let header_len = mask_at + 4;
    if have < header_len {
        return Ok(None);
    }
    let mask = [front[mask_at], front[mask_at + 1], front[mask_at + 2], front[mask_at + 3]];
    Ok(Some(Header { fin, opcode, mask, payload_len, header_len }))
}

/// Appends the header of a frame whose length is known. `mask` only where a client writes.
#[inline]
pub fn write(out: &mut Vec<u8>, fin: bool, opcode: OpCode, payload_len: usize, mask: Option<[u8; 4]>) {
    let first = u8::from(fin) << 7 | opcode as u8;
    let masked = u8::from(mask.is_some()) << 7;
    match payload_len {
        0..=125 => out.extend_from_slice(&[first, masked | payload_len as u8]),
        126..=0xFFFF => {
            let wide = (payload_len as u16).to_be_bytes();
            out.extend_from_slice(&[first, masked | 126, wide[0], wide[1]]);
        }
        _ => {
            out.extend_from_slice(&[first, masked | 127]);
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
    if let Some(key) = mask {
        out.extend_from_slice(&key);
    }
}

/// An unmasked frame whose payload is written in place and whose length is known only afterwards.
///
/// Room for the header of the likely length is left at the start; where the length asks for another, the
/// payload moves.
#[derive(Debug)]
#[must_use = "a frame that is begun must be finished"]
pub struct OpenFrame {
    start: usize,
    /// Where the payload starts.
    body: usize,
}

/// The most bytes that [`OpenFrame::finish`] may add behind the payload.
pub const FINISH_BYTES_MAX: usize = 10;

impl OpenFrame {
    /// Leaves room for the header of a payload of 126 to 65,535 bytes at the end of `out`; append the payload
    /// after it.
    #[inline]
    pub fn begin(out: &mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        OpenFrame { start, body: start + 4 }
    }

    /// The same for a payload of at least `len_min` bytes.
    pub fn begin_at_least(out: &mut Vec<u8>, len_min: usize) -> Self {
        if len_min <= 0xFFFF {
            return OpenFrame::begin(out);
        }
        let start = out.len();
        out.extend_from_slice(&[0; 10]);
        OpenFrame { start, body: start + 10 }
    }

    /// Writes the header in front of all that was appended since [`OpenFrame::begin`].
    pub fn finish(self, out: &mut Vec<u8>, fin: bool, opcode: OpCode) {
        let len = out.len() - self.body;
        let first = u8::from(fin) << 7 | opcode as u8;
        match len {
            0..=125 => self.place(out, [first, len as u8]),
            126..=0xFFFF => {
                let wide = (len as u16).to_be_bytes();
                self.place(out, [first, 126, wide[0], wide[1]]);
            }
            _ => {
                let [a, b, c, d, e, f, g, h] = (len as u64).to_be_bytes();
                self.place(out, [first, 127, a, b, c, d, e, f, g, h]);
            }
        }
    }

    /// Puts the header before the payload, which moves if the room for it has another length.
    #[inline]
    fn place<const N: usize>(&self, out: &mut Vec<u8>, header: [u8; N]) {
        let body = self.start + N;
        if body != self.body {
            let len = out.len() - self.body;
            out.resize(out.len().max(body + len), 0);
            out.copy_within(self.body..self.body + len, body);
            out.truncate(body + len);
        }
        out[self.start..body].copy_from_slice(&header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, length: &[u8]) -> Vec<u8> {
        [&[first][..], length, &[1, 2, 3, 4]].concat()
    }

    #[test]
    fn every_breach_is_named_at_the_byte_that_proves_it() {
        use HeaderError::*;
        for (bytes, error) in [
            (vec![0xC1], ReservedBit),
            (vec![0x91], ReservedBit),
            (vec![0x83], ReservedOpcode(3)),
            (vec![0x8F], ReservedOpcode(15)),
            (vec![0x09], FragmentedControl),
            (vec![0x81, 0x05], Unmasked),
            (vec![0x89, 0xFE], LongControl),
            (masked(0x81, &[0xFE, 0, 125]), LongForm),
            (masked(0x81, &[0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]), LongForm),
            (masked(0x81, &[0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0]), LengthTopBit),
        ] {
            assert_eq!(parse(&bytes), Err(error), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_written_masked_parses_back_and_any_shorter_prefix_asks_for_more() {
        for len in [0usize, 1, 125, 126, 127, 0xFFFF, 0x10000, 16 << 20] {
            let mut out = Vec::new();
            write(&mut out, true, OpCode::Binary, len, Some([9, 8, 7, 6]));
            for cut in 0..out.len() {
                assert_eq!(parse(&out[..cut]), Ok(None), "{len} cut at {cut}");
            }
            let header = parse(&out).unwrap().unwrap();
            assert_eq!(header.payload_len, len as u64);
            assert_eq!((header.fin, header.opcode), (true, OpCode::Binary));
            assert_eq!((header.mask, header.header_len), ([9, 8, 7, 6], out.len()));
        }
    }

    #[test]
    fn a_frame_finished_in_place_equals_one_written_with_its_length() {
        for len in [0usize, 1, 125, 126, 200, 0xFFFF, 0x10000, 70_000] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut expected = b"before".to_vec();
            write(&mut expected, false, OpCode::Text, len, None);
            expected.extend_from_slice(&payload);
            let mut out = b"before".to_vec();
            let frame = OpenFrame::begin(&mut out);
            out.extend_from_slice(&payload);
            frame.finish(&mut out, false, OpCode::Text);
            assert!(out == expected, "{len}");
            for len_min in [0, len / 2, len] {
                let mut out = b"before".to_vec();
                let frame = OpenFrame::begin_at_least(&mut out, len_min);
                out.extend_from_slice(&payload);
                frame.finish(&mut out, false, OpCode::Text);
                assert!(out == expected, "{len}, at least {len_min}");
            }
        }
    }
}

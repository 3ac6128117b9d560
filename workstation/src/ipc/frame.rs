//! Frames on a Unix socket: `length u32 BE | type u8 | payload`. The length counts the payload alone.
//!
//! Pure: bytes in, frames out. What a type means is up to the two ends.

use std::io::{self, Read};

/// The most bytes of a payload.
pub(crate) const PAYLOAD_MAX: usize = 1 << 20;

/// The bytes before the payload.
pub(crate) const HEADER_LEN: usize = 5;

/// How many bytes one read may bring.
const READ_LEN: usize = 256 << 10;

/// A frame as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The type.
    pub(crate) kind: u8,
    /// What it carries.
    pub(crate) payload: &'a [u8],
}

/// The other end does not speak this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong {
    /// The length that it claims.
    pub(crate) claimed: u32,
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "a frame of {} bytes; at most {PAYLOAD_MAX} are allowed", self.claimed)
    }
}

impl std::error::Error for TooLong {}

impl From<TooLong> for io::Error {
    fn from(error: TooLong) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// Appends a frame to `out`.
///
/// # Panics
/// If the payload is longer than [`PAYLOAD_MAX`].
pub(crate) fn encode(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&header(kind, payload.len()));
    out.extend_from_slice(payload);
}

/// The bytes before a payload of this length.
///
/// # Panics
/// If that is more than [`PAYLOAD_MAX`].
pub(crate) fn header(kind: u8, len: usize) -> [u8; HEADER_LEN] {
    assert!(len <= PAYLOAD_MAX, "a payload of {len} bytes");
    let [a, b, c, d] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    [a, b, c, d, kind]
}

/// Takes frames out of a stream of bytes. Holds at most one frame that is not whole, and one read.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// `bytes[taken..filled]` is what came and was not given out. Behind it is room that was used before.
    bytes: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl Decoder {
    /// Takes bytes of the stream.
    #[cfg(test)]
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.read_from(&mut bytes).expect("a slice can be read");
        }
    }

    /// Reads once from `source`, and returns how many bytes that brought. 0 is the end of the stream.
    pub(crate) fn read_from(&mut self, source: &mut impl Read) -> io::Result<usize> {
        self.forget_taken();
        let end = self.filled + READ_LEN;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let read = source.read(&mut self.bytes[self.filled..end])?;
        self.filled += read;
        Ok(read)
    }

    /// The next whole frame, if there is one.
    ///
    /// # Errors
    /// It claims to be too long. The stream can't be read further.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'_>>, TooLong> {
        let waiting = &self.bytes[self.taken..self.filled];
        let Some((header, rest)) = waiting.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let [a, b, c, d, kind] = *header;
        let claimed = u32::from_be_bytes([a, b, c, d]);
        let len = usize::try_from(claimed).unwrap_or(usize::MAX);
        if len > PAYLOAD_MAX {
            return Err(TooLong { claimed });
        }
        let Some(payload) = rest.get(..len) else { return Ok(None) };
        self.taken += HEADER_LEN + len;
        Ok(Some(Frame { kind, payload }))
    }

    fn forget_taken(&mut self) {
        self.bytes.copy_within(self.taken..self.filled, 0);
        (self.taken, self.filled) = (0, self.filled - self.taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(decoder: &mut Decoder) -> Vec<(u8, Vec<u8>)> {
        let next = || decoder.next_frame().unwrap().map(|frame| (frame.kind, frame.payload.to_vec()));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn the_header_is_big_endian_length_and_type() {
        let mut bytes = Vec::new();
        encode(7, b"abc", &mut bytes);
        assert_eq!(bytes, b"\0\0\0\x03\x07abc");
    }

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let (mut bytes, wanted) = (Vec::new(), [(1, b"one".to_vec()), (2, Vec::new()), (3, vec![9; 70_000])]);
        wanted.iter().for_each(|(kind, payload)| encode(*kind, payload, &mut bytes));
        for step in [1, 2, 4, 5, 6, 1000, bytes.len()] {
            let mut decoder = Decoder::default();
            let found: Vec<_> = bytes
                .chunks(step)
                .flat_map(|part| {
                    decoder.feed(part);
                    frames(&mut decoder)
                })
                .collect();
            assert_eq!(found, wanted, "{step} bytes at a time");
        }
    }

    #[test]
    fn reading_takes_what_is_there_and_tells_the_end() {
        let mut source = &b"\0\0\0\x01\x05x\0\0"[..];
        let mut decoder = Decoder::default();
        assert_eq!(decoder.read_from(&mut source).unwrap(), 8);
        assert_eq!(frames(&mut decoder), [(5, b"x".to_vec())]);
        assert_eq!(decoder.read_from(&mut source).unwrap(), 0);
        assert_eq!(frames(&mut decoder), []);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
        for (claimed, is_fine) in
            [(PAYLOAD_MAX as u32, true), (PAYLOAD_MAX as u32 + 1, false), (u32::MAX, false)]
        {
            let mut decoder = Decoder::default();
            decoder.feed(&claimed.to_be_bytes());
            decoder.feed(&[0]);
            let expected = if is_fine { Ok(None) } else { Err(TooLong { claimed }) };
            assert_eq!(decoder.next_frame(), expected);
        }
    }
}

//! A chunked body: where it ends, and its content. RFC 9112 §7.1.
//!
//! Strict, because two readers that find different ends take different bytes for the next request: every
//! line ends with CR LF, sizes are hex digits alone, and extensions and trailer fields have their form and
//! are ignored. Each byte is looked at once, however the body is cut.

use protocol::limits::{BODY_BYTES_MAX, CHUNKED_BYTES_MAX};

use super::refusal::Refusal;

/// How far a body has been looked at. Starts as its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunked {
    /// Bytes judged; `at <= CHUNKED_BYTES_MAX`
    at: u16,
    /// Content in the chunks begun so far; `content <= BODY_BYTES_MAX`
    content: u16,
    /// Size of the chunk under way, or what its digits say so far.
    size: u16,
    state: ChunkState,
}

/// The part of a chunked body that the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkState {
    /// The first digit of a size.
    #[default]
    SizeStart,
    Size,
    /// Blanks between a size and its extension.
    Blank,
    Extension,
    /// The LF of the line with the size.
    SizeEnd,
    /// So many bytes of content.
    Content(u16),
    /// CR and LF behind the content.
    ContentCr,
    ContentLf,
    /// Behind the last chunk: a trailer field, or the empty line.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// The LF of the empty line.
    EndLf,
    End,
}

/// The outcome of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progressed {
    /// The body goes on.
    NeedMore,
    /// It takes this many bytes.
    Whole(usize),
    /// It is malformed or too large.
    Refused(Refusal),
}

impl Chunked {
    /// Goes on where the last call stopped. `encoded` begins where the body does.
    pub(super) fn advance(&mut self, encoded: &[u8]) -> Progressed {
        self.read(encoded, |_| {})
    }

    /// `on_content` gets the content that is new, piece by piece.
    fn read<'a>(&mut self, encoded: &'a [u8], mut on_content: impl FnMut(&'a [u8])) -> Progressed {
        loop {
            let at = usize::from(self.at);
            if self.state == ChunkState::End {
                return Progressed::Whole(at);
            }
            if at >= CHUNKED_BYTES_MAX {
                return Progressed::Refused(Refusal::CHUNKS_TOO_LONG);
            }
            let Some(&byte) = encoded.get(at) else { return Progressed::NeedMore };
            if let ChunkState::Content(left) = self.state {
                let count = usize::from(left).min(encoded.len() - at).min(CHUNKED_BYTES_MAX - at);
                on_content(&encoded[at..at + count]);
                self.take_content(left, count);
                continue;
            }
            match self.step(byte) {
                Ok(state) => (self.state, self.at) = (state, self.at + 1),
                Err(refusal) => return Progressed::Refused(refusal),
            }
        }
    }

    fn take_content(&mut self, left: u16, count: usize) {
        // It is at most `left`.
        let count = u16::try_from(count).unwrap_or(left);
        self.at += count;
        self.state = if count == left { ChunkState::ContentCr } else { ChunkState::Content(left - count) };
    }

    /// The state behind this byte.
    fn step(&mut self, byte: u8) -> Result<ChunkState, Refusal> {
        let state = match (self.state, byte) {
            (ChunkState::SizeStart | ChunkState::Size, digit) if digit.is_ascii_hexdigit() => {
                self.take_digit(digit)?;
                ChunkState::Size
            }
            (ChunkState::Size | ChunkState::Extension, b'\r') => ChunkState::SizeEnd,
            // RFC 9112 §7.1.1: blanks stand before and behind a semicolon, not alone.
            (ChunkState::Size | ChunkState::Blank, b' ' | b'\t') => ChunkState::Blank,
            (ChunkState::Size | ChunkState::Blank, b';') => ChunkState::Extension,
            (ChunkState::Extension, byte) if is_text(byte) => ChunkState::Extension,
            (ChunkState::SizeEnd, b'\n') => self.begin_chunk(),
            (ChunkState::ContentCr, b'\r') => ChunkState::ContentLf,
            (ChunkState::ContentLf, b'\n') => ChunkState::SizeStart,
            (ChunkState::Trailer, b'\r') => ChunkState::EndLf,
            (ChunkState::Trailer | ChunkState::TrailerName, byte) if is_token(byte) => {
                ChunkState::TrailerName
            }
            (ChunkState::TrailerName, b':') => ChunkState::TrailerValue,
            (ChunkState::TrailerValue, b'\r') => ChunkState::TrailerLf,
            (ChunkState::TrailerValue, byte) if is_text(byte) => ChunkState::TrailerValue,
            (ChunkState::TrailerLf, b'\n') => ChunkState::Trailer,
            (ChunkState::EndLf, b'\n') => ChunkState::End,
            _ => return Err(Refusal::BAD_CHUNK),
        };
        Ok(state)
    }

    /// Refused as soon as the digits say too much, so nothing overflows and no content is waited for in vain.
    fn take_digit(&mut self, digit: u8) -> Result<(), Refusal> {
        let value = char::from(digit).to_digit(16).unwrap_or(0);
        let size = u32::from(self.size) * 16 + value;
        let is_within = u32::from(self.content) + size <= BODY_BYTES_MAX as u32;
        self.size = u16::try_from(size).ok().filter(|_| is_within).ok_or(Refusal::BODY_TOO_LARGE)?;
        Ok(())
    }

    fn begin_chunk(&mut self) -> ChunkState {
        let size = std::mem::take(&mut self.size);
        self.content += size;
        if size == 0 { ChunkState::Trailer } else { ChunkState::Content(size) }
    }
}

/// The content of a body that is whole.
pub(super) fn content(encoded: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(encoded.len().min(BODY_BYTES_MAX));
    let read = Chunked::default().read(encoded, |piece| content.extend_from_slice(piece));
    debug_assert_eq!(read, Progressed::Whole(encoded.len()));
    content
}

/// RFC 9110 §5.5: visible characters, blanks, and bytes beyond ASCII.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;

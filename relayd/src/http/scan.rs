//! Finds the end of a request's head, looking at each byte once however the request is cut.

use memchr::memchr2;
use protocol::limits::HEAD_BYTES_MAX;

use super::chunked::{Chunked, Progressed};
use super::refusal::Refusal;

/// How far a connection's current request has been read. Starts as its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes judged; `0 <= scanned <= HEAD_BYTES_MAX`.
    scanned: u16,
    /// Length of the head; 0 while its end has not come.
    head: u16,
    /// Head and body together; 0 until the head has been read, and for a body in chunks.
    whole: u16,
    /// The body, once a head has been read that announces one in chunks.
    chunked: Option<Chunked>,
}

/// The outcome of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// Neither whole nor wrong yet.
    NeedMore,
    /// The head is in the first `usize` bytes.
    Head(usize),
    /// It can't become a request any more.
    Refused(Refusal),
}

impl Progress {
    /// Goes on where the last call stopped.
    pub(super) fn advance(&mut self, input: &[u8]) -> Scan {
        if input.len() < usize::from(self.whole) {
            return Scan::NeedMore;
        }
        if self.head == 0 {
            return self.find_end(input);
        }
        let head = usize::from(self.head);
        // The head is read again only when there is something to answer.
        match self.chunked.as_mut().map(|chunked| chunked.advance(&input[head..])) {
            Some(Progressed::NeedMore) => Scan::NeedMore,
            _ => Scan::Head(head),
        }
    }

    /// How far the body in chunks is, which begins where the head ends.
    pub(super) fn advance_chunks(&mut self, encoded: &[u8]) -> Progressed {
        self.chunked.get_or_insert_default().advance(encoded)
    }

    /// The body in chunks has not been looked at yet.
    pub(super) fn is_before_chunks(&self) -> bool {
        self.chunked.is_none()
    }

    /// The head was read and the body is still to come. Returns true the first time.
    pub(super) fn await_body(&mut self, whole: usize) -> bool {
        let first = self.whole == 0;
        self.whole = short(whole);
        first
    }

    fn find_end(&mut self, input: &[u8]) -> Scan {
        let window = &input[..input.len().min(HEAD_BYTES_MAX)];
        // The first byte shows TLS or another protocol. There is no point in waiting for the end of a line.
        if window.first().is_some_and(|byte| !byte.is_ascii_alphabetic() && *byte != b'\r') {
            return Scan::Refused(Refusal::NOT_HTTP);
        }
        let mut at = usize::from(self.scanned).min(window.len());
        while let Some(found) = memchr2(b'\r', b'\n', &window[at..]) {
            let end = at + found;
            match (window[end], window.get(end + 1)) {
                (b'\r', Some(b'\n')) => at = end + 2,
                (b'\r', None) => {
                    self.scanned = short(end);
                    return unfinished(input);
                }
                // RFC 9112 §2.2: a bare CR is invalid. A bare LF may end a line, and then two parties may
                // disagree on where a request ends. Neither is accepted here.
                _ => return Scan::Refused(Refusal::BARE_LINE_END),
            }
            if is_head_end(&window[..at]) {
                (self.scanned, self.head) = (short(at), short(at));
                return Scan::Head(at);
            }
        }
        self.scanned = short(window.len());
        unfinished(input)
    }
}

fn unfinished(input: &[u8]) -> Scan {
    if input.len() < HEAD_BYTES_MAX {
        return Scan::NeedMore;
    }
    // RFC 9110 §15.5.15 and RFC 6585 §5: which part is too long has its own status.
    let lines = input[..HEAD_BYTES_MAX].trim_ascii_start();
    let line_ended = memchr::memchr(b'\n', lines).is_some();
    Scan::Refused(if line_ended { Refusal::HEAD_TOO_LONG } else { Refusal::TARGET_TOO_LONG })
}

/// `lines` is cut behind a CR LF. RFC 9112 §2.2: empty lines before the request line do not end the head.
fn is_head_end(lines: &[u8]) -> bool {
    lines.len() > 4 && lines.ends_with(b"\r\n\r\n")
}

/// Everything counted here is at most the head's and the body's limit, which fits.
fn short(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

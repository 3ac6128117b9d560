//! Reading one HTTP/1.1 answer: strict about its framing, bounded in size and time. RFC 9112 §6.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::net::stream::Stream;
use crate::net::way::time_left;

/// Head and body together; a registration with its picture takes some 4 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// `Retry-After`, where it is in seconds.
    pub(super) retry_after: Option<Duration>,
    /// `Date`, in seconds since 1970.
    pub(super) date: Option<u64>,
}

/// Why the request got no answer.
#[derive(Debug, Error)]
pub(super) enum ReadError {
    /// The connection failed or took too long.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not an HTTP/1.x answer, or framed in a way that can be read in two ways.
    #[error("its answer is not valid HTTP ({0})")]
    Malformed(&'static str),
    /// Over the bound.
    #[error("its answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

/// How the body ends.
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// Reads until the answer is whole.
pub(super) fn read(stream: &mut Stream, deadline: Instant) -> Result<Response, ReadError> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = match stream.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // TLS peers that hang up without a goodbye; the framing says whether anything is missing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        bytes.extend_from_slice(&chunk[..count]);
        if let Some(answer) = parse(&bytes, count == 0)? {
            return Ok(answer);
        }
        if count == 0 {
            return Err(ReadError::Malformed("it ends too early"));
        }
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(ReadError::TooLong);
        }
        time_left(deadline)?;
    }
}

/// The answer, if `bytes` hold all of it; `at_end`: no more bytes will come.
pub(super) fn parse(mut bytes: &[u8], at_end: bool) -> Result<Option<Response>, ReadError> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head.parse(bytes).map_err(|_| ReadError::Malformed("its head can't be read"))?;
        let httparse::Status::Complete(head_len) = parsed else { return Ok(None) };
        let (status, rest) = (head.code.unwrap_or_default(), &bytes[head_len..]);
        match status {
            101 => return Err(ReadError::Malformed("101")),
            // RFC 9110 §15.2: interim answers come before the real one.
            100..200 => bytes = rest,
            _ => {
                let body = body_of(&framing(status, head.headers)?, rest, at_end)?;
                let (retry_after, date) = (retry_after(head.headers), date(head.headers));
                return Ok(body.map(|body| Response { status, body, retry_after, date }));
            }
        }
    }
}

fn date(headers: &[httparse::Header<'_>]) -> Option<u64> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case("date"))?;
    super::date::parse(header.value)
}

fn retry_after(headers: &[httparse::Header<'_>]) -> Option<Duration> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"))?;
    let digits = std::str::from_utf8(header.value).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().map_or(Duration::MAX, Duration::from_secs))
}

/// The body at the start of `rest`, if all of it is there.
fn body_of(framing: &Framing, rest: &[u8], at_end: bool) -> Result<Option<Vec<u8>>, ReadError> {
    Ok(match *framing {
        Framing::Length(len) if len > ANSWER_BYTES_MAX => return Err(ReadError::TooLong),
        Framing::Length(len) => rest.get(..len).map(<[u8]>::to_vec),
        Framing::Chunked => dechunk(rest)?,
        Framing::UntilClose => at_end.then(|| rest.to_vec()),
    })
}

fn framing(status: u16, headers: &[httparse::Header<'_>]) -> Result<Framing, ReadError> {
    // RFC 9112 §6.3: these have no body, whatever their headers say.
    if matches!(status, 204 | 304) {
        return Ok(Framing::Length(0));
    }
    let values = |name: &'static str| {
        let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value)
    };
    let mut lengths = values("content-length");
    let mut encodings = values("transfer-encoding");
    match (lengths.next(), encodings.next()) {
        (Some(length), None) if lengths.next().is_none() => std::str::from_utf8(length)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Framing::Length)
            .ok_or(ReadError::Malformed("its Content-Length is no number")),
        (None, Some(encoding)) if encodings.next().is_none() && encoding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Framing::Chunked)
        }
        (None, None) => Ok(Framing::UntilClose),
        _ => Err(ReadError::Malformed("its length is said in two ways")),
    }
}

/// The body in the chunks of `rest`, if the last one is there. RFC 9112 §7.1; trailers are ignored.
fn dechunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
    const BAD_CHUNK: ReadError = ReadError::Malformed("a chunk of it can't be read");
    let mut body = Vec::new();
    loop {
        let Ok(parsed) = httparse::parse_chunk_size(rest) else { return Err(BAD_CHUNK) };
        let httparse::Status::Complete((line, size)) = parsed else { return Ok(None) };
        if size == 0 {
            return Ok(Some(body));
        }
        let size = usize::try_from(size).ok().filter(|size| *size <= ANSWER_BYTES_MAX);
        let size = size.ok_or(ReadError::TooLong)?;
        let Some(chunk) = rest.get(line..line + size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        match rest.get(line + size..line + size + 2) {
            Some(b"\r\n") => rest = &rest[line + size + 2..],
            Some(_) => return Err(BAD_CHUNK),
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str, at_end: bool) -> Option<String> {
        let answer = parse(text.as_bytes(), at_end).unwrap()?;
        assert_eq!(answer.status, 200);
        Some(String::from_utf8(answer.body).unwrap())
    }

    #[test]
    fn every_framing_is_whole_only_at_its_end() {
        let sized = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x\r\nk\r\n0\r\n\r\n";
        for whole in [sized, chunked] {
            for cut in 0..whole.len() - 3 {
                assert_eq!(body(&whole[..cut], false), None, "{cut} of {whole:?}");
            }
            assert_eq!(body(whole, false).as_deref(), Some("ok"));
        }
        let open = "HTTP/1.0 200 OK\r\n\r\nok";
        assert_eq!(body(open, false), None);
        assert_eq!(body(open, true).as_deref(), Some("ok"));
        let interim = format!("HTTP/1.1 103 Early Hints\r\n\r\n{sized}");
        assert_eq!(body(&interim, false).as_deref(), Some("ok"));
    }

    #[test]
    fn as_many_interim_answers_as_there_is_room_for_need_no_more_stack_than_one() {
        let mut text = "HTTP/1.1 100\r\n\r\n".repeat(ANSWER_BYTES_MAX / 16);
        assert_eq!(body(&text, false), None);
        text.push_str("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(body(&text, false).as_deref(), Some("ok"));
    }

    #[test]
    fn no_body_where_there_can_be_none() {
        let gone = parse(b"HTTP/1.1 204 No Content\r\n\r\n", false).unwrap().unwrap();
        assert_eq!(gone, Response { status: 204, body: Vec::new(), retry_after: None, date: None });
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for headers in [
            "Content-Length: 2\r\nContent-Length: 2",
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip",
            "Content-Length: +2",
            "Content-Length: ",
            "Content-Length: 99999999",
            "Transfer-Encoding: chunked\r\n\r\nfffff",
            "Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\nok");
            assert!(parse(text.as_bytes(), false).is_err(), "{headers}");
        }
        assert!(parse(b"SSH-2.0-x\r\n", false).is_err());
        assert!(parse(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", false).is_err());
    }
}

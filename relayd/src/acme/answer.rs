//! The CA's answer: parsed from bytes, with a bound on each part. RFC 9112.

use httparse::{EMPTY_HEADER, Status};

/// An answer with any status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The outcome of the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    NeedMore,
    Whole(Answer),
}

impl Answer {
    /// Parses from the start each time, as answers are small. `is_end`: no more bytes come.
    pub fn parse(bytes: &[u8], is_end: bool) -> Result<Progress, &'static str> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let Status::Complete(len) = head.parse(bytes).map_err(|_| "something else than HTTP")? else {
            return Ok(Progress::NeedMore);
        };
        let mut answer = Answer { status: head.code.unwrap_or_default(), ..Answer::default() };
        for header in head.headers.iter() {
            // The CA's headers that matter are all ASCII.
            let value = String::from_utf8_lossy(header.value).trim().to_owned();
            answer.headers.push((header.name.to_ascii_lowercase(), value));
        }
        let Some(body) = answer.body_in(&bytes[len..], is_end)? else { return Ok(Progress::NeedMore) };
        answer.body = body;
        Ok(Progress::Whole(answer))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// `None`: it is not whole yet.
    fn body_in(&self, rest: &[u8], is_end: bool) -> Result<Option<Vec<u8>>, &'static str> {
        if self.status == 204 || self.status == 304 {
            return Ok(Some(Vec::new()));
        }
        if let Some(coding) = self.header("transfer-encoding") {
            return if coding.eq_ignore_ascii_case("chunked") {
                dechunk(rest)
            } else {
                Err("an unknown coding")
            };
        }
        let Some(length) = self.header("content-length") else { return Ok(is_end.then(|| rest.to_vec())) };
        let length: usize = length.parse().map_err(|_| "a length that is not a number")?;
        Ok(rest.get(..length).map(<[u8]>::to_vec))
    }
}

/// The content of a chunked body; `None` if it is not whole yet. Trailers are ignored.
fn dechunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let mut content = Vec::new();
    loop {
        let Ok(Status::Complete((at, size))) = httparse::parse_chunk_size(rest) else {
            return if rest.len() < CHUNK_LINE_MAX { Ok(None) } else { Err("a damaged chunk") };
        };
        if size == 0 {
            return Ok(Some(content));
        }
        let Some(end) = usize::try_from(size).ok().and_then(|size| at.checked_add(size)) else {
            return Err("a damaged chunk");
        };
        let Some(chunk) = rest.get(at..end) else { return Ok(None) };
        content.extend_from_slice(chunk);
        // CR and LF.
        let Some(next) = rest.get(end + 2..) else { return Ok(None) };
        rest = next;
    }
}

const HEADERS_MAX: usize = 64;

/// The longest line with a chunk's size.
const CHUNK_LINE_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str, is_end: bool) -> Option<(u16, String)> {
        match Answer::parse(text.as_bytes(), is_end).unwrap() {
            Progress::Whole(answer) => Some((answer.status, String::from_utf8(answer.body).unwrap())),
            Progress::NeedMore => None,
        }
    }

    #[test]
    fn a_body_ends_by_its_length_its_chunks_or_the_connection() {
        let of = |status, body: &str| Some((status, body.to_owned()));
        let (sized, chunked) = (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        );
        assert_eq!(whole(sized, false), of(200, "abc"));
        assert_eq!(whole(chunked, false), of(201, "abc"));
        for cut in 0..sized.len() {
            assert_eq!(whole(&sized[..cut], false), None, "{cut}");
        }
        for cut in 0..chunked.len() - 4 {
            assert_eq!(whole(&chunked[..cut], false), None, "{cut}");
        }
        assert_eq!(whole("HTTP/1.1 200 OK\r\n\r\nabc", false), None);
        assert_eq!(whole("HTTP/1.1 200 OK\r\n\r\nabc", true), of(200, "abc"));
        assert_eq!(whole("HTTP/1.1 204 No Content\r\n\r\n", false), of(204, ""));
    }

    #[test]
    fn damaged_answers_are_refused_and_never_panic() {
        for bad in [
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", "z".repeat(100)),
        ] {
            assert!(Answer::parse(bad.as_bytes(), false).is_err(), "{bad}");
        }
        let huge = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx";
        let _ = Answer::parse(huge.as_bytes(), false);
    }
}

//! One request of HTTP/1.1 and its answer.

use std::io::{self, Read, Write};

use super::AskError;

/// The most that is read of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

const FIELDS_MAX: usize = 64;

/// A request without a body.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// With its slash.
    pub path: &'a str,
    /// The `Host` field.
    pub host: &'a str,
    /// Further fields. No value holds a line's end.
    pub fields: &'a [(&'a str, &'a str)],
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The fields, with names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body, cut off if it is long.
    pub body: String,
}

impl Question<'_> {
    pub(super) fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.path, self.host);
        for (name, value) in self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += "User-Agent: relayd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes())?;
        stream.flush()
    }
}

impl Answer {
    /// The first field of this name, which is in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Reads to the end of the answer, or of the connection.
pub(super) fn read_answer(stream: &mut impl Read) -> Result<Answer, AskError> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(answer) = parse(&bytes, false)? {
            return Ok(answer);
        }
        let count = match stream.read(&mut piece) {
            Ok(count) => count,
            // Some servers end TLS without a word.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error.into()),
        };
        if count == 0 || bytes.len() > ANSWER_BYTES_MAX {
            return parse(&bytes, true)?.ok_or(AskError::NotHttp);
        }
        bytes.extend_from_slice(&piece[..count]);
    }
}

/// `None`: more bytes are needed. `is_end`: there are none.
fn parse(bytes: &[u8], is_end: bool) -> Result<Option<Answer>, AskError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let body_at = match head.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(AskError::NotHttp),
    };
    let fields: Vec<_> = head
        .headers
        .iter()
        .map(|field| {
            (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).trim().to_owned())
        })
        .collect();
    let answer = Answer { status: head.code.unwrap_or_default(), fields, body: String::new() };
    let body = &bytes[body_at..];
    let len = answer.field("content-length").and_then(|len| len.parse::<usize>().ok());
    let is_whole = is_end || len.is_some_and(|len| body.len() >= len);
    Ok(is_whole.then(|| Answer { body: String::from_utf8_lossy(body).into_owned(), ..answer }))
}

/// The answer of another library.
pub(super) fn answer_of(answer: &tungstenite::http::Response<Option<Vec<u8>>>) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = answer.headers().iter();
    Answer {
        status: answer.status().as_u16(),
        fields: fields.map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect(),
        body: answer.body().as_deref().map(text).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_length_or_its_connection() {
        let sized = b"HTTP/1.1 200 OK\r\nDATE: x\r\nContent-Length: 2\r\n\r\nok";
        let answer = parse(sized, false).unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_str(), answer.field("date")), (200, "ok", Some("x")));
        for len in 0..sized.len() {
            assert_eq!(parse(&sized[..len], false).unwrap(), None, "{len}");
        }
        let open = b"HTTP/1.1 503 No\r\n\r\nlater";
        assert_eq!(parse(open, false).unwrap(), None);
        assert_eq!(parse(open, true).unwrap().unwrap().body, "later");
        assert!(matches!(parse(b"SSH-2.0-x\r\n", false), Err(AskError::NotHttp)));
        assert!(matches!(read_answer(&mut &b"HTTP/1.1 200"[..]), Err(AskError::NotHttp)));
    }
}

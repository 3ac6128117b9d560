//! One request over the socket for operators, and its answer.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody is there.
    #[error("{0}")]
    Connect(#[source] io::Error),
    /// The connection failed, or what came is no answer.
    #[error("{0}")]
    Exchange(#[from] io::Error),
}

/// Asks the server.
///
/// # Errors
/// See [`AskError`].
pub fn ask(socket: &Path, method: &str, path: &str, accept: &str) -> Result<Answer, AskError> {
    let mut stream = UnixStream::connect(socket).map_err(AskError::Connect)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: relayctl\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData).into())
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
    // A shorter body was cut off.
    (length.parse() == Ok(body.len())).then(|| Answer { status, body: body.to_owned() })
}

/// The server answers, or gives the connection up, within 30 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

const ANSWER_BYTES_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_is_one() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(parse(whole), Some(Answer { status: 200, body: "ok".to_owned() }));
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(parse("SSH-2.0-x\r\n\r\n"), None);
    }
}

//! A POST to a server that is not a relay, and that may be anybody's: nothing of its answer is used but the
//! status and how long it wants to be left alone. A redirect is an answer like any other.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::{Failed, REQUEST_MAX, exchange_by};
use crate::net::endpoint::Endpoint;
use crate::net::way::{Way, share_of, ways};

/// What to post.
pub struct Post<'a> {
    /// Path and query, as they were given: they are secret.
    pub path: &'a str,
    /// Headers besides `Host`, `Content-Length` and `Connection`.
    pub headers: &'a [(&'static str, &'a str)],
    /// The body.
    pub body: &'a [u8],
    /// True for an address that may be connected to. A name may lead to any.
    pub may_reach: &'a dyn Fn(IpAddr) -> bool,
}

/// What the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, where it is in seconds.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PostError {
    /// No answer came; the text names address, cause and remedy.
    #[error("{0}")]
    Unreachable(String),
    /// The server has no address that may be connected to; this is one of those that it has.
    #[error("{server} leads to {address}, which is not a public address: nothing was sent")]
    Address {
        /// Whom we asked.
        server: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// What came is not an answer.
    #[error("{server} does not answer like a web server: {what}")]
    NotHttp {
        /// Whom we asked.
        server: String,
        /// What is wrong with it.
        what: String,
    },
    /// A header or the path would end too early.
    #[error("the path or a header has characters that can't be sent")]
    BadHeader,
}

/// Posts. Blocks for at most ten seconds and the system's time for a name.
///
/// # Errors
/// There is no answer. `Unreachable` and `NotHttp` may be over when it is tried again.
pub fn post(server: &Endpoint, post: &Post<'_>) -> Result<Posted, PostError> {
    let request = request(server, post)?;
    let deadline = Instant::now() + REQUEST_MAX;
    let found = ways(server, None).map_err(PostError::Unreachable)?;
    let may_reach = |way: &&Way| way.leads_to().is_none_or(post.may_reach);
    let open: Vec<_> = found.iter().filter(may_reach).collect();
    let refused = found.iter().filter_map(Way::leads_to).find(|address| !(post.may_reach)(*address));
    let mut last = match refused {
        Some(address) => PostError::Address { server: server.to_string(), address },
        None => PostError::Unreachable(format!("{server} has no address; is the name right?")),
    };
    for (done, way) in open.iter().enumerate() {
        let Ok(share) = share_of(deadline, open.len() - done) else { break };
        match exchange_by(server, way, &request, Instant::now() + share) {
            Ok(answer) => return Ok(Posted { status: answer.status, retry_after: answer.retry_after }),
            Err(Failed::Unreachable(words)) => last = PostError::Unreachable(words),
            Err(Failed::NotHttp(what)) => last = PostError::NotHttp { server: server.to_string(), what },
        }
    }
    Err(last)
}

fn request(server: &Endpoint, post: &Post<'_>) -> Result<Vec<u8>, PostError> {
    let is_value = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let is_path = post.path.starts_with('/') && post.path.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path || !post.headers.iter().all(|(_, value)| is_value(value)) {
        return Err(PostError::BadHeader);
    }
    let mut head = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", post.path, server.authority());
    for (name, value) in post.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", post.body.len()));
    Ok([head.as_bytes(), post.body].concat())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    /// Answers one request; gives what came.
    fn serve(answer: &'static str) -> (Endpoint, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Endpoint::parse_http(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _): (TcpStream, _) = listener.accept().unwrap();
            let (mut came, mut piece) = (Vec::new(), [0; 1024]);
            while !came.ends_with(b"body") {
                let count = stream.read(&mut piece).unwrap();
                came.extend_from_slice(&piece[..count]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(came).unwrap()
        });
        (server, serving)
    }

    fn posting<'a>(path: &'a str, headers: &'a [(&'static str, &'a str)]) -> Post<'a> {
        Post { path, headers, body: b"body", may_reach: &|_| true }
    }

    #[test]
    fn status_and_retry_after_are_all_that_is_read() {
        for (answer, status, retry_after) in [
            ("HTTP/1.1 201 Created\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 201, None),
            ("HTTP/1.1 429 No\r\nretry-after: 120\r\nContent-Length: 2\r\n\r\nno", 429, Some(120)),
            ("HTTP/1.1 503 No\r\nRetry-After: Fri, 31 Dec 1999\r\nContent-Length: 0\r\n\r\n", 503, None),
            ("HTTP/1.1 307 No\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n", 307, None),
        ] {
            let (server, serving) = serve(answer);
            let posted = post(&server, &posting("/a?b=c", &[("TTL", "9")]));
            let retry_after = retry_after.map(Duration::from_secs);
            assert_eq!(posted, Ok(Posted { status, retry_after }));
            let came = serving.join().unwrap();
            assert!(came.starts_with("POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:"), "{came}");
            assert!(came.contains("\r\nTTL: 9\r\nContent-Length: 4\r\n"), "{came}");
        }
    }

    #[test]
    fn an_address_that_may_not_be_reached_is_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Endpoint::parse_http(&format!("http://push.test:{}", address.port())).unwrap();
        let server = server.found_at(&[address]);
        let refused = post(&server, &Post { may_reach: &|_| false, ..posting("/", &[]) });
        assert!(matches!(refused, Err(PostError::Address { address, .. }) if address.is_loopback()));
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody came");
    }

    #[test]
    fn nothing_breaks_out_of_a_header_or_the_path() {
        let server = Endpoint::parse_http("http://127.0.0.1:1").unwrap();
        for (path, value) in [("/\r\nHost: x", "1"), ("x", "1"), ("/ x", "1"), ("/", "1\r\nX: 2")] {
            assert_eq!(post(&server, &posting(path, &[("TTL", value)])), Err(PostError::BadHeader));
        }
    }
}

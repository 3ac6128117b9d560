//! A raw HTTP client: exact bytes out, one parsed response in. It corrects nothing and follows no redirects.

use std::net::SocketAddr;

use super::guard::read_until;
use super::json::Object;
use super::wire::{End, Wire};

/// One response.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers, in order, names as they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub struct Http {
    wire: Wire,
}

impl Http {
    /// Connects.
    pub fn connect(addr: SocketAddr) -> Self {
        Self::over(Wire::connect(addr))
    }

    /// Speaks over a connection.
    pub fn over(wire: Wire) -> Self {
        Self { wire }
    }

    /// The bytes below.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Sends exactly this.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes.as_ref());
    }

    /// Reads one response, its body by `Content-Length`.
    pub fn response(&mut self) -> Response {
        self.read(false).unwrap_or_else(|end| panic!("{end:?} instead of a response"))
    }

    /// Reads the response to a HEAD request, which has a length and no body.
    pub fn response_to_head(&mut self) -> Response {
        self.read(true).unwrap_or_else(|end| panic!("{end:?} instead of a response"))
    }

    /// Reads one response, or how the connection ended without one.
    pub fn response_or_end(&mut self) -> Result<Response, End> {
        self.read(false)
    }

    /// Expects the connection to close without another byte.
    pub fn expect_closed(&mut self) {
        let end = self.wire.read_to_end("the connection's end");
        assert!(self.wire.pending().is_empty(), "more: {:?}", String::from_utf8_lossy(self.wire.pending()));
        assert_eq!(end, End::Eof);
    }

    fn read(&mut self, bodyless: bool) -> Result<Response, End> {
        let mut response = read_head(&mut self.wire)?;
        if bodyless || response.status == 101 || response.status == 204 || response.status == 304 {
            return Ok(response);
        }
        let length = response.header("content-length").unwrap_or_else(|| panic!("no length: {response:?}"));
        let length: usize = length.parse().unwrap();
        while self.wire.pending().len() < length {
            self.wire.fill("a response's body")?;
        }
        response.body = self.wire.pending()[..length].to_vec();
        self.wire.take(length);
        Ok(response)
    }
}

/// Reads a response's head and leaves what follows it in the wire.
pub fn read_head(wire: &mut Wire) -> Result<Response, End> {
    loop {
        if let Some(at) = wire.pending().windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(wire.pending()[..at].to_vec()).expect("a response head in ASCII");
            wire.take(at + 4);
            return Ok(parse_head(&head));
        }
        wire.fill("a response's head")?;
    }
}

fn parse_head(head: &str) -> Response {
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status =
        status_line.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no response: {status_line:?}"));
    let status = status.get(..3).and_then(|digits| digits.parse().ok());
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?}"));
        assert!(!name.is_empty() && !name.contains(' '), "a header's name: {line:?}");
        (name.to_owned(), value.trim().to_owned())
    });
    Response {
        status: status.unwrap_or_else(|| panic!("no status: {status_line:?}")),
        headers: headers.collect(),
        body: Vec::new(),
    }
}

impl Response {
    /// The value of the only header with that name, ignoring case.
    ///
    /// # Panics
    /// When it is there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    /// The body as a JSON object.
    pub fn json(&self) -> Object {
        Object::parse(self.text())
    }

    /// One sample of a page of metrics, its labels written as they are there.
    ///
    /// # Panics
    /// When it is missing.
    pub fn sample(&self, name: &str) -> u64 {
        let value = self.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let number = value.and_then(|value| value.parse().ok());
        number.unwrap_or_else(|| panic!("no sample {name}: {}", self.text()))
    }

    /// Asserts the status; for an error, its JSON body too: a snake_case code and a message.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}: {}", String::from_utf8_lossy(&self.body));
        if status >= 400 && !self.body.is_empty() {
            let error = self.json();
            let code = error.text("error");
            let is_snake = code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(is_snake && !code.is_empty(), "{code:?} is not a snake_case code");
            assert!(!error.text("message").is_empty());
        }
        self
    }
}

/// One request on its own connection.
pub fn exchange(addr: SocketAddr, request: impl AsRef<[u8]>) -> Response {
    let mut http = Http::connect(addr);
    http.send(request);
    http.response()
}

/// A whole request. `headers` are lines without line ends. A body adds its `Content-Length`.
pub fn request(method: &str, target: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for line in headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text
}

/// A POST to `target` with its body in these chunks. `headers` are lines without line ends.
pub fn chunked(target: &str, headers: &[&str], chunks: &[&str]) -> String {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let chunks: String = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\n{lines}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    )
}

/// Asks again while the answer is 503, as clients do. The node may not have noticed yet that its store was
/// away.
pub fn ask_until_served(mut ask: impl FnMut() -> Response) -> Response {
    read_until("an answer other than 503", || Some(ask()).filter(|response| response.status != 503))
}

/// GET on its own connection.
pub fn fetch(addr: SocketAddr, path: &str) -> Response {
    exchange(addr, request("GET", path, &[], ""))
}

/// POST of a JSON body on its own connection.
pub fn post(addr: SocketAddr, path: &str, body: &str) -> Response {
    exchange(addr, request("POST", path, &[], body))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn responses_are_read_one_by_one_and_the_end_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap();
            stream.write_all(b"ngth: 2\r\n\r\nokHTTP/1.1 204 No Content\r\nX: y\r\n\r\n").unwrap();
        });
        let mut http = Http::connect(addr);
        let first = http.response();
        assert_eq!((first.status, first.text()), (200, "ok"));
        assert_eq!(http.response().header("x"), Some("y"));
        http.expect_closed();
        server.join().unwrap();
    }
}

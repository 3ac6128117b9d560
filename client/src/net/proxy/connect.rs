//! HTTP's CONNECT (RFC 9110 §9.3.6) with Basic authentication (RFC 7617): bytes in, bytes out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::url::Login;
use crate::text::excerpt;

/// The head of an answer; a body is not read.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;

/// One CONNECT, from its request to the end of the answer's head.
#[derive(Debug)]
pub(super) struct Connect {
    has_login: bool,
    read: Vec<u8>,
}

impl Connect {
    /// Begins; the bytes are the request.
    pub(super) fn new(target: &str, login: Option<&Login>) -> (Self, Zeroizing<Vec<u8>>) {
        let mut request =
            Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes());
        if let Some(Login { user, password }) = login {
            let pair = Zeroizing::new([user.as_slice(), b":", password.as_slice()].concat());
            let encoded = Zeroizing::new(STANDARD.encode(&*pair));
            // Not grown by `extend`, which would leave a copy behind.
            request = Zeroizing::new(
                [request.as_slice(), b"Proxy-Authorization: Basic ", encoded.as_bytes(), b"\r\n"].concat(),
            );
        }
        request = Zeroizing::new([request.as_slice(), b"\r\n"].concat());
        (Connect { has_login: login.is_some(), read: Vec::new() }, request)
    }

    /// Takes bytes of the proxy; true when the way is open. Nothing is to be sent in between.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) -> Result<bool, Refusal> {
        self.read.extend_from_slice(bytes);
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut answer = httparse::Response::new(&mut headers);
            let len = match answer.parse(&self.read) {
                Ok(httparse::Status::Complete(len)) if len <= HEAD_BYTES_MAX => len,
                Ok(httparse::Status::Partial) if self.read.len() <= HEAD_BYTES_MAX => return Ok(false),
                Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLong(HEAD_BYTES_MAX)),
                Err(_) => return Err(not_http(&self.read)),
            };
            match answer.code.unwrap_or_default() {
                // RFC 9110 §15.2: any number of interim answers may come first; 101 was not asked for.
                100 | 102..=199 => drop(self.read.drain(..len)),
                200..=299 if self.read.len() > len => return Err(Refusal::SpeaksFirst),
                200..=299 => return Ok(true),
                status => return Err(refused(status, &answer, self.has_login)),
            }
        }
    }
}

fn not_http(read: &[u8]) -> Refusal {
    match read.first() {
        Some(0 | 5) => Refusal::IsSocks,
        _ => Refusal::NotAProxy,
    }
}

fn refused(status: u16, answer: &httparse::Response<'_, '_>, has_login: bool) -> Refusal {
    let words = words(status, answer);
    match status {
        // tinyproxy answers a wrong password with 401.
        401 if has_login => Refusal::WrongLogin(words),
        407 if !wants_basic(answer) => Refusal::OtherLogin(words),
        407 if has_login => Refusal::WrongLogin(words),
        407 => Refusal::NeedsLogin(words),
        401 | 403 => Refusal::Forbidden(words),
        500 | 502..=504 => Refusal::CantReach(words),
        _ => Refusal::Answered(words),
    }
}

/// Also where it does not say what it wants, which it must (RFC 9110 §15.5.8).
fn wants_basic(answer: &httparse::Response<'_, '_>) -> bool {
    let mut wanted = values(answer, "proxy-authenticate").peekable();
    wanted.peek().is_none() || wanted.any(|value| value.to_ascii_lowercase().contains("basic"))
}

/// `502 Bad Gateway`, and what a header adds: RFC 9209's, or squid's own.
fn words(status: u16, answer: &httparse::Response<'_, '_>) -> String {
    let reason = answer.reason.filter(|reason| !reason.is_empty());
    let mut words =
        reason.map_or_else(|| status.to_string(), |reason| format!("{status} {}", excerpt(reason)));
    if let Some(more) = values(answer, "proxy-status").chain(values(answer, "x-squid-error")).next() {
        words.push_str(&format!(": {}", excerpt(&more)));
    }
    words
}

fn values<'a>(answer: &'a httparse::Response<'_, '_>, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let found = answer.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    found.map(|header| String::from_utf8_lossy(header.value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, password: &str) -> Login {
        Login { user: Zeroizing::new(user.into()), password: Zeroizing::new(password.into()) }
    }

    /// What comes of an answer, in one piece and byte by byte.
    fn outcome(answer: &str, login: Option<&Login>) -> Result<bool, Refusal> {
        let whole = Connect::new("h:443", login).0.handle_bytes(answer.as_bytes());
        let mut pieces = Connect::new("h:443", login).0;
        let mut stepwise = Ok(false);
        for byte in answer.as_bytes().chunks(1) {
            match pieces.handle_bytes(byte) {
                Ok(false) => {}
                done => {
                    stepwise = done;
                    break;
                }
            }
        }
        // Byte by byte nothing can be seen behind the head.
        if whole != Err(Refusal::SpeaksFirst) {
            assert_eq!(whole, stepwise, "{answer:?}");
        }
        whole
    }

    #[test]
    fn a_request_names_the_target_and_the_login() {
        let (_, bytes) = Connect::new("[::1]:443", None);
        assert_eq!(bytes.as_slice(), b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n");
        // The pair of RFC 7617 §2.
        let (_, bytes) = Connect::new("h:1", Some(&login("Aladdin", "open sesame")));
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(
            text.ends_with("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn every_success_opens_the_way() {
        for head in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 200 OK\r\nProxy-Agent: x\r\nContent-Length: 9\r\n\r\n",
            "HTTP/1.1 204\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert_eq!(outcome(head, None), Ok(true), "{head:?}");
        }
        assert_eq!(outcome("HTTP/1.1 200 OK\r\n", None), Ok(false));
    }

    #[test]
    fn every_refusal_has_its_kind() {
        let me = login("me", "x");
        let basic = "HTTP/1.1 407 Auth\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
        let other = "HTTP/1.1 407 Auth\r\nProxy-Authenticate: Negotiate\r\n\r\n";
        for (answer, login, refusal) in [
            (basic, None, Refusal::NeedsLogin("407 Auth".into())),
            (basic, Some(&me), Refusal::WrongLogin("407 Auth".into())),
            (other, Some(&me), Refusal::OtherLogin("407 Auth".into())),
            ("HTTP/1.1 401 Unauthorized\r\n\r\n", Some(&me), Refusal::WrongLogin("401 Unauthorized".into())),
            ("HTTP/1.1 403 Filtered\r\n\r\n", None, Refusal::Forbidden("403 Filtered".into())),
            (
                "HTTP/1.1 502 Bad Gateway\r\nProxy-Status: p; error=dns_timeout\r\n\r\n",
                None,
                Refusal::CantReach("502 Bad Gateway: p; error=dns_timeout".into()),
            ),
            (
                "HTTP/1.1 503 X\r\nX-Squid-Error: ERR_DNS_FAIL 0\r\n\r\n",
                None,
                Refusal::CantReach("503 X: ERR_DNS_FAIL 0".into()),
            ),
            ("HTTP/1.1 405\r\n\r\n", None, Refusal::Answered("405".into())),
            ("HTTP/1.1 101 X\r\n\r\n", None, Refusal::Answered("101 X".into())),
            ("SSH-2.0-x\r\n", None, Refusal::NotAProxy),
            ("\u{5}\u{0}", None, Refusal::IsSocks),
            ("HTTP/1.1 200 OK\r\n\r\nx", None, Refusal::SpeaksFirst),
        ] {
            assert_eq!(outcome(answer, login), Err(refusal), "{answer:?}");
        }
    }

    #[test]
    fn a_head_without_an_end_is_given_up() {
        let mut machine = Connect::new("h:443", None).0;
        assert_eq!(machine.handle_bytes(b"HTTP/1.1 200 OK\r\nX: "), Ok(false));
        let outcome = (0..100).find_map(|_| machine.handle_bytes(&[b'x'; 1024]).err());
        assert_eq!(outcome, Some(Refusal::TooLong(HEAD_BYTES_MAX)));
    }
}

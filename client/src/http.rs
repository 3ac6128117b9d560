//! The HTTP requests around a session's life: make it, make it again, end it. Blocking, one request per
//! connection.

mod answer;
mod date;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod post;

use std::borrow::Cow;
use std::io::Write;
use std::time::{Duration, Instant};

use protocol::ids::{SessionId, Token};
use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use protocol::qr::Pairing;
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::net::endpoint::Endpoint;
use crate::net::stream::{Stream, unreachable_words};
use crate::net::way::{Way, share_of, ways};
use crate::text::excerpt;
use answer::Response;
pub use post::{Post, PostError, Posted, post};

/// From the name's look-up to the last byte of the answer.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// A fresh session, as the relay described it.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The pairing for the phone; `ws` is the address that the relay announces.
    pub pairing: Pairing,
    /// The session ends when it was unused for this long.
    pub idle_max: Duration,
    /// The relay's page for phones without an app, if it serves one: an address without a fragment.
    pub page: Option<String>,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HttpError {
    /// No answer came; the text names address, cause and remedy.
    #[error("{0}")]
    Unreachable(String),
    /// The relay said no.
    #[error("{server} refused: {message} ({status})")]
    Refused {
        /// Whom we asked.
        server: String,
        /// The HTTP status.
        status: u16,
        /// The relay's word for the reason, such as `session_deleted`; empty if it gave none.
        code: String,
        /// The relay's words.
        message: String,
    },
    /// The answer does not come from a relay.
    #[error("{server} does not answer like a relay: {what}; is the address right?")]
    NotARelay {
        /// Whom we asked.
        server: String,
        /// The error.
        what: String,
    },
    /// The key can't be sent in a header.
    #[error("the register key must be printable ASCII without spaces; check REGISTER_KEY")]
    BadKey,
}

impl HttpError {
    /// The relay's word for a refusal.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            HttpError::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            HttpError::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// What a relay says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// It answers as a relay does, and not as another server.
    pub is_relay: bool,
    /// Its clock, in seconds since 1970, if it told.
    pub date: Option<u64>,
}

/// Asks a relay how it is (`GET /health`). Blocks like [`register`].
///
/// # Errors
/// No answer of HTTP came.
pub fn health(server: &Endpoint) -> Result<Health, HttpError> {
    let answer = request(server, "GET", "/health", None, "")?;
    let is_relay = answer.status == 200 && is_health(&answer.body);
    Ok(Health { is_relay, date: answer.date })
}

/// Makes a session (`POST /api/register`). Blocks for at most ten seconds and the system's time for a name.
///
/// # Errors
/// The relay can't be reached, refused, or is not a relay; or `key` can't be sent.
pub fn register(server: &Endpoint, key: Option<&str>) -> Result<Registration, HttpError> {
    registered(server, &request(server, "POST", "/api/register", key, "")?)
}

/// Makes a session under ids of one's own, such as those that a code derives. Blocks like [`register`].
///
/// # Errors
/// As [`register`]; the relay refuses with 409 if there is or was a session of that id with another token.
pub fn register_own(
    server: &Endpoint,
    key: Option<&str>,
    session: SessionId,
    token: &Token,
) -> Result<Registration, HttpError> {
    let token = Zeroizing::new(token.reveal());
    let body = Zeroizing::new(format!(r#"{{"sessionId":"{session}","token":"{}"}}"#, &*token));
    registered(server, &request(server, "POST", "/api/register", key, &body)?)
}

/// Makes a session again that expired or was lost with the store. Blocks like [`register`].
///
/// # Errors
/// As [`register`]; the relay refuses with 409 if the session was deleted or has another token.
pub fn register_again(
    server: &Endpoint,
    key: Option<&str>,
    session: SessionId,
    token: &Token,
) -> Result<Registration, HttpError> {
    register_own(server, key, session, token)
}

fn registered(server: &Endpoint, answer: &Response) -> Result<Registration, HttpError> {
    match answer.status {
        200 => registration(&answer.body).ok_or_else(|| HttpError::NotARelay {
            server: server.to_string(),
            what: "its answer to a registration holds no session".into(),
        }),
        _ => Err(refusal(server, answer)),
    }
}

/// Ends a session (`DELETE /api/session/:id`); false if it had ended already. Blocks like
/// [`register`].
///
/// # Errors
/// The relay can't be reached, refused, or is not a relay.
pub fn delete(server: &Endpoint, session: SessionId, token: &Token) -> Result<bool, HttpError> {
    let path = format!("/api/session/{session}");
    let answer = request(server, "DELETE", &path, Some(&token.reveal()), "")?;
    match answer.status {
        200 | 204 => Ok(true),
        404 => Ok(false),
        _ => Err(refusal(server, &answer)),
    }
}

fn request(
    server: &Endpoint,
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: &str,
) -> Result<Response, HttpError> {
    let target = server.below(path);
    let mut head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", target.path(), target.authority());
    if let Some(key) = bearer {
        // Anything else could end the header and begin another.
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HttpError::BadKey);
        }
        head.push_str(&format!("Authorization: Bearer {key}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()));
    let request = Zeroizing::new(head);
    exchange(server, request.as_bytes())
}

fn exchange(server: &Endpoint, request: &[u8]) -> Result<Response, HttpError> {
    let deadline = Instant::now() + REQUEST_MAX;
    let ways = ways(server, None).map_err(HttpError::Unreachable)?;
    let mut last = HttpError::Unreachable(format!("{server} has no address; is the name right?"));
    for (done, way) in ways.iter().enumerate() {
        // One that accepts and says nothing must not hide the others.
        let Ok(share) = share_of(deadline, ways.len() - done) else { break };
        match exchange_by(server, way, request, Instant::now() + share) {
            Ok(answer) => return Ok(answer),
            Err(Failed::Unreachable(words)) => last = HttpError::Unreachable(words),
            Err(Failed::NotHttp(what)) => last = HttpError::NotARelay { server: server.to_string(), what },
        }
    }
    Err(last)
}

/// Why one way led to no answer.
enum Failed {
    Unreachable(String),
    NotHttp(String),
}

fn exchange_by(server: &Endpoint, way: &Way, request: &[u8], deadline: Instant) -> Result<Response, Failed> {
    let unreachable = |error: &std::io::Error| Failed::Unreachable(unreachable_words(server, error));
    let mut stream =
        Stream::connect(server, std::slice::from_ref(way), deadline).map_err(Failed::Unreachable)?;
    let sent = stream.write_all(request).and_then(|()| stream.flush());
    sent.map_err(|error| unreachable(&error))?;
    answer::read(&mut stream, deadline).map_err(|error| match error {
        answer::ReadError::Io(error) => unreachable(&error),
        other => Failed::NotHttp(other.to_string()),
    })
}

fn registration(body: &[u8]) -> Option<Registration> {
    #[derive(Deserialize)]
    struct RegisterFields<'a> {
        #[serde(borrow, rename = "sessionId")]
        session: Cow<'a, str>,
        #[serde(borrow)]
        token: Cow<'a, str>,
        #[serde(borrow)]
        ws: Cow<'a, str>,
        ttl: u64,
        #[serde(borrow, default)]
        page: Option<Cow<'a, str>>,
    }
    let raw: RegisterFields<'_> = parse(body)?;
    let pairing = Pairing {
        ws: raw.ws.into_owned(),
        session: SessionId::parse(&raw.session).ok()?,
        token: Token::parse(&raw.token).ok()?,
    };
    let page = raw.page.map(Cow::into_owned);
    Some(Registration { pairing, idle_max: Duration::from_secs(raw.ttl), page })
}

fn is_health(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Fields {
        ok: bool,
    }
    parse::<Fields>(body).is_some_and(|fields| fields.ok)
}

fn refusal(server: &Endpoint, answer: &Response) -> HttpError {
    let message = message_of(&answer.body);
    let message = message.unwrap_or_else(|| "it gave no reason; is this the address of a relay?".to_owned());
    let code = parse::<Reason<'_>>(&answer.body).map(|reason| excerpt(&reason.error)).unwrap_or_default();
    HttpError::Refused { server: server.to_string(), status: answer.status, code, message }
}

/// The words in a relay's refusal, bounded and harmless; `None` where the body does not come from a relay.
pub(crate) fn message_of(body: &[u8]) -> Option<String> {
    let reason = parse::<Reason<'_>>(body)?;
    Some(excerpt(&reason.message)).filter(|message| !message.is_empty())
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Reason<'a> {
    #[serde(borrow, default)]
    error: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let body = std::str::from_utf8(body).ok()?;
    json::nesting_within(body.as_bytes(), JSON_DEPTH_MAX).then_some(())?;
    sonic_rs::from_str(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_is_read_and_nonsense_is_not() {
        let id = "00112233445566778899aabbccddeeff";
        let body =
            format!(r#"{{"sessionId":"{id}","token":"{id}","ws":"ws://h/ws","ttl":9,"qrPayload":{{}}}}"#);
        let registration = registration(body.as_bytes()).unwrap();
        assert_eq!(registration.pairing.ws, "ws://h/ws");
        assert_eq!((registration.idle_max, registration.page), (Duration::from_secs(9), None));
        let with_page = body.replace("\"ttl\"", "\"page\":\"https://h/p\",\"ttl\"");
        let registration = super::registration(with_page.as_bytes()).unwrap();
        assert_eq!(registration.page.as_deref(), Some("https://h/p"));
        for bad in ["", "{}", &body.replace(id, "x"), &"[".repeat(10_000), &body.replace("ttl", "tt")] {
            assert!(super::registration(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_carries_what_the_relay_said() {
        let server = Endpoint::parse_http("http://h").unwrap();
        let body = br#"{"error":"unauthorized","message":"send the key"}"#.to_vec();
        let error = refusal(&server, &Response { status: 401, body, retry_after: None, date: None });
        assert_eq!(error.to_string(), "http://h refused: send the key (401)");
        let error = refusal(
            &server,
            &Response { status: 502, body: b"<html>".to_vec(), retry_after: None, date: None },
        );
        assert!(error.to_string().ends_with("(502)"), "{error}");
    }

    #[test]
    fn an_address_that_accepts_and_says_nothing_hides_no_other_one() {
        use std::net::TcpListener;
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = good.local_addr().unwrap().port();
        // On the same port of another address of this machine; where a system has one only, there is nothing
        // to hide.
        let Ok(silent) = TcpListener::bind(("127.0.0.2", port)) else { return };
        let server = Endpoint::parse_http(&format!("http://two.test:{port}")).unwrap();
        let server = server.found_at(&[silent.local_addr().unwrap(), good.local_addr().unwrap()]);
        let answering = std::thread::spawn(move || {
            use std::io::Read;
            let (mut stream, _) = good.accept().unwrap();
            stream.read_exact(&mut [0; 16]).unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        let id = "00112233445566778899aabbccddeeff";
        assert_eq!(delete(&server, SessionId::parse(id).unwrap(), &Token::parse(id).unwrap()), Ok(true));
        drop(silent);
        answering.join().unwrap();
    }

    #[test]
    fn a_key_cant_break_out_of_its_header() {
        let server = Endpoint::parse_http("http://127.0.0.1:1").unwrap();
        for bad in ["a\r\nHost: x", "a b", "ä"] {
            assert_eq!(register(&server, Some(bad)).unwrap_err(), HttpError::BadKey);
        }
    }
}

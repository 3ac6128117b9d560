//! One connect: TCP, a proxy's answer, TLS and the upgrade, blocking, on a short-lived thread of its own.
//!
//! A name's look-up can't be interrupted, so the driver never waits for it: a connect that was given up ends
//! by itself, at most the resolver's own limit and six seconds later, and its result goes nowhere.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use mio::Waker;
use protocol::envelope;
use protocol::ids::SessionId;
use protocol::ws::upgrade::RAW_SUBPROTOCOL;
use tungstenite::client::IntoClientRequest;
use tungstenite::error::{ProtocolError, SubProtocolError};
use tungstenite::handshake::HandshakeError;
use tungstenite::http::header::LOCATION;
use tungstenite::http::{HeaderValue, Response};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, WebSocket};

use crate::event::Lost;
use crate::http::message_of;
use crate::net::endpoint::Endpoint;
use crate::net::stream::{Stream, unreachable_words};
use crate::net::way::{Way, time_left, ways};
use crate::session::{CONNECT_MAX, Input};
use crate::settings::ConnectionSettings;
use crate::text::excerpt;

/// A connected socket, or the input for the machine instead.
pub(super) type Outcome = Result<WebSocket<Stream>, Input>;

/// A connect under way. Dropping it gives the connect up.
pub(super) struct Dial {
    outcome: Receiver<Outcome>,
    /// The way that is open.
    way: Arc<OnceLock<Way>>,
}

impl Dial {
    /// Begins, behind the way that `failed`; wakes the driver when done.
    pub(super) fn start(
        settings: &ConnectionSettings,
        session: SessionId,
        failed: Option<&Way>,
        now: Instant,
        waker: &Arc<Waker>,
    ) -> Self {
        let (sender, outcome) = channel();
        let way = Arc::new(OnceLock::new());
        let (settings, wake, open) = (settings.clone(), Arc::clone(waker), Arc::clone(&way));
        let failed = failed.cloned();
        let work = move || {
            // If the driver has given up, the result is not needed.
            let _ = sender.send(connect(&settings, session, failed.as_ref(), now + CONNECT_MAX, &open));
            let _ = wake.wake();
        };
        match thread::Builder::new().name("relay-dial".into()).spawn(work) {
            Ok(_) => Dial { outcome, way },
            Err(error) => Self::failed(Input::Lost(Lost::Broken(format!("no thread: {error}"))), waker),
        }
    }

    /// A connect that has failed already.
    pub(super) fn failed(input: Input, waker: &Waker) -> Self {
        let (sender, outcome) = channel();
        let _ = sender.send(Err(input));
        let _ = waker.wake();
        Dial { outcome, way: Arc::default() }
    }

    /// The way that is open, if one is.
    pub(super) fn way(&self) -> Option<&Way> {
        self.way.get()
    }

    /// The outcome, once.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome.try_recv().ok()
    }
}

fn connect(
    settings: &ConnectionSettings,
    session: SessionId,
    failed: Option<&Way>,
    deadline: Instant,
    open: &OnceLock<Way>,
) -> Outcome {
    let endpoint = &settings.endpoint;
    let stream = ways(endpoint, failed)
        .and_then(|ways| Stream::connect(endpoint, &ways, deadline))
        .map_err(|words| Input::Lost(Lost::Unreachable(words)))?;
    // Set once: each dial has its own.
    let _ = open.set(stream.way().clone());
    let request = request(settings, session).map_err(|error| judge(endpoint, error))?;
    let mut shaken = tungstenite::client::client_with_config(request, stream, Some(config(settings)));
    loop {
        match shaken {
            Ok((socket, _)) => return Ok(socket),
            Err(HandshakeError::Failure(error)) => return Err(judge(endpoint, error)),
            Err(HandshakeError::Interrupted(half)) => {
                time_left(deadline).map_err(|_| Input::Lost(Lost::ConnectTimedOut(CONNECT_MAX)))?;
                shaken = half.handshake();
            }
        }
    }
}

/// The parameter `a` says nothing but "the same session" to a balancer, which may keep its two ends on one
/// node by it.
fn request(
    settings: &ConnectionSettings,
    session: SessionId,
) -> Result<tungstenite::handshake::client::Request, Error> {
    let address = format!("{}?a={}", settings.endpoint, session.log_tag());
    let mut request = address.into_client_request()?;
    if settings.raw {
        let raw = HeaderValue::from_static(RAW_SUBPROTOCOL);
        request.headers_mut().insert("Sec-WebSocket-Protocol", raw);
    }
    Ok(request)
}

/// One read brings two pieces of a file; its buffer is zeroed before, which costs much less than more reads
/// would. The write buffer needs no bound of its own: the connection hands over the next message only when
/// the socket took the last.
fn config(settings: &ConnectionSettings) -> WebSocketConfig {
    let bytes_max = Some(envelope::text_bytes_max(settings.message_bytes_max));
    WebSocketConfig::default()
        .read_buffer_size(64 * 1024)
        .write_buffer_size(256 * 1024)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
}

/// Tells a relay that can't serve now from a server that is not a relay.
fn judge(endpoint: &Endpoint, error: Error) -> Input {
    match error {
        Error::Http(answer) => {
            let status = answer.status();
            let words = answer_words(endpoint, &answer);
            let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            if may_pass { Input::Lost(Lost::Unreachable(words)) } else { Input::Odd(words) }
        }
        Error::Io(error) => unreachable(endpoint, &error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) | Error::ConnectionClosed => {
            Input::Lost(Lost::Unreachable(format!("{endpoint} hung up during the handshake")))
        }
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(SubProtocolError::NoSubProtocol)) => {
            Input::Odd(format!("{endpoint} does not offer {RAW_SUBPROTOCOL}"))
        }
        // It says so of an answer in many small packets, which a bad network can make of any answer.
        Error::AttackAttempt => Input::Lost(Lost::Unreachable(format!(
            "the answer of {endpoint} arrived in too many small pieces"
        ))),
        other => Input::Odd(format!(
            "{endpoint} did not answer as a WebSocket server: {}",
            excerpt(&other.to_string())
        )),
    }
}

/// The words for an answer that is not an upgrade: its status, its redirect, and the relay's own words if it
/// has any.
fn answer_words(endpoint: &Endpoint, answer: &Response<Option<Vec<u8>>>) -> String {
    let mut words = format!("{endpoint} answered {} where a WebSocket was expected", answer.status());
    if let Some(target) = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection()) {
        words
            .push_str(&format!(", and sends us to {}", excerpt(&String::from_utf8_lossy(target.as_bytes()))));
    }
    if let Some(message) = answer.body().as_deref().and_then(message_of) {
        words.push_str(&format!(": {message}"));
    }
    words
}

fn unreachable(endpoint: &Endpoint, error: &std::io::Error) -> Input {
    Input::Lost(Lost::Unreachable(unreachable_words(endpoint, error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bad_network_does_is_not_held_against_the_relay() {
        let endpoint = Endpoint::parse_ws("ws://127.0.0.1:1/ws").unwrap();
        for error in [
            Error::AttackAttempt,
            Error::ConnectionClosed,
            Error::Protocol(ProtocolError::HandshakeIncomplete),
            Error::Io(std::io::ErrorKind::ConnectionReset.into()),
        ] {
            let words = error.to_string();
            let judged = judge(&endpoint, error);
            assert!(matches!(judged, Input::Lost(Lost::Unreachable(_))), "{words}: {judged:?}");
        }
        let judged = judge(&endpoint, Error::Protocol(ProtocolError::WrongHttpVersion));
        assert!(matches!(judged, Input::Odd(_)), "{judged:?}");
    }

    #[test]
    fn an_answer_is_told_with_what_it_says_and_nothing_that_acts_on_a_terminal() {
        let endpoint = Endpoint::parse_ws("ws://h/ws").unwrap();
        let said = |status, location: &'static str, body: &str| {
            let answer = Response::builder().status(status).header("Location", location);
            answer_words(&endpoint, &answer.body(Some(body.as_bytes().to_vec())).unwrap())
        };
        let json = r#"{"error":"forbidden","message":"not from \u001b[2Jthis page"}"#;
        assert_eq!(
            said(403, "", json),
            r"ws://h/ws answered 403 Forbidden where a WebSocket was expected: not from \u{1b}[2Jthis page"
        );
        assert_eq!(
            said(302, "http://portal/login", "<html>"),
            "ws://h/ws answered 302 Found where a WebSocket was expected, and sends us to http://portal/login"
        );
        for no_message in ["", "<html>", "{}", r#"{"message":7}"#, r#"{"message":""}"#, "\u{0}"] {
            assert!(said(404, "", no_message).ends_with("was expected"), "{no_message}");
        }
        let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(100_000));
        assert!(said(404, "", &long).len() < 400);
    }
}

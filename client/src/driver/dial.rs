//! One connect: TCP, TLS and the upgrade, blocking, on a short-lived thread of its own.
//!
//! A name's look-up can't be interrupted, so the driver never waits for it: a connect that was given up ends by
//! itself, at most the resolver's own limit and six seconds later, and its result goes nowhere.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use mio::Waker;
use protocol::envelope;
use protocol::ids::SessionId;
use protocol::ws::upgrade::RAW_SUBPROTOCOL;
use tungstenite::client::IntoClientRequest;
use tungstenite::error::{ProtocolError, SubProtocolError};
use tungstenite::handshake::HandshakeError;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, WebSocket};

use crate::event::{Lost, Stop};
use crate::net::endpoint::Endpoint;
use crate::net::stream::{Stream, time_left, unreachable_words};
use crate::session::{CONNECT_MAX, Input};
use crate::settings::Settings;

/// A connected socket, or what the machine is told instead.
pub(super) type Outcome = Result<WebSocket<Stream>, Input>;

/// A connect under way. Dropping it gives the connect up.
pub(super) struct Dial {
    outcome: Receiver<Outcome>,
}

impl Dial {
    /// Begins; wakes the driver when done.
    pub(super) fn start(settings: &Settings, session: SessionId, now: Instant, waker: &Arc<Waker>) -> Self {
        let (sender, outcome) = channel();
        let (settings, wake) = (settings.clone(), Arc::clone(waker));
        let work = move || {
            // If the driver has given up, there is nobody to tell.
            let _ = sender.send(connect(&settings, session, now + CONNECT_MAX));
            let _ = wake.wake();
        };
        match thread::Builder::new().name("relay-dial".into()).spawn(work) {
            Ok(_) => Dial { outcome },
            Err(error) => Self::failed(Input::Lost(Lost::Broken(format!("no thread: {error}"))), waker),
        }
    }

    /// A connect that has failed already.
    pub(super) fn failed(input: Input, waker: &Waker) -> Self {
        let (sender, outcome) = channel();
        let _ = sender.send(Err(input));
        let _ = waker.wake();
        Dial { outcome }
    }

    /// The outcome, once.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcome.try_recv().ok()
    }
}

fn connect(settings: &Settings, session: SessionId, deadline: Instant) -> Outcome {
    let endpoint = &settings.endpoint;
    let stream =
        Stream::connect(endpoint, deadline).map_err(|words| Input::Lost(Lost::Unreachable(words)))?;
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

/// The parameter `a` says nothing but "the same session" to a balancer, which may keep its two ends on one node by it.
fn request(
    settings: &Settings,
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

/// The read buffer is zeroed before every read, so it is small. The write buffer needs no bound of its own: the
/// connection hands over the next message only when the socket took the last.
fn config(settings: &Settings) -> WebSocketConfig {
    let bytes_max = Some(envelope::text_bytes_max(settings.message_bytes_max));
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(64 * 1024)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
}

/// Tells a relay that can't serve now from something that is no relay.
fn judge(endpoint: &Endpoint, error: Error) -> Input {
    let not_a_relay = |words: String| Input::Impossible(Stop::NotARelay(words));
    match error {
        Error::Http(answer) => {
            let status = answer.status();
            let words = format!("{endpoint} answered {status} where a WebSocket was expected");
            let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            if may_pass { Input::Lost(Lost::Unreachable(words)) } else { not_a_relay(words) }
        }
        Error::Io(error) => unreachable(endpoint, &error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) | Error::ConnectionClosed => {
            Input::Lost(Lost::Unreachable(format!("{endpoint} hung up during the handshake")))
        }
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(SubProtocolError::NoSubProtocol)) => {
            not_a_relay(format!("{endpoint} does not offer {RAW_SUBPROTOCOL}"))
        }
        // What it calls so is an answer in many small packets, which a bad network makes of any.
        Error::AttackAttempt => {
            Input::Lost(Lost::Unreachable(format!("the answer of {endpoint} came in too small pieces")))
        }
        other => not_a_relay(format!("{endpoint} did not answer as a WebSocket server: {other}")),
    }
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
        assert!(matches!(judged, Input::Impossible(Stop::NotARelay(_))), "{judged:?}");
    }
}

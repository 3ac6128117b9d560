//! How long a proxy leaves a quiet connection open.

use std::time::{Duration, Instant};

use protocol::ids::{Role, SessionId, Token};
use protocol::message::{Hello, Version};
use tungstenite::{Message, WebSocket};

use super::public::{Public, echo};
use super::{Finding, harmless};
use crate::ask::Stream;
use crate::config::Config;

const CHECK: &str = "idle";

/// For each visit. The server itself closes a connection without a hello after 10 s.
pub(super) const SHORT: Duration = Duration::from_secs(4);

/// For a visit that may take long: more than the 60 s after which many proxies close.
const LONG: Duration = Duration::from_secs(75);

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Leaves a connection quiet for so long, and looks whether it is still there.
pub(super) fn held(socket: &mut WebSocket<Stream>, quiet: Duration) -> Finding {
    let begun = Instant::now();
    socket.get_mut().set_deadline(begun + quiet);
    let ended = loop {
        match socket.read() {
            Ok(Message::Close(_)) => break true,
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
                break false;
            }
            Err(_) => break true,
        }
    };
    if ended || echo(socket, ANSWER_WITHIN).is_err() {
        return Finding::bad(
            CHECK,
            format!("a quiet connection is closed after {} s", begun.elapsed().as_secs_f32().round()),
            "set the proxy's read timeout to 300 s or more, such as nginx's proxy_read_timeout",
        );
    }
    Finding::ok(CHECK, format!("a quiet connection is open after {} s", quiet.as_secs()))
}

/// Takes part in a session, so that the server leaves the connection open, and is quiet for long.
pub(super) fn examine(public: &Public, config: &Config, tell: &mut dyn FnMut(Finding)) {
    // An old client may be silent for three intervals.
    let quiet = LONG.min((config.heartbeat * 3).saturating_sub(Duration::from_secs(5)));
    let registered = match public.ask("POST", "/api/register", &[]) {
        Ok((answer, _)) => answer,
        Err(error) => return tell(Finding::warn(CHECK, harmless(&error.to_string()), "")),
    };
    let Some((session, token)) = pairing(&registered.body) else {
        let words =
            format!("no session for the long look: {} {}", registered.status, harmless(&registered.body));
        return tell(Finding::warn(CHECK, words, "run it once without REGISTER_KEY at the server"));
    };
    tell(visit(public, session, &token, quiet));
    let hex = String::from_utf8_lossy(&session.hex()).into_owned();
    let bearer = format!("Bearer {}", token.reveal());
    if let Err(error) = public.ask("DELETE", &format!("/api/session/{hex}"), &[("Authorization", &bearer)]) {
        tell(Finding::warn(CHECK, harmless(&error.to_string()), "the session ends by itself"));
    }
}

fn visit(public: &Public, session: SessionId, token: &Token, quiet: Duration) -> Finding {
    let mut socket = match public.upgrade(Instant::now() + ANSWER_WITHIN) {
        Ok(socket) => socket,
        Err(finding) => return finding,
    };
    let hello = Hello::to_json_as(Version::V1, session, token, Role::Phone, None);
    match socket.send(Message::Text(hello.into())) {
        Ok(()) => held(&mut socket, quiet),
        Err(error) => Finding::warn(CHECK, harmless(&error.to_string()), ""),
    }
}

fn pairing(body: &str) -> Option<(SessionId, Token)> {
    let member =
        |name: &str| Some(body.split_once(&format!("\"{name}\":\""))?.1.split_once('"')?.0.to_owned());
    Some((SessionId::parse(&member("sessionId")?).ok()?, Token::parse(&member("token")?).ok()?))
}

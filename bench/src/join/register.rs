//! Registers sessions as a workstation does: one request on one connection each.

use std::sync::atomic::AtomicBool;

use anyhow::{Context, ensure};
use protocol::ids::SessionId;
use relay_client::Endpoint;

use super::address::resolve;
use super::crowd::{self, Next, Talk};
use crate::socket::Socket;

/// A session that both ends can join.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    pub token: String,
}

/// Makes `count` sessions at the relay whose WebSocket address is `url`.
///
/// # Errors
/// It can't be reached, or refuses; or a signal came.
pub(super) fn all(url: &Endpoint, count: usize, interrupted: &AtomicBool) -> anyhow::Result<Vec<Session>> {
    let to = resolve(url)?;
    let base = url.path().strip_suffix("/ws").unwrap_or(url.path());
    let request = format!(
        "POST {base}/api/register HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        url.authority()
    );
    let talk = |_| (to, Registering { request: request.clone(), came: Vec::new(), session: None });
    crowd::converse(count, talk, interrupted)?
        .into_iter()
        .map(|session| session.context("an answer without a session"))
        .collect()
}

struct Registering {
    request: String,
    came: Vec<u8>,
    session: Option<Session>,
}

impl Talk for Registering {
    type Done = Option<Session>;

    fn opening(&self) -> Vec<u8> {
        self.request.clone().into_bytes()
    }

    /// Waits for the whole answer. It ends with the connection, as the request asked for.
    fn on_bytes(&mut self, bytes: &[u8], is_end: bool) -> anyhow::Result<Next> {
        self.came.extend_from_slice(bytes);
        if !is_end {
            return Ok(Next::Listen);
        }
        let answer = String::from_utf8_lossy(&self.came);
        let status = answer.lines().next().unwrap_or_default();
        ensure!(status.starts_with("HTTP/1.1 200 "), "a registration was answered {status:?}");
        self.session = Some(session(&answer).context("a registration's answer holds no session")?);
        Ok(Next::Done)
    }

    fn finish(self, _: Socket) -> Option<Session> {
        self.session
    }
}

/// Ids are hex, so no string is escaped.
fn session(answer: &str) -> Option<Session> {
    let member = |name: &str| answer.split_once(name)?.1.split_once('"').map(|(value, _)| value);
    let id = SessionId::parse(member(r#""sessionId":""#)?).ok()?;
    Some(Session { id, token: member(r#""token":""#)?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_from_the_answer() {
        let body = r#"{"sessionId":"3f4ffe2e903d2b0a2734e470a987e39b","token":"957a","ws":"ws://h/ws"}"#;
        let found = session(&format!("HTTP/1.1 200 OK\r\n\r\n{body}")).unwrap();
        assert_eq!((found.id.to_string().as_str(), found.token.as_str()), (&body[14..46], "957a"));
        assert!(session("HTTP/1.1 200 OK\r\n\r\n{}").is_none());
        assert!(session(&body.replace("3f", "zz")).is_none());
    }
}

//! A connect that may fail: the node may be killed, be stopped or have no store.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::http;
use super::json::Object;
use super::peer::Peer;
use super::session::{Hello, Session};
use super::wire::{End, Wire};
use super::ws::{FrameSpec, Message, Upgrade, Ws};

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No answer came in time, or the connection ended without a Close.
    NoAnswer,
    /// The hello was answered with a Close of this code.
    Code(u16),
}

/// Joins, if each answer arrives within `patience`.
pub fn dial(addr: SocketAddr, hello: &Hello, patience: Duration) -> Result<Peer, Refusal> {
    let mut ws = upgrade(addr, patience).ok_or(Refusal::NoAnswer)?;
    ws.wire().try_send(&FrameSpec::text(&hello.json()).encode()).map_err(|_| Refusal::NoAnswer)?;
    loop {
        return match ws.message_within(patience) {
            // A client of version 3 is pinged while its claim waits, and is told why it is refused.
            Ok(Some(Message::Ping(_))) => continue,
            Ok(Some(Message::Text(text))) if Object::parse(&text).text("type") == "error" => continue,
            Ok(Some(Message::Text(text))) => Ok(Peer::acked(ws, hello, &text)),
            Ok(Some(Message::Close(code, _))) => Err(Refusal::Code(code)),
            Ok(Some(other)) => panic!("{other:?} instead of a hello-ack"),
            Ok(None) | Err(_) => Err(Refusal::NoAnswer),
        };
    }
}

/// Registers a new session, if that is answered in time and granted.
pub fn register(addr: SocketAddr, patience: Duration) -> Option<Session> {
    let (status, body) = ask(addr, &http::request("POST", "/api/register", &[], ""), patience)?;
    (status == 200).then(|| {
        let answer = Object::parse(&body);
        Session { id: answer.text("sessionId").to_owned(), token: answer.text("token").to_owned() }
    })
}

/// Registers these credentials again: the status, if that is answered in time.
pub fn register_again(session: &Session, addr: SocketAddr, patience: Duration) -> Option<u16> {
    let body = format!(r#"{{"sessionId":"{}","token":"{}"}}"#, session.id, session.token);
    Some(ask(addr, &http::request("POST", "/api/register", &[], &body), patience)?.0)
}

/// Deletes a session: the status, if that is answered in time.
pub fn delete(session: &Session, addr: SocketAddr, patience: Duration) -> Option<u16> {
    let target = format!("/api/session/{}", session.id);
    Some(ask(addr, &http::request("DELETE", &target, &[], ""), patience)?.0)
}

/// A request on a connection of its own, which the server is asked to close: status and body.
fn ask(addr: SocketAddr, request: &str, patience: Duration) -> Option<(u16, String)> {
    let mut wire = Wire::over(TcpStream::connect_timeout(&addr, patience).ok()?);
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    wire.try_send(request.as_bytes()).ok()?;
    loop {
        match wire.fill_for(patience) {
            Ok(true) => {}
            Ok(false) | Err(End::Reset) => return None,
            Err(End::Eof) => break,
        }
    }
    let answer = String::from_utf8_lossy(wire.pending()).into_owned();
    let status = answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

fn upgrade(addr: SocketAddr, patience: Duration) -> Option<Ws> {
    let mut wire = Wire::over(TcpStream::connect_timeout(&addr, patience).ok()?);
    wire.try_send(&Upgrade::default().encode()).ok()?;
    let head = loop {
        if let Some(at) = wire.pending().windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if !wire.fill_for(patience).ok()? {
            return None;
        }
    };
    let is_accepted = wire.pending().starts_with(b"HTTP/1.1 101 ");
    wire.take(head);
    is_accepted.then(|| Ws::over(wire))
}

//! A connect that may fail, as to a node that was killed, is stopped or has no store.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::http;
use super::peer::Peer;
use super::session::{Hello, Session};
use super::wire::Wire;
use super::ws::{FrameSpec, Message, Upgrade, Ws};

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody answered in time, or the connection ended without a Close.
    NoAnswer,
    /// The hello was answered with a Close of this code.
    Code(u16),
}

/// Joins, if each answer comes within `patience`.
pub fn dial(addr: SocketAddr, hello: &Hello, patience: Duration) -> Result<Peer, Refusal> {
    let mut ws = upgrade(addr, patience).ok_or(Refusal::NoAnswer)?;
    ws.wire().try_send(&FrameSpec::text(&hello.json()).encode()).map_err(|_| Refusal::NoAnswer)?;
    match ws.message_within(patience) {
        Ok(Some(Message::Text(text))) => Ok(Peer::acked(ws, hello, &text)),
        Ok(Some(Message::Close(code, _))) => Err(Refusal::Code(code)),
        Ok(Some(other)) => panic!("{other:?} instead of a hello-ack"),
        Ok(None) | Err(_) => Err(Refusal::NoAnswer),
    }
}

/// Registers these credentials again; false if that failed or was not answered in time.
pub fn register_again(session: &Session, addr: SocketAddr, patience: Duration) -> bool {
    let Ok(stream) = TcpStream::connect_timeout(&addr, patience) else { return false };
    let mut wire = Wire::over(stream);
    let body = format!(r#"{{"sessionId":"{}","token":"{}"}}"#, session.id, session.token);
    wire.try_send(http::request("POST", "/api/register", &[], &body).as_bytes()).is_ok()
        && wire.fill_for(patience) == Ok(true)
        && wire.pending().starts_with(b"HTTP/1.1 200 ")
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

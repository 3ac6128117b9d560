//! One end of a session after its hello. Reads what the server says, exactly as the contract defines it.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::guard::GUARD;
use super::json::{Object, cut};
use super::relay::Relay;
use super::role::Role;
use super::session::{Hello, Session};
use super::wire::End;
use super::ws::{FrameSpec, Message, Opcode, Upgrade, Ws};

/// What the server said.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// `peer-joined`, with how many frames of ours were missed.
    Joined(u64),
    /// `peer-left`.
    Left,
    /// A text of the peer.
    Text(String),
    /// A binary message of the peer, out of its envelope.
    Binary(Vec<u8>),
    /// A binary message, bare: raw mode.
    Bare(Vec<u8>),
    /// `hb-ack`.
    HbAck,
    /// `session-killed` with its reason.
    Killed(String),
    /// `peer-absent`.
    Absent,
    /// `replaced`, by our own instance or another.
    Replaced(bool),
    /// `going-away`.
    GoingAway,
    /// `error` with its code.
    Error(String),
    /// A pong.
    Pong(Vec<u8>),
    /// A Close frame.
    Closed(u16),
}

/// A joined connection.
#[derive(Debug)]
pub struct Peer {
    ws: Ws,
    role: Role,
    session: Session,
    ack: Object,
    /// How far its node's clock is ahead.
    node_ahead_ms: i64,
}

impl Peer {
    /// Joins a session as version 1.
    pub fn join(relay: &Relay, session: &Session, role: Role) -> Self {
        Self::join_as(relay.next_addr(session, role), &session.hello(role))
    }

    /// Joins with this hello.
    pub fn join_as(addr: SocketAddr, hello: &Hello) -> Self {
        Self::join_over(Ws::connect(addr), hello)
    }

    /// Joins in raw mode.
    pub fn join_raw(addr: SocketAddr, hello: &Hello) -> Self {
        Self::join_over(Upgrade::raw().open(addr), hello)
    }

    /// Says hello on an open WebSocket and reads the ack.
    pub fn join_over(ws: Ws, hello: &Hello) -> Self {
        Self::try_join_over(ws, hello).unwrap_or_else(|code| panic!("Close {code} instead of a hello-ack"))
    }

    /// Says hello as version 1. If it is refused, the code of the Close.
    pub fn try_join(relay: &Relay, session: &Session, role: Role) -> Result<Self, u16> {
        Self::try_join_over(Ws::connect(relay.next_addr(session, role)), &session.hello(role))
    }

    /// Reads the ack of a hello that was sent already.
    pub fn joined(ws: Ws, hello: &Hello) -> Self {
        Self::answered(ws, hello).unwrap_or_else(|code| panic!("Close {code} instead of a hello-ack"))
    }

    fn try_join_over(mut ws: Ws, hello: &Hello) -> Result<Self, u16> {
        ws.text(&hello.json());
        Self::answered(ws, hello)
    }

    fn answered(mut ws: Ws, hello: &Hello) -> Result<Self, u16> {
        let text = match ws.message() {
            Ok(Message::Text(text)) => text,
            Ok(Message::Close(code, _)) => {
                ws.expect_eof();
                return Err(code);
            }
            other => panic!("{other:?} instead of a hello-ack"),
        };
        Ok(Self::acked(ws, hello, &text))
    }

    /// A connection whose hello was answered with `text`.
    pub(super) fn acked(ws: Ws, hello: &Hello, text: &str) -> Self {
        let ack = Object::parse(text);
        assert_eq!((ack.text("type"), ack.text("sessionId")), ("hello-ack", &*hello.session().id), "{text}");
        Self { ws, role: hello.role(), session: hello.session().clone(), ack, node_ahead_ms: 0 }
    }

    /// The hello-ack.
    pub fn ack(&self) -> &Object {
        &self.ack
    }

    /// From now on `at` must show that its node's clock is this far ahead of ours, or behind.
    pub fn set_node_ahead(&mut self, secs: i64) {
        self.node_ahead_ms = secs * 1000;
    }

    /// The WebSocket below.
    pub fn ws(&mut self) -> &mut Ws {
        &mut self.ws
    }

    /// Gives up the peer and keeps the WebSocket.
    pub fn into_ws(self) -> Ws {
        self.ws
    }

    /// Sends a text.
    pub fn text(&mut self, text: &str) {
        self.ws.text(text);
    }

    /// Sends a binary message.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.ws.binary(bytes);
    }

    /// The next thing the server says. Its pings are answered on the way.
    pub fn event(&mut self) -> Event {
        let started = Instant::now();
        loop {
            // The server's pings must not extend a wait for something else.
            assert!(started.elapsed() < GUARD, "{}: nothing but pings for {GUARD:?}", self.role);
            match self.ws.message() {
                Ok(message) => {
                    if let Some(event) = self.judged(message) {
                        return event;
                    }
                }
                Err(end) => panic!("the connection of {} ended with {end:?}, without a Close", self.role),
            }
        }
    }

    /// The next thing the server says, if it comes within `patience`; or how the connection ended.
    pub fn event_within(&mut self, patience: Duration) -> Result<Option<Event>, End> {
        let message = self.ws.message_within(patience)?;
        Ok(message.and_then(|message| self.judged(message)))
    }

    /// What a message says; nothing if it was a ping, which is answered.
    fn judged(&mut self, message: Message) -> Option<Event> {
        Some(match message {
            Message::Text(text) => self.notice(&text),
            Message::Binary(bytes) => Event::Bare(bytes),
            Message::Pong(bytes) => Event::Pong(bytes),
            Message::Close(code, _) => Event::Closed(code),
            Message::Ping(bytes) => {
                // It may be closing, and then the pong is not needed.
                let _ = self.ws.wire().try_send(&FrameSpec::new(Opcode::Pong, bytes).encode());
                return None;
            }
        })
    }

    /// Expects this as the next thing the server says.
    pub fn expect(&mut self, expected: &Event) {
        let event = self.event();
        assert!(event == *expected, "{}: {event:?} instead of {expected:?}", self.role);
    }

    /// Expects this text of the peer next.
    pub fn expect_text(&mut self, text: &str) {
        self.expect(&Event::Text(text.to_owned()));
    }

    /// Everything up to and with the Close; then comes EOF.
    pub fn until_closed(&mut self, code: u16) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            match self.event() {
                Event::Closed(got) => {
                    assert_eq!(got, code, "{}: after {events:?}", self.role);
                    self.ws.expect_eof();
                    return events;
                }
                event => events.push(event),
            }
        }
    }

    /// Expects a Close with this code next, and then EOF.
    pub fn expect_closed(&mut self, code: u16) {
        let events = self.until_closed(code);
        assert!(events.is_empty(), "{}: {events:?} before the Close", self.role);
    }

    /// Expects that everything sent so far was processed, and that the only thing said is the answer to this
    /// heartbeat.
    ///
    /// A connection's input is processed in order, so all effects of it have arrived before.
    pub fn fence(&mut self) {
        self.text(r#"{"type":"hb"}"#);
        self.expect(&Event::HbAck);
    }

    /// Leaves with a Close and sees it answered.
    pub fn leave(mut self) {
        self.ws.send(&FrameSpec::close(1000, ""));
        let mut answer = self.event();
        // What was in flight arrives first.
        while !matches!(answer, Event::Closed(_)) {
            answer = self.event();
        }
        assert!(matches!(answer, Event::Closed(1000 | 1005)), "{answer:?}");
        self.ws.expect_eof();
    }

    fn notice(&self, text: &str) -> Event {
        let object = Object::parse(text);
        match object.text("type") {
            "frame" => self.frame(&object),
            "hb-ack" => Event::HbAck,
            "peer-joined" => {
                self.expect_other(&object, "role");
                Event::Joined(if object.has("missed") { object.number("missed") } else { 0 })
            }
            "peer-left" => {
                self.expect_other(&object, "role");
                Event::Left
            }
            "session-killed" => Event::Killed(object.text("reason").to_owned()),
            "peer-absent" => Event::Absent,
            "replaced" => Event::Replaced(object.flag("same")),
            "going-away" => Event::GoingAway,
            "error" => {
                assert!(!object.text("message").is_empty(), "{text}");
                Event::Error(object.text("code").to_owned())
            }
            _ => panic!("a type that is not in the contract: {}", cut(text)),
        }
    }

    fn frame(&self, object: &Object) -> Event {
        assert_eq!(object.names(), ["at", "b64", "frame", "fromRole", "sid", "type"]);
        assert_eq!(object.text("sid"), self.session.id, "a frame of another session");
        self.expect_other(object, "fromRole");
        let (at, now) = (object.number("at"), now_ms().saturating_add_signed(self.node_ahead_ms));
        assert!(at.abs_diff(now) < 10 * 60 * 1000, "at {at} is not about now, {now}");
        let payload = object.text("frame");
        if object.flag("b64") {
            Event::Binary(STANDARD.decode(payload).expect("standard base64"))
        } else {
            Event::Text(payload.to_owned())
        }
    }

    fn expect_other(&self, object: &Object, member: &str) {
        assert_eq!(object.text(member), self.role.other().as_str(), "{member} at the {}", self.role);
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Event::Text(text) => write!(f, "Text({:?})", cut(text)),
            Event::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
            Event::Bare(bytes) => write!(f, "Bare({} bytes)", bytes.len()),
            Event::Pong(bytes) => write!(f, "Pong({bytes:?})"),
            Event::Joined(missed) => write!(f, "Joined({missed})"),
            Event::Left => f.write_str("Left"),
            Event::HbAck => f.write_str("HbAck"),
            Event::Killed(reason) => write!(f, "Killed({reason})"),
            Event::Absent => f.write_str("Absent"),
            Event::Replaced(same) => write!(f, "Replaced({same})"),
            Event::GoingAway => f.write_str("GoingAway"),
            Event::Error(code) => write!(f, "Error({code})"),
            Event::Closed(code) => write!(f, "Closed({code})"),
        }
    }
}

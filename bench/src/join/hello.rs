//! Joining: upgrade, hello, and the notices until the other end is there too.

use std::sync::atomic::AtomicBool;

use anyhow::{bail, ensure};
use protocol::ids::Role;
use protocol::ws::header::{self, OpCode};
use protocol::ws::{mask, upgrade};
use relay_client::Endpoint;

use super::address::resolve;
use super::crowd::{self, Next, Talk};
use super::register::Session;
use crate::inbox::{Inbox, Message};
use crate::socket::{Destination, Socket};
use crate::workload::Mode;

/// One connection.
#[derive(Debug)]
pub(crate) struct End {
    pub stream: Socket,
    pub inbox: Inbox,
}

/// Opens both connections of each session; `urls` are the workstation's and the phone's. Returns them linked.
///
/// # Errors
/// A relay can't be reached, or does not answer as it must; or a signal came.
pub(super) fn all(
    urls: [&Endpoint; 2],
    sessions: &[Session],
    mode: Mode,
    interrupted: &AtomicBool,
) -> anyhow::Result<Vec<[End; 2]>> {
    let places: Vec<Destination> = urls.into_iter().map(resolve).collect::<anyhow::Result<_>>()?;
    // Both ends of a session are neighbours here, so that each is there soon when the other waits for it.
    let talk = |at: usize| {
        let (session, role) = (&sessions[at / 2], Role::ALL[at % 2]);
        let hello =
            format!(r#"{{"type":"hello","s":"{}","t":"{}","r":"{role}"}}"#, session.id, session.token);
        let url = urls[role.index()].clone();
        let awaits = Awaits::Upgrade(Vec::new());
        (places[role.index()], Joining { url, mode, hello, awaits, inbox: Inbox::new(false) })
    };
    let mut ends = crowd::converse(sessions.len() * 2, talk, interrupted)?.into_iter();
    Ok(std::iter::from_fn(|| Some([ends.next()?, ends.next()?])).collect())
}

struct Joining {
    url: Endpoint,
    mode: Mode,
    hello: String,
    awaits: Awaits,
    inbox: Inbox,
}

enum Awaits {
    /// The end of the head, of which this came.
    Upgrade(Vec<u8>),
    HelloAck,
    PeerJoined,
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

impl Talk for Joining {
    type Done = End;

    /// RFC 6455 §4.1.
    fn opening(&self) -> Vec<u8> {
        let protocol = match self.mode {
            Mode::Enveloped => String::new(),
            Mode::Raw => format!("Sec-WebSocket-Protocol: {}\r\n", upgrade::RAW_SUBPROTOCOL),
        };
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: {}\r\n{protocol}\r\n",
            self.url.path(),
            self.url.authority(),
            upgrade::VERSION
        );
        request.into_bytes()
    }

    fn on_bytes(&mut self, mut bytes: &[u8], _: bool) -> anyhow::Result<Next> {
        if let Awaits::Upgrade(head) = &mut self.awaits {
            // Nothing follows the head before the hello.
            head.extend_from_slice(bytes);
            if !head.ends_with(b"\r\n\r\n") {
                ensure!(head.len() < 8192, "no whole answer to the upgrade");
                return Ok(Next::Listen);
            }
            check_upgrade(&String::from_utf8_lossy(head), self.mode)?;
            self.awaits = Awaits::HelloAck;
            return Ok(Next::Say(masked_text(&self.hello)));
        }
        while !bytes.is_empty() {
            self.inbox.fill(&mut bytes)?;
        }
        self.on_messages()
    }

    fn finish(self, stream: Socket) -> End {
        End { stream, inbox: self.inbox }
    }
}

impl Joining {
    fn on_messages(&mut self) -> anyhow::Result<Next> {
        while let Some(message) = self.inbox.next()? {
            let wanted = match self.awaits {
                Awaits::PeerJoined => "peer-joined",
                _ => "hello-ack",
            };
            match message {
                Message::Data(OpCode::Text, text) if is_notice(text, wanted) => {}
                Message::Data(_, other) => {
                    bail!("{} came instead of {wanted}", String::from_utf8_lossy(other))
                }
                Message::Close(body) => {
                    bail!(
                        "closed instead of {wanted}: {}",
                        String::from_utf8_lossy(body.get(2..).unwrap_or_default())
                    );
                }
                Message::Ping(_) => continue,
            }
            if matches!(self.awaits, Awaits::PeerJoined) {
                return Ok(Next::Done);
            }
            self.awaits = Awaits::PeerJoined;
        }
        Ok(Next::Listen)
    }
}

fn is_notice(text: &[u8], kind: &str) -> bool {
    String::from_utf8_lossy(text).starts_with(&format!(r#"{{"type":"{kind}""#))
}

fn check_upgrade(head: &str, mode: Mode) -> anyhow::Result<()> {
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 101 "), "the upgrade was answered {status:?}");
    ensure!(head.contains(&upgrade::accept_value(KEY)), "the upgrade's answer does not fit its key");
    let is_raw = head.contains(upgrade::RAW_SUBPROTOCOL);
    ensure!(is_raw == (mode == Mode::Raw), "asked for {mode} frames, and the answer is of the other kind");
    Ok(())
}

fn masked_text(text: &str) -> Vec<u8> {
    let (mut bytes, key) = (Vec::new(), [1, 2, 3, 4]);
    header::write(&mut bytes, true, OpCode::Text, text.len(), Some(key));
    let body = bytes.len();
    bytes.extend_from_slice(text.as_bytes());
    mask::apply(&mut bytes[body..], key, 0);
    bytes
}

//! Opening the pairs of a run, one after the other, until each is joined. Blocking, before any load.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use protocol::ids::Role;
use protocol::ws::header::{self, OpCode};
use protocol::ws::{mask, upgrade};
use relay_client::{Endpoint, http};

use crate::floor;
use crate::frame::{self, Passage, Pattern, Template};
use crate::inbox::{Inbox, Message};
use crate::plan::{Mode, Workload};
use crate::target::Place;

/// One joined pair: its two connections, and what goes from the workstation to the phone.
#[derive(Debug)]
pub(crate) struct Opened {
    pub workstation: End,
    pub phone: End,
    pub template: Template,
    pub pattern: Pattern,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct End {
    pub stream: TcpStream,
    pub inbox: Inbox,
}

/// The longest wait for any one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Opens all pairs of a workload.
///
/// # Errors
/// The server can't be reached, or does not answer as it must.
pub(crate) fn all(place: &Place, workload: &Workload) -> anyhow::Result<Vec<Opened>> {
    let one = |pair| match place {
        Place::Relay { workstation, phone } => relayed([workstation, phone], workload, pair),
        Place::Floor(addr) => {
            let (mut first, mut second) = (End::connect(addr, true)?, End::connect(addr, true)?);
            for end in [&mut first, &mut second] {
                end.stream.write_all(floor::first_line(pair).as_bytes())?;
            }
            for end in [&mut first, &mut second] {
                let mut answer = [0; floor::JOINED.len()];
                end.stream.read_exact(&mut answer)?;
                ensure!(answer == floor::JOINED, "the floor answered something else");
            }
            let (template, pattern) = frame::for_pair(workload, pair, Passage::Copied);
            Ok(Opened { workstation: first, phone: second, template, pattern })
        }
    };
    (0..workload.pairs)
        .map(|pair| {
            one(pair).with_context(|| format!("pair {pair} of {} could not be joined", workload.pairs))
        })
        .collect()
}

/// `urls` are the workstation's and the phone's.
fn relayed(urls: [&Endpoint; 2], workload: &Workload, pair: usize) -> anyhow::Result<Opened> {
    let base = urls[0].path().strip_suffix("/ws").unwrap_or(urls[0].path());
    let server = Endpoint::parse_http(&format!("http://{}{base}", urls[0].authority()))?;
    let pairing = http::register(&server, None)?.pairing;
    let open = |role: Role| -> anyhow::Result<End> {
        let url = urls[role.index()];
        let mut end = End::connect((url.host(), url.port()), false)?;
        end.upgrade(url, workload.mode)?;
        let (session, token) = (pairing.session, pairing.token.reveal());
        end.send_text(&format!(r#"{{"type":"hello","s":"{session}","t":"{token}","r":"{role}"}}"#))?;
        end.expect_notice("hello-ack")?;
        Ok(end)
    };
    let (mut workstation, mut phone) = (open(Role::Workstation)?, open(Role::Phone)?);
    phone.expect_notice("peer-joined")?;
    workstation.expect_notice("peer-joined")?;
    let (template, pattern) = frame::for_pair(workload, pair, Passage::Relayed(pairing.session));
    Ok(Opened { workstation, phone, template, pattern })
}

impl End {
    fn connect(addr: impl ToSocketAddrs, is_masked: bool) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        Ok(End { stream, inbox: Inbox::new(is_masked) })
    }

    /// RFC 6455 §4.1.
    fn upgrade(&mut self, url: &Endpoint, mode: Mode) -> anyhow::Result<()> {
        const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
        let protocol = match mode {
            Mode::Enveloped => String::new(),
            Mode::Raw => format!("Sec-WebSocket-Protocol: {}\r\n", upgrade::RAW_SUBPROTOCOL),
        };
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: {}\r\n{protocol}\r\n",
            url.path(),
            url.authority(),
            upgrade::VERSION
        );
        self.stream.write_all(request.as_bytes())?;
        // Nothing follows the head before the hello, so reading to its end reads nothing else.
        let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
        while !head.ends_with(b"\r\n\r\n") {
            let count = self.stream.read(&mut chunk)?;
            ensure!(count > 0 && head.len() < 8192, "no whole answer to the upgrade");
            head.extend_from_slice(&chunk[..count]);
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.lines().next().unwrap_or_default();
        ensure!(status.starts_with("HTTP/1.1 101 "), "the upgrade was answered {status:?}");
        ensure!(head.contains(&upgrade::accept_value(KEY)), "the upgrade's answer does not fit its key");
        let is_raw = head.contains(upgrade::RAW_SUBPROTOCOL);
        ensure!(
            is_raw == (mode == Mode::Raw),
            "asked for {mode} frames, and the answer is of the other kind"
        );
        Ok(())
    }

    fn send_text(&mut self, text: &str) -> io::Result<()> {
        let (mut bytes, key) = (Vec::new(), [1, 2, 3, 4]);
        header::write(&mut bytes, true, OpCode::Text, text.len(), Some(key));
        let body = bytes.len();
        bytes.extend_from_slice(text.as_bytes());
        mask::apply(&mut bytes[body..], key, 0);
        self.stream.write_all(&bytes)
    }

    /// Reads one message, which must be this notice.
    fn expect_notice(&mut self, kind: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            match self.inbox.next()? {
                Some(Message::Data(OpCode::Text, text)) => {
                    let text = String::from_utf8_lossy(text);
                    ensure!(
                        text.starts_with(&format!(r#"{{"type":"{kind}""#)),
                        "{text} came instead of {kind}"
                    );
                    return Ok(());
                }
                Some(Message::Close(body)) => {
                    bail!(
                        "closed instead of {kind}: {}",
                        String::from_utf8_lossy(body.get(2..).unwrap_or_default())
                    );
                }
                Some(_) => {}
                None => {
                    ensure!(Instant::now() < deadline, "no {kind} within {ANSWER_WITHIN:?}");
                    self.inbox.fill(&mut self.stream).with_context(|| format!("no {kind}"))?;
                }
            }
        }
    }
}

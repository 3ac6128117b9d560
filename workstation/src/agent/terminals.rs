//! The shared terminals, as their hosts tell of them: the folder is the list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use relay_client::app::{Right, Rights, TerminalInfo};

use super::tokens::Tokens;
use crate::ipc::folder::terminal_names;
use crate::ipc::link::Link;
use crate::ipc::peer;
use crate::terminal_host::wire::{ATTENTION, Attention, COPIED, LOOK, STATUS, Status, parsed};

/// How often the folder is read.
const SCAN_EVERY: Duration = Duration::from_secs(1);

/// Wishes for attention that wait for the agent's turn.
const RAISED_MAX: usize = 64;

/// The terminals whose hosts answer.
#[derive(Debug)]
pub(super) struct Terminals {
    folder: PathBuf,
    hosts: BTreeMap<String, Host>,
    scan_at: Instant,
    /// At most [`RAISED_MAX`].
    raised: Vec<Raised>,
    /// The newest text of each terminal.
    copied: BTreeMap<String, Copied>,
}

/// A program in a terminal put this text into the clipboard.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) to: Vec<String>,
    pub(super) right: Right,
    pub(super) text: String,
}

/// A terminal wants the user's attention, who is not at the desk.
#[derive(Debug)]
pub(super) struct Raised {
    pub(super) terminal: String,
    /// The phones that may look on; empty if all may.
    pub(super) to: Vec<String>,
    /// The right that a phone needs to see it.
    pub(super) right: Right,
    pub(super) title: String,
    pub(super) text: String,
}

#[derive(Debug)]
struct Host {
    token: Token,
    link: Link,
    status: Option<Status>,
}

/// What a phone may do at a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// There is no terminal of this name for it.
    Unknown,
    /// It has no right to see it.
    Refused,
    See,
    Type,
}

impl Terminals {
    pub(super) fn new(folder: PathBuf) -> Self {
        Terminals {
            folder,
            hosts: BTreeMap::new(),
            scan_at: Instant::now(),
            raised: Vec::new(),
            copied: BTreeMap::new(),
        }
    }

    /// Where the sockets are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The sockets are there from now on. Hosts that are known stay known.
    pub(super) fn set_folder(&mut self, folder: PathBuf) {
        self.folder = folder;
    }

    /// When the folder is read next.
    pub(super) fn scan_at(&self) -> Instant {
        self.scan_at
    }

    /// Reads the folder if it is time, and connects to hosts that are new.
    pub(super) fn scan(&mut self, now: Instant, tokens: &mut Tokens, registry: &Registry) {
        if now < self.scan_at {
            return;
        }
        self.scan_at = now + SCAN_EVERY;
        // A folder that can't be read has no terminals that could be reached.
        for name in terminal_names(&self.folder).unwrap_or_default() {
            if !self.hosts.contains_key(&name)
                && let Ok(host) = look(&self.folder.join(format!("{name}.sock")), tokens.next(), registry)
            {
                self.hosts.insert(name, host);
            }
        }
    }

    pub(super) fn note_readable(&mut self, token: Token) {
        if let Some(host) = self.hosts.values_mut().find(|host| host.token == token) {
            host.link.note_readable();
        }
    }

    /// Takes what the hosts tell. True if the list is another one now.
    pub(super) fn read(&mut self) -> bool {
        let mut has_changed = false;
        for (name, host) in &mut self.hosts {
            while host.link.is_readable() {
                host.link.read();
            }
            while let Some(frame) = host.link.next_frame() {
                if frame.kind == STATUS
                    && let Some(status) = parsed::<Status>(frame.payload)
                {
                    has_changed |= host.status.as_ref() != Some(&status);
                    host.status = Some(status);
                } else if frame.kind == ATTENTION
                    && let Some(Attention { title, text }) = parsed(frame.payload)
                    && let Some(status) = host.status.as_ref().filter(|_| self.raised.len() < RAISED_MAX)
                {
                    let (terminal, to) = (name.clone(), status.to.clone());
                    let right = right_to_see(status);
                    self.raised.push(Raised { terminal, to, right, title, text });
                } else if frame.kind == COPIED
                    && let Ok(text) = std::str::from_utf8(frame.payload)
                    && let Some(status) = &host.status
                {
                    let (to, right, text) = (status.to.clone(), right_to_see(status), text.to_owned());
                    self.copied.insert(name.clone(), Copied { to, right, text });
                }
            }
            host.link.flush();
        }
        let before = self.hosts.len();
        self.hosts.retain(|_, host| !host.link.has_ended());
        has_changed || self.hosts.len() < before
    }

    /// What was put into the clipboard since the last call.
    pub(super) fn take_copied(&mut self) -> impl Iterator<Item = Copied> {
        std::mem::take(&mut self.copied).into_values()
    }

    /// What wants attention since the last call.
    pub(super) fn take_raised(&mut self) -> Vec<Raised> {
        std::mem::take(&mut self.raised)
    }

    /// What the phone of this id may see with these rights.
    pub(super) fn for_phone(&self, phone: &str, rights: Rights) -> Vec<TerminalInfo> {
        let info = |(name, host): (&String, &Host)| {
            let is_seen =
                |status: &&Status| is_shared_with(status, phone) && rights.has(right_to_see(status));
            let status = host.status.as_ref().filter(is_seen)?;
            Some(TerminalInfo {
                name: name.clone(),
                title: if status.title.is_empty() { status.command.clone() } else { status.title.clone() },
                cols: status.columns,
                rows: status.rows,
                view_only: status.view_only,
            })
        };
        self.hosts.iter().filter_map(info).collect()
    }

    /// What a phone of this id and these rights may do at a terminal.
    pub(super) fn access(&self, name: &str, phone: &str, rights: Rights) -> Access {
        let status = self.hosts.get(name).and_then(|host| host.status.as_ref());
        match status {
            Some(status) if !is_shared_with(status, phone) => Access::Unknown,
            None => Access::Unknown,
            Some(status) if !rights.has(right_to_see(status)) => Access::Refused,
            Some(status) if status.view_only => Access::See,
            Some(status) if status.shell || rights.has(Right::Type) => Access::Type,
            Some(_) => Access::See,
        }
    }

    /// The shells that phones have opened.
    pub(super) fn shells(&self) -> impl Iterator<Item = &str> {
        let is_shell = |host: &Host| host.status.as_ref().is_some_and(|status| status.shell);
        self.hosts.iter().filter(move |(_, host)| is_shell(host)).map(|(name, _)| name.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }
}

/// A shell that a phone opened is for phones that could open one.
fn right_to_see(status: &Status) -> Right {
    if status.shell { Right::Shell } else { Right::View }
}

fn is_shared_with(status: &Status, phone: &str) -> bool {
    status.to.is_empty() || status.to.iter().any(|id| id == phone)
}

/// Connects to a host and asks for its status.
fn look(socket: &Path, token: Token, registry: &Registry) -> std::io::Result<Host> {
    let mut stream = UnixStream::connect(socket)?;
    peer::check_own(&stream)?;
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
    let mut link = Link::new(stream);
    link.send(LOOK, b"");
    Ok(Host { token, link, status: None })
}

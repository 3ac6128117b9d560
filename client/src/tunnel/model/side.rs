//! One end: a driver that acts like the real ones, a storage that may be slow, an app that may be slow.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::ids::{Role, SessionId, Token};

use super::super::tests::seeded;
use super::super::*;
use super::{Counts, Rng};

/// Messages of the relay for this end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Joined,
    Left,
    Frame(Vec<u8>),
}

/// One end. See the module.
pub(super) struct SimulatedEnd {
    pub(super) role: Role,
    pub(super) tunnel: Tunnel,
    /// Counts the processes.
    pub(super) life: u64,
    pub(super) window: usize,
    /// The content of the storage.
    pub(super) saved: Option<String>,
    store_waits: bool,
    pub(super) connected: Option<SessionId>,
    pub(super) inbox: VecDeque<Item>,
    /// Whole messages that the app has not taken, with their bytes.
    pub(super) unread: VecDeque<Message>,
    unread_bytes: usize,
    /// Told `Full` and not yet `Room`.
    pub(super) is_full: bool,
    /// The last question to the user, until it is answered.
    pub(super) question: Option<u64>,
    /// The user has answered, and carrying it out takes a while.
    pub(super) is_answering: bool,
    pub(super) ponged: bool,
}

/// An action that the world carries out for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Disconnect,
    Delete(SessionId),
    Arrived(u64),
    Acknowledged(u64),
    Restarted(u64),
}

/// The session in which everything begins.
pub(super) fn first_credentials() -> Credentials {
    credentials(0)
}

pub(super) fn credentials(number: u64) -> Credentials {
    let mut bytes = [7; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    Credentials { session: SessionId::from_bytes(bytes), token: Token::from_bytes(bytes) }
}

fn options(rng: &mut Rng) -> Options {
    let window = limits::WINDOW_MIN * u32::try_from(1 + rng.below(3)).expect("small");
    // Clock jumps would end most runs before they begin.
    Options { window, name: "model".into(), pair_for: Duration::from_secs(u64::from(u32::MAX)) }
}

impl SimulatedEnd {
    /// A first process, with a code.
    pub(super) fn new(role: Role, rng: &mut Rng, now: Duration) -> Self {
        let (options, code) = (options(rng), PairingKey::from_bytes(&[5; 32]));
        let tunnel = Tunnel::pair(role, first_credentials(), code, &options, seeded(rng.next()), now);
        SimulatedEnd {
            role,
            tunnel: tunnel.expect("entropy"),
            life: 0,
            window: options.window as usize,
            saved: None,
            store_waits: false,
            connected: None,
            inbox: VecDeque::new(),
            unread: VecDeque::new(),
            unread_bytes: 0,
            is_full: false,
            question: None,
            is_answering: false,
            ponged: false,
        }
    }

    /// The process dies; a new one begins from the storage.
    pub(super) fn restart(&mut self, rng: &mut Rng, now: Duration) {
        let fresh = SimulatedEnd {
            saved: self.saved.clone(),
            life: self.life + 1,
            ..SimulatedEnd::new(self.role, rng, now)
        };
        *self = fresh;
        if let Some(saved) = &self.saved {
            let (saved, options) = (Saved::parse(saved).expect("what was kept"), options(rng));
            self.window = options.window as usize;
            self.tunnel = Tunnel::resume(&saved, &options, seeded(rng.next()), now).expect("entropy");
        }
    }

    /// The driver hands in the relay's messages.
    pub(super) fn read(&mut self, now: Duration) {
        match self.inbox.pop_front() {
            None => {}
            Some(Item::Joined) => self.tunnel.on_link(now),
            Some(Item::Left) => self.tunnel.on_unlink(now),
            Some(Item::Frame(bytes)) => self.tunnel.on_message(&bytes, now),
        }
    }

    /// The driver's connection is gone, with all that was on its way here.
    pub(super) fn disconnect(&mut self, now: Duration) {
        self.connected = None;
        self.inbox.clear();
        self.tunnel.on_unlink(now);
    }

    /// Works off all events.
    pub(super) fn drain(&mut self, is_slow: bool, now: Duration, counts: &mut Counts) -> Vec<Wish> {
        let mut wishes = Vec::new();
        while let Some(event) = self.tunnel.poll_event() {
            match event {
                TunnelEvent::Store if is_slow => self.store_waits = true,
                TunnelEvent::Store => self.store(now),
                TunnelEvent::Ask { question, .. } => {
                    assert!(!self.is_answering && self.question < Some(question), "asked again: {question}");
                    self.question = Some(question);
                }
                TunnelEvent::AskOver { allowed, .. } => assert!(allowed && self.question.is_none()),
                TunnelEvent::Move(_) => {
                    counts.moves += 1;
                    wishes.push(Wish::Disconnect);
                }
                TunnelEvent::Retire(credentials) => wishes.push(Wish::Delete(credentials.session)),
                TunnelEvent::Opened { .. } => counts.opened += 1,
                TunnelEvent::Restarted { unconfirmed } => {
                    counts.restarted += 1;
                    wishes.push(Wish::Restarted(unconfirmed));
                }
                TunnelEvent::Message(message) => {
                    wishes.push(Wish::Arrived(message.number));
                    self.unread_bytes += message.bytes.len();
                    self.unread.push_back(message);
                }
                TunnelEvent::Acknowledged(number) => {
                    counts.acknowledged += 1;
                    wishes.push(Wish::Acknowledged(number));
                }
                TunnelEvent::Room => self.is_full = false,
                TunnelEvent::Pong { .. } => self.ponged = true,
                TunnelEvent::Refused(_) => {
                    counts.refusals += 1;
                    if self.role == Role::Phone {
                        wishes.push(Wish::Disconnect);
                    }
                }
                TunnelEvent::Fault(_) => {
                    counts.faults += 1;
                    wishes.push(Wish::Disconnect);
                }
                TunnelEvent::Asked { .. } | TunnelEvent::Foreign => {}
                TunnelEvent::PeerClosed | TunnelEvent::CodeSpent(_) | TunnelEvent::Removed => {
                    panic!("nobody does that here: {event:?}")
                }
            }
        }
        wishes
    }

    /// The storage catches up.
    pub(super) fn store(&mut self, now: Duration) {
        self.store_waits = false;
        self.saved = self.tunnel.saved().map(|saved| saved.to_json().to_string());
        self.tunnel.on_stored(now);
    }

    pub(super) fn store_late(&mut self, now: Duration) {
        if self.store_waits {
            self.store(now);
        }
    }

    /// The app takes its oldest message.
    pub(super) fn take(&mut self, now: Duration) -> Option<Message> {
        let message = self.unread.pop_front()?;
        self.unread_bytes -= message.bytes.len();
        self.tunnel.taken(message.number, now);
        Some(message)
    }

    /// Nothing is ever kept above the two windows.
    pub(super) fn check_memory(&self) {
        let (kept, came) = self.tunnel.buffered();
        assert!(
            came <= self.window && self.unread_bytes <= came,
            "{came} came, {} unread",
            self.unread_bytes
        );
        assert!(kept <= WINDOW_MAX, "{kept} kept");
    }
}

/// The peer's; the machine itself checks against the window of the life that it has met.
const WINDOW_MAX: usize = 3 * limits::WINDOW_MIN as usize;

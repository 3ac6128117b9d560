//! Scenes: one relay, a few inputs, and all that it then says to clients, to the store and to other nodes.
//!
//! They are for rules that a random run seldom meets. They use only what a driver uses.

mod claims;
mod clients;
mod credit;
mod drain;
mod expiry;
mod links;
mod streams;

use std::time::Duration;

use protocol::close::CloseCode;
use protocol::ids::{NodeId, Role, SessionId, Token};
use protocol::message::{Hello, Notice, Version};

use crate::bus::{self, Message};
use crate::event::{Action, Goodbye, HelloOutcome, Input, Verdict};
use crate::limits::Limits;
use crate::node_link::item::{Item, LinkKey};
use crate::node_link::{Header, NodeLink};
use crate::note::{LinkStep, Note, StreamEnd};
use crate::relay::Relay;
use crate::store::{Answer, Claimed, Conn, Holder, Request};
use crate::time::Time;

const OWN: NodeId = NodeId::from_bytes([1; 16]);
const OTHER: NodeId = NodeId::from_bytes([2; 16]);
const SESSION: SessionId = SessionId::from_bytes([5; 16]);
const START: Time = Time::from_ms(1 << 40);

const fn conn(slot: u32) -> Conn {
    Conn { slot, name: slot as u64 + 1 }
}

fn token(session: SessionId) -> Token {
    Token::from_bytes(*session.as_bytes())
}

/// A relay, the time, and the other node's end of the stream between them.
struct Scene {
    relay: Relay,
    now: Time,
    peer: NodeLink,
    /// The other node gets what is said to it, and acknowledges it.
    is_heard: bool,
    /// The relay's probes come back.
    hears_itself: bool,
    notes: Vec<Note>,
}

impl Scene {
    /// One node of several.
    fn new() -> Self {
        Scene::with(Limits::default(), false)
    }

    fn with(limits: Limits, is_alone: bool) -> Self {
        let relay = Relay::new(OWN, is_alone, limits, START);
        let peer = NodeLink::new(1, START);
        Scene { relay, now: START, peer, is_heard: true, hears_itself: true, notes: Vec::new() }
    }

    fn handle(&mut self, input: Input) -> Vec<String> {
        self.relay.handle(input, self.now);
        self.actions()
    }

    /// What it wants done, but for notes and looks at sockets.
    fn actions(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(action) = self.relay.poll_action() {
            if let Action::Note(note) = action {
                self.notes.push(note);
            }
            words.extend(words_of(&action));
        }
        words
    }

    /// Connections that it wants looked at, as they may be readable.
    fn resumed(&mut self) -> Vec<u32> {
        let actions = std::iter::from_fn(|| self.relay.poll_action());
        let resumed = actions.filter_map(|action| match action {
            Action::Resume { conn } => Some(conn.slot),
            _ => None,
        });
        resumed.collect()
    }

    /// Everything that it wants done at the time at which each is due.
    fn pass(&mut self, span: Duration) -> Vec<(u64, String)> {
        let (until, mut done) = (self.now + span, Vec::new());
        while let Some(due) = self.relay.poll_timeout().filter(|&due| due <= until) {
            self.now = due.max(self.now);
            let at = self.now.since(START).as_millis() as u64;
            done.extend(self.handle(Input::Due).into_iter().map(|words| (at, words)));
            self.publish();
        }
        self.now = until;
        done
    }

    /// What it says to other nodes, as items. The one other node answers.
    fn publish(&mut self) -> Vec<(NodeId, String)> {
        let (mut said, mut out) = (Vec::new(), Vec::new());
        while let Some(to) = self.relay.poll_publish(self.now, &mut out) {
            let message = std::mem::take(&mut out);
            let Some(Message::Packet { bytes, .. }) = Message::parse(&message) else {
                if self.hears_itself {
                    self.relay.take_message(&message, self.now);
                }
                continue;
            };
            let (header, items) = Header::parse(bytes).expect("a packet");
            if self.is_heard && to == OTHER {
                self.peer.handle(&header, items, 2, self.now);
            }
            said.extend(items_of(items).into_iter().map(|item| (to, item)));
        }
        if self.is_heard {
            self.peer_speaks();
        }
        said.retain(|(_, item)| !item.starts_with("Limit"));
        said
    }

    /// The other node says what it has to say, and what was appended to its stream.
    fn peer_speaks(&mut self) {
        let mut packet = Vec::new();
        bus::begin_packet(&mut packet, OTHER);
        while self.peer.poll_transmit(self.now, &mut packet) {
            self.relay.take_message(&packet, self.now);
            packet.truncate(bus::PREFIX_BYTES);
        }
    }

    /// What it says to the one other node.
    fn said(&mut self) -> Vec<String> {
        self.publish().into_iter().map(|(to, item)| (assert_eq!(to, OTHER), item).1).collect()
    }

    fn hear(&mut self, item: Item<'_>) -> Vec<String> {
        let delivery = self.relay.handle_item(OTHER, item, self.now);
        assert!(delivery.is_none());
        self.actions()
    }

    /// A connection comes and says hello.
    fn hello(&mut self, slot: u32, session: SessionId, role: Role, version: Version) -> Vec<String> {
        self.handle(Input::Opened { conn: conn(slot) });
        let hello = Hello::to_json_as(version, session, &token(session), role, None);
        let hello = Hello::parse(hello.as_bytes(), true);
        self.handle(Input::Hello { conn: conn(slot), hello, is_doubted: false })
    }

    fn claimed(&mut self, slot: u32, role: Role, outcome: Claimed) -> Vec<String> {
        self.handle(Input::Answered(Answer::Claimed { conn: conn(slot), session: SESSION, role, outcome }))
    }

    fn granted(&mut self, slot: u32, role: Role, generation: u64, peer: Option<Holder>) -> Vec<String> {
        let outcome = Claimed::Granted { generation, replaced: None, same_instance: false, peer };
        self.claimed(slot, role, outcome)
    }

    /// A connection holds its role.
    fn join(&mut self, slot: u32, role: Role, generation: u64, peer: Option<Holder>) -> Vec<String> {
        self.hello(slot, SESSION, role, Version::V3);
        self.granted(slot, role, generation, peer)
    }

    fn later(&mut self, span: Duration) -> Time {
        self.now = self.now + span;
        self.now
    }
}

fn there(generation: u64) -> Holder {
    Holder { node: OTHER, conn: 9, generation }
}

fn here(slot: u32, generation: u64) -> Holder {
    Holder { node: OWN, conn: conn(slot).name, generation }
}

fn words_of(action: &Action) -> Option<String> {
    Some(match *action {
        Action::Resume { .. } | Action::Note(_) => return None,
        Action::HelloDone { conn, outcome } => match outcome {
            HelloOutcome::Joined { role, .. } => format!("{} admitted as {role}", conn.slot),
            HelloOutcome::Wrong => format!("{} is wrong", conn.slot),
            HelloOutcome::TurnedAway => format!("{} is turned away", conn.slot),
        },
        Action::Send { conn, ref notice } => format!("{} {}", conn.slot, words_of_notice(notice)),
        Action::Ping { conn } => format!("{} ping", conn.slot),
        Action::PausedPing { conn } => format!("{} paused ping", conn.slot),
        Action::Close { conn, say } => format!("{} {}", conn.slot, words_of_goodbye(say)),
        Action::Abort { conn } => format!("{} abort", conn.slot),
        Action::CancelClaim { conn } => format!("{} claim cancelled", conn.slot),
        Action::Registered { outcome, .. } => format!("registered {outcome:?}"),
        Action::Deleted { outcome, .. } => format!("deleted {outcome:?}"),
        Action::Submit(ref request) => words_of_request(request),
    })
}

fn words_of_request(request: &Request) -> String {
    match *request {
        Request::Register { .. } => "register".into(),
        Request::Delete { .. } => "delete".into(),
        Request::Claim { role, .. } => format!("claim {role}"),
        Request::Check { hold } => format!("check {} {} idle {}", hold.role, hold.generation, hold.idle_ms),
        Request::Expire { .. } => "expire".into(),
        Request::Release { role, generation, .. } => format!("release {role} {generation}"),
        Request::Touch { idle_ms, .. } => format!("touch {idle_ms}"),
    }
}

fn words_of_notice(notice: &Notice) -> String {
    match *notice {
        Notice::HelloAck { peer, .. } => format!("ack, peer {peer}"),
        Notice::PeerJoined { missed, .. } => format!("joined, missed {missed}"),
        Notice::PeerLeft { .. } => "left".into(),
        Notice::SessionKilled { reason } => format!("killed {reason:?}"),
        Notice::Error { code } => format!("error {}", code.code()),
        Notice::Replaced { same } => format!("replaced, same {same}"),
        Notice::PeerAbsent => "absent".into(),
        Notice::GoingAway => "going away".into(),
        Notice::HbAck => "heartbeat".into(),
    }
}

fn words_of_goodbye(say: Goodbye) -> String {
    match say {
        Goodbye::Now(code) => format!("close {}", code.code()),
        Goodbye::AfterAll(code) => format!("close {} after all", code.code()),
        Goodbye::Echo(code) => format!("echo {code:?}"),
    }
}

fn items_of(mut items: &[u8]) -> Vec<String> {
    std::iter::from_fn(|| Item::take(&mut items)).map(|item| format!("{item:?}")).collect()
}

/// As [`words_of_goodbye`] says it of this connection.
fn closed(slot: u32, code: CloseCode) -> String {
    format!("{slot} close {}", code.code())
}

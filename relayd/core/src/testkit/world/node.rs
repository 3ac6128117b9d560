//! One node of the world: its relay, its clients, and the driver that does for the relay what the reactor
//! does.

use std::collections::{BTreeMap, VecDeque};

use protocol::close::CloseCode;
use protocol::ids::{NodeId, Role, Token};
use protocol::message::{Hello, Notice};
use protocol::ws::control::PeerClose;

use super::World;
use crate::event::{Action, Delivery, Goodbye, HelloOutcome, Input, Verdict};
use crate::limits::{CREDIT_BYTES, Limits};
use crate::node_link::item::{Item, PIECE_BYTES_MAX};
use crate::relay::Relay;
use crate::store::{Answer, Checked, Claimed, Conn, Deleted, Expired, Registered, Request};
use crate::testkit::bus_judge::BusJudge;
use crate::testkit::client::{Client, LinkName, Mark, Queued, Sent};
use crate::time::Time;
use crate::wire::inbound::Kind;

/// The high and low mark of a simulated queue, in items.
const HIGH: usize = 8;
const LOW: usize = 2;

/// Answers that find room above the high mark.
const ANSWERS: usize = 4;

/// What frames of other nodes may hold of one queue, in bytes: what came over earlier links, which is under
/// the high mark when a new one gets its credit, that credit, the last piece beyond it, and a large message.
const GRANTED_MAX: usize = HIGH * FRAME_MAX + CREDIT_BYTES + PIECE_BYTES_MAX + 2 * LARGE_PIECE;

/// The longest frame in one piece, and each of the two pieces of a longer one, in bytes.
const FRAME_MAX: usize = 20_000;
const LARGE_PIECE: usize = 60_000;

/// What some nodes take at most: less than that longer one.
pub(super) const SMALL_MESSAGE_MAX: usize = 100_000;

pub(super) struct Node {
    pub id: NodeId,
    pub relay: Relay,
    /// By slot.
    pub clients: Vec<Option<Client>>,
    /// Requests that the store has not carried out.
    requests: VecDeque<Request>,
    /// Answers that have not come back.
    answers: VecDeque<Answer>,
    /// Claims that the store may have carried out though nobody was told.
    pub unanswered: Vec<u64>,
    /// Messages of the bus that wait for this node.
    inbox: VecDeque<Vec<u8>>,
    /// Messages of which a part has come, by link.
    gathered: BTreeMap<u32, usize>,
    message_bytes_max: usize,
    /// Judges what it says to other nodes; `None` where there are none.
    pub bus: Option<BusJudge>,
}

impl Node {
    pub fn new(number: u64, is_alone: bool, limits: Limits, now: Time) -> Self {
        let mut id = [7; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let id = NodeId::from_bytes(id);
        Node {
            id,
            relay: Relay::new(id, is_alone, limits, now),
            clients: Vec::new(),
            requests: VecDeque::new(),
            answers: VecDeque::new(),
            unanswered: Vec::new(),
            inbox: VecDeque::new(),
            gathered: BTreeMap::new(),
            message_bytes_max: limits.message_bytes_max,
            bus: (!is_alone).then(|| BusJudge::new(id, limits.bus_hold, now)),
        }
    }

    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().flatten()
    }

    pub fn holders(&self) -> impl Iterator<Item = &Client> {
        self.clients().filter(|client| client.holds())
    }

    pub fn free_slot(&mut self) -> usize {
        self.clients.iter().position(Option::is_none).unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        })
    }

    fn by_name(&mut self, conn: Conn) -> &mut Client {
        let client =
            self.clients[conn.slot as usize].as_mut().expect("an action for a connection that is gone");
        assert_eq!(client.conn, conn, "an action for a connection that is gone");
        client
    }
}

impl World {
    /// As the reactor serves one connection: only after an edge or a `Resume`, and not while it is paused.
    pub(super) fn serve(&mut self, at: usize, slot: usize) {
        let Some(conn) = self.nodes[at].clients[slot].as_ref().map(|client| client.conn) else { return };
        let Some(is_read) = self.serve_ready(at, slot) else { return };
        let (node, now) = (&mut self.nodes[at], self.now);
        let Some(client) = node.clients[slot].as_mut().filter(|client| client.conn == conn) else { return };
        if client.clocks.is_unread == is_read {
            client.clocks.note_unread(!is_read, now);
            node.relay.note_unread(conn, !is_read, now);
        }
    }

    /// False if it must wait though there may be more; `None` if there was no reason to look.
    fn serve_ready(&mut self, at: usize, slot: usize) -> Option<bool> {
        let mut is_read = None;
        loop {
            let node = &mut self.nodes[at];
            let Some(client) = &mut node.clients[slot] else { return is_read };
            if !client.is_ready {
                return is_read;
            }
            client.is_ready = false;
            let conn = client.conn;
            if client.is_closing {
                client.sent.clear();
                return None;
            }
            if client.queue.len() > HIGH + ANSWERS {
                node.relay.note_congested(conn);
                return Some(false);
            }
            if node.relay.is_paused(conn) {
                self.counts.pauses += 1;
                return Some(false);
            }
            is_read = Some(true);
            let Some(what) = client.sent.pop_front() else { return is_read };
            client.is_ready = true;
            client.clocks.note_heard(self.now);
            node.relay.note_read(conn, 1, self.now);
            self.take(at, conn, what);
        }
    }

    fn take(&mut self, at: usize, conn: Conn, what: Sent) {
        let now = self.now;
        if self.tells {
            println!("{} node {at} takes of {}: {what:?}", now.as_ms(), conn.name);
        }
        match what {
            Sent::Hello { is_good } => self.take_hello(at, conn, is_good),
            Sent::Heartbeat if self.nodes[at].by_name(conn).is_joined => {
                self.nodes[at].relay.note_heartbeat(conn, now);
                self.queue(at, conn, Queued::Notice(Notice::HbAck));
            }
            Sent::Heartbeat => {}
            Sent::Close => self.handle(at, Input::Left { conn, said: Some(PeerClose::Code(1000)) }),
            Sent::Frame(mark) => match self.nodes[at].relay.route(conn, now) {
                Verdict::Peer(to) => {
                    self.queue(at, to, Queued::Frame(mark));
                    self.counts.delivered += 1;
                }
                Verdict::Remote(handle) => self.put(at, conn, handle, mark),
                Verdict::Absent => {
                    self.counts.dropped_absent += 1;
                    self.nodes[at].by_name(conn).dropped += 1;
                }
                Verdict::Core | Verdict::Closing => {}
            },
        }
        self.carry_out(at);
    }

    /// Into the stream, now and then as a large message of two pieces.
    fn put(&mut self, at: usize, conn: Conn, handle: u32, mark: Mark) {
        if self.tells {
            println!("{} node {at} into link {handle}: {mark:?}", self.now.as_ms());
        }
        let is_large = self.rng.one_in(30);
        let mut bytes = mark.to_bytes();
        bytes.resize(
            if is_large { LARGE_PIECE } else { 30 + self.rng.below(FRAME_MAX as u64 - 30) as usize },
            0,
        );
        let (relay, now) = (&mut self.nodes[at].relay, self.now);
        if is_large && 2 * bytes.len() > relay.message_bytes_max(conn) {
            self.counts.too_large += 1;
            return self.handle(at, Input::Fault { conn, code: CloseCode::TooBig });
        }
        if is_large {
            relay.put_frame(handle, Kind::Binary, false, 2 * bytes.len(), &bytes, now);
        }
        let len = if is_large { 2 * bytes.len() } else { bytes.len() };
        relay.put_frame(handle, Kind::Binary, true, len, &bytes, now);
    }

    fn take_hello(&mut self, at: usize, conn: Conn, is_good: bool) {
        let client = self.nodes[at].by_name(conn);
        client.clocks.note_claim(self.now);
        let (session, role, version) = (client.session, client.role, client.clocks.version);
        let (session, token) = self.sessions[session];
        let token = if is_good { token } else { Token::from_bytes([0xEE; 16]) };
        let hello = Hello::to_json_as(version, session, &token, role, None);
        let hello = Hello::parse(hello.as_bytes(), true);
        self.handle(at, Input::Hello { conn, hello, is_doubted: false });
    }

    /// The client reads, and so the server's queue drains.
    pub(super) fn read(&mut self, at: usize, slot: usize, count: usize) {
        let Some(client) = &mut self.nodes[at].clients[slot] else { return };
        if !client.reads {
            return;
        }
        let conn = client.conn;
        let items: Vec<Queued> = (0..count).map_while(|_| client.queue.pop_front()).collect();
        let left = client.queue.len();
        client.clocks.note_waiting(left, self.now);
        if items.iter().any(|item| matches!(item, Queued::Ping)) {
            client.clocks.note_heard(self.now);
        }
        for item in &items {
            self.deliver(at, slot, *item);
        }
        if items.iter().any(|item| matches!(item, Queued::Close(_))) {
            return self.gone(at, slot);
        }
        let relay = &mut self.nodes[at].relay;
        if items.iter().any(|item| matches!(item, Queued::Ping)) {
            // It answers, and any byte counts.
            relay.note_read(conn, 1, self.now);
        }
        relay.note_written(conn, items.len() * 100_000, left, self.now);
        if left < LOW {
            if let Some(client) = &mut self.nodes[at].clients[slot] {
                client.granted = 0;
            }
            let relay = &mut self.nodes[at].relay;
            relay.note_relieved(conn);
            relay.note_taken(conn, self.now);
        }
        self.carry_out(at);
    }

    fn deliver(&mut self, at: usize, slot: usize, item: Queued) {
        let mut client = self.nodes[at].clients[slot].take().expect("the caller has looked");
        let nodes = &self.nodes;
        let first_known = |sender: u64, link: LinkName| {
            let mut all = nodes.iter().flat_map(Node::clients);
            all.find(|peer| peer.conn.name == sender)?.first_sent(link)
        };
        client.receive(item, first_known);
        self.nodes[at].clients[slot] = Some(client);
    }

    pub(super) fn gone(&mut self, at: usize, slot: usize) {
        if let Some(client) = self.nodes[at].clients[slot].take() {
            self.handle(at, Input::Gone { conn: client.conn });
        }
    }

    /// The store carries out a request, or fails before or after doing so, and answers come back.
    pub(super) fn store_works(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let Some(request) = node.requests.pop_front() {
            let fails = self.store_is_away || (!self.is_calm && self.rng.one_in(20));
            if fails && matches!(request, Request::Release { .. }) {
                // Kept by the backend until it can be sent.
                node.requests.push_back(request);
            }
            let works = !fails || self.rng.one_in(2);
            let answer = if works { self.table.apply(node.id, &request, self.now) } else { None };
            if self.tells {
                println!("{} node {at} store, fails {fails}: {request:?} {answer:?}", self.now.as_ms());
            }
            self.counts.store_faults += u64::from(fails);
            if let (true, Request::Claim { conn, .. }) = (fails && works, request) {
                node.unanswered.push(conn.name);
            }
            node.answers.extend(if fails { away(&request) } else { answer });
        }
        if self.is_calm || self.rng.one_in(2) {
            while let Some(answer) = self.nodes[at].answers.pop_front() {
                self.count_answer(&answer);
                self.handle(at, Input::Answered(answer));
            }
        }
    }

    /// The node says what it has to say, and hears some of what was said to it.
    pub(super) fn bus_works(&mut self, at: usize) {
        let mut message = Vec::new();
        while let Some(to) = self.nodes[at].relay.poll_publish(self.now, &mut message) {
            let message = std::mem::take(&mut message);
            if let Some(bus) = &mut self.nodes[at].bus {
                bus.on_published(to, &message, self.now);
            }
            let fault = if self.is_calm { 9 } else { self.rng.below(40) };
            if self.bus_is_away || fault == 0 {
                self.counts.bus_faults += 1;
                continue;
            }
            let Some(target) = self.nodes.iter_mut().find(|node| node.id == to) else { continue };
            if fault == 1 {
                self.counts.bus_faults += 1;
                target.inbox.push_back(message.clone());
            }
            if fault == 2 {
                self.counts.bus_faults += 1;
                target.inbox.push_front(message);
            } else {
                target.inbox.push_back(message);
            }
        }
        if let Some(bus) = &self.nodes[at].bus {
            bus.check_published(self.now);
        }
        let count = if self.is_calm { usize::MAX } else { self.rng.below(12) as usize };
        for _ in 0..count {
            let Some(message) = self.nodes[at].inbox.pop_front() else { break };
            self.hear(at, &message);
        }
    }

    fn hear(&mut self, at: usize, message: &[u8]) {
        let taken = self.nodes[at].relay.take_message(message, self.now);
        self.note_heard(at, message, taken.is_some());
        self.carry_out(at);
        let Some((from, mut items)) = taken else { return };
        while let Some(item) = Item::take(&mut items) {
            if self.tells && !matches!(item, Item::Frame { .. }) {
                println!("{} node {at} hears {item:?}", self.now.as_ms());
            }
            let delivery = self.nodes[at].relay.handle_item(from, item, self.now);
            self.carry_out(at);
            if let Some(delivery) = delivery {
                self.deliver_remote(at, &delivery);
            }
        }
        assert!(items.is_empty(), "a batch is items and nothing else");
    }

    fn note_heard(&mut self, at: usize, message: &[u8], is_taken: bool) {
        if let Some(bus) = &mut self.nodes[at].bus {
            bus.on_heard(message, is_taken, self.now);
        }
    }

    /// The node's timers were served just now.
    pub(super) fn check_ticked(&self, at: usize) {
        if let Some(bus) = &self.nodes[at].bus {
            bus.check_ticked(self.now);
        }
    }

    fn deliver_remote(&mut self, at: usize, delivery: &Delivery<'_>) {
        let node = &mut self.nodes[at];
        let client = node.by_name(delivery.conn);
        let sender = (self.sessions[client.session].0, client.role.other());
        assert_eq!((delivery.session, delivery.from), sender, "a frame of the other role of its session");
        client.granted += delivery.bytes.len();
        assert!(
            client.granted <= GRANTED_MAX,
            "{} bytes of other nodes in a queue: {client:?}",
            client.granted
        );
        if !delivery.is_last {
            *node.gathered.entry(delivery.link).or_default() += delivery.bytes.len();
            // Now and then there is no room for more of it, and at times there is before the rest comes.
            if self.rng.one_in(2) {
                node.relay.hold_pieces(delivery.link);
            }
            if self.rng.one_in(3) {
                node.relay.credit_pieces(delivery.link, self.now);
            }
            return;
        }
        let before = node.gathered.remove(&delivery.link);
        let (is_large, len) = (before.is_some(), before.unwrap_or(0) + delivery.bytes.len());
        assert!(len <= node.message_bytes_max, "{len} bytes to a node that does not take them");
        if is_large {
            node.relay.end_hold(delivery.link);
        }
        let mark = Mark::from_bytes(delivery.bytes);
        assert_eq!(mark.from, delivery.from);
        self.counts.delivered_remote += 1;
        self.queue(at, delivery.conn, Queued::Frame(mark));
        if is_large {
            self.nodes[at].relay.note_congested(delivery.conn);
        }
    }

    fn count_answer(&mut self, answer: &Answer) {
        match answer {
            Answer::Claimed { outcome: Claimed::Granted { replaced: Some(_), .. }, .. } => {
                self.counts.takeovers += 1;
            }
            Answer::Deleted { outcome: Deleted::Gone { .. }, .. } => self.counts.kills += 1,
            Answer::Expired { outcome: Expired::Over { .. }, .. } => self.counts.kills += 1,
            _ => {}
        }
    }

    pub(super) fn handle(&mut self, at: usize, input: Input) {
        self.nodes[at].relay.handle(input, self.now);
        self.carry_out(at);
    }

    fn carry_out(&mut self, at: usize) {
        while let Some(action) = self.nodes[at].relay.poll_action() {
            self.apply(at, action);
        }
    }

    fn apply(&mut self, at: usize, action: Action) {
        let node = &mut self.nodes[at];
        match action {
            Action::HelloDone { conn, outcome: HelloOutcome::Joined { .. } } => {
                node.by_name(conn).is_joined = true;
                node.by_name(conn).clocks.note_admitted(self.now);
            }
            Action::Send { conn, notice: notice @ Notice::PeerJoined { missed, .. } } => {
                let dropped = std::mem::take(&mut node.by_name(conn).dropped);
                assert_eq!(missed, dropped, "frames dropped in the absence are counted");
                let link = node.relay.link_name(conn).expect("it was just told of a link");
                let link = node.by_name(conn).note_link(link);
                self.queue(at, conn, Queued::Joined { notice, link });
            }
            Action::Send { conn, notice } => self.queue(at, conn, Queued::Notice(notice)),
            Action::Ping { conn } => self.queue(at, conn, Queued::Ping),
            Action::PausedPing { conn } => self.on_paused_ping(at, conn),
            Action::Close { conn, say } => {
                let client = node.by_name(conn);
                if say == Goodbye::Now(CloseCode::TimedOut) && client.is_joined {
                    self.counts.timed_out += 1;
                    client.clocks.judge_timed_out(&self.limits, self.now);
                }
                self.queue(at, conn, Queued::Close(say));
                let client = self.nodes[at].by_name(conn);
                client.is_closing = true;
                if matches!(say, Goodbye::Echo(_)) {
                    client.reads = true;
                }
            }
            Action::Abort { conn } => self.gone(at, conn.slot as usize),
            Action::Resume { conn } => {
                // It may be gone by now.
                if let Some(client) = &mut node.clients[conn.slot as usize] {
                    client.is_ready = true;
                }
            }
            Action::Submit(request) => node.requests.push_back(request),
            Action::CancelClaim { conn } => {
                node.requests
                    .retain(|request| !matches!(request, Request::Claim { conn: c, .. } if *c == conn));
            }
            Action::Note(note) => {
                if let Some(bus) = &mut node.bus {
                    bus.on_note(note, self.now);
                }
            }
            Action::HelloDone { .. } | Action::Registered { .. } | Action::Deleted { .. } => {}
        }
    }

    /// One that is not read is pinged, unless something else waits for it.
    fn on_paused_ping(&mut self, at: usize, conn: Conn) {
        self.counts.paused_pings += 1;
        let client = self.nodes[at].by_name(conn);
        client.clocks.note_paused_ping(self.now);
        if client.queue.is_empty() {
            self.queue(at, conn, Queued::Ping);
        }
    }

    fn queue(&mut self, at: usize, conn: Conn, item: Queued) {
        if self.tells {
            let client = self.nodes[at].by_name(conn);
            println!(
                "{} node {at} to {}/{} {}: {item:?}",
                self.now.as_ms(),
                client.session,
                client.role,
                conn.name
            );
        }
        let node = &mut self.nodes[at];
        let client = node.by_name(conn);
        assert!(!client.is_closing, "{item:?} queued behind the Close frame");
        client.queue.push_back(item);
        let left = client.queue.len();
        client.clocks.note_waiting(left, self.now);
        node.relay.note_written(conn, 0, left, self.now);
        if left > HIGH {
            node.relay.note_congested(conn);
        }
    }
}

impl Mark {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.from.index() as u8];
        bytes.extend_from_slice(&(self.session as u64).to_be_bytes());
        bytes.extend_from_slice(&self.sender.to_be_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let (session, sender, number) = (number(1) as usize, number(9), number(17));
        Mark { session, from: Role::ALL[usize::from(bytes[0])], sender, number }
    }
}

/// What a backend answers in the store's place.
fn away(request: &Request) -> Option<Answer> {
    Some(match *request {
        Request::Register { ticket, .. } => Answer::Registered { ticket, outcome: Registered::Away },
        Request::Delete { ticket, session, .. } => {
            Answer::Deleted { ticket, session, outcome: Deleted::Away }
        }
        Request::Claim { conn, session, role, .. } => {
            Answer::Claimed { conn, session, role, outcome: Claimed::Away }
        }
        Request::Check { hold } => Answer::Checked {
            session: hold.session,
            role: hold.role,
            generation: hold.generation,
            outcome: Checked::Away,
        },
        Request::Expire { session } => Answer::Expired { session, outcome: Expired::Away },
        Request::Release { .. } | Request::Touch { .. } => return None,
    })
}

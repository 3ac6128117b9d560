//! The world around one relay: a driver that does what the reactor does, a store that is slow and fails, clients that
//! come, go, stall and vanish.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId, Token};
use protocol::message::{Hello, Notice};
use protocol::ws::control::PeerClose;

use super::client::{Client, Queued, Sent};
use super::{Counts, Rng};
use crate::event::{Action, Goodbye, Input, Verdict};
use crate::limits::Limits;
use crate::relay::Relay;
use crate::store::table::{Table, TableLimits};
use crate::store::{Answer, Checked, Claimed, Conn, Deleted, Expired, Registered, Request};
use crate::time::Time;

/// The high and low mark of a simulated queue, in items.
const HIGH: usize = 8;
const LOW: usize = 2;

/// Answers that find room above the high mark.
const ANSWERS: usize = 4;

pub(super) struct World {
    rng: Rng,
    now: Time,
    node: NodeId,
    relay: Relay,
    table: Table,
    sessions: Vec<(SessionId, Token)>,
    /// By slot.
    clients: Vec<Option<Client>>,
    next_name: u64,
    /// Requests that the store has not carried out.
    requests: VecDeque<Request>,
    /// Answers that have not come back.
    answers: VecDeque<Answer>,
    store_is_away: bool,
    /// How many `peer-joined` were sent.
    told_joined: u64,
    /// Claims that the store may have carried out though nobody was told.
    unanswered: Vec<u64>,
    pub counts: Counts,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let limits = Limits {
            session_idle: Duration::from_secs(20 + rng.below(200)),
            heartbeat_interval: Duration::from_secs(5 + rng.below(30)),
            stall: Duration::from_secs(10 + rng.below(100)),
            ..Limits::default()
        };
        let (node, now) = (NodeId::from_bytes([7; 16]), Time::from_ms(1 << 40));
        let idle_ms = limits.session_idle.as_millis() as u64;
        let mut world = World {
            relay: Relay::new(node, limits, now),
            table: Table::new(idle_ms, TableLimits::default()),
            rng,
            now,
            node,
            sessions: Vec::new(),
            clients: Vec::new(),
            next_name: 0,
            requests: VecDeque::new(),
            answers: VecDeque::new(),
            store_is_away: false,
            told_joined: 0,
            unanswered: Vec::new(),
            counts: Counts::default(),
        };
        for _ in 0..3 {
            world.register();
        }
        world
    }

    /// One random thing happens.
    pub fn step(&mut self) {
        match self.rng.below(100) {
            0..=4 => self.connect(),
            5..=39 => self.on_some_client(Self::send_some),
            40..=59 => self.serve_some(),
            60..=79 => self.on_some_client(Self::read_some),
            80..=89 => self.store_works(),
            90..=91 => self.on_some_client(World::toggle_reading),
            92 => self.on_some_client(|world, slot| world.send(slot, Sent::Close)),
            93 => self.on_some_client(Self::abort),
            94 => self.pass_time(40_000),
            95 => self.toggle_store(),
            96 if self.rng.one_in(4) => self.delete(),
            96 if self.rng.one_in(8) => self.register(),
            _ => self.pass_time(300),
        }
        self.check();
    }

    /// A thing after which nobody gets anything new to read: whoever is owed a look must get it from what happens.
    pub fn quiet_step(&mut self) {
        match self.rng.below(10) {
            0..=3 => self.serve_some(),
            4..=6 => self.on_some_client(Self::read_some),
            7 => self.on_some_client(Self::abort),
            8 => self.on_some_client(World::toggle_reading),
            _ => self.store_works(),
        }
        self.check();
    }

    /// Faults end, everybody reads, everything on its way arrives: then whatever was owed must be there.
    pub fn settle(&mut self) {
        self.store_is_away = false;
        self.handle(Input::StoreBack);
        for client in self.clients.iter_mut().flatten() {
            client.reads = true;
        }
        (0..10_000).for_each(|_| self.everybody_works());
        for client in self.holders() {
            assert!(!self.relay.is_paused(client.conn), "paused for no reason: {client:?}");
            assert!(client.sent.is_empty(), "never read: {client:?}");
            self.check_whole(client);
        }
        self.check_store();
        self.expire_all();
    }

    fn everybody_works(&mut self) {
        for slot in 0..self.clients.len() {
            self.serve(slot);
            self.read(slot, usize::MAX);
        }
        self.store_works();
        self.check();
    }

    /// Nobody does anything any more: every session ends in its time, whatever the store did meanwhile.
    fn expire_all(&mut self) {
        for _ in 0..200 {
            self.pass_time(5_000);
            (0..30).for_each(|_| self.everybody_works());
        }
        assert_eq!(self.holders().count(), 0, "sessions that nobody used for long still live");
        assert_eq!(self.relay.sessions(), 0);
    }

    fn holders(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().flatten().filter(|client| client.is_joined && !client.is_closing)
    }

    /// The store names exactly those who hold a role.
    fn check_store(&self) {
        let mut table = self.table.clone();
        let ticket = Conn { slot: 0, name: 0 };
        for (index, &(session, _)) in self.sessions.iter().enumerate() {
            let request = Request::Delete { ticket, session, token: None };
            let stored = match table.apply(self.node, &request, self.now) {
                Some(Answer::Deleted { outcome: Deleted::Gone { holders }, .. }) => holders,
                _ => [None; 2],
            };
            for role in Role::ALL {
                let held = self.holders().find(|client| client.session == index && client.role == role);
                let stored = stored[role.index()].map(|holder| holder.conn);
                // A claim whose answer was lost is in the store until the next one of its role.
                let stored = stored.filter(|name| !self.unanswered.contains(name));
                assert_eq!(stored, held.map(|client| client.conn.name), "the store and the node disagree");
            }
        }
    }

    /// A link that stands has delivered everything.
    fn check_whole(&self, client: &Client) {
        let Some(link) = client.link() else { return };
        let mut others = self.clients.iter().flatten().filter(|peer| peer.conn != client.conn);
        let peer = others.find(|peer| peer.link().is_some_and(|other| other.number == link.number));
        let peer = peer.unwrap_or_else(|| panic!("believes in a link that nobody else does: {client:?}"));
        if peer.first_sent(link.number).is_some() {
            assert_eq!(
                link.from,
                Some((peer.conn.name, peer.last_sent())),
                "not the whole of it: {client:?}"
            );
        }
    }

    fn check(&mut self) {
        let holding = |session: usize, role: Role| {
            let held = self.clients.iter().flatten();
            held.filter(|c| c.is_joined && !c.is_closing && c.session == session && c.role == role).count()
        };
        for session in 0..self.sessions.len() {
            for role in Role::ALL {
                assert!(holding(session, role) <= 1, "two holders of one role");
            }
        }
        let live = self.clients.iter().flatten().count();
        let armed = self.relay.timers();
        assert!(armed <= live + 2 * self.relay.sessions() + 1, "{armed} timers for {live} connections");
    }

    fn register(&mut self) {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(self.sessions.len() as u64).to_be_bytes());
        let (session, token) = (SessionId::from_bytes(id), Token::from_bytes(id));
        let ticket = Conn { slot: 0, name: 0 };
        let request = Request::Register { ticket, session, token: token.digest(), again: false };
        self.table.apply(self.node, &request, self.now);
        self.sessions.push((session, token));
    }

    fn delete(&mut self) {
        let session = self.sessions[self.rng.below(self.sessions.len() as u64) as usize].0;
        let ticket = Conn { slot: u32::MAX, name: u64::MAX };
        self.handle(Input::Delete { ticket, session, token: None });
    }

    fn connect(&mut self) {
        let slot = self.clients.iter().position(Option::is_none).unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        if slot > 30 {
            return;
        }
        let conn = Conn { slot: slot as u32, name: self.next_name };
        self.next_name += 1;
        let session = self.rng.below(self.sessions.len() as u64) as usize;
        let role = Role::ALL[self.rng.below(2) as usize];
        let is_good = !self.rng.one_in(12);
        self.clients[slot] = Some(Client::new(conn, session, role, is_good));
        self.handle(Input::Opened { conn });
    }

    fn send_some(&mut self, slot: usize) {
        for _ in 0..=self.rng.below(5) {
            if self.rng.one_in(6) {
                self.send(slot, Sent::Heartbeat);
            } else if let Some(client) = &mut self.clients[slot] {
                client.send_frame();
            }
        }
        self.readable(slot);
    }

    fn send(&mut self, slot: usize, what: Sent) {
        if let Some(client) = &mut self.clients[slot] {
            client.sent.push_back(what);
        }
        self.readable(slot);
    }

    /// An edge of the poll.
    fn readable(&mut self, slot: usize) {
        if let Some(client) = &mut self.clients[slot] {
            client.is_ready = true;
        }
    }

    fn toggle_reading(&mut self, slot: usize) {
        if let Some(client) = &mut self.clients[slot] {
            client.reads = !client.reads;
        }
    }

    /// The client vanishes; what was on its way in either direction is lost.
    fn abort(&mut self, slot: usize) {
        if self.rng.one_in(2) {
            self.counts.aborts += 1;
            self.gone(slot);
        }
    }

    fn serve_some(&mut self) {
        for _ in 0..3 {
            self.on_some_client(Self::serve);
        }
    }

    /// As the reactor serves one connection: only after an edge or a `Resume`, and not while it is paused.
    fn serve(&mut self, slot: usize) {
        loop {
            let Some(client) = &mut self.clients[slot] else { return };
            if !client.is_ready {
                return;
            }
            client.is_ready = false;
            let conn = client.conn;
            if client.is_closing {
                client.sent.clear();
                return;
            }
            if self.relay.is_paused(conn) || client.queue.len() > HIGH + ANSWERS {
                self.counts.pauses += 1;
                return;
            }
            let Some(what) = client.sent.pop_front() else { return };
            client.is_ready = true;
            self.relay.note_read(conn, self.now);
            self.take(slot, conn, what);
        }
    }

    fn take(&mut self, slot: usize, conn: Conn, what: Sent) {
        match what {
            Sent::Hello { is_good } => self.take_hello(slot, conn, is_good),
            Sent::Heartbeat if self.client(slot).is_joined => {
                self.relay.note_heartbeat(conn, self.now);
                self.queue(conn, Queued::Notice(Notice::HbAck));
            }
            Sent::Heartbeat => {}
            Sent::Close => self.handle(Input::Left { conn, said: Some(PeerClose::Code(1000)) }),
            Sent::Frame(mark) => match self.relay.route(conn, self.now) {
                Verdict::Peer(to) => {
                    self.queue(to, Queued::Frame(mark));
                    self.counts.delivered += 1;
                }
                Verdict::Absent => {
                    self.counts.dropped_absent += 1;
                    self.client(slot).dropped += 1;
                }
                Verdict::Core | Verdict::Closing => {}
            },
        }
        self.carry_out();
    }

    fn take_hello(&mut self, slot: usize, conn: Conn, is_good: bool) {
        let client = self.client(slot);
        let (session, role) = (client.session, client.role);
        let (session, token) = self.sessions[session];
        let token = if is_good { token } else { Token::from_bytes([0xEE; 16]) };
        let hello = Hello::to_json(session, &token, role, None);
        self.handle(Input::First { conn, payload: hello.as_bytes(), is_text: true });
    }

    fn read_some(&mut self, slot: usize) {
        let count = 1 + self.rng.below(6) as usize;
        self.read(slot, count);
    }

    /// The client reads, and so the server's queue drains.
    fn read(&mut self, slot: usize, count: usize) {
        let Some(client) = &mut self.clients[slot] else { return };
        if !client.reads {
            return;
        }
        let conn = client.conn;
        let items: Vec<Queued> = (0..count).map_while(|_| client.queue.pop_front()).collect();
        if items.iter().any(|item| matches!(item, Queued::Ping)) {
            // It answers, and any byte counts.
            self.relay.note_read(conn, self.now);
        }
        let (left, is_over) = (client.queue.len(), items.iter().any(|item| matches!(item, Queued::Close(_))));
        for item in &items {
            self.deliver(slot, *item);
        }
        if is_over {
            return self.gone(slot);
        }
        self.relay.note_written(conn, items.len() * 100_000, left, self.now);
        if left < LOW {
            self.relay.note_relieved(conn);
        }
        self.carry_out();
    }

    fn deliver(&mut self, slot: usize, item: Queued) {
        let mut client = self.clients[slot].take().expect("the caller has looked");
        let clients = &self.clients;
        let first_known = |sender: u64, link: u64| {
            clients.iter().flatten().find(|peer| peer.conn.name == sender)?.first_sent(link)
        };
        client.receive(item, first_known);
        self.clients[slot] = Some(client);
    }

    fn gone(&mut self, slot: usize) {
        if let Some(client) = self.clients[slot].take() {
            self.handle(Input::Gone { conn: client.conn });
        }
    }

    fn pass_time(&mut self, ms_max: u64) {
        let until = self.now + Duration::from_millis(self.rng.below(ms_max));
        while let Some(due) = self.relay.poll_timeout().filter(|&due| due <= until) {
            self.now = due.max(self.now);
            self.handle(Input::Due);
            // Time passes for everybody: whoever reads has read meanwhile, and the store has worked.
            if self.rng.one_in(2) {
                self.store_works();
            }
        }
        self.now = until;
    }

    fn toggle_store(&mut self) {
        self.store_is_away = self.rng.one_in(2) && !self.store_is_away;
        if !self.store_is_away {
            self.handle(Input::StoreBack);
        }
    }

    /// The store carries out a request, or fails before or after doing so, and an answer comes back.
    fn store_works(&mut self) {
        if let Some(request) = self.requests.pop_front() {
            let fails = self.store_is_away || self.rng.one_in(20);
            if fails && matches!(request, Request::Release { .. }) {
                // Kept by the backend until it can be sent.
                self.requests.push_back(request);
            }
            let works = !fails || self.rng.one_in(2);
            let answer = if works { self.table.apply(self.node, &request, self.now) } else { None };
            self.counts.store_faults += u64::from(fails);
            if let (true, Request::Claim { conn, .. }) = (fails && works, request) {
                self.unanswered.push(conn.name);
            }
            self.answers.extend(if fails { away(&request) } else { answer });
        }
        if self.rng.one_in(2) {
            while let Some(answer) = self.answers.pop_front() {
                self.count_answer(&answer);
                self.handle(Input::Answered(answer));
            }
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

    fn handle(&mut self, input: Input<'_>) {
        self.relay.handle(input, self.now);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.relay.poll_action() {
            match action {
                Action::Admit { conn, .. } => self.by_name(conn).is_joined = true,
                Action::Send { conn, notice } => {
                    let item = match notice {
                        Notice::PeerJoined { missed, .. } => {
                            let dropped = std::mem::take(&mut self.by_name(conn).dropped);
                            assert_eq!(missed, dropped, "frames dropped in the absence are counted");
                            self.told_joined += 1;
                            // Both ends are told one after the other.
                            Queued::Joined { notice, link: (self.told_joined - 1) / 2 }
                        }
                        _ => Queued::Notice(notice),
                    };
                    self.queue(conn, item);
                }
                Action::Ping { conn } => self.queue(conn, Queued::Ping),
                Action::Close { conn, say } => {
                    self.queue(conn, Queued::Close(say));
                    let client = self.by_name(conn);
                    client.is_closing = true;
                    if matches!(say, Goodbye::Echo(_)) {
                        client.reads = true;
                    }
                }
                Action::Abort { conn } => self.gone(conn.slot as usize),
                Action::Resume { conn } => self.readable(conn.slot as usize),
                Action::Submit(request) => self.requests.push_back(request),
                Action::CancelClaim { conn } => {
                    self.requests
                        .retain(|request| !matches!(request, Request::Claim { conn: c, .. } if *c == conn));
                }
                Action::Registered { .. } | Action::Deleted { .. } => {}
            }
        }
    }

    fn queue(&mut self, conn: Conn, item: Queued) {
        let client = self.by_name(conn);
        assert!(!client.is_closing, "{item:?} queued behind the Close frame");
        client.queue.push_back(item);
        let left = client.queue.len();
        self.relay.note_written(conn, 0, left, self.now);
        if left > HIGH {
            self.relay.note_congested(conn);
        }
    }

    fn by_name(&mut self, conn: Conn) -> &mut Client {
        let client = self.client(conn.slot as usize);
        assert_eq!(client.conn, conn, "an action for a connection that is gone");
        client
    }

    fn client(&mut self, slot: usize) -> &mut Client {
        self.clients[slot].as_mut().expect("an action for a connection that is gone")
    }

    fn on_some_client(&mut self, act: impl FnOnce(&mut Self, usize)) {
        let live: Vec<usize> = (0..self.clients.len()).filter(|&slot| self.clients[slot].is_some()).collect();
        if !live.is_empty() {
            let slot = live[self.rng.below(live.len() as u64) as usize];
            act(self, slot);
        }
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

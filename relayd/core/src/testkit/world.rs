//! The world around some relays: drivers that do what the reactor does, a store that is slow and fails, a bus
//! that loses, doubles and reorders, nodes that stop and start, clients that come, go, stall and vanish.

mod node;
mod settle;

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId, Token};
use protocol::message::Version;

use self::node::{Node, SMALL_MESSAGE_MAX};
use super::client::{Client, Sent};
use super::{Counts, Rng};
use crate::event::Input;
use crate::limits::{Limits, UNACKNOWLEDGED_MAX};
use crate::store::table::{Table, TableLimits};
use crate::store::{Conn, Request};
use crate::time::Time;

/// How long two nodes may both believe to hold a role while nothing is wrong: until the check that finds out,
/// one that is lost before it, and the time it takes to carry them out.
const DOUBLED_MAX: Duration = Duration::from_secs(65);

pub(super) struct World {
    rng: Rng,
    now: Time,
    limits: Limits,
    table: Table,
    sessions: Vec<(SessionId, Token)>,
    nodes: Vec<Node>,
    next_name: u64,
    store_is_away: bool,
    bus_is_away: bool,
    /// The node that stands still.
    stopped: Option<usize>,
    /// Prints what happens.
    tells: bool,
    /// No more faults.
    is_calm: bool,
    /// How much time has passed with the store and the bus there and every node running.
    sound: Duration,
    /// The roles that two nodes believe to hold, and [`World::sound`] when that began.
    doubled: BTreeMap<(usize, Role), Duration>,
    pub counts: Counts,
}

impl World {
    /// A third of the seeds make one node without a bus, the others two or three nodes with one.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let limits = Limits {
            session_idle: Duration::from_secs(20 + rng.below(200)),
            heartbeat_interval: Duration::from_secs(1 + rng.below(34)),
            stall: Duration::from_secs(10 + rng.below(100)),
            ..Limits::default()
        };
        let now = Time::from_ms(1 << 40);
        let idle_ms = limits.session_idle.as_millis() as u64;
        let mut world = World {
            table: Table::new(idle_ms, TableLimits::default()),
            rng,
            now,
            limits,
            sessions: Vec::new(),
            nodes: Vec::new(),
            next_name: 0,
            store_is_away: false,
            bus_is_away: false,
            stopped: None,
            tells: false,
            is_calm: false,
            sound: Duration::ZERO,
            doubled: BTreeMap::new(),
            counts: Counts::default(),
        };
        let nodes = 1 + seed % 3;
        world.nodes = (0..nodes).map(|at| world.new_node(at, nodes == 1)).collect();
        (0..3).for_each(|_| world.register());
        world
    }

    /// Its operator may have set a lower limit for messages than others have.
    fn new_node(&mut self, number: u64, is_alone: bool) -> Node {
        let mut limits = self.limits;
        if self.rng.one_in(3) {
            limits.message_bytes_max = SMALL_MESSAGE_MAX;
        }
        Node::new(number, is_alone, limits, self.now)
    }

    /// Prints what happens from here on.
    pub fn tell(&mut self) {
        self.tells = true;
    }

    /// One random thing happens.
    pub fn step(&mut self) {
        match self.rng.below(100) {
            0..=4 => self.connect(),
            5..=34 => self.on_some_client(Self::send_some),
            35..=49 => self.serve_some(),
            50..=66 => self.on_some_client(Self::read_some),
            67..=74 => self.on_some_node(Self::store_works),
            75..=88 => self.on_some_node(Self::bus_works),
            89..=90 => self.on_some_client(Self::toggle_reading),
            91 => self.on_some_client(|world, node, slot| world.send(node, slot, Sent::Close)),
            92 => self.on_some_client(Self::abort),
            93 => self.pass_time(20_000),
            94 => self.toggle_store(),
            95 => self.bus_is_away = self.rng.one_in(3) && !self.bus_is_away,
            96 if self.rng.one_in(4) => self.delete(),
            96 if self.rng.one_in(8) => self.register(),
            97 if self.rng.one_in(20) => self.on_some_node(Self::restart),
            98 if self.rng.one_in(6) => self.on_some_node(Self::stand_still),
            _ => self.pass_time(300),
        }
        self.check();
    }

    /// A thing after which nobody gets anything new to read: whoever is owed a look must get it from what
    /// happens.
    pub fn quiet_step(&mut self) {
        match self.rng.below(12) {
            0..=3 => self.serve_some(),
            4..=6 => self.on_some_client(Self::read_some),
            7 => self.on_some_client(Self::abort),
            8 => self.on_some_client(Self::toggle_reading),
            9 | 10 => self.on_some_node(Self::bus_works),
            _ => self.on_some_node(Self::store_works),
        }
        self.check();
    }

    /// What must hold after each step.
    fn check(&mut self) {
        for node in &self.nodes {
            let holding = |session: usize, role: Role| {
                node.holders().filter(|client| client.session == session && client.role == role).count()
            };
            for session in 0..self.sessions.len() {
                for role in Role::ALL {
                    assert!(holding(session, role) <= 1, "two holders of one role on one node");
                }
            }
            let (live, armed) = (node.clients().count(), node.relay.timers());
            assert!(armed <= live + node.relay.sessions() + 3, "{armed} timers for {live} connections");
            let unacknowledged = node.relay.unacknowledged();
            assert!(unacknowledged <= UNACKNOWLEDGED_MAX, "{unacknowledged} bytes in streams");
            let held = unacknowledged + node.clients().map(|client| client.granted).sum::<usize>();
            assert!(held <= self.limits.memory_max(live), "{held} bytes for {live} connections");
        }
        self.check_clocks();
        self.check_doubled();
        self.check_buses();
    }

    fn check_buses(&self) {
        for (at, node) in self.nodes.iter().enumerate() {
            if let Some(bus) = node.bus.as_ref().filter(|_| self.stopped != Some(at)) {
                bus.check(&node.relay, self.now);
            }
        }
    }

    fn check_clocks(&self) {
        let awake = self.nodes.iter().enumerate().filter(|&(at, _)| self.stopped != Some(at));
        for client in awake.flat_map(|(_, node)| node.clients()).filter(|client| !client.is_closing) {
            client.clocks.check(client.is_joined, &self.limits, self.now);
        }
    }

    /// A role is believed to be held on two nodes only as long as it takes to mend a lost word.
    fn check_doubled(&mut self) {
        let mut holders = BTreeMap::new();
        for client in self.nodes.iter().flat_map(Node::holders) {
            *holders.entry((client.session, client.role)).or_insert(0) += 1;
        }
        self.doubled.retain(|role, _| holders.get(role).is_some_and(|&count| count > 1));
        for (role, _) in holders.into_iter().filter(|&(_, count)| count > 1) {
            let since = *self.doubled.entry(role).or_insert(self.sound);
            let longest = &mut self.counts.longest_doubled;
            *longest = (*longest).max(self.sound - since);
            assert!(self.sound - since <= DOUBLED_MAX, "two holders of {role:?}");
        }
    }

    fn register(&mut self) {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(self.sessions.len() as u64).to_be_bytes());
        let (session, token) = (SessionId::from_bytes(id), Token::from_bytes(id));
        let ticket = Conn { slot: 0, name: 0 };
        let request = Request::Register { ticket, session, token: token.digest(), again: false };
        self.table.apply(NodeId::from_bytes([0; 16]), &request, self.now);
        self.sessions.push((session, token));
    }

    fn delete(&mut self) {
        let session = self.sessions[self.rng.below(self.sessions.len() as u64) as usize].0;
        let ticket = Conn { slot: u32::MAX, name: u64::MAX };
        self.on_some_node(|world, at| {
            world.handle(at, Input::Delete { ticket, session, token: None });
        });
    }

    fn connect(&mut self) {
        let at = self.rng.below(self.nodes.len() as u64) as usize;
        let slot = self.nodes[at].free_slot();
        if slot > 30 {
            return;
        }
        let conn = Conn { slot: slot as u32, name: self.next_name };
        self.next_name += 1;
        let session = self.rng.below(self.sessions.len() as u64) as usize;
        let role = Role::ALL[self.rng.below(2) as usize];
        let is_good = !self.rng.one_in(12);
        let version = [Version::V1, Version::V2, Version::V3, Version::V3][self.rng.below(4) as usize];
        self.nodes[at].clients[slot] = Some(Client::new(conn, session, role, is_good, version, self.now));
        self.handle(at, Input::Opened { conn });
    }

    fn send_some(&mut self, at: usize, slot: usize) {
        for _ in 0..=self.rng.below(5) {
            if self.rng.one_in(6) {
                self.send(at, slot, Sent::Heartbeat);
            } else if let Some(client) = &mut self.nodes[at].clients[slot] {
                client.send_frame();
            }
        }
        self.readable(at, slot);
    }

    fn send(&mut self, at: usize, slot: usize, what: Sent) {
        if let Some(client) = &mut self.nodes[at].clients[slot] {
            client.sent.push_back(what);
        }
        self.readable(at, slot);
    }

    /// An edge of the poll.
    fn readable(&mut self, at: usize, slot: usize) {
        if let Some(client) = &mut self.nodes[at].clients[slot] {
            client.is_ready = true;
        }
    }

    fn toggle_reading(&mut self, at: usize, slot: usize) {
        if let Some(client) = &mut self.nodes[at].clients[slot] {
            client.reads = !client.reads;
        }
    }

    /// The client vanishes; what was on its way in either direction is lost.
    fn abort(&mut self, at: usize, slot: usize) {
        if self.rng.one_in(2) {
            self.counts.aborts += 1;
            self.gone(at, slot);
        }
    }

    /// The process ends and another one starts in its place. Its clients see their connections break.
    fn restart(&mut self, at: usize) {
        let id = self.next_name;
        self.next_name += 1;
        self.counts.restarts += 1;
        self.nodes[at] = self.new_node(1000 + id, self.nodes.len() == 1);
    }

    /// The process is stopped for long and goes on. The others see it silent.
    fn stand_still(&mut self, at: usize) {
        self.counts.stops += 1;
        self.stopped = Some(at);
        let since = self.now;
        self.pass_time(30_000);
        self.stopped = None;
        let (now, clients) = (self.now, self.nodes[at].clients.iter_mut().flatten());
        clients.for_each(|client| client.clocks.note_stop(now.since(since), now));
        if let Some(bus) = &mut self.nodes[at].bus {
            bus.on_revived(now);
        }
        self.handle(at, Input::Revived);
    }

    fn serve_some(&mut self) {
        for _ in 0..3 {
            self.on_some_client(Self::serve);
        }
    }

    fn read_some(&mut self, at: usize, slot: usize) {
        let count = 1 + self.rng.below(6) as usize;
        self.read(at, slot, count);
    }

    fn pass_time(&mut self, ms_max: u64) {
        let span = Duration::from_millis(self.rng.below(ms_max));
        let until = self.now + span;
        while let Some((due, at)) = self.next_due().filter(|&(due, _)| due <= until) {
            self.now = due.max(self.now);
            self.handle(at, Input::Due);
            self.check_ticked(at);
            // Time passes for everybody: the store and the bus have worked meanwhile, most of the time.
            if !self.rng.one_in(4) {
                self.everything_between_nodes();
            }
        }
        self.now = until;
        if !self.store_is_away && !self.bus_is_away && self.stopped.is_none() {
            self.sound += span;
        }
    }

    fn next_due(&self) -> Option<(Time, usize)> {
        let awake = self.nodes.iter().enumerate().filter(|&(at, _)| self.stopped != Some(at));
        let due = awake.filter_map(|(at, node)| Some((node.relay.poll_timeout()?, at)));
        due.min()
    }

    fn everything_between_nodes(&mut self) {
        for at in 0..self.nodes.len() {
            if self.stopped != Some(at) {
                self.store_works(at);
                self.bus_works(at);
            }
        }
    }

    fn toggle_store(&mut self) {
        self.store_is_away = self.rng.one_in(2) && !self.store_is_away;
        if !self.store_is_away {
            (0..self.nodes.len()).for_each(|at| self.handle(at, Input::StoreBack));
        }
    }

    fn on_some_node(&mut self, act: impl FnOnce(&mut Self, usize)) {
        let at = self.rng.below(self.nodes.len() as u64) as usize;
        act(self, at);
    }

    fn on_some_client(&mut self, act: impl FnOnce(&mut Self, usize, usize)) {
        let live: Vec<(usize, usize)> = self
            .nodes
            .iter()
            .enumerate()
            .flat_map(|(at, node)| (0..node.clients.len()).map(move |slot| (at, slot)))
            .filter(|&(at, slot)| self.nodes[at].clients[slot].is_some())
            .collect();
        if !live.is_empty() {
            let (at, slot) = live[self.rng.below(live.len() as u64) as usize];
            act(self, at, slot);
        }
    }
}

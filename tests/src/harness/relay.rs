//! The service as a case sees it: a set-up with one or more nodes, and the node that each role uses.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::redis::Shared;
use super::relayd::{Options, Relayd};
use super::role::Role;
use super::session::Session;

/// How the service is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// One node with its embedded store.
    Memory,
    /// One node with Redis.
    Redis,
    /// Two nodes with one Redis: the workstation talks to the first, the phone to the second.
    TwoNodes,
    /// Three nodes with one Redis. The workstation talks to the first. Each new connection of a session's
    /// phone goes to the next node: the second, the third, the first, and so on.
    ThreeNodes,
}

impl SetUp {
    const fn nodes(self) -> usize {
        match self {
            SetUp::Memory | SetUp::Redis => 1,
            SetUp::TwoNodes => 2,
            SetUp::ThreeNodes => 3,
        }
    }
}

/// A running service.
#[derive(Debug)]
pub struct Relay {
    nodes: Vec<Relayd>,
    store: Option<(Shared, String)>,
    hops: Option<Hops>,
}

/// How many connections the phone of each session has opened, by the session's id.
#[derive(Debug, Default)]
struct Hops(Mutex<HashMap<String, usize>>);

impl Relay {
    /// Starts a set-up with every default.
    pub fn start(set_up: SetUp) -> Self {
        Self::start_with(set_up, &Options::new())
    }

    /// Starts a set-up; every node gets the same options.
    pub fn start_with(set_up: SetUp, options: &Options) -> Self {
        let store = (set_up != SetUp::Memory).then(|| (Shared::open(), fresh_prefix()));
        let options = match &store {
            None => options.clone().arg("--store", "memory"),
            Some((redis, prefix)) => {
                options.clone().env("REDIS_URL", redis.url()).arg("--redis-prefix", prefix)
            }
        };
        let hops = (set_up == SetUp::ThreeNodes).then(Hops::default);
        Self { nodes: Relayd::start_many(set_up.nodes(), &options), store, hops }
    }

    /// A service of nodes that the case has started. The workstation talks to the first, the phone to the
    /// last.
    pub fn of(nodes: Vec<Relayd>) -> Self {
        assert!(!nodes.is_empty());
        Self { nodes, store: None, hops: None }
    }

    /// The address for the next connection of this role. Ask once for each connection: with three nodes the
    /// answers differ.
    pub fn next_addr(&self, session: &Session, role: Role) -> SocketAddr {
        if let (Some(hops), Role::Phone) = (&self.hops, role) {
            hops.count(session);
        }
        self.node_of(session, role).addr()
    }

    /// The node that the latest connection of this role went to.
    pub fn node_of(&self, session: &Session, role: Role) -> &Relayd {
        let at = match (role, &self.hops) {
            (Role::Workstation, _) => 0,
            (Role::Phone, None) => self.nodes.len() - 1,
            (Role::Phone, Some(hops)) => hops.so_far(session) % self.nodes.len(),
        };
        &self.nodes[at]
    }

    /// The first node, or the only one. Workstations use it, and clients without a role.
    pub fn node(&self) -> &Relayd {
        &self.nodes[0]
    }

    /// The address for requests without a role.
    pub fn addr(&self) -> SocketAddr {
        self.node().addr()
    }

    /// The only node of a set-up that has one, or the first.
    pub fn first(&mut self) -> &mut Relayd {
        &mut self.nodes[0]
    }

    /// Every node.
    pub fn nodes(&self) -> &[Relayd] {
        &self.nodes
    }

    /// The same, to end them.
    pub fn nodes_mut(&mut self) -> &mut [Relayd] {
        &mut self.nodes
    }

    /// URL and key prefix of the Redis below; `None` for the embedded store.
    pub fn redis(&self) -> Option<(&str, &str)> {
        self.store.as_ref().map(|(redis, prefix)| (redis.url(), prefix.as_str()))
    }
}

impl Hops {
    fn count(&self, session: &Session) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(session.id.clone()).or_default() += 1;
    }

    fn so_far(&self, session: &Session) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&session.id).copied().unwrap_or_default()
    }
}

/// A key prefix that no other case uses.
pub fn fresh_prefix() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("test-{}-{}:", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

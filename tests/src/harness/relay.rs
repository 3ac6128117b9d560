//! The service as a case sees it: one set-up, one or more nodes, and which of them each role talks to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::redis::Shared;
use super::relayd::{Options, Relayd};
use super::role::Role;

/// How the service is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// One node with its embedded store.
    Memory,
    /// One node with Redis.
    Redis,
    /// Two nodes with one Redis: the workstation talks to the first, the phone to the second.
    TwoNodes,
}

/// A running service.
#[derive(Debug)]
pub struct Relay {
    nodes: Vec<Relayd>,
    store: Option<(Shared, String)>,
}

impl Relay {
    /// Starts a set-up with every default.
    pub fn start(set_up: SetUp) -> Self {
        Self::start_with(set_up, &Options::new())
    }

    /// Starts a set-up; every node gets the same options.
    pub fn start_with(set_up: SetUp, options: &Options) -> Self {
        let count = if set_up == SetUp::TwoNodes { 2 } else { 1 };
        let store = (set_up != SetUp::Memory).then(|| (Shared::open(), fresh_prefix()));
        let options = match &store {
            None => options.clone().arg("--store", "memory"),
            Some((redis, prefix)) => {
                options.clone().env("REDIS_URL", redis.url()).arg("--redis-prefix", prefix)
            }
        };
        Self { nodes: (0..count).map(|_| Relayd::start_ready(&options)).collect(), store }
    }

    /// A service of nodes that the case started itself.
    pub fn of(nodes: Vec<Relayd>) -> Self {
        assert!(!nodes.is_empty());
        Self { nodes, store: None }
    }

    /// The node that a role talks to.
    pub fn node(&self, role: Role) -> &Relayd {
        match role {
            Role::Workstation => &self.nodes[0],
            Role::Phone => &self.nodes[self.nodes.len() - 1],
        }
    }

    /// Where a role connects.
    pub fn addr_of(&self, role: Role) -> SocketAddr {
        self.node(role).addr()
    }

    /// Where requests that belong to no role go.
    pub fn addr(&self) -> SocketAddr {
        self.nodes[0].addr()
    }

    /// The only node of a set-up that has one, or the first.
    pub fn first(&mut self) -> &mut Relayd {
        &mut self.nodes[0]
    }

    /// Every node.
    pub fn nodes(&self) -> &[Relayd] {
        &self.nodes
    }

    /// URL and key prefix of the Redis below; `None` for the embedded store.
    pub fn redis(&self) -> Option<(&str, &str)> {
        self.store.as_ref().map(|(redis, prefix)| (redis.url(), prefix.as_str()))
    }
}

/// A key prefix that no other case uses.
pub fn fresh_prefix() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("test-{}-{}:", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

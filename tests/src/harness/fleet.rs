//! Nodes on one private Redis. Each can be killed, stopped and started again.

use std::net::SocketAddr;

use super::fault_proxy::FaultProxy;
use super::redis::{Keep, Redis};
use super::relayd::{Options, Relayd};
use super::role::Role;
use super::session::Session;
use super::talk::Talk;

/// Nodes on one Redis, usually a private one.
#[derive(Debug)]
pub struct Fleet {
    nodes: Vec<Relayd>,
    options: Options,
    redis: Option<Redis>,
    /// One before Redis for each node; none if they reach Redis directly.
    lines: Vec<FaultProxy>,
}

impl Fleet {
    /// Starts `count` nodes. `keep` says what their Redis keeps over a restart.
    pub fn start(count: usize, keep: Keep) -> Self {
        Self::start_with(count, keep, &Options::new())
    }

    /// The same, each node with these options.
    pub fn start_with(count: usize, keep: Keep, options: &Options) -> Self {
        let redis = Redis::start(keep);
        let options = options.clone().env("REDIS_URL", &redis.url());
        Self { redis: Some(redis), ..Self::on(count, &options) }
    }

    /// The same, but each node has its own line to Redis, which can be broken for it alone.
    pub fn start_apart(count: usize, keep: Keep, options: &Options) -> Self {
        let redis = Redis::start(keep);
        let lines = (0..count).map(|_| FaultProxy::start(([127, 0, 0, 1], redis.port()).into())).collect();
        let mut fleet = Self { nodes: Vec::new(), options: options.clone(), redis: Some(redis), lines };
        for at in 0..count {
            fleet.nodes.push(Relayd::start_ready(&fleet.options_of(at)));
        }
        fleet
    }

    /// Starts nodes on the Redis that the options name, which belongs to the caller.
    pub fn on(count: usize, options: &Options) -> Self {
        Self {
            nodes: Relayd::start_many(count, options),
            options: options.clone(),
            redis: None,
            lines: Vec::new(),
        }
    }

    /// One of the nodes, in the order of their starts.
    pub fn node(&self, at: usize) -> &Relayd {
        &self.nodes[at]
    }

    /// The same, to end it.
    pub fn node_mut(&mut self, at: usize) -> &mut Relayd {
        &mut self.nodes[at]
    }

    /// Where a node listens.
    pub fn addr(&self, at: usize) -> SocketAddr {
        self.nodes[at].addr()
    }

    /// The Redis below.
    pub fn redis(&mut self) -> &mut Redis {
        self.redis.as_mut().expect("a Redis of its own")
    }

    /// The line between a node and Redis.
    pub fn line(&self, at: usize) -> &FaultProxy {
        &self.lines[at]
    }

    /// How many nodes there are.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Starts one more node.
    pub fn add(&mut self) -> usize {
        self.nodes.push(Relayd::start_ready(&self.options_of(self.nodes.len())));
        self.nodes.len() - 1
    }

    /// Starts a node in the place of one that has ended, without waiting for its store.
    pub fn replace(&mut self, at: usize) {
        self.nodes[at] = Relayd::start(&self.options_of(at));
    }

    /// Links a pair: the workstation on one node, the phone on another.
    pub fn talk(&self, workstation: usize, phone: usize) -> Talk {
        let session = Session::register_at(self.addr(workstation));
        Talk::link(session, |role| self.addr(if role == Role::Workstation { workstation } else { phone }))
    }

    /// This many pairs, with their workstations on the first node and their phones on the second.
    pub fn talks(&self, count: usize) -> Vec<Talk> {
        (0..count).map(|_| self.talk(0, 1)).collect()
    }

    /// Waits until every node has its store.
    pub fn wait_ready(&self) {
        self.nodes.iter().for_each(|node| node.wait_ready(200));
    }

    fn options_of(&self, at: usize) -> Options {
        let options = self.options.clone();
        match self.lines.get(at) {
            Some(line) => options.env("REDIS_URL", &format!("redis://{}", line.addr())),
            None => options,
        }
    }
}

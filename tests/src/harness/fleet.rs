//! Nodes on one private Redis, each of which may be killed, stopped and started anew.

use std::net::SocketAddr;

use super::redis::{Keep, Redis};
use super::relayd::{Options, Relayd};
use super::role::Role;
use super::session::Session;
use super::talk::Talk;

/// The nodes on one Redis, which is mostly their own.
#[derive(Debug)]
pub struct Fleet {
    nodes: Vec<Relayd>,
    options: Options,
    redis: Option<Redis>,
}

impl Fleet {
    /// Starts `count` nodes on a Redis that keeps this much over a restart.
    pub fn start(count: usize, keep: Keep) -> Self {
        Self::start_with(count, keep, &Options::new())
    }

    /// The same, each node with these options.
    pub fn start_with(count: usize, keep: Keep, options: &Options) -> Self {
        let redis = Redis::start(keep);
        let options = options.clone().env("REDIS_URL", &redis.url());
        Self { redis: Some(redis), ..Self::on(count, &options) }
    }

    /// Starts nodes on a Redis that the options name and somebody else owns.
    pub fn on(count: usize, options: &Options) -> Self {
        Self { nodes: Relayd::start_many(count, options), options: options.clone(), redis: None }
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

    /// Starts one more node.
    pub fn add(&mut self) -> usize {
        self.nodes.push(Relayd::start_ready(&self.options));
        self.nodes.len() - 1
    }

    /// Starts a node in the place of one that has ended, without waiting for its store.
    pub fn replace(&mut self, at: usize) {
        self.nodes[at] = Relayd::start(&self.options);
    }

    /// Links a pair: the workstation on one node, the phone on another.
    pub fn talk(&self, workstation: usize, phone: usize) -> Talk {
        let session = Session::register_at(self.addr(workstation));
        Talk::link(session, |role| self.addr(if role == Role::Workstation { workstation } else { phone }))
    }

    /// So many pairs with their workstations on the first node and their phones on the second.
    pub fn talks(&self, count: usize) -> Vec<Talk> {
        (0..count).map(|_| self.talk(0, 1)).collect()
    }

    /// Waits until every node has its store.
    pub fn wait_ready(&self) {
        self.nodes.iter().for_each(|node| node.wait_ready(200));
    }
}

//! What the service holds: sizes that must be at the end what they were at the start.

use std::fmt;
use std::time::{Duration, Instant};

use relay_tests::harness::Fleet;
use relay_tests::harness::guard::let_pass;
use relay_tests::harness::redis::connect;

/// One look.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// Each node.
    pub nodes: Vec<Node>,
    /// Redis's clients but for the one that asks.
    pub clients: u64,
    /// Redis's keys.
    pub keys: u64,
}

/// What one node holds.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Resident KiB.
    pub resident: u64,
    /// Descriptors.
    pub descriptors: u64,
    /// Armed timers.
    pub timers: u64,
    /// Connections that speak WebSocket.
    pub connections: u64,
    /// Sessions of which it holds a role.
    pub sessions: u64,
}

impl Footprint {
    /// Looks now. Redis must run.
    pub fn of(fleet: &mut Fleet) -> Self {
        let mut connection = connect(&fleet.redis().url());
        let info: String = redis::cmd("INFO").arg("clients").query(&mut connection).expect("Redis answers");
        let clients = info.lines().find_map(|line| line.strip_prefix("connected_clients:"));
        Self {
            nodes: (0..fleet.count()).map(|at| Node::of(fleet, at)).collect(),
            clients: clients.and_then(|count| count.trim().parse::<u64>().ok()).expect("a count") - 1,
            keys: redis::cmd("DBSIZE").query(&mut connection).expect("Redis answers"),
        }
    }

    /// Looks until it is so, or for that long.
    pub fn until(fleet: &mut Fleet, within: Duration, is_so: impl Fn(&Self) -> bool) -> Self {
        let started = Instant::now();
        loop {
            let now = Self::of(fleet);
            if is_so(&now) || started.elapsed() > within {
                return now;
            }
            let_pass(Duration::from_millis(100));
        }
    }

    /// The largest node, in KiB.
    pub fn largest(&self) -> u64 {
        self.nodes.iter().map(|node| node.resident).max().unwrap_or_default()
    }

    /// No node holds more than at that look, its memory left out, and Redis has as many clients.
    pub fn is_as_idle_as(&self, other: &Self) -> bool {
        let no_more = |(node, other): (&Node, &Node)| {
            node.descriptors <= other.descriptors && node.timers <= other.timers
        };
        self.nodes.iter().zip(&other.nodes).all(no_more) && self.clients == other.clients
    }
}

impl Node {
    fn of(fleet: &Fleet, at: usize) -> Self {
        let (node, process) = (fleet.node(at), fleet.node(at).process());
        // Before it is asked, which takes a connection.
        let descriptors = process.descriptors() as u64;
        let [timers, connections, sessions] =
            node.metrics(["relay_timers", "relay_connections{protocol=\"websocket\"}", "relay_sessions"]);
        Self { resident: process.resident_kib(), descriptors, timers, connections, sessions }
    }

    /// The most timers that so many connections and sessions may need: one each, and those of the node itself.
    pub fn timers_max(&self) -> u64 {
        self.connections + self.sessions + 2
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Node { resident, descriptors, timers, connections, sessions }) in
            self.nodes.iter().enumerate()
        {
            write!(
                f,
                "\n    node {at}: RSS {resident} KiB, {descriptors} descriptors, {timers} timers, {connections} connections, \
                 {sessions} sessions"
            )?;
        }
        write!(f, "\n    Redis: {} clients, {} keys", self.clients, self.keys)
    }
}

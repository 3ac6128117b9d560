//! What the service holds. At the end, these sizes must be what they were at the start.

use std::fmt;
use std::time::{Duration, Instant};

use relay_tests::harness::Fleet;
use relay_tests::harness::guard::let_pass;
use relay_tests::harness::redis::connect;

/// How much a node may have grown under the same crowd: memory that its allocator keeps and does not need.
const GROWN_KIB: u64 = 64 << 10;

/// One look.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// Each node.
    pub nodes: Vec<Node>,
    /// Redis's clients, without the one that asks.
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

    /// True if no node holds more than at that look, except memory, and Redis has no more clients.
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

    /// The most timers that these connections and sessions may need: one each, and those of the node itself.
    pub fn timers_max(&self) -> u64 {
        self.connections + self.sessions + 2
    }
}

/// What is held at the end and was not at the start, in words. `idle`: before any client connected. `before`
/// and `after`: with all pairs linked. `end`: after all had left.
pub fn grown(idle: &Footprint, before: &Footprint, after: &Footprint, end: &Footprint) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut expect = |what: &str, now: u64, most: u64| {
        if now > most {
            breaches.push(format!("{what}: {now}, where {most} was the most to be expected"));
        }
    };
    for (at, (end, idle)) in end.nodes.iter().zip(&idle.nodes).enumerate() {
        expect(&format!("descriptors of node {at}"), end.descriptors, idle.descriptors);
        expect(&format!("timers of node {at}"), end.timers, idle.timers);
    }
    for (at, node) in after.nodes.iter().enumerate() {
        expect(&format!("timers of node {at} with its pairs"), node.timers, node.timers_max());
    }
    expect("clients of Redis at the end", end.clients, idle.clients);
    expect("clients of Redis at the start", idle.clients, end.clients);
    expect("KiB of node 0", after.nodes[0].resident, before.nodes[0].resident + GROWN_KIB);
    expect("KiB of a node", after.largest(), before.largest() + GROWN_KIB);
    breaches
}

/// What is wrong with Redis's keys, in words, given the number of live sessions and of all sessions made.
pub fn kept(live: u64, made: u64, after: &Footprint, end: &Footprint) -> Vec<String> {
    let lost = (after.keys < live).then(|| format!("{} keys, where {live} sessions live", after.keys));
    let left = (end.keys > made).then(|| format!("{} keys, where {made} sessions were made", end.keys));
    lost.into_iter().chain(left).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn footprint() -> Footprint {
        let node = Node { resident: 100, descriptors: 10, timers: 6, connections: 2, sessions: 2 };
        Footprint { nodes: vec![node; 2], clients: 3, keys: 5 }
    }

    fn changed(change: impl Fn(&mut Footprint)) -> Footprint {
        let mut changed = footprint();
        change(&mut changed);
        changed
    }

    #[test]
    fn whatever_is_more_at_the_end_is_told() {
        let same = footprint();
        let breaches = |after: &Footprint, end: &Footprint| grown(&same, &same, after, end).len();
        assert_eq!(breaches(&same, &same), 0);
        assert_eq!(breaches(&changed(|after| after.nodes[1].timers += 1), &same), 1);
        // Of node 0, and of the largest.
        assert_eq!(breaches(&changed(|after| after.nodes[0].resident += GROWN_KIB + 1), &same), 2);
        assert_eq!(breaches(&same, &changed(|end| end.nodes[0].descriptors += 1)), 1);
        assert_eq!(breaches(&same, &changed(|end| end.nodes[1].timers += 1)), 1);
        assert_eq!(breaches(&same, &changed(|end| end.clients += 1)), 1);
        assert_eq!(breaches(&same, &changed(|end| end.clients -= 1)), 1);
    }

    #[test]
    fn keys_are_those_of_live_and_ended_sessions() {
        let same = footprint();
        assert_eq!(kept(5, 5, &same, &same), [""; 0]);
        assert_eq!((kept(6, 6, &same, &same).len(), kept(4, 4, &same, &same).len()), (1, 1));
    }
}

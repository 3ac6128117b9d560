//! What the service holds: sizes that must be at the end what they were at the start.

use std::fmt;

use relay_tests::harness::Fleet;
use relay_tests::harness::process::Process;
use relay_tests::harness::redis::connect;

/// One look.
#[derive(Clone, Debug)]
pub struct Footprint {
    /// Resident KiB of each node.
    pub resident: Vec<u64>,
    /// Descriptors of all nodes together: who is connected where changes, how many are does not.
    pub descriptors: usize,
    /// Redis's clients but for the one that asks.
    pub clients: u64,
    /// Redis's keys.
    pub keys: u64,
}

impl Footprint {
    /// Looks now. Redis must run.
    pub fn of(fleet: &mut Fleet) -> Self {
        let mut connection = connect(&fleet.redis().url());
        let info: String = redis::cmd("INFO").arg("clients").query(&mut connection).expect("Redis answers");
        let clients = info.lines().find_map(|line| line.strip_prefix("connected_clients:"));
        let nodes = || (0..fleet.count()).map(|at| fleet.node(at).process());
        Self {
            resident: nodes().map(Process::resident_kib).collect(),
            descriptors: nodes().map(Process::descriptors).sum(),
            clients: clients.and_then(|count| count.trim().parse::<u64>().ok()).expect("a count") - 1,
            keys: redis::cmd("DBSIZE").query(&mut connection).expect("Redis answers"),
        }
    }

    /// The largest node, in KiB.
    pub fn largest(&self) -> u64 {
        self.resident.iter().copied().max().unwrap_or_default()
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident, descriptors, clients, keys } = self;
        write!(f, "RSS {resident:?} KiB, {descriptors} descriptors, {clients} clients of Redis, {keys} keys")
    }
}

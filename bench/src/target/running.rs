//! A target that runs: where it is reached, and which of its processes are watched.

use std::net::SocketAddr;

use anyhow::Context;
use relay_client::Endpoint;

use super::process::Process;
use super::redis::PublishCount;
use crate::affinity::Cores;
use crate::meter;

/// What is under load: the processes that share the work, and how to reach them.
#[derive(Debug)]
pub(crate) struct Target {
    pub place: Place,
    /// Empty if it runs already.
    processes: Vec<Process>,
    redis: Option<SocketAddr>,
    /// Where it runs, and where its load does.
    pub cores: Cores,
}

/// How to reach it, and what it speaks.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A relay's WebSocket addresses, one for each role. Sessions are made at the workstation's.
    Relay { workstation: Endpoint, phone: Endpoint },
    /// The floor's address.
    Floor(SocketAddr),
}

/// A process to be measured: what it is called here, and the system's number of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    pub name: &'static str,
    pub pid: u32,
}

impl Target {
    pub(super) fn new(
        place: Place,
        processes: Vec<Process>,
        redis: Option<SocketAddr>,
        cores: Cores,
    ) -> Self {
        Target { place, processes, redis, cores }
    }

    /// The processes that were started here.
    pub fn watched(&self) -> Vec<Watched> {
        self.processes.iter().map(|process| Watched { name: process.name, pid: process.id() }).collect()
    }

    /// CPU time of all its processes so far, in nanoseconds, if they were started here.
    pub fn cpu_ns(&self) -> Option<u64> {
        self.sum(meter::process_cpu_ns)
    }

    /// Memory of all its processes, in bytes, if they were started here.
    pub fn resident(&self) -> Option<u64> {
        self.sum(meter::resident_bytes)
    }

    /// Opens a count of what this target publishes; `None` if it has no Redis of its own.
    ///
    /// # Errors
    /// Its Redis can't be reached.
    pub fn publish_count(&self) -> anyhow::Result<Option<PublishCount>> {
        let count = self.redis.map(PublishCount::connect).transpose();
        count.context("Redis can't be asked for its counters")
    }

    fn sum(&self, meter: impl Fn(u32) -> Option<u64>) -> Option<u64> {
        let each = self.processes.iter().map(|process| meter(process.id()));
        (!self.processes.is_empty()).then(|| each.sum::<Option<u64>>()).flatten()
    }
}

impl Place {
    /// One address for both roles.
    pub fn both_at(url: &Endpoint) -> Self {
        Place::Relay { workstation: url.clone(), phone: url.clone() }
    }
}

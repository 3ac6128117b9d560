//! What is measured: one or more processes that are started here and ended with their owner, or a server that runs
//! already.
//!
//! `process` is one child, `redis` the Redis of a run, `contender` who may be measured and how each is started.

mod contender;
mod process;
mod redis;

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use relay_client::Endpoint;

use self::process::Process;
use crate::affinity::Cores;
use crate::meter;

pub(crate) use self::contender::Contender;
pub(crate) use self::redis::PublishCount;

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

/// Where a program is, if it is in the PATH.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&name)).find(|file| file.is_file())
}

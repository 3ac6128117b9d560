//! What is measured: one or more processes that are started here and ended with their owner, or a server that runs
//! already.

mod process;
mod redis;

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use relay_client::Endpoint;

use self::process::Process;
use self::redis::Redis;
use crate::affinity::Cores;

pub(crate) use self::redis::PublishCount;

/// What is under load: the processes that share the work, and how to reach them.
#[derive(Debug)]
pub(crate) struct Target {
    pub name: &'static str,
    pub place: Place,
    /// Empty if it runs already.
    processes: Vec<Process>,
    redis: Option<SocketAddr>,
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
    /// Starts relayd with the embedded store on a free port of the loopback.
    ///
    /// # Errors
    /// There is no such file, or it does not listen.
    pub fn start_relayd(file: Option<&Path>, cores: Cores) -> anyhow::Result<Self> {
        let (process, url) = start_node(file, "relayd", &["--store", "memory"], cores)?;
        Ok(Target { name: "relayd", place: Place::both_at(&url), processes: vec![process], redis: None })
    }

    /// Starts a Redis and two relayd that share it. Workstations go to one and phones to the other, so that every frame
    /// crosses.
    ///
    /// # Errors
    /// There is no such file or no Redis, or one of them does not listen.
    pub fn start_two_nodes(file: Option<&Path>, cores: Cores) -> anyhow::Result<Self> {
        let redis = Redis::start(cores)?;
        let url = redis.url();
        let store = ["--store", "redis", "--redis-url", &url];
        let (first, workstation) = start_node(file, "relayd A", &store, cores)?;
        let (second, phone) = start_node(file, "relayd B", &store, cores)?;
        Ok(Target {
            name: "relayd",
            place: Place::Relay { workstation, phone },
            processes: vec![first, second, redis.process],
            redis: Some(redis.addr),
        })
    }

    /// Starts the floor: this program once more.
    ///
    /// # Errors
    /// It does not listen.
    pub fn start_floor(cores: Cores) -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("floor");
        let (process, addr) = Process::start_listening(command, "floor", cores)?;
        Ok(Target { name: "floor", place: Place::Floor(addr), processes: vec![process], redis: None })
    }

    /// A relay that runs already.
    pub fn running(url: &Endpoint) -> Self {
        Target { name: "server", place: Place::both_at(url), processes: Vec::new(), redis: None }
    }

    /// The processes that were started here.
    pub fn watched(&self) -> Vec<Watched> {
        self.processes.iter().map(|process| Watched { name: process.name, pid: process.id() }).collect()
    }

    /// Opens a count of what this target publishes; `None` if it has no Redis of its own.
    ///
    /// # Errors
    /// Its Redis can't be reached.
    pub fn publish_count(&self) -> anyhow::Result<Option<PublishCount>> {
        let count = self.redis.map(PublishCount::connect).transpose();
        count.context("Redis can't be asked for its counters")
    }
}

impl Place {
    fn both_at(url: &Endpoint) -> Self {
        Place::Relay { workstation: url.clone(), phone: url.clone() }
    }
}

fn start_node(
    file: Option<&Path>,
    name: &'static str,
    store: &[&str],
    cores: Cores,
) -> anyhow::Result<(Process, Endpoint)> {
    let file = file.map_or_else(beside_this_program, |file| Ok(file.to_owned()))?;
    if !file.is_file() {
        let build =
            if cfg!(debug_assertions) { "cargo build -p relayd" } else { "cargo build --release -p relayd" };
        bail!(
            "{} is not there: build it with `{build}`, or say where it is with --relayd FILE",
            file.display()
        );
    }
    let mut command = Command::new(&file);
    command.args(["--listen", "127.0.0.1", "--port", "0", "--log-format", "json"]).args(store);
    let (process, addr) = Process::start_listening(command, name, cores)?;
    Ok((process, Endpoint::parse_ws(&format!("ws://{addr}/ws"))?))
}

fn beside_this_program() -> anyhow::Result<PathBuf> {
    let name = format!("relayd{}", env::consts::EXE_SUFFIX);
    Ok(env::current_exe().context("this program does not know where it is")?.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_relayd_is_told_with_the_way_to_build_it() {
        let error = Target::start_relayd(Some(Path::new("no/such/relayd")), Cores::default()).unwrap_err();
        assert!(error.to_string().contains("cargo build"), "{error}");
    }
}

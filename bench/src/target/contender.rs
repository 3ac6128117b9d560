//! Who may be measured, and how each is built and started.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use relay_client::Endpoint;

use super::process::{self, Process};
use super::redis::Redis;
use super::{Place, Target, in_path};
use crate::affinity::Cores;
use crate::args::Vs;
use crate::plan::{Setup, Subject};

/// One that is ready to be started.
#[derive(Clone, Debug)]
pub(crate) enum Contender {
    /// relayd from this file.
    Relayd(PathBuf),
    /// A relay that runs already.
    Running(Endpoint),
    /// The loop that only copies bytes.
    Floor,
    /// A relay to compare with.
    Peer(Peer),
}

/// How to start a relay of [`PEERS`].
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    vs: Vs,
    program: PathBuf,
    script: Option<PathBuf>,
}

/// The relays to compare with, each in its own folder.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

impl Contender {
    /// The relay that everything is about.
    ///
    /// # Errors
    /// There is no such file.
    pub fn subject(subject: &Subject) -> anyhow::Result<Self> {
        let file = match subject {
            Subject::Running(url) => return Ok(Contender::Running(url.clone())),
            Subject::Own(Some(file)) => file.clone(),
            Subject::Own(None) => beside_this_program()?,
        };
        let build =
            if cfg!(debug_assertions) { "cargo build -p relayd" } else { "cargo build --release -p relayd" };
        ensure!(
            file.is_file(),
            "{} is not there: build it with `{build}`, or say where it is with --relayd FILE",
            file.display()
        );
        Ok(Contender::Relayd(file))
    }

    /// Builds or installs what is compared with.
    ///
    /// # Errors
    /// A tool it needs is missing, or failed; the words say which.
    pub fn prepare(vs: Vs) -> anyhow::Result<Self> {
        let folder = Path::new(PEERS);
        let (program, script) = match vs {
            Vs::Floor | Vs::All => return Ok(Contender::Floor),
            Vs::Tokio => (build_tokio(&folder.join("tokio-redis"))?, None),
            Vs::Node => {
                let folder = install(folder.join("node-ws"))?;
                let node = in_path("node").context("node is not in the PATH: install Node 20 or later")?;
                (node, Some(folder.join("server.mjs")))
            }
            Vs::Bun => {
                let folder = install(folder.join("bun"))?;
                (folder.join("node_modules/.bin/bun"), Some(folder.join("server.js")))
            }
        };
        ensure!(program.is_file(), "{} was not made", program.display());
        Ok(Contender::Peer(Peer { vs, program, script }))
    }

    /// What it is called in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Contender::Relayd(_) => "relayd",
            Contender::Running(_) => "server",
            Contender::Floor => "floor",
            Contender::Peer(peer) => peer.names()[0],
        }
    }

    /// True if it knows this set-up.
    pub fn has(&self, setup: Setup) -> bool {
        match self {
            Contender::Floor => setup == Setup::Local,
            Contender::Peer(peer) => setup == Setup::Local || peer.vs != Vs::Bun,
            Contender::Relayd(_) | Contender::Running(_) => true,
        }
    }

    /// Starts it, with a Redis of its own where it needs one.
    ///
    /// # Errors
    /// It can't be started, does not listen, or has no such set-up.
    pub fn start(&self, setup: Setup, cores: Cores) -> anyhow::Result<Target> {
        match self {
            Contender::Running(url) => Ok(target(Place::both_at(url), Vec::new(), None, cores)),
            Contender::Floor => {
                let mut command = process::command(env::current_exe()?);
                command.arg("floor");
                let (process, addr) = Process::start_listening(command, "floor", cores)?;
                Ok(target(Place::Floor(addr), vec![process], None, cores))
            }
            Contender::Relayd(file) => {
                let node = |name, redis: Option<&Redis>| relayd(file, name, redis, cores);
                start_relay(["relayd", "relayd A", "relayd B"], setup == Setup::Redis, setup, node, cores)
            }
            Contender::Peer(peer) => {
                if !self.has(setup) {
                    bail!("it can't be set up as {setup}");
                }
                let node = |name, redis: Option<&Redis>| peer.start(name, redis, cores);
                start_relay(peer.names(), peer.vs == Vs::Tokio || setup == Setup::Redis, setup, node, cores)
            }
        }
    }
}

impl Peer {
    /// Alone, and as one of two.
    fn names(&self) -> [&'static str; 3] {
        match self.vs {
            Vs::Tokio => ["tokio", "tokio A", "tokio B"],
            Vs::Node => ["node", "node A", "node B"],
            _ => ["bun", "bun A", "bun B"],
        }
    }

    fn start(
        &self,
        name: &'static str,
        redis: Option<&Redis>,
        cores: Cores,
    ) -> anyhow::Result<(Process, Endpoint)> {
        let mut command = process::command(&self.program);
        command.args(&self.script).args(["--listen", "127.0.0.1", "--port", "0"]);
        command.envs(redis.map(|redis| ("REDIS_URL", redis.url())));
        listen(command, name, cores)
    }
}

impl Place {
    fn both_at(url: &Endpoint) -> Self {
        Place::Relay { workstation: url.clone(), phone: url.clone() }
    }
}

/// One relay, or two of which each has one role.
fn start_relay(
    [alone, first, second]: [&'static str; 3],
    needs_redis: bool,
    setup: Setup,
    node: impl Fn(&'static str, Option<&Redis>) -> anyhow::Result<(Process, Endpoint)>,
    cores: Cores,
) -> anyhow::Result<Target> {
    let redis = needs_redis.then(|| Redis::start(cores)).transpose()?;
    let (place, mut processes) = match setup {
        Setup::Local => {
            let (process, url) = node(alone, redis.as_ref())?;
            (Place::both_at(&url), vec![process])
        }
        Setup::Redis => {
            let (first, workstation) = node(first, redis.as_ref())?;
            let (second, phone) = node(second, redis.as_ref())?;
            (Place::Relay { workstation, phone }, vec![first, second])
        }
    };
    let addr = redis.as_ref().map(|redis| redis.addr);
    processes.extend(redis.map(|redis| redis.process));
    Ok(target(place, processes, addr, cores))
}

fn relayd(
    file: &Path,
    name: &'static str,
    redis: Option<&Redis>,
    cores: Cores,
) -> anyhow::Result<(Process, Endpoint)> {
    let mut command = process::command(file);
    command.args(["--listen", "127.0.0.1", "--port", "0", "--log-format", "json"]);
    match redis {
        Some(redis) => command.args(["--store", "redis", "--redis-url", &redis.url()]),
        None => command.args(["--store", "memory"]),
    };
    listen(command, name, cores)
}

fn listen(command: Command, name: &'static str, cores: Cores) -> anyhow::Result<(Process, Endpoint)> {
    let (process, addr) = Process::start_listening(command, name, cores)?;
    process::wait_ready(addr).with_context(|| format!("{name} is not ready"))?;
    Ok((process, Endpoint::parse_ws(&format!("ws://{addr}/ws"))?))
}

fn target(place: Place, processes: Vec<Process>, redis: Option<SocketAddr>, cores: Cores) -> Target {
    Target { place, processes, redis, cores }
}

fn beside_this_program() -> anyhow::Result<PathBuf> {
    let name = format!("relayd{}", env::consts::EXE_SUFFIX);
    Ok(env::current_exe().context("this program does not know where it is")?.with_file_name(name))
}

fn build_tokio(folder: &Path) -> anyhow::Result<PathBuf> {
    let cargo = in_path("cargo").context("cargo is not in the PATH")?;
    let (manifest, output) = (folder.join("Cargo.toml"), folder.join("target"));
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]).arg(manifest);
    run(command.arg("--target-dir").arg(&output), "cargo build")?;
    Ok(output.join("release").join(format!("peer-tokio-redis{}", env::consts::EXE_SUFFIX)))
}

/// Returns the folder, once its packages are there.
fn install(folder: PathBuf) -> anyhow::Result<PathBuf> {
    if !folder.join("node_modules/.package-lock.json").is_file() {
        let npm = in_path("npm").context("npm is not in the PATH: install Node 20 or later")?;
        run(Command::new(npm).args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder), "npm ci")?;
    }
    Ok(folder)
}

/// Runs a tool to its end; what it says goes to standard error.
fn run(command: &mut Command, name: &str) -> anyhow::Result<()> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("{name} could not be started"))?;
    ensure!(status.success(), "{name} failed; run it by hand, as bench/peers/README.md says");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_relayd_is_told_with_the_way_to_build_it() {
        let error = Contender::subject(&Subject::Own(Some("no/such/relayd".into()))).unwrap_err();
        assert!(error.to_string().contains("cargo build"), "{error}");
    }

    #[test]
    fn what_has_no_second_node_is_known() {
        let peer = |vs| Contender::Peer(Peer { vs, program: PathBuf::new(), script: None });
        assert!(peer(Vs::Tokio).has(Setup::Redis) && peer(Vs::Node).has(Setup::Redis));
        assert!(!peer(Vs::Bun).has(Setup::Redis) && !Contender::Floor.has(Setup::Redis));
        assert_eq!(peer(Vs::Bun).name(), "bun");
    }
}

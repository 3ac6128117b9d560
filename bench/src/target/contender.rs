//! The servers that can be measured, and how each is started.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use relay_client::{Ca, Endpoint};

use super::nginx;
use super::peer::Peer;
use super::process::{self, Process};
use super::redis::Redis;
use super::running::{Place, Target};
use crate::affinity::Cores;
use crate::args::Vs;
use crate::identity::{Identity, identity};
use crate::workload::Setup;

/// One that is ready to be started.
#[derive(Clone, Debug)]
pub(crate) enum Contender {
    /// relayd from this file.
    Relayd(PathBuf),
    /// The same under TLS.
    Tls(PathBuf),
    /// The same behind nginx, which speaks TLS.
    Nginx(PathBuf),
    /// A relay that runs already.
    Running(Endpoint),
    /// The loop that only copies bytes.
    Floor,
    /// A relay to compare with.
    Peer(Peer),
}

/// Which relay is measured.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// One that is started here: this file, or the one beside this program.
    Own(Option<PathBuf>),
    /// One that runs already.
    Running(Endpoint),
}

impl Contender {
    /// The relay that the report is about.
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

    /// Builds or installs what is compared with `subject`.
    ///
    /// # Errors
    /// A tool it needs is missing, or failed; the words say which.
    pub fn prepare(vs: Vs, subject: &Contender) -> anyhow::Result<Self> {
        Ok(match vs {
            Vs::Tls => match subject {
                Contender::Relayd(file) => Contender::Tls(file.clone()),
                _ => bail!("only a relayd that is started here can be measured under TLS"),
            },
            Vs::Nginx => match subject {
                Contender::Relayd(_) if !nginx::is_there() => {
                    bail!("nginx is not in the PATH: add /usr/sbin to it, or install nginx")
                }
                Contender::Relayd(file) => Contender::Nginx(file.clone()),
                _ => bail!("only a relayd that is started here can be measured behind nginx"),
            },
            Vs::Floor | Vs::All => Contender::Floor,
            Vs::Tokio | Vs::Node | Vs::Bun => Contender::Peer(Peer::build(vs)?),
        })
    }

    /// What it is called in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Contender::Relayd(_) => "relayd",
            Contender::Tls(_) => "relayd TLS",
            Contender::Nginx(_) => "nginx TLS",
            Contender::Running(_) => "server",
            Contender::Floor => "floor",
            Contender::Peer(peer) => peer.names()[0],
        }
    }

    /// True if it knows this set-up.
    pub fn has(&self, setup: Setup) -> bool {
        match self {
            Contender::Floor | Contender::Nginx(_) => setup == Setup::Local,
            Contender::Peer(peer) => setup == Setup::Local || peer.has_redis(),
            Contender::Relayd(_) | Contender::Tls(_) | Contender::Running(_) => true,
        }
    }

    /// Starts it, with a Redis of its own where it needs one.
    ///
    /// # Errors
    /// It can't be started, does not listen, or has no such set-up.
    pub fn start(&self, setup: Setup, cores: Cores) -> anyhow::Result<Target> {
        match self {
            Contender::Running(url) => Ok(Target::new(Place::both_at(url), Vec::new(), None, cores)),
            Contender::Floor => {
                let mut command = process::command(env::current_exe()?);
                command.arg("floor");
                let (process, addr) = Process::start_listening(command, "floor", cores)?;
                Ok(Target::new(Place::Floor(addr), vec![process], None, cores))
            }
            Contender::Relayd(file) => {
                let node = |name, redis: Option<&Redis>| relayd(file, None, name, redis, cores);
                start_relay(["relayd", "relayd A", "relayd B"], setup == Setup::Redis, setup, node, cores)
            }
            Contender::Tls(file) => {
                let tls = identity()?;
                let node = |name, redis: Option<&Redis>| relayd(file, Some(tls), name, redis, cores);
                start_relay(["relayd", "relayd A", "relayd B"], setup == Setup::Redis, setup, node, cores)
            }
            Contender::Nginx(file) => {
                // All of the load has one address, which nginx reports.
                let unlimited = ["--trusted-proxy", "127.0.0.1", "--registers-per-minute", "0"];
                let mut command = plain(file, None);
                command.args(unlimited).args(["--connections-per-address", "0"]);
                let (process, url) = Process::start_ready(command, "relayd", cores)?;
                let (front, url) = nginx::start(&url, cores)?;
                Ok(Target::new(Place::both_at(&url), vec![front, process], None, cores))
            }
            Contender::Peer(peer) => {
                if !self.has(setup) {
                    bail!("it cannot be set up as {setup}");
                }
                let node = |name, redis: Option<&Redis>| peer.start(name, redis, cores);
                let needs_redis = peer.needs_redis() || setup == Setup::Redis;
                start_relay(peer.names(), needs_redis, setup, node, cores)
            }
        }
    }
}

/// One relay, or two with one role each.
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
    Ok(Target::new(place, processes, addr, cores))
}

fn relayd(
    file: &Path,
    tls: Option<&Identity>,
    name: &'static str,
    redis: Option<&Redis>,
    cores: Cores,
) -> anyhow::Result<(Process, Endpoint)> {
    let mut command = plain(file, redis);
    let Some(tls) = tls else { return Process::start_ready(command, name, cores) };
    command.arg("--tls-cert").arg(&tls.certificate).arg("--tls-key").arg(&tls.key);
    // All of the load has one address.
    command.args(["--tls-handshakes-per-minute", "0"]);
    // Its store is waited for by the first registration.
    let (process, addr) = Process::start_listening(command, name, cores)?;
    let ca = Ca::read(&tls.certificate).map_err(anyhow::Error::msg)?;
    Ok((process, Endpoint::parse_ws(&format!("wss://{addr}/ws"))?.with_ca(Some(ca))))
}

/// A relayd without TLS, to be started.
fn plain(file: &Path, redis: Option<&Redis>) -> std::process::Command {
    let mut command = process::command(file);
    command.args(["--listen", "127.0.0.1", "--port", "0", "--log-format", "json"]);
    match redis {
        Some(redis) => command.args(["--store", "redis", "--redis-url", &redis.url()]),
        None => command.args(["--store", "memory"]),
    };
    command
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
        let error = Contender::subject(&Subject::Own(Some("no/such/relayd".into()))).unwrap_err();
        assert!(error.to_string().contains("cargo build"), "{error}");
    }
}

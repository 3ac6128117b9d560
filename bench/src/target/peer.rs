//! The relays to compare with: how each is built, and how a node of it is started.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use relay_client::Endpoint;

use super::process::{self, Process, in_path};
use super::redis::Redis;
use crate::affinity::Cores;
use crate::args::Vs;

/// How to start a relay of [`PEERS`].
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    vs: Vs,
    program: PathBuf,
    script: Option<PathBuf>,
}

/// The relays to compare with, each in its own folder.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

impl Peer {
    /// Builds or installs it.
    ///
    /// # Errors
    /// A tool that this needs is missing, or failed; the words say which.
    pub fn build(vs: Vs) -> anyhow::Result<Self> {
        let folder = Path::new(PEERS);
        let (program, script) = match vs {
            Vs::Tokio => (build_tokio(&folder.join("tokio-redis"))?, None),
            Vs::Node => {
                let folder = install(folder.join("node-ws"))?;
                let node = in_path("node").context("node is not in the PATH: install Node 20 or later")?;
                (node, Some(folder.join("server.mjs")))
            }
            _ => {
                let folder = install(folder.join("bun"))?;
                (folder.join("node_modules/.bin/bun"), Some(folder.join("server.js")))
            }
        };
        ensure!(program.is_file(), "{} was not made", program.display());
        Ok(Peer { vs, program, script })
    }

    /// True if two of them can share a Redis.
    pub fn has_redis(&self) -> bool {
        self.vs != Vs::Bun
    }

    /// True if one alone needs a Redis, too.
    pub fn needs_redis(&self) -> bool {
        self.vs == Vs::Tokio
    }

    /// What it is called in tables: alone, and as the first and second of two.
    pub fn names(&self) -> [&'static str; 3] {
        match self.vs {
            Vs::Tokio => ["tokio", "tokio A", "tokio B"],
            Vs::Node => ["node", "node A", "node B"],
            _ => ["bun", "bun A", "bun B"],
        }
    }

    /// Starts one node.
    ///
    /// # Errors
    /// It can't be started, or is not ready in time.
    pub(super) fn start(
        &self,
        name: &'static str,
        redis: Option<&Redis>,
        cores: Cores,
    ) -> anyhow::Result<(Process, Endpoint)> {
        let mut command = process::command(&self.program);
        command.args(&self.script).args(["--listen", "127.0.0.1", "--port", "0"]);
        command.envs(redis.map(|redis| ("REDIS_URL", redis.url())));
        Process::start_ready(command, name, cores)
    }
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
    fn the_set_ups_of_each_are_known() {
        let peer = |vs| Peer { vs, program: PathBuf::new(), script: None };
        assert_eq!([Vs::Tokio, Vs::Node, Vs::Bun].map(|vs| peer(vs).has_redis()), [true, true, false]);
        assert_eq!([Vs::Tokio, Vs::Node, Vs::Bun].map(|vs| peer(vs).needs_redis()), [true, false, false]);
        assert_eq!(peer(Vs::Bun).names()[0], "bun");
    }
}

//! What is measured: a process that is started here and ended with its owner, or a server that runs already.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use relay_client::Endpoint;

use crate::affinity::Cores;

/// One server under load.
#[derive(Debug)]
pub(crate) struct Target {
    pub name: &'static str,
    pub place: Place,
    process: Option<Process>,
}

/// How to reach it, and what it speaks.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A relay's WebSocket address.
    Relay(Endpoint),
    /// The floor's address.
    Floor(SocketAddr),
}

/// A child that does not outlive its owner.
#[derive(Debug)]
struct Process(Child);

/// From the start to the line that says listening.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

impl Target {
    /// Starts relayd with the embedded store on a free port of the loopback.
    ///
    /// # Errors
    /// There is no such file, or it does not listen.
    pub fn start_relayd(file: Option<&Path>, cores: Cores) -> anyhow::Result<Self> {
        let file = file.map_or_else(beside_this_program, |file| Ok(file.to_owned()))?;
        if !file.is_file() {
            let build = if cfg!(debug_assertions) {
                "cargo build -p relayd"
            } else {
                "cargo build --release -p relayd"
            };
            bail!(
                "{} is not there: build it with `{build}`, or say where it is with --relayd FILE",
                file.display()
            );
        }
        let mut command = Command::new(&file);
        command.args(["--store", "memory", "--listen", "127.0.0.1", "--port", "0", "--log-format", "json"]);
        let (process, addr) = Process::start(command, "relayd", cores)?;
        let endpoint = Endpoint::parse_ws(&format!("ws://{addr}/ws"))?;
        Ok(Target { name: "relayd", place: Place::Relay(endpoint), process: Some(process) })
    }

    /// Starts the floor: this program once more.
    ///
    /// # Errors
    /// It does not listen.
    pub fn start_floor(cores: Cores) -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("floor");
        let (process, addr) = Process::start(command, "floor", cores)?;
        Ok(Target { name: "floor", place: Place::Floor(addr), process: Some(process) })
    }

    /// A relay that runs already.
    pub fn running(url: &Endpoint) -> Self {
        Target { name: "server", place: Place::Relay(url.clone()), process: None }
    }

    /// The process, if it was started here.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.0.id())
    }
}

impl Process {
    /// Starts `command` without our environment, and reads where it listens from its log.
    fn start(mut command: Command, name: &'static str, cores: Cores) -> anyhow::Result<(Self, SocketAddr)> {
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        cores.start_servers();
        let child = command.spawn();
        cores.drive_load();
        let mut process = Process(child.with_context(|| format!("{name} could not be started"))?);
        let listening = follow_log(&mut process.0, name);
        match listening.recv_timeout(LISTENS_WITHIN) {
            Ok(addr) => Ok((process, addr)),
            Err(_) => bail!("{name} did not say within {LISTENS_WITHIN:?} where it listens"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the log to its end, so that the child never waits for a reader; passes on what is worth a look.
fn follow_log(child: &mut Child, name: &'static str) -> Receiver<SocketAddr> {
    let (found, listening) = mpsc::channel();
    if let Some(log) = child.stderr.take() {
        thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if let Some(addr) = listening_addr(&line) {
                    // Nobody waits any more: then nobody needs it.
                    let _ = found.send(addr);
                } else if !line.contains("\"level\":\"INFO\"") {
                    eprintln!("{name}: {line}");
                }
            }
        });
    }
    listening
}

fn listening_addr(line: &str) -> Option<SocketAddr> {
    line.contains("\"message\":\"listening\"").then_some(())?;
    let (_, after) = line.split_once("\"addr\":\"")?;
    after.split_once('"')?.0.parse().ok()
}

fn beside_this_program() -> anyhow::Result<PathBuf> {
    let name = format!("relayd{}", env::consts::EXE_SUFFIX);
    Ok(env::current_exe().context("this program does not know where it is")?.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_line_that_says_listening() {
        let line = r#"{"level":"INFO","message":"listening","addr":"127.0.0.1:4711","ws":"ws://x"}"#;
        assert_eq!(listening_addr(line), Some(([127, 0, 0, 1], 4711).into()));
        assert_eq!(listening_addr(&line.replace("listening", "stopped")), None);
        assert_eq!(listening_addr(&line.replace("4711", "x")), None);
    }

    #[test]
    fn a_missing_relayd_is_told_with_the_way_to_build_it() {
        let error = Target::start_relayd(Some(Path::new("no/such/relayd")), Cores::default()).unwrap_err();
        assert!(error.to_string().contains("cargo build"), "{error}");
    }

    #[test]
    fn a_process_ends_with_its_owner() {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().to_string();
        drop(Process(child));
        let there = Command::new("kill").args(["-0", &pid]).stderr(Stdio::null()).status().unwrap();
        assert!(!there.success());
    }
}

//! A server as a child of this program: started on the servers' core, and ended with its owner.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::affinity::Cores;

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(super) struct Process {
    pub name: &'static str,
    child: Child,
}

/// From the start to the line that says listening.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

impl Process {
    /// Starts `command` without our environment. What it says on standard output is nobody's.
    ///
    /// # Errors
    /// The system can't start it.
    pub fn start(mut command: Command, name: &'static str, cores: Cores) -> anyhow::Result<Self> {
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::null());
        cores.start_servers();
        let child = command.spawn();
        cores.drive_load();
        Ok(Process { name, child: child.with_context(|| format!("{name} could not be started"))? })
    }

    /// Starts `command`, and reads where it listens from its log.
    ///
    /// # Errors
    /// The system can't start it, or it does not listen in time.
    pub fn start_listening(
        mut command: Command,
        name: &'static str,
        cores: Cores,
    ) -> anyhow::Result<(Self, SocketAddr)> {
        command.stderr(Stdio::piped());
        let mut process = Process::start(command, name, cores)?;
        match follow_log(&mut process.child, name).recv_timeout(LISTENS_WITHIN) {
            Ok(addr) => Ok((process, addr)),
            Err(_) => bail!("{name} did not say within {LISTENS_WITHIN:?} where it listens"),
        }
    }

    /// The system's number of it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// True once it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
    fn a_process_ends_with_its_owner() {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().to_string();
        drop(Process { name: "sleep", child });
        let there = Command::new("kill").args(["-0", &pid]).stderr(Stdio::null()).status().unwrap();
        assert!(!there.success());
    }
}

//! A server as a child process: started on the servers' core, and ended with its owner.
//!
//! It reports its address in a line of relayd's log on standard error, or as `listening ADDR` on standard
//! output.

use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use relay_client::Endpoint;

use crate::affinity::Cores;

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(super) struct Process {
    pub name: &'static str,
    child: Child,
}

/// From the start to the line with the address.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

/// From that line to its store.
const READY_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A command that inherits nothing: no environment, and no terminal.
pub(super) fn command(file: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(file);
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Process {
    /// Starts `command`, which [`command`] made.
    ///
    /// # Errors
    /// The system can't start it.
    pub fn start(mut command: Command, name: &'static str, cores: Cores) -> anyhow::Result<Self> {
        cores.start_servers();
        let child = command.spawn();
        cores.drive_load();
        Ok(Process { name, child: child.with_context(|| format!("{name} could not be started"))? })
    }

    /// Starts `command`, and reads its address from its output.
    ///
    /// # Errors
    /// The system can't start it, or it does not listen in time.
    pub fn start_listening(
        mut command: Command,
        name: &'static str,
        cores: Cores,
    ) -> anyhow::Result<(Self, SocketAddr)> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(command, name, cores)?;
        let (found, listening) = mpsc::channel();
        follow(process.child.stdout.take(), name, found.clone());
        follow(process.child.stderr.take(), name, found);
        match listening.recv_timeout(LISTENS_WITHIN) {
            Ok(addr) => Ok((process, addr)),
            Err(_) => bail!("{name} did not print its address within {LISTENS_WITHIN:?}"),
        }
    }

    /// [`Process::start_listening`], then waits until the relay has its store. Returns its address, too.
    ///
    /// # Errors
    /// The system can't start it, or it is not ready in time.
    pub fn start_ready(
        command: Command,
        name: &'static str,
        cores: Cores,
    ) -> anyhow::Result<(Self, Endpoint)> {
        let (process, addr) = Process::start_listening(command, name, cores)?;
        wait_ready(addr).with_context(|| format!("{name} is not ready"))?;
        Ok((process, Endpoint::parse_ws(&format!("ws://{addr}/ws"))?))
    }

    /// The system's number of it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the system whether it has ended by itself.
    pub fn check_ended(&mut self) -> bool {
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

/// Reads all of its output, so that the child never waits for a reader. Prints warnings and errors.
fn follow(output: Option<impl Read + Send + 'static>, name: &'static str, found: Sender<SocketAddr>) {
    let Some(output) = output else { return };
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(addr) = listening_addr(&line) {
                // The waiter may have given up.
                let _ = found.send(addr);
            } else if !line.contains("\"level\":\"INFO\"") {
                eprintln!("{name}: {line}");
            }
        }
    });
}

/// Waits until the relay has its store. Before that it refuses registrations.
///
/// # Errors It is not ready in time.
fn wait_ready(addr: SocketAddr) -> anyhow::Result<()> {
    let started = Instant::now();
    while !ask_ready(addr).unwrap_or(false) {
        if started.elapsed() > READY_WITHIN {
            bail!("GET http://{addr}/ready was not answered 200 within {READY_WITHIN:?}");
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn ask_ready(addr: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(READY_WITHIN))?;
    stream
        .write_all(format!("GET /ready HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}

/// Where a program is, if it is in the PATH.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&name)).find(|file| file.is_file())
}

fn listening_addr(line: &str) -> Option<SocketAddr> {
    if let Some(addr) = line.strip_prefix("listening ") {
        return addr.trim().parse().ok();
    }
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
        assert_eq!(listening_addr("listening 127.0.0.1:7"), Some(([127, 0, 0, 1], 7).into()));
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

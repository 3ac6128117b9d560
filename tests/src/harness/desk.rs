//! A user's desk: a profile with folders of its own, the commands that use it, and its agent.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use relay_client::tunnel::{Code, parse_pairing};

use super::app_phone::AppPhone;
use super::guard::{GUARD, read_until};
use super::json::Object;
use super::program::Program;
use super::relayd::binary;
use super::wall_clock::WallClock;

/// The desk. Everything that was started at it ends with it.
#[derive(Debug)]
pub struct Desk {
    folder: PathBuf,
    addr: SocketAddr,
    /// What its commands and its agent have besides.
    envs: Vec<(String, String)>,
}

impl Desk {
    /// A new desk that uses the relay at this address.
    pub fn new(addr: SocketAddr) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short, as it is part of a socket's path.
        let folder = PathBuf::from(format!("/tmp/rw{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for name in ["state", "run"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(name)).unwrap();
        }
        Desk { folder, addr, envs: Vec::new() }
    }

    /// The same desk, whose machine has this clock.
    pub fn under(mut self, clock: &WallClock) -> Self {
        self.envs.extend(clock.envs());
        self
    }

    /// The folder of all of it.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Where the profile keeps things.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state/relay-workstation/default")
    }

    /// Where the profile's sockets are.
    pub fn runtime(&self) -> PathBuf {
        self.folder.join("run/relay-workstation/default")
    }

    /// The program with these arguments, to be started at this desk.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("WORKSTATION_BIN", "relay-workstation"));
        command.args(args).env_remove("REGISTER_KEY").env_remove("RELAY_PROFILE");
        command.env("RELAY_SERVER", format!("http://{}", self.addr)).env("HOME", &self.folder);
        command.env("XDG_STATE_HOME", self.folder.join("state"));
        command.env("XDG_RUNTIME_DIR", self.folder.join("run")).envs(self.envs.iter().cloned());
        command
    }

    /// A command with pipes instead of a terminal.
    pub fn start(&self, args: &[&str]) -> Program {
        Program::start(&mut self.command(args))
    }

    /// A command whose input is a terminal.
    pub fn at_terminal(&self, args: &[&str]) -> Program {
        Program::at_terminal(&mut self.command(args))
    }

    /// Runs a command to its end, which must be a good one. Returns what it printed, on both outputs.
    pub fn run(&self, args: &[&str]) -> String {
        let (code, text) = self.try_run(args);
        assert_eq!(code, Some(0), "{args:?}: {text}");
        text
    }

    /// Runs a command to its end. Returns its exit code and what it printed, on both outputs.
    pub fn try_run(&self, args: &[&str]) -> (Option<i32>, String) {
        let (status, text) = self.start(args).finish();
        (status.code(), text)
    }

    /// Pairs with a phone of this name, through the agent, without a question.
    pub fn pair(&self, name: &str) -> AppPhone {
        let mut program = self.start(&["pair", "--yes"]);
        let mut phone = AppPhone::pair(code_of(&program), self.addr, name);
        phone.until_ready();
        program.until("paired with");
        assert_eq!(program.exit_code(), Some(0));
        phone
    }

    /// The process id of the agent; `None` if none answers.
    pub fn agent(&self) -> Option<u32> {
        let mut socket = UnixStream::connect(self.runtime().join("agent.sock")).ok()?;
        socket.set_read_timeout(Some(GUARD)).unwrap();
        let hello = br#"{"t":"hello","version":2}"#;
        socket.write_all(&[&[0, 0, 0, hello.len() as u8, 1][..], hello].concat()).ok()?;
        let mut header = [0; 5];
        socket.read_exact(&mut header).ok()?;
        let mut answer = vec![0; usize::from(header[3])];
        socket.read_exact(&mut answer).ok()?;
        let answer = Object::parse(std::str::from_utf8(&answer).ok()?);
        u32::try_from(answer.number("pid")).ok()
    }

    /// The process id of the agent, which must be there.
    pub fn present_agent(&self) -> u32 {
        self.agent().expect("an agent")
    }

    /// `kill -9` of the agent; returns when it is gone.
    pub fn kill_agent(&self) {
        let pid = self.present_agent();
        signal(pid, "KILL");
        read_until("the agent's end", || (!is_running(pid)).then_some(()));
    }

    /// Waits until the agent has ended by itself.
    pub fn until_no_agent(&self) {
        read_until("the agent's own end", || (!self.runtime().join("agent.sock").exists()).then_some(()));
    }

    /// The files of the paired phones.
    pub fn phone_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state().join("phones")).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

impl Desk {
    /// The processes that were started with this desk's folders: agent, terminals, and what runs in them.
    /// None where there is no `/proc`.
    fn processes(&self) -> Vec<u32> {
        let mine = format!("XDG_RUNTIME_DIR={}", self.folder.join("run").display());
        let is_mine = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mine.as_bytes())
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_mine).collect()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let mut left = self.processes();
        left.extend(self.agent());
        if !left.is_empty() {
            // Some may have ended meanwhile, which `kill` says with its exit code.
            let _ = Command::new("kill")
                .arg("-KILL")
                .args(left.iter().map(u32::to_string))
                .stderr(Stdio::null())
                .status();
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The pairing code that a command shows.
pub fn code_of(program: &Program) -> Code {
    let line = program.until("or paste this: ");
    parse_pairing(line.trim_start_matches("or paste this: ")).unwrap()
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name} {pid} failed");
}

/// True if the process is there and is not a dead one whose parent has not looked.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with(['Z', 'X']) && !rest.is_empty())
}

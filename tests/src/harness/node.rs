//! Ends of a tunnel in another implementation: the programs of `tests/node`, driven by lines.
//!
//! Their commands and events are listed at the top of `script.mjs`, `phone.mjs` and `workstation.mjs`.
//! Without node a case fails; `run-test.sh` skips such cases then, and says so.

use std::io::Write;
use std::process::{ChildStdin, Command};
use std::thread;

use sha2::{Digest, Sha256};

use super::guard::GUARD;
use super::log::Log;
use super::process::Process;

/// A running end. Dropping it kills the process, and fails the case if it ever ended a connection because of
/// a fault.
#[derive(Debug)]
pub struct NodeEnd {
    process: Process,
    input: ChildStdin,
    log: Log,
    /// How many lines were looked at.
    looked: usize,
}

impl NodeEnd {
    /// `phone.mjs` with a code, or with what an earlier one printed as `saved`.
    pub fn phone(code: &str, options: &[&str]) -> Self {
        Self::start("phone.mjs", code, options)
    }

    /// `workstation.mjs` at the relay `http://…`, or with what an earlier one printed as `saved`.
    pub fn workstation(relay: &str, options: &[&str]) -> Self {
        Self::start("workstation.mjs", relay, options)
    }

    fn start(program: &str, given: &str, options: &[&str]) -> Self {
        let mut command = Command::new("node");
        command.arg(format!("{}/node/{program}", env!("CARGO_MANIFEST_DIR"))).arg(given).args(options);
        let mut process = Process::spawn_piped(&mut command)
            .unwrap_or_else(|error| panic!("this needs node, version 20 or newer: {error}"));
        let input = process.child().stdin.take().unwrap();
        let log = Log::collect(process.child().stdout.take().unwrap());
        Self { process, input, log, looked: 0 }
    }

    /// Gives it a command.
    pub fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
    }

    /// The text after `word` in the next line that begins with it. Lines before it are skipped for good.
    pub fn event(&mut self, word: &str) -> String {
        loop {
            let Some(line) = self.log.line(self.looked) else {
                panic!("it ended without {word:?}; it said:\n{}", self.log.text())
            };
            self.looked += 1;
            if let Some(rest) = after(&line, word) {
                return rest.to_owned();
            }
        }
    }

    /// The next message, as [`shown`] shows it.
    pub fn message(&mut self) -> String {
        let told = self.event("message");
        // A short text follows in clear.
        told.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// Waits until the other app has this many messages of this process.
    pub fn until_acknowledged(&mut self, count: u32) {
        let line = format!("acknowledged {count}");
        let found = self.log.wait_for(&line, |said| (said == line).then_some(()));
        found.unwrap_or_else(|| panic!("it ended without {line:?}; it said:\n{}", self.log.tail(15)));
    }

    /// How often it printed this word, read or not.
    pub fn count(&self, word: &str) -> usize {
        self.log.text().lines().filter(|line| after(line, word).is_some()).count()
    }

    /// The text after the last `word` that it printed, read or not.
    pub fn last(&self, word: &str) -> Option<String> {
        self.log.text().lines().rev().find_map(|line| after(line, word).map(str::to_owned))
    }

    /// Waits for its end, and returns the exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.wait_end(GUARD, "the end of a Node process").code()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

impl Drop for NodeEnd {
    fn drop(&mut self) {
        self.process.kill();
        if thread::panicking() {
            eprintln!("--- the last lines of a Node end:\n{}", self.log.tail(15));
        } else {
            assert_eq!(self.last("fault"), None, "a fault that no case provokes");
        }
    }
}

/// The message that `send-bytes` makes of the same two numbers.
pub fn bytes_of(len: usize, seed: u32) -> Vec<u8> {
    let mut x = seed;
    let next = |_| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        x.to_be_bytes()[0]
    };
    (0..len).map(next).collect()
}

/// A message as a Node end tells of it: its length and its digest.
pub fn shown(message: &[u8]) -> String {
    let digest: String = Sha256::digest(message).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {digest}", message.len())
}

fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(word)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix(' ') }
}

//! A program that is talked to by lines, as a user at a terminal would: its input and its outputs are pipes.
//!
//! What it says on stdout and on stderr is read together, as a terminal shows it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::guard::GUARD;
use super::process::Process;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    process: Process,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    name: String,
}

impl Program {
    /// Starts `command`.
    pub fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let piped = Process::spawn_piped(command.stderr(Stdio::piped()));
        let mut process = piped.unwrap_or_else(|error| panic!("{name}: {error}"));
        let (sender, lines) = channel();
        collect(process.child().stdout.take().unwrap(), sender.clone());
        collect(process.child().stderr.take().unwrap(), sender);
        let stdin = process.child().stdin.take();
        Self { process, stdin, lines, name }
    }

    /// The next line of its output.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(GUARD).unwrap_or_else(|error| panic!("{}: no line: {error}", self.name))
    }

    /// Reads lines until one starts with `start`, and gives that.
    pub fn until(&self, start: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(GUARD) {
                Ok(line) if line.starts_with(start) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{}: no line {start:?}, {error}, but {seen:#?}", self.name),
            }
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the input has not ended");
        writeln!(stdin, "{line}").unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Ends the input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Ends the input and waits for the end: the exit status, and what it printed that nobody read.
    pub fn finish(mut self) -> (ExitStatus, String) {
        self.end_input();
        let rest: Vec<String> = std::iter::from_fn(|| self.lines.recv_timeout(GUARD).ok()).collect();
        (self.process.wait_end(GUARD, &format!("the end of {}", self.name)), rest.join("\n"))
    }

    /// Waits for the end, and gives the exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.wait_end(GUARD, &format!("the end of {}", self.name)).code()
    }

    /// The process itself, for signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn collect(output: impl Read + Send + 'static, lines: Sender<String>) {
    let output = BufReader::new(output);
    thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
}

//! A program that is driven by lines, as by a user at a terminal. Its input and its outputs are pipes.
//!
//! Its stdout and stderr are read together, as a terminal shows them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::guard::GUARD;
use super::process::Process;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    process: Process,
    keyboard: Option<Keyboard>,
    lines: Receiver<String>,
    name: String,
}

impl Program {
    /// Starts `command`.
    pub fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let piped = Process::spawn_piped(command.stderr(Stdio::piped()));
        let mut process = piped.unwrap_or_else(|error| panic!("{name}: {error}"));
        let keyboard = process.child().stdin.take().map(Keyboard::Pipe);
        Self::new(process, keyboard, name)
    }

    /// Starts `command` with a terminal as its input, so that it can ask questions. Its outputs are still
    /// pipes.
    pub fn at_terminal(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let opened = open_terminal().and_then(|(window, terminal)| {
            let process = Process::spawn_reading(command.stdin(terminal).stderr(Stdio::piped()))?;
            Ok((process, Keyboard::Terminal(window)))
        });
        let (process, keyboard) = opened.unwrap_or_else(|error| panic!("{name}: {error}"));
        Self::new(process, Some(keyboard), name)
    }

    fn new(mut process: Process, keyboard: Option<Keyboard>, name: String) -> Self {
        let (sender, lines) = channel();
        collect(process.child().stdout.take().unwrap(), sender.clone());
        collect(process.child().stderr.take().unwrap(), sender);
        Self { process, keyboard, lines, name }
    }

    /// The next line of its output.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(GUARD).unwrap_or_else(|error| panic!("{}: no line: {error}", self.name))
    }

    /// The lines of its output that were not read yet, for the words of a case that fails.
    pub fn unread(&self) -> String {
        let lines: Vec<String> = self.lines.try_iter().collect();
        format!("{}: {lines:#?}", self.name)
    }

    /// Reads lines until one starts with `start`, and returns that one.
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
        self.type_text(&format!("{line}\n"));
    }

    /// Types text, without a line end.
    pub fn type_text(&mut self, text: &str) {
        let keyboard = self.keyboard.as_mut().expect("the input has not ended");
        keyboard.write(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Ends the input.
    pub fn end_input(&mut self) {
        if let Some(mut keyboard @ Keyboard::Terminal(_)) = self.keyboard.take() {
            // Ctrl-D at the start of a line. The window stays open: closing it would be a hang-up.
            keyboard.write(b"\x04").unwrap_or_else(|error| panic!("{}: {error}", self.name));
            self.keyboard = Some(keyboard);
        }
    }

    /// Ends the input and waits for the end. Returns the exit status and the unread output.
    pub fn finish(mut self) -> (ExitStatus, String) {
        self.end_input();
        let rest: Vec<String> = std::iter::from_fn(|| self.lines.recv_timeout(GUARD).ok()).collect();
        (self.process.wait_end(GUARD, &format!("the end of {}", self.name)), rest.join("\n"))
    }

    /// Waits for the end, and returns the exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.wait_end(GUARD, &format!("the end of {}", self.name)).code()
    }

    /// The process itself, for signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The input of a program.
#[derive(Debug)]
enum Keyboard {
    Pipe(ChildStdin),
    /// Our side of a terminal.
    Terminal(File),
}

impl Keyboard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Keyboard::Pipe(stdin) => stdin.write_all(bytes),
            Keyboard::Terminal(window) => window.write_all(bytes),
        }
    }
}

/// A terminal without echo: our side of it, and the program's.
fn open_terminal() -> io::Result<(File, File)> {
    let window = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&window)?;
    unlockpt(&window)?;
    let name = ptsname(&window, Vec::new())?;
    let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
    let terminal = File::options().read(true).write(true).open(path)?;
    let mut modes = tcgetattr(&terminal)?;
    modes.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Now, &modes)?;
    Ok((File::from(window), terminal))
}

fn collect(output: impl Read + Send + 'static, lines: Sender<String>) {
    let output = BufReader::new(output);
    thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
}

//! The command in its pseudo-terminal.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use pty_process::blocking::{Command, Pty};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::termios::tcgetpgrp;

use super::wire::{End, WindowSize};

/// Input that the command has not read. Beyond it, those who type are not read.
const INPUT_MAX: usize = 64 << 10;

/// Where no environment says which terminal this is.
const TERM: &str = "xterm-256color";

/// Tells programs in the terminal that they are in one, and which.
const NAME: &str = "WORKSTATION_TERMINAL";

/// A running command, and our side of its terminal.
pub(super) struct Child {
    pty: Pty,
    process: std::process::Child,
    input: VecDeque<u8>,
    is_readable: bool,
    /// No process has the terminal open any more.
    has_hung_up: bool,
    end: Option<End>,
}

/// What a read of the terminal brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// This many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// Nothing any more.
    End,
}

impl Child {
    /// Starts the command in a terminal of this size.
    pub(super) fn start(command: &[OsString], name: &str, size: WindowSize) -> Result<Self, End> {
        let (program, args) = command.split_first().ok_or_else(|| not_started("no command", 127))?;
        let opened = pty_process::blocking::open().and_then(|(pty, terminal)| {
            pty.resize(pty_size(size))?;
            Ok((pty, terminal))
        });
        let (pty, terminal) =
            opened.map_err(|error| not_started(&format!("no pseudo-terminal: {error}"), 126))?;
        let mut command = Command::new(program).args(args).env(NAME, name);
        if std::env::var_os("TERM").is_none_or(|term| term.is_empty()) {
            command = command.env("TERM", TERM);
        }
        let process = command.spawn(terminal).map_err(|error| spawn_error(&error))?;
        set_nonblocking(&pty).map_err(|error| not_started(&error.to_string(), 126))?;
        Ok(Self { pty, process, input: VecDeque::new(), is_readable: true, has_hung_up: false, end: None })
    }

    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut SourceFd(&self.pty.as_raw_fd()), token, interest)
    }

    pub(super) fn note_readable(&mut self) {
        self.is_readable = true;
        self.has_hung_up = false;
    }

    /// True if a read may bring something.
    pub(super) fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// Fills `buffer` as far as there is output.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Output {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.pty.read(&mut buffer[filled..]) {
                Ok(0) => {
                    self.on_hang_up();
                    break;
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_readable = false;
                    break;
                }
                // EIO: no process has the terminal open.
                Err(_) => {
                    self.on_hang_up();
                    break;
                }
            }
        }
        match filled {
            0 if self.has_hung_up => Output::End,
            0 => Output::Nothing,
            count => Output::Bytes(count),
        }
    }

    fn on_hang_up(&mut self) {
        self.has_hung_up = true;
        self.is_readable = false;
    }

    /// True if no process has the terminal open, so that nothing more comes for now.
    pub(super) fn has_hung_up(&self) -> bool {
        self.has_hung_up && !self.is_readable
    }

    /// True if input is taken: the command reads what was typed.
    pub(super) fn has_room(&self) -> bool {
        self.input.len() < INPUT_MAX
    }

    /// Gives bytes to the command, as if they were typed.
    pub(super) fn type_bytes(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
        self.flush();
    }

    /// Writes what the terminal takes.
    pub(super) fn flush(&mut self) {
        while !self.input.is_empty() {
            match self.pty.write(self.input.as_slices().0) {
                Ok(count) => drop(self.input.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Nobody reads it any more.
                Err(_) => self.input.clear(),
            }
        }
    }

    /// Sets the size; the command gets SIGWINCH.
    pub(super) fn resize(&self, size: WindowSize) {
        // Fails for a terminal that is gone, which has no size to change.
        drop(self.pty.resize(pty_size(size)));
    }

    /// Ends the command as a terminal that is closed does.
    pub(super) fn hang_up(&self) {
        self.signal(Signal::HUP);
        self.signal(Signal::CONT);
    }

    /// Ends the command at once.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Signals the command, which leads a group of its own, and what it runs in the foreground.
    fn signal(&self, signal: Signal) {
        if self.end.is_some() {
            return;
        }
        let own = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let foreground = tcgetpgrp(&self.pty).ok().filter(|group| Some(*group) != own);
        for group in [foreground, own].into_iter().flatten() {
            // It may have ended by itself.
            let _ended = kill_process_group(group, signal);
        }
    }

    /// How the command ended, if it has.
    pub(super) fn poll_end(&mut self) -> Option<&End> {
        if self.end.is_none()
            && let Ok(Some(status)) = self.process.try_wait()
        {
            self.end = Some(end_of(status));
        }
        self.end.as_ref()
    }
}

fn end_of(status: ExitStatus) -> End {
    let number = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Code(number(code)),
        (None, Some(signal)) => End::Signal(number(signal)),
        (None, None) => End::Code(u8::MAX),
    }
}

fn not_started(why: &str, code: u8) -> End {
    End::NotStarted { why: why.to_owned(), code }
}

fn spawn_error(error: &pty_process::Error) -> End {
    let is_missing = match error {
        pty_process::Error::Io(error) => error.kind() == io::ErrorKind::NotFound,
        pty_process::Error::Rustix(error) => *error == Errno::NOENT,
    };
    not_started(&error.to_string(), if is_missing { 127 } else { 126 })
}

fn pty_size(size: WindowSize) -> pty_process::Size {
    pty_process::Size::new_with_pixel(size.rows, size.columns, size.pixel_width, size.pixel_height)
}

fn set_nonblocking(pty: &Pty) -> io::Result<()> {
    rustix::io::ioctl_fionbio(pty.as_fd(), true).map_err(io::Error::from)
}

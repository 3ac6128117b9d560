//! A program in a terminal window: input and outputs are one pseudo-terminal, which is its controlling one,
//! so that job control, signals of the keyboard and changes of the size work as at a desk.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use super::guard::{GUARD, read_until};
use super::process::Process;

/// A window with a running program. Dropping it closes the window and kills the program.
#[derive(Debug)]
pub struct Window {
    process: Process,
    ours: Option<File>,
    is_closed: Arc<AtomicBool>,
    /// Kept open, so that the modes can be looked at when the program has ended.
    theirs: File,
    output: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    name: String,
}

impl Window {
    /// Starts `command` in a window of this size.
    pub fn open(command: &Command, columns: u16, rows: u16) -> Self {
        let name = format!("{command:?}");
        let opened = open_terminal().and_then(|(ours, theirs)| {
            set_size(&ours, columns, rows)?;
            let process = Process::spawn_with(&mut in_own_session(command, &theirs)?)?;
            Ok((process, ours, theirs))
        });
        let (process, ours, theirs) = opened.unwrap_or_else(|error| panic!("{name}: {error}"));
        let is_closed = Arc::new(AtomicBool::new(false));
        let output = collect(ours.try_clone().expect("a descriptor"), Arc::clone(&is_closed));
        Self { process, ours: Some(ours), is_closed, theirs, output, seen: Vec::new(), name }
    }

    /// Types text.
    pub fn type_text(&mut self, text: &str) {
        let ours = self.ours.as_mut().expect("the window is open");
        ours.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Reads until the output has `text`, and returns everything up to its end.
    pub fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.windows(text.len()).position(|part| part == text.as_bytes()) {
                let rest = self.seen.split_off(at + text.len());
                return String::from_utf8_lossy(&std::mem::replace(&mut self.seen, rest)).into_owned();
            }
            match self.output.recv_timeout(GUARD) {
                Ok(bytes) => self.seen.extend(bytes),
                Err(error) => panic!("{}: no {text:?}, {error}, but {:?}", self.name, self.shown()),
            }
        }
    }

    /// What it shows that was not read.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Changes the size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let ours = self.ours.as_ref().expect("the window is open");
        set_size(ours, columns, rows).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// The terminal's modes, as text that can be compared.
    pub fn modes(&self) -> String {
        let modes = tcgetattr(&self.theirs).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let Termios { input_modes, output_modes, control_modes, local_modes, .. } = modes;
        format!("{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?}")
    }

    /// Waits until the modes are these.
    pub fn until_modes(&self, expected: &str) {
        read_until("the terminal's modes as they were", || (self.modes() == expected).then_some(()));
    }

    /// Waits until the modes are others than these.
    pub fn until_other_modes(&self, modes: &str) {
        read_until("other modes of the terminal", || (self.modes() != modes).then_some(()));
    }

    /// Closes the window while the program runs.
    pub fn close(&mut self) {
        self.is_closed.store(true, Ordering::Relaxed);
        // Wakes the reader, which has the window open as well.
        self.theirs.write_all(b"\n").unwrap_or_else(|error| panic!("{}: {error}", self.name));
        while self.output.recv_timeout(GUARD).is_ok() {}
        self.ours = None;
    }

    /// Waits for the end, and returns the exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.wait_end(GUARD, &format!("the end of {}", self.name)).code()
    }

    /// Waits for the end, and returns the exit code and what was not read.
    pub fn finish(&mut self) -> (Option<i32>, String) {
        let code = self.exit_code();
        // What it wrote last is on its way still: a mark shows that all of it has come.
        const MARK: &[u8] = b"\x00the end\x00";
        self.theirs.write_all(MARK).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let shown = self.until(std::str::from_utf8(MARK).expect("text"));
        (code, shown.trim_end_matches("\x00the end\x00").to_owned())
    }

    /// The process itself, for signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn open_terminal() -> io::Result<(File, File)> {
    // Programs that other cases start at this moment must not keep the window open.
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
    // A process that leads a session takes a terminal that it opens for its own. This one does not lead one.
    Ok((File::from(ours), File::options().read(true).write(true).open(path)?))
}

/// The same command as the leader of a session whose terminal this is.
fn in_own_session(command: &Command, terminal: &File) -> io::Result<Command> {
    let mut wrapped = Command::new("setsid");
    wrapped.arg("--ctty").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    let [stdin, stdout, stderr] = [terminal.try_clone()?, terminal.try_clone()?, terminal.try_clone()?];
    wrapped.stdin(stdin).stdout(stdout).stderr(stderr);
    Ok(wrapped)
}

fn set_size(ours: &File, columns: u16, rows: u16) -> io::Result<()> {
    Ok(tcsetwinsize(ours, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?)
}

fn collect(mut ours: File, is_closed: Arc<AtomicBool>) -> Receiver<Vec<u8>> {
    let (sender, output) = channel();
    thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count) = ours.read(&mut bytes)
            && count > 0
            && !is_closed.load(Ordering::Relaxed)
            && sender.send(bytes[..count].to_vec()).is_ok()
        {}
    });
    output
}

//! The user's answers at the terminal: read only while a question may be asked, so that nothing is taken from
//! a line editor or another program that reads there afterwards.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};

use super::inputs::{Input, Inputs};
use crate::output::note_typed;

/// How often the reader looks whether it is still wanted.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// What a terminal passes on at once (`N_TTY_BUF_SIZE`).
const LINE_MAX: usize = 4096;

/// A terminal at which questions can be asked.
pub(crate) struct Answers {
    terminal: File,
    reader: Option<Reader>,
}

struct Reader {
    is_wanted: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Answers {
    /// `None` if there is no terminal: neither stdin nor the process's own.
    pub(crate) fn find() -> Option<Self> {
        let stdin = || io::stdin().as_fd().try_clone_to_owned().ok().map(File::from);
        let terminal = if io::stdin().is_terminal() { stdin() } else { File::open("/dev/tty").ok() };
        let terminal = terminal.filter(IsTerminal::is_terminal)?;
        Some(Answers { terminal, reader: None })
    }

    /// Passes on what is typed although nothing is asked, unless this program is in the background.
    ///
    /// # Errors
    /// The system has no thread or descriptor for it.
    pub(crate) fn listen_in_foreground(&mut self, inputs: &Arc<Inputs>) -> anyhow::Result<()> {
        if tcgetpgrp(&self.terminal) == Ok(getpgrp()) { self.listen(inputs) } else { Ok(()) }
    }

    /// Begins a question: drops what was typed before it, and passes on from now on what is typed. A program
    /// in the background that reads the terminal is stopped by the system, so not earlier.
    ///
    /// # Errors
    /// The system has no thread or descriptor for it.
    pub(crate) fn listen(&mut self, inputs: &Arc<Inputs>) -> anyhow::Result<()> {
        // A terminal that is gone has nothing typed.
        let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        if self.reader.is_some() {
            return Ok(());
        }
        let terminal = self.terminal.try_clone().context("can't read the terminal")?;
        let is_wanted = Arc::new(AtomicBool::new(true));
        let (inputs, wanted) = (Arc::clone(inputs), Arc::clone(&is_wanted));
        let read = move || read_lines(terminal, &inputs, &wanted);
        let thread = thread::Builder::new().name("answers".into()).spawn(read);
        self.reader = Some(Reader { is_wanted, thread: thread.context("no thread for the terminal")? });
        Ok(())
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.is_wanted.store(false, Ordering::Relaxed);
            // It has nothing left to do.
            drop(reader.thread.join());
        }
    }
}

/// The terminal gives one whole line at a time.
fn read_lines(mut terminal: File, inputs: &Inputs, is_wanted: &AtomicBool) {
    let mut bytes = [0; LINE_MAX];
    while is_wanted.load(Ordering::Relaxed) {
        let mut waits = [PollFd::new(&terminal, PollFlags::IN)];
        match poll(&mut waits, Some(&LOOK_EVERY)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return,
        }
        match terminal.read(&mut bytes) {
            // Ctrl-D does not end a terminal. One that is gone is no longer a terminal.
            Ok(0) if terminal.is_terminal() => {}
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let line = String::from_utf8_lossy(&bytes[..count]).trim_end().to_owned();
                note_typed(&line);
                inputs.put(Input::Typed(line, Instant::now()));
            }
        }
    }
}

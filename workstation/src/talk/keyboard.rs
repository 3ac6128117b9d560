//! Where lines come from: stdin, which may be a pipe, and the terminal, which alone answers questions.
//!
//! Each source is read by a thread of its own, which lives until the process ends.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use relay_client::lines::{LineError, read_line};

use crate::output::say;

/// What the lines go to.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A line of stdin. May block where stdin is a pipe.
    fn on_line(self: &Arc<Self>, line: String, typed_at: Instant);

    /// A line that was typed at the terminal while stdin is a pipe.
    fn on_answer(self: &Arc<Self>, line: &str, typed_at: Instant);

    /// A line of stdin that can't be sent. The user was told.
    fn on_bad_line(&self);

    /// stdin has ended.
    fn on_end(&self);
}

/// The terminal that questions are asked at.
#[derive(Debug)]
pub(crate) enum Terminal {
    /// It is stdin itself.
    Stdin,
    /// The process has one besides its stdin.
    Tty(File),
}

impl Terminal {
    /// `None` if there is nobody to ask.
    pub(crate) fn find() -> Option<Self> {
        if io::stdin().is_terminal() {
            return Some(Terminal::Stdin);
        }
        File::open("/dev/tty").ok().filter(IsTerminal::is_terminal).map(Terminal::Tty)
    }

    /// Drops what was typed and not read yet, so that a line begun before a question does not become its answer.
    pub(crate) fn forget_typed(&self) {
        #[cfg(unix)]
        {
            use rustix::termios::{QueueSelector, tcflush};
            // A terminal that is gone has nothing typed.
            let _ = match self {
                Terminal::Stdin => tcflush(io::stdin(), QueueSelector::IFlush),
                Terminal::Tty(tty) => tcflush(tty, QueueSelector::IFlush),
            };
        }
    }

    /// Begins to read answers, where stdin is not read for them anyway. Not before there is a question: a program in the
    /// background that reads the terminal is stopped by the system.
    ///
    /// # Errors
    /// There is no thread for it.
    pub(crate) fn listen(&self, listener: &Arc<impl Listener>) -> anyhow::Result<()> {
        let Terminal::Tty(tty) = self else { return Ok(()) };
        let mut lines = BufReader::new(tty.try_clone().context("can't read the terminal")?);
        let listener = Arc::clone(listener);
        let read = move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|len| len > 0) {
                listener.on_answer(&line, Instant::now());
                line.clear();
            }
        };
        thread::Builder::new().name("terminal".into()).spawn(read).context("no thread for the terminal")?;
        Ok(())
    }
}

/// Gives stdin's lines to `listener`.
///
/// # Errors
/// There is no thread for it.
pub(crate) fn listen_to_stdin(listener: Arc<impl Listener>) -> anyhow::Result<()> {
    let is_terminal = io::stdin().is_terminal();
    let read = move || {
        let mut input = io::stdin().lock();
        loop {
            match read_line(&mut input) {
                Ok(Some(line)) if is_terminal && line.len() >= TERMINAL_LINE_MAX => {
                    say(&format!(
                        "not sent: a terminal passes on the first {TERMINAL_LINE_MAX} bytes of a line and drops the rest; \
                         send a longer one through a pipe"
                    ));
                    listener.on_bad_line();
                }
                Ok(Some(line)) => listener.on_line(line, Instant::now()),
                Ok(None) => return listener.on_end(),
                Err(error @ LineError::Io(_)) => {
                    say(&error.to_string());
                    return listener.on_end();
                }
                Err(error) => {
                    say(&error.to_string());
                    listener.on_bad_line();
                }
            }
        }
    };
    thread::Builder::new().name("stdin".into()).spawn(read).context("no thread for stdin")?;
    Ok(())
}

/// What Linux keeps of a line that is typed at a terminal (`N_TTY_BUF_SIZE`, without the line end). Others keep less.
const TERMINAL_LINE_MAX: usize = 4095;

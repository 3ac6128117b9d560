//! The sources of lines: stdin, which may be a pipe, and the terminal, which is the only one that answers
//! questions.
//!
//! Each source is read by a thread of its own, which lives until the process ends.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use relay_client::lines::{LineError, read_line};

use crate::output::{note_typed, say};

/// The receiver of the lines.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A line of stdin. May block where stdin is a pipe.
    fn on_line(self: &Arc<Self>, line: String, typed_at: Instant);

    /// A line that was typed at the terminal while stdin is a pipe, or has ended.
    fn on_answer(self: &Arc<Self>, line: &str, typed_at: Instant);

    /// A line of stdin that can't be sent. The user was told.
    fn on_bad_line(&self);

    /// stdin has ended. False if that ends nothing, as nothing came.
    fn on_end(&self) -> bool;
}

/// The terminal that questions are asked at.
#[derive(Debug)]
pub(crate) enum Keyboard {
    /// It is stdin itself.
    Stdin,
    /// The process has one besides its stdin.
    Tty(File),
}

impl Keyboard {
    /// `None` if there is no terminal.
    pub(crate) fn find() -> Option<Self> {
        if io::stdin().is_terminal() {
            return Some(Keyboard::Stdin);
        }
        File::open("/dev/tty").ok().filter(IsTerminal::is_terminal).map(Keyboard::Tty)
    }

    /// Drops what was typed and not read yet, so that a line begun before a question does not become its
    /// answer.
    pub(crate) fn forget_typed(&self) {
        #[cfg(unix)]
        {
            use rustix::termios::{QueueSelector, tcflush};
            // A terminal that is gone has nothing typed.
            let _ = match self {
                Keyboard::Stdin => tcflush(io::stdin(), QueueSelector::IFlush),
                Keyboard::Tty(tty) => tcflush(tty, QueueSelector::IFlush),
            };
        }
    }

    /// Begins to read answers, where stdin is not read for them anyway. Not before there is a question: a
    /// program in the background that reads the terminal is stopped by the system.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn listen(&self, listener: &Arc<impl Listener>) -> anyhow::Result<()> {
        let Keyboard::Tty(tty) = self else { return Ok(()) };
        let mut lines = BufReader::new(tty.try_clone().context("can't read the terminal")?);
        let listener = Arc::clone(listener);
        let read = move || {
            loop {
                match read_line(&mut lines) {
                    Ok(Some(line)) => {
                        note_typed(&line);
                        listener.on_answer(&line, Instant::now());
                    }
                    // Ctrl-D does not end a terminal. One that is gone is no longer a terminal.
                    Ok(None) if lines.get_ref().is_terminal() => {}
                    Ok(None) | Err(LineError::Io(_)) => return,
                    Err(error) => say(&error.to_string()),
                }
            }
        };
        thread::Builder::new().name("terminal".into()).spawn(read).context("no thread for the terminal")?;
        Ok(())
    }
}

/// Gives stdin's lines to `listener`.
///
/// # Errors
/// The system has no thread for it.
pub(crate) fn listen_to_stdin(listener: Arc<impl Listener>) -> anyhow::Result<()> {
    let read = move || read_stdin(&listener);
    thread::Builder::new().name("stdin".into()).spawn(read).context("no thread for stdin")?;
    Ok(())
}

fn read_stdin(listener: &Arc<impl Listener>) {
    let mut input = io::stdin().lock();
    let is_terminal = input.is_terminal();
    let mut has_ended = false;
    loop {
        let read = read_line(&mut input);
        if is_terminal && let Ok(Some(line)) = &read {
            note_typed(line);
        }
        match read {
            Ok(Some(line)) if has_ended => listener.on_answer(&line, Instant::now()),
            Ok(Some(line)) if is_terminal && line.len() >= TERMINAL_LINE_MAX => {
                say(&cut_words());
                listener.on_bad_line();
            }
            Ok(Some(line)) => listener.on_line(line, Instant::now()),
            Ok(None) => {
                has_ended = has_ended || listener.on_end();
                // Ctrl-D does not end a terminal: questions are still answered there. One that is gone is no
                // longer a terminal.
                if !input.is_terminal() {
                    return;
                }
                if !has_ended {
                    say("no line was sent, so the program keeps running: press Ctrl-C to end it");
                }
            }
            Err(error) => {
                say(&error.to_string());
                if matches!(error, LineError::Io(_)) {
                    listener.on_end();
                    return;
                }
                listener.on_bad_line();
            }
        }
    }
}

fn cut_words() -> String {
    format!(
        "not sent: a terminal passes on the first {TERMINAL_LINE_MAX} bytes of a line and drops the rest; send a longer \
         one through a pipe"
    )
}

/// What Linux keeps of a line that is typed at a terminal (`N_TTY_BUF_SIZE`, without the line end). Others
/// keep less.
const TERMINAL_LINE_MAX: usize = 4095;

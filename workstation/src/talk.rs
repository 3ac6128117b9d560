//! The conversation: events to stdout, stdin's lines to the phone, signals to a clean end.
//!
//! Three threads besides the client's own: the caller's prints events, one reads stdin, one waits for signals. The
//! latter two live until the process ends; only reading the input may block them. `sealed` talks through the tunnel,
//! `plain` without it.

pub(crate) mod plain;
pub(crate) mod sealed;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use anyhow::Context;
use relay_client::lines::{LineError, read_line};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::print;

/// The exit code after a second Ctrl-C: 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// What lines of input go to.
trait Speaker: Send + Sync {
    /// Sends a line, or does what it asks for. An error is what to say to the user instead.
    fn take(&self, line: String) -> Result<(), String>;

    /// Ends the conversation; what was accepted is written first.
    fn close(&self);
}

/// Gives stdin's lines and the first signal to `speaker`.
fn listen_to_user(speaker: &Arc<impl Speaker + 'static>) -> anyhow::Result<()> {
    close_on_signal(Arc::clone(speaker))?;
    read_lines(Arc::clone(speaker))
}

fn read_lines(speaker: Arc<impl Speaker + 'static>) -> anyhow::Result<()> {
    let read = move || {
        let mut input = io::stdin().lock();
        loop {
            let refused = match read_line(&mut input) {
                Ok(Some(line)) => speaker.take(line).err(),
                Ok(None) | Err(LineError::Io(_)) => return speaker.close(),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = refused {
                // If nobody reads what is said, the other thread finds out and ends the program.
                drop(print(&(why + "\n")));
            }
        }
    };
    thread::Builder::new().name("stdin".into()).spawn(read).context("no thread for stdin")?;
    Ok(())
}

/// The first Ctrl-C (or SIGTERM, SIGHUP) ends cleanly, a second one at once.
fn close_on_signal(speaker: Arc<impl Speaker + 'static>) -> anyhow::Result<()> {
    let signals = [SIGINT, SIGTERM, SIGHUP];
    let asked = Arc::new(AtomicBool::new(false));
    for signal in signals {
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    let mut signals = Signals::new(signals).context("can't wait for signals")?;
    let wait = move || signals.forever().for_each(|_| speaker.close());
    thread::Builder::new().name("signals".into()).spawn(wait).context("no thread for signals")?;
    Ok(())
}

//! Signals to the window: another size, and the ends that a terminal has.

use std::process;
use std::thread;

use anyhow::Context;
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use super::raw_mode::{self, RawMode};
use super::speaker::Speaker;
use super::{reset, window_size};
use crate::output::say;
use crate::terminal_host::wire::{INPUT, REDRAW, RESIZE, json};

/// Ctrl-C and `Ctrl-\` as bytes.
const INTERRUPT: u8 = 0x03;
const QUIT: u8 = 0x1c;

/// Begins to act on signals, in a thread of its own.
///
/// # Errors
/// The system refuses.
pub(super) fn listen(speaker: Speaker, is_terminal: bool, name: String) -> anyhow::Result<()> {
    let all = [SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT];
    let mut signals = Signals::new(all).context("can't wait for signals")?;
    let act = move || {
        for signal in signals.forever() {
            // An error means that the host is gone, which the reader of its output tells.
            let _gone = match signal {
                SIGWINCH => speaker.say(RESIZE, &json(&window_size())),
                // Without raw mode, these keys come as signals.
                SIGINT if !is_terminal => speaker.say(INPUT, &[INTERRUPT]),
                SIGQUIT if !is_terminal => speaker.say(INPUT, &[QUIT]),
                SIGTSTP => stop(),
                SIGCONT if is_terminal => on_continued(&speaker),
                SIGCONT => Ok(()),
                _ => leave(signal, &name),
            };
        }
    };
    thread::Builder::new().name("signals".into()).spawn(act).context("no thread for signals")?;
    Ok(())
}

/// Leaves the terminal as it was found, and ends the process: its host takes that as a detach, or hangs up if
/// the user wanted that.
fn leave(signal: i32, name: &str) -> ! {
    if signal != SIGHUP {
        reset();
    }
    raw_mode::restore();
    if signal != SIGHUP {
        say(&super::way_back(name));
    }
    process::exit(128 + signal)
}

fn stop() -> std::io::Result<()> {
    raw_mode::restore();
    Ok(kill_process(getpid(), Signal::STOP)?)
}

fn on_continued(speaker: &Speaker) -> std::io::Result<()> {
    if let Some(raw_mode) = RawMode::enter()? {
        // The window's own guard ends this one as well.
        std::mem::forget(raw_mode);
    }
    speaker.say(RESIZE, &json(&window_size()))?;
    speaker.say(REDRAW, b"")
}

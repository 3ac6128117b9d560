//! The conversation: what the phone says to stdout, stdin's lines to the phone, signals to a clean end.
//!
//! Besides the client's own there are a thread that shows what happens (the caller's), one that reads stdin,
//! one that sends its lines, one that waits for signals, and where stdin is a pipe one that reads answers
//! from the terminal. `sealed` talks through the tunnel, `plain` without it; `prompt` knows what is asked,
//! `waiting` what is to be sent.

mod decisions;
pub(crate) mod keyboard;
pub(crate) mod plain;
pub(crate) mod prompt;
pub(crate) mod sealed;
pub(crate) mod waiting;

use std::fs;
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

use crate::window;

/// The exit code after a second Ctrl-C: 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = crate::exit::INTERRUPTED as i32;

/// Calls `close` at the first Ctrl-C (or SIGTERM, SIGHUP); a second one ends the process at once, and leaves
/// the terminal as it was found. A SIGHUP that the caller set to be ignored, as `nohup` does, stays ignored.
pub(crate) fn close_on_signal(close: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let signals =
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| *signal != SIGHUP || !is_ignored(SIGHUP));
    let mut signals = Signals::new(signals.collect::<Vec<_>>()).context("can't wait for signals")?;
    let (ask, asked) = mpsc::channel();
    let close = move || {
        if asked.recv().is_ok() {
            close();
        }
    };
    // Closing may have to wait, so another thread hears of the second signal.
    let wait = move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            let _ended = ask.send(());
        }
        if signals.next().is_some() {
            window::give_back();
            exit(INTERRUPTED);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).context("no thread for signals")?;
    thread::Builder::new().name("close".into()).spawn(close).context("no thread for signals")?;
    Ok(())
}

/// True if the process was started with `signal` ignored. Only Linux tells.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_in_mask(&status, signal)
}

/// Whether the line `SigIgn:` of `/proc/self/status` (proc(5)) has the signal.
fn is_in_mask(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    signal >= 1 && mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_is_read_from_the_mask() {
        let status = "Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n";
        assert!(is_in_mask(status, SIGHUP));
        assert!(!is_in_mask(status, SIGINT));
        assert!(!is_in_mask("", SIGHUP));
    }
}

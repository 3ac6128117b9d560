//! The two outputs: stdout has the phone's messages, stderr everything else.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;

/// Tells the user something, in whole lines. A terminal that is gone does not end the program.
pub(crate) fn say(lines: &str) {
    let mut out = io::stderr().lock();
    // If stderr is gone, the failure can't be shown either.
    drop(writeln!(out, "{}", lines.trim_end_matches('\n')).and_then(|()| out.flush()));
}

/// Prints a message of the phone: `shown` at a terminal, the exact bytes and a line end for a pipe or a file.
///
/// # Errors
/// stdout takes nothing more.
pub(crate) fn print(shown: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let line = if out.is_terminal() { shown.as_bytes() } else { bytes };
    let written = out.write_all(line).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    written.context("can't write to stdout")
}

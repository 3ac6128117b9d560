//! The two outputs: stdout has the phone's messages, stderr everything else.
//!
//! Where stderr is a terminal, `console` knows what was written at its bottom, so that a status line and a
//! code can be replaced in place; `width` counts columns. stderr is one, so its state is one for the process.

mod console;
#[cfg(test)]
pub(crate) mod screen;
pub(crate) mod width;

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;

use crate::terminal;
pub(crate) use console::Console;

static CONSOLE: Mutex<Console> = Mutex::new(Console::new());

/// Takes whole lines while a line editor owns the terminal, and puts them above what is being typed.
pub(crate) type Printer = Arc<dyn Fn(String) + Send + Sync>;

static PRINTER: Mutex<Option<Printer>> = Mutex::new(None);

/// From now on lines for the terminal go to `printer`; with `None` to the terminal again. It is called
/// without any lock of ours, as it may block until the editor runs.
pub(crate) fn route_to(printer: Option<Printer>) {
    *PRINTER.lock().unwrap_or_else(PoisonError::into_inner) = printer;
}

fn printer() -> Option<Printer> {
    PRINTER.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Tells the user something, in whole lines. A terminal that is gone does not end the program.
pub(crate) fn say(lines: &str) {
    if io::stderr().is_terminal()
        && let Some(printer) = printer()
    {
        return printer(format!("{}\n", lines.trim_end_matches('\n')));
    }
    on_stderr(|console| console.say(lines, terminal::of_stderr()));
}

/// Shows one line that the next status replaces, at a terminal that can do that; an empty one takes it away.
pub(crate) fn show_status(line: &str) {
    if printer().is_some() {
        return;
    }
    on_stderr(|console| console.set_status(line, terminal::of_stderr()));
}

/// Notes a line that the user has typed at the terminal, which has echoed it.
pub(crate) fn note_typed(line: &str) {
    console().note_typed(line, terminal::of_stderr());
}

/// Prints a message of the phone: `shown` at a terminal, the exact bytes and a line end for a pipe or a file.
///
/// # Errors
/// stdout takes nothing more.
pub(crate) fn print(shown: &str, bytes: &[u8]) -> anyhow::Result<()> {
    if io::stdout().is_terminal()
        && let Some(printer) = printer()
    {
        printer(format!("{shown}\n"));
        return Ok(());
    }
    let mut out = io::stdout().lock();
    let is_terminal = out.is_terminal();
    if is_terminal && terminal::of_stderr().is_some() {
        // Both are one window, most likely.
        let written = console().say(shown, terminal::of_stderr());
        return write(&mut out, written.as_bytes());
    }
    let line = if is_terminal { shown.as_bytes() } else { bytes };
    write(&mut out, &[line, b"\n"].concat())
}

fn write(out: &mut impl Write, bytes: &[u8]) -> anyhow::Result<()> {
    out.write_all(bytes).and_then(|()| out.flush()).context("can't write to stdout")
}

/// Writes what `change` gives to stderr. One change at a time.
pub(crate) fn on_stderr(change: impl FnOnce(&mut Console) -> String) {
    let mut console = console();
    let text = change(&mut console);
    let mut out = io::stderr().lock();
    // If stderr is gone, the failure can't be shown either.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn console() -> MutexGuard<'static, Console> {
    CONSOLE.lock().unwrap_or_else(PoisonError::into_inner)
}

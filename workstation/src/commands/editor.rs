//! The line editor of the chat: what comes in is printed above the line that is being typed.
//!
//! The editor has the main thread, and the printer one of its own, as each may have to wait for the other.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Context;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor, ExternalPrinter};

use super::inputs::{Input, Inputs};
use super::session::thread;
use crate::output;
use crate::window::{self, raw_mode::RawMode};

/// Lines that wait to be printed; then the one who prints waits, and the phones' messages with it.
const PRINTS_MAX: usize = 64;

/// Lines that the user can go back to.
const HISTORY_MAX: usize = 500;

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It was a command, and is done.
    Here,
    /// It is passed on.
    Not,
    /// It is passed on, and no other follows.
    Last,
}

/// Does what a line asks for, while the editor leaves the terminal alone.
pub(super) type Command = Box<dyn Fn(&str) -> Done>;

/// Keeps the printer away from the terminal while a command has it.
#[derive(Default)]
struct Gate {
    is_closed: Mutex<bool>,
    changed: Condvar,
}

/// The terminal while the editor has it. It is as it was found when this is dropped, whatever the editor does
/// at that moment.
pub(super) struct Editing(());

impl Drop for Editing {
    fn drop(&mut self) {
        output::route_to(None);
        window::give_back();
    }
}

/// Reads lines until the user wants no more.
pub(super) type Edit = Box<dyn FnOnce()>;

/// Makes the terminal an editor's: what the program prints goes above the line from now on, and the lines
/// that `Edit` reads go to `inputs`. A line for which `command` says `Last` ends it, as do Ctrl-C and Ctrl-D.
///
/// `Edit` must run on the main thread. With Ctrl-Z the editor restores the modes, sends a signal to the
/// process and sets its own modes again: Linux gives such a signal to the main thread, so that one stops in
/// between.
///
/// # Errors
/// The terminal can't be used for it, or the system has no thread.
pub(super) fn open(
    inputs: Arc<Inputs>,
    on_end: impl Fn() + 'static,
    command: Command,
) -> anyhow::Result<(Editing, Edit)> {
    let (raw_mode, _) = RawMode::keep().context("the terminal has no modes")?;
    // Given back by `Editing`.
    std::mem::forget(raw_mode);
    let editing = Editing(());
    let config = Config::builder().auto_add_history(true).max_history_size(HISTORY_MAX);
    let config = config.context("the editor's settings")?.build();
    let mut editor: Editor<(), MemHistory> =
        Editor::with_history(config, MemHistory::new()).context("no line editor")?;
    let printer = editor.create_external_printer().context("no printer beside the line editor")?;
    let gate = Arc::new(Gate::default());
    let (prints, to_print) = sync_channel(PRINTS_MAX);
    let printing = Arc::clone(&gate);
    thread("print", move || print_all(&to_print, printer, &printing)).context("no thread to print")?;
    output::route_to(Some(Arc::new(move |lines| {
        // Without the printer's thread nothing can be shown.
        drop(prints.send(lines));
    })));
    let edit = move || {
        loop {
            match editor.readline(PROMPT) {
                Ok(line) => {
                    gate.set(true);
                    let done = command(&line);
                    gate.set(false);
                    if done != Done::Here {
                        inputs.put(Input::Typed(line, Instant::now()));
                    }
                    if done == Done::Last {
                        return;
                    }
                }
                Err(ReadlineError::Interrupted) => return inputs.put(Input::Interrupted),
                // Ctrl-D, or the terminal is gone.
                Err(_) => return on_end(),
            }
        }
    };
    Ok((editing, Box::new(edit)))
}

const PROMPT: &str = "> ";

fn print_all(to_print: &Receiver<String>, mut printer: impl ExternalPrinter, gate: &Gate) {
    for lines in to_print {
        gate.wait_open();
        // A terminal that is gone does not end the program.
        drop(printer.print(lines));
    }
}

impl Gate {
    fn is_closed(&self) -> MutexGuard<'_, bool> {
        self.is_closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, is_closed: bool) {
        *self.is_closed() = is_closed;
        self.changed.notify_all();
    }

    fn wait_open(&self) {
        let mut is_closed = self.is_closed();
        while *is_closed {
            is_closed = self.changed.wait(is_closed).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

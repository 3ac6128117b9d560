//! A code as it stands in the terminal: drawn again when the window changes, and replaced by a line when it
//! has ended.
//!
//! The picture goes to a terminal only: to stderr, or to the terminal of stdin or stdout where stderr goes
//! elsewhere. The lines with the code's text always go to stderr.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use signal_hook::consts::{SIGCONT, SIGWINCH};
use signal_hook::iterator::{Handle, Signals};

use super::layout::Content;
use super::picture::Picture;
use crate::address::Address;
use crate::output::{self, Console, say};
use crate::terminal;

/// How a code is to be shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShowOptions {
    /// Also as a PNG in this file.
    pub(crate) png: Option<PathBuf>,
    /// No picture in the terminal.
    pub(crate) no_qr: bool,
}

/// A code on the screen. It stays drawn when this is dropped, and is no longer replaced.
pub(crate) struct Shown {
    place: Arc<Mutex<Place>>,
    /// Ends the thread that waits for a change of the window.
    resizes: Option<Handle>,
}

/// The code and the terminal that it stands in.
struct Place {
    /// `None` once it was replaced.
    content: Option<Content>,
    /// The user's terminal where stderr goes elsewhere, with what was written there.
    beside: Option<(File, Console)>,
}

impl Shown {
    /// Shows the code `text`, which leads the phone to `address`.
    ///
    /// # Errors
    /// The PNG can't be written, or the system has no thread.
    pub(crate) fn show(options: &ShowOptions, text: &str, address: &Address) -> anyhow::Result<Self> {
        let picture = Picture::of(text);
        let mut lines = vec![
            format!("or paste this: {text}"),
            format!("the phone connects to {}{}", address.endpoint, address.remark),
        ];
        lines.extend(address.warning.iter().map(|warning| format!("warning: {warning}")));
        match (&options.png, &picture) {
            (Some(file), Ok(picture)) => {
                picture
                    .write_png(file)
                    .with_context(|| format!("can't write the picture to {}", file.display()))?;
                lines.push(format!("the code is also in {}", file.display()));
            }
            (_, Err(error)) => lines.push(format!("no picture: {error:#}; paste the text")),
            (None, Ok(_)) => {}
        }
        let picture = picture.ok().filter(|_| !options.no_qr);
        Self::open(Content { picture, lines })
    }

    fn open(content: Content) -> anyhow::Result<Self> {
        let beside = terminal::beside_stderr().filter(|_| content.picture.is_some());
        if beside.is_some() {
            say(&content.layout(None));
        }
        let beside = beside.map(|tty| (tty, Console::new()));
        let mut place = Place { content: Some(content), beside };
        place.draw(Console::draw);
        let place = Arc::new(Mutex::new(place));
        let resizes = watch_window(&place)?;
        Ok(Shown { place, resizes })
    }

    /// Puts `reason` in the place of the code, which can't be used any more. Does nothing the second time.
    pub(crate) fn replace(&self, reason: &str) {
        lock(&self.place).replace(reason);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(resizes) = &self.resizes {
            resizes.close();
        }
        let mut place = lock(&self.place);
        // A code that was replaced has let go already, and another one may stand there.
        if place.content.take().is_some() {
            place.release();
        }
    }
}

impl Place {
    fn draw(&mut self, how: fn(&mut Console, &str, Option<terminal::Terminal>) -> String) {
        let Some(content) = &self.content else { return };
        match &mut self.beside {
            None => output::on_stderr(|console| {
                let terminal = terminal::of_stderr();
                how(console, &content.layout(terminal), terminal)
            }),
            Some((tty, console)) => {
                let terminal = terminal::of(tty);
                let text = how(console, &content.layout(terminal), terminal);
                write_to(tty, &text);
            }
        }
    }

    fn replace(&mut self, reason: &str) {
        let Some(content) = self.content.take() else { return };
        let line = format!("{reason}\n");
        match &mut self.beside {
            // Where nothing can be replaced, the caller's own line about the event is enough.
            None => output::on_stderr(|console| {
                let terminal = terminal::of_stderr();
                let may_move = terminal.is_some_and(|terminal| terminal.moves && terminal.size.is_some());
                if may_move { console.redraw(&line, terminal) } else { String::new() }
            }),
            Some((tty, console)) => {
                let text = console.redraw(&line, terminal::of(tty));
                write_to(tty, &text);
            }
        }
        drop(content);
        self.release();
    }

    fn release(&mut self) {
        match &mut self.beside {
            None => output::on_stderr(|console| {
                console.release();
                String::new()
            }),
            Some((_, console)) => console.release(),
        }
    }
}

/// Draws the code again at each change of the window and when the program goes on after a stop, by a thread
/// that ends with the handle. `None` where nothing can change: without a terminal.
fn watch_window(place: &Arc<Mutex<Place>>) -> anyhow::Result<Option<Handle>> {
    if lock(place).beside.is_none() && terminal::of_stderr().is_none() {
        return Ok(None);
    }
    let mut signals = Signals::new([SIGWINCH, SIGCONT]).context("can't wait for changes of the window")?;
    let handle = signals.handle();
    let place = Arc::clone(place);
    let watch = move || {
        for signal in signals.forever() {
            // After Ctrl-Z and `fg`, the shell and others have written below what is counted.
            let how = if signal == SIGCONT { Console::draw } else { Console::redraw };
            lock(&place).draw(how);
        }
    };
    thread::Builder::new().name("window".into()).spawn(watch).context("no thread for the window")?;
    Ok(Some(handle))
}

/// A terminal that is gone does not end the program.
fn write_to(tty: &mut File, text: &str) {
    drop(tty.write_all(text.as_bytes()).and_then(|()| tty.flush()));
}

fn lock(place: &Mutex<Place>) -> MutexGuard<'_, Place> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The desk's window on a shared terminal: passes what is typed to the terminal's host, and what its command
//! writes to the screen, both as they are.
//!
//! Four threads: the caller's writes output, one reads what is typed, one sends it, one waits for signals. If
//! standard input or output is not a terminal, bytes pass in the same way, and the terminal's modes stay as
//! they are.

mod detach_key;
pub(crate) mod guard;
pub(crate) mod raw_mode;
mod signals;
mod speaker;
mod typing;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::ipc::frame::{self, Decoder};
use crate::terminal_host::emulator::RESTORE;
use crate::terminal_host::wire::{
    ATTACH, Attach, DETACHED, ENDED, End, NOTE, Note, OUTPUT, TAKEN, WindowSize, json, parsed,
};

use raw_mode::RawMode;
use speaker::Speaker;

/// Why the window no longer shows the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The command ended.
    Ended(End),
    /// The user detached.
    Detached,
    /// Nobody reads what the window writes any more.
    Closed,
    /// The host is gone without a word.
    Lost,
}

/// What the window's user is told afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Parting {
    pub(crate) outcome: Outcome,
    /// What phones did meanwhile.
    pub(crate) notes: Vec<String>,
}

/// The most notes that are kept. Of more, the oldest are forgotten.
const NOTES_MAX: usize = 8;

/// Before [`RESTORE`]: leaving an alternate screen that is not shown goes to the saved place of the cursor,
/// and so does [`AFTER_RESTORE`].
const BEFORE_RESTORE: &[u8] = b"\x18\x1b7\x1b[?1049l\x1b7";
const AFTER_RESTORE: &[u8] = b"\x1b8\x1b[m";

/// Shows the terminal behind `stream` until it ends or the user leaves it.
///
/// # Errors
/// The terminal refuses its modes, or the system a thread.
pub(crate) fn show(stream: UnixStream, name: &str, hang_up: bool) -> anyhow::Result<Parting> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let raw_mode = RawMode::enter().context("can't change the terminal's modes")?;
    let attach = Attach {
        is_terminal: is_terminal && !is_dumb(),
        size: window_size(),
        hang_up: hang_up || !io::stdout().is_terminal(),
    };
    // If that fails the host is gone, which reading will show.
    drop(say_first(&stream, &json(&attach)));
    let speaker = Speaker::new(stream.try_clone().context("can't use the terminal's socket")?)
        .context("no thread for the terminal's socket")?;
    signals::listen(speaker.clone(), is_terminal, name.to_owned())?;
    let typed = speaker.clone();
    let read = move || typing::pass(&typed, is_terminal);
    thread::Builder::new().name("typing".into()).spawn(read).context("no thread for the keyboard")?;
    let parting = pass_output(stream, &speaker);
    if parting.outcome != Outcome::Closed && !matches!(parting.outcome, Outcome::Ended(_)) {
        reset();
    }
    drop(raw_mode);
    Ok(parting)
}

fn say_first(mut stream: &UnixStream, attach: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame::encode(ATTACH, attach, &mut bytes);
    stream.write_all(&bytes)
}

/// The size of the window that standard output is, or zeros.
pub(crate) fn window_size() -> WindowSize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.map_or(WindowSize::default(), |size| WindowSize {
        columns: size.ws_col,
        rows: size.ws_row,
        pixel_width: size.ws_xpixel,
        pixel_height: size.ws_ypixel,
    })
}

/// True if the window shows text only.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty())
}

/// Undoes what the command changed in the window.
fn reset() {
    write_reset(b"\r\n");
}

fn write_reset(end: &[u8]) {
    if io::stdout().is_terminal() && !is_dumb() {
        // A window that is gone has nothing to undo.
        let bytes = [BEFORE_RESTORE, RESTORE, AFTER_RESTORE, end].concat();
        drop(io::stdout().write_all(&bytes).and_then(|()| io::stdout().flush()));
    }
}

/// Leaves the terminal as it was found, at the end of a program that may have changed it and may be stuck. A
/// window that takes no output gets none.
pub(crate) fn give_back() {
    if raw_mode::is_changed() && has_room(io::stdout()) {
        reset();
    }
    raw_mode::restore();
}

fn has_room(window: impl AsFd) -> bool {
    let mut window = [PollFd::new(&window, PollFlags::OUT)];
    poll(&mut window, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Writes what the command writes, until something ends it.
fn pass_output(mut stream: UnixStream, speaker: &Speaker) -> Parting {
    let (mut decoder, mut notes) = (Decoder::default(), Vec::new());
    // Written without the buffer of `Stdout`, which looks for lines.
    let outcome = match io::stdout().as_fd().try_clone_to_owned() {
        Ok(screen) => {
            let ends = (&mut stream, speaker, &mut File::from(screen));
            next_outcome(ends, &mut decoder, &mut notes)
        }
        Err(_) => Outcome::Closed,
    };
    Parting { outcome, notes }
}

fn next_outcome(
    (stream, speaker, screen): (&mut UnixStream, &Speaker, &mut File),
    decoder: &mut Decoder,
    notes: &mut Vec<String>,
) -> Outcome {
    loop {
        let Ok(frame) = decoder.next_frame() else { return Outcome::Lost };
        let Some(frame) = frame else {
            match decoder.read_from(stream) {
                Ok(0) => return Outcome::Lost,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Outcome::Lost,
                _ => continue,
            }
        };
        match frame.kind {
            OUTPUT if write_all(screen, frame.payload).is_err() => return Outcome::Closed,
            TAKEN => speaker.on_taken(count(frame.payload)),
            NOTE => keep_note(notes, &parsed(frame.payload).unwrap_or_default()),
            ENDED => return parsed(frame.payload).map_or(Outcome::Lost, Outcome::Ended),
            DETACHED => return Outcome::Detached,
            _ => {}
        }
    }
}

/// The number of [`TAKEN`].
fn count(payload: &[u8]) -> usize {
    let count = payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn keep_note(notes: &mut Vec<String>, note: &Note) {
    if notes.len() == NOTES_MAX {
        notes.remove(0);
    }
    // A phone chose its name.
    notes.push(note.text.chars().filter(|char| !char.is_control()).collect());
}

/// Writes everything, also to a window that another program has set not to block.
fn write_all(screen: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match screen.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::park_timeout(Duration::from_millis(1));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How the user comes back to the terminal.
pub(crate) fn way_back(name: &str) -> String {
    format!("detached: come back with `workstation attach {name}`")
}

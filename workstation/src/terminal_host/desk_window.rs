//! One window of the desk, as the host sees it.
//!
//! A window gets the command's bytes as they are. One that does not keep up holds up the command, as a real
//! terminal does. If it stops reading while others look on, it falls behind instead: it gets no more bytes,
//! and the whole screen when it reads again.

use std::time::Duration;

use super::wire::{ATTACHED, Attach, DETACHED, ENDED, End, NOTE, Note, OUTPUT, TAKEN, WindowSize, json};
use crate::ipc::link::Link;

/// With more than this queued, the window holds up the command.
const QUEUED_MAX: usize = 64 << 10;

/// Fewer typed bytes are not worth a word.
const TAKEN_MIN: u32 = 16 << 10;

/// A window that has read nothing for so long holds up nobody else.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has a terminal remember its title, and take it back. One that does not know this ignores it.
const SAVE_TITLE: &str = "\x1b[22;2t";
const TITLE_BACK: &str = "\x1b[23;2t";

/// Ends a sequence that is not finished.
const CANCEL: &[u8] = b"\x18";

/// An attached window.
#[derive(Debug)]
pub(super) struct DeskWindow {
    pub(super) link: Link,
    attach: Attach,
    /// When it last took bytes, or had none to take.
    progress_at: Duration,
    is_stuck: bool,
    is_behind: bool,
    lacks_main_screen: bool,
    /// The title of ours that it shows in place of the command's.
    title: Option<String>,
    has_saved_title: bool,
    /// It was told that it is the end.
    is_leaving: bool,
    /// Typed bytes that the command has taken, which it was not told of.
    taken: u32,
}

impl DeskWindow {
    /// Attaches a window, and draws the screen in it.
    pub(super) fn new(link: Link, attach: Attach, now: Duration) -> Self {
        let mut window = Self {
            link,
            attach,
            progress_at: now,
            is_stuck: false,
            is_behind: false,
            lacks_main_screen: false,
            title: None,
            has_saved_title: false,
            is_leaving: false,
            taken: 0,
        };
        window.link.send(ATTACHED, b"");
        window
    }

    /// Its size when it attached.
    pub(super) fn size(&self) -> WindowSize {
        self.attach.size
    }

    /// It answers the questions that the command asks its terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.attach.is_terminal
    }

    /// The command ends with it.
    pub(super) fn hangs_up(&self) -> bool {
        self.attach.hang_up && !self.is_leaving
    }

    /// True if the command must wait for it.
    pub(super) fn is_full(&self) -> bool {
        !self.is_behind && !self.is_leaving && self.link.queued() >= QUEUED_MAX
    }

    /// True if it has read nothing for so long that others need not wait for it.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck && self.is_full()
    }

    /// Notices if it is stuck.
    pub(super) fn on_time(&mut self, now: Duration) {
        self.is_stuck = self.is_full() && now >= self.progress_at + PATIENCE;
    }

    /// When it counts as stuck, if it is full and reads nothing until then.
    pub(super) fn next_at(&self) -> Option<Duration> {
        (self.is_full() && !self.is_stuck).then(|| self.progress_at + PATIENCE)
    }

    /// Gives up on sending it every byte.
    pub(super) fn fall_behind(&mut self) {
        self.is_behind = true;
    }

    /// True if it needs the whole screen, and takes it.
    pub(super) fn may_catch_up(&self) -> bool {
        self.is_behind && self.link.queued() == 0
    }

    /// Gives it the whole screen. One of a full-screen program hides another, which is then still unknown to
    /// the window.
    pub(super) fn redraw(&mut self, screen: &[u8], is_alternate: bool) {
        self.is_behind = false;
        self.lacks_main_screen = is_alternate;
        self.output(screen);
        self.forget_title();
    }

    /// Its title is the command's now.
    pub(super) fn forget_title(&mut self) {
        self.title = None;
    }

    /// True if its title is, or was, one of ours.
    pub(super) fn has_our_title(&self) -> bool {
        self.has_saved_title
    }

    /// True if its title should be this one of ours, and is not; `None` is the command's own.
    pub(super) fn lacks_title(&self, wanted: Option<&str>) -> bool {
        let shows = self.title.as_deref() == wanted && (wanted.is_some() || !self.has_saved_title);
        self.attach.is_terminal && !self.is_leaving && !self.is_behind && !shows
    }

    /// Shows a title of ours, or the command's `own` again. The window remembers the one that it had before.
    pub(super) fn show_title(&mut self, wanted: Option<&str>, own: &str) {
        let mut sequences = String::new();
        match wanted {
            Some(_) if !std::mem::replace(&mut self.has_saved_title, true) => sequences.push_str(SAVE_TITLE),
            None if std::mem::take(&mut self.has_saved_title) => sequences.push_str(TITLE_BACK),
            _ => {}
        }
        if let Some(title) = wanted.or(Some(own)).filter(|title| !title.is_empty()) {
            sequences.push_str(&format!("\x1b]2;{title}\x1b\\"));
        }
        self.title = wanted.map(str::to_owned);
        self.output(sequences.as_bytes());
    }

    /// True if it must get the whole screen once the full-screen program ends.
    pub(super) fn lacks_main_screen(&self) -> bool {
        self.lacks_main_screen
    }

    /// Gives it what the command wrote.
    pub(super) fn output(&mut self, bytes: &[u8]) {
        if !self.is_behind && !self.is_leaving && !bytes.is_empty() {
            self.link.send(OUTPUT, bytes);
        }
    }

    /// Tells its user something.
    pub(super) fn note(&mut self, text: &str) {
        if !self.is_leaving {
            self.link.send(NOTE, &json(&Note { text: text.to_owned() }));
        }
    }

    /// The command has taken so many bytes of what was typed in it.
    pub(super) fn on_taken(&mut self, count: usize) {
        self.taken += u32::try_from(count).unwrap_or(u32::MAX);
        if self.taken >= TAKEN_MIN {
            self.link.send(TAKEN, &std::mem::take(&mut self.taken).to_be_bytes());
        }
    }

    /// Tells it that the command ended.
    pub(super) fn end(&mut self, end: &End) {
        if !self.is_leaving {
            self.leave_title();
            self.link.send(ENDED, &json(end));
            self.is_leaving = true;
        }
    }

    /// Lets it go.
    pub(super) fn detach(&mut self) {
        self.leave_title();
        self.link.send(DETACHED, b"");
        self.is_leaving = true;
    }

    fn leave_title(&mut self) {
        if self.has_saved_title {
            self.output(&[CANCEL, TITLE_BACK.as_bytes()].concat());
        }
    }

    /// Sends what it takes.
    pub(super) fn flush(&mut self, now: Duration) {
        if self.link.flush() || self.link.queued() == 0 {
            self.progress_at = now;
        }
    }

    /// True if there is nothing more to do with it.
    pub(super) fn is_over(&self) -> bool {
        self.link.has_ended() || (self.is_leaving && self.link.queued() == 0)
    }
}

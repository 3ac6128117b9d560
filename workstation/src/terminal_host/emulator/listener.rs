//! What the emulation library says while it reads: kept, within bounds, until the emulator takes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::vte::ansi::Rgb;

/// The most bytes of answers that wait for the child. Further answers are dropped: a child that asks and
/// never reads would be owed any number of them.
const REPLIES_BYTES_MAX: usize = 64 * 1024;

/// What was said since it was last taken.
#[derive(Default)]
pub(super) struct Said {
    /// The newest title; `Some(None)` if it was taken away.
    pub(super) title: Option<Option<String>>,
    pub(super) bells: u32,
    /// The answers to the child's questions; at most [`REPLIES_BYTES_MAX`].
    pub(super) replies: Vec<u8>,
    /// The newest text that the child wants in the clipboard. Its length is bounded by the scanner.
    pub(super) clipboard: Option<String>,
    /// The colors that the child asked for, and how to answer.
    pub(super) colors: Vec<(usize, ColorAnswer)>,
}

pub(super) type ColorAnswer = Arc<dyn Fn(Rgb) -> String + Sync + Send>;

/// Questions for colors that wait. Further ones are dropped.
const COLORS_MAX: usize = 64;

/// Shared by the emulation library and the emulator, in one thread.
#[derive(Clone, Default)]
pub(super) struct Listener(Arc<Mutex<Said>>);

impl Listener {
    /// What was said, to be changed by its reader.
    pub(super) fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventListener for Listener {
    fn send_event(&self, event: Event) {
        let mut said = self.said();
        match event {
            Event::Title(title) => said.title = Some(Some(title)),
            Event::ResetTitle => said.title = Some(None),
            Event::Bell => said.bells = said.bells.saturating_add(1),
            Event::PtyWrite(text) if said.replies.len() + text.len() <= REPLIES_BYTES_MAX => {
                said.replies.extend_from_slice(text.as_bytes());
            }
            Event::ClipboardStore(_, text) => said.clipboard = Some(text),
            Event::ColorRequest(index, answer) if said.colors.len() < COLORS_MAX => {
                said.colors.push((index, answer));
            }
            // The clipboard is not given to the child, and nobody knows a window in pixels.
            _ => {}
        }
    }
}

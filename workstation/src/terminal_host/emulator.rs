//! A stand-in, until the emulator is here.

use std::ops::Range;
use std::time::Duration;

use relay_client::app::terminal::{History, Notice, Row, Screen, Size};

/// What the child did besides changing the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EmulatorEvent {
    /// It raised a notice.
    Notice(Notice),
}

/// See the module.
pub(crate) struct Emulator {
    screen: Screen,
}

impl Emulator {
    pub(crate) fn new(size: Size, _history_lines: usize) -> Self {
        Self { screen: Screen::new(size) }
    }
    pub(crate) fn feed(&mut self, _bytes: &[u8], _now: Duration) {}
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        None
    }
    pub(crate) fn on_timeout(&mut self, _now: Duration) {}
    pub(crate) fn resize(&mut self, size: Size) {
        self.screen.resize(size);
    }
    pub(crate) fn screen(&mut self) -> &Screen {
        &self.screen
    }
    pub(crate) fn history(&self) -> History {
        History::default()
    }
    pub(crate) fn scrollback(&self, numbers: Range<u64>) -> (u64, Vec<Row>) {
        (numbers.start, Vec::new())
    }
    pub(crate) fn take_replies(&mut self) -> Vec<u8> {
        Vec::new()
    }
    pub(crate) fn take_events(&mut self) -> Vec<EmulatorEvent> {
        Vec::new()
    }
    pub(crate) fn redraw(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

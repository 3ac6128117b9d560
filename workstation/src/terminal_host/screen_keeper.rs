//! Keeps the state of the screen, and reads the command's output no sooner than somebody needs it.
//!
//! Reading a flood in large pieces is much cheaper: the emulator skips what has scrolled away.

use std::time::Duration;

use relay_client::app::terminal::{Screen, Size};

use super::emulator::{Emulator, EmulatorEvent};

/// Output that may wait to be read.
const UNREAD_MAX: usize = 1 << 20;

/// How long output may wait.
const UNREAD_FOR: Duration = Duration::from_millis(50);

/// The lines that are kept of what scrolled off the top.
const HISTORY_LINES: usize = 2000;

/// The emulator, and what it has not read.
pub(super) struct ScreenKeeper {
    emulator: Emulator,
    unread: Vec<u8>,
    unread_since: Duration,
}

impl ScreenKeeper {
    pub(super) fn new(size: Size) -> Self {
        let emulator = Emulator::new(size, HISTORY_LINES);
        Self { emulator, unread: Vec::new(), unread_since: Duration::ZERO }
    }

    /// The command wrote this.
    pub(super) fn add(&mut self, bytes: &[u8], now: Duration) {
        if self.unread.is_empty() {
            self.unread_since = now;
        }
        self.unread.extend_from_slice(bytes);
        if self.unread.len() >= UNREAD_MAX {
            self.catch_up(now);
        }
    }

    /// Reads everything.
    pub(super) fn catch_up(&mut self, now: Duration) {
        if self.has_unread() {
            self.emulator.feed(&self.unread, now);
            self.unread.clear();
        }
    }

    /// Reads what has waited for long enough.
    pub(super) fn on_time(&mut self, now: Duration) {
        if self.unread_until().is_some_and(|at| now >= at) {
            self.catch_up(now);
        }
        self.emulator.on_timeout(now);
    }

    /// When to call [`ScreenKeeper::on_time`].
    pub(super) fn next_at(&self) -> Option<Duration> {
        [self.unread_until(), self.emulator.poll_timeout()].into_iter().flatten().min()
    }

    fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// The emulator, which has read everything.
    pub(super) fn emulator(&mut self, now: Duration) -> &mut Emulator {
        self.catch_up(now);
        &mut self.emulator
    }

    /// The screen as the emulator has it: what has not been read may have changed it.
    pub(super) fn screen(&mut self) -> &Screen {
        self.emulator.screen()
    }

    /// What the command did, as far as it has been read.
    pub(super) fn take_events(&mut self) -> Vec<EmulatorEvent> {
        self.emulator.take_events()
    }

    /// Forgets the answers to the command's questions.
    pub(super) fn drop_replies(&mut self) {
        self.emulator.take_replies();
    }

    /// Changes the size.
    pub(super) fn resize(&mut self, size: Size, now: Duration) {
        self.emulator(now).resize(size);
    }

    fn unread_until(&self) -> Option<Duration> {
        self.has_unread().then(|| self.unread_since + UNREAD_FOR)
    }
}

//! The emulation library's timer for synchronized updates, without a clock: the emulator has one.

use std::time::Duration;

use alacritty_terminal::vte::ansi::Timeout;

/// Counts the timers that were set.
#[derive(Debug, Default)]
pub(super) struct SyncTimer {
    count: u64,
    is_pending: bool,
}

impl SyncTimer {
    /// The number of the timer that runs.
    pub(super) fn pending(&self) -> Option<u64> {
        self.is_pending.then_some(self.count)
    }
}

impl Timeout for SyncTimer {
    fn set_timeout(&mut self, _duration: Duration) {
        self.count += 1;
        self.is_pending = true;
    }

    fn clear_timeout(&mut self) {
        self.is_pending = false;
    }

    fn pending_timeout(&self) -> bool {
        self.is_pending
    }
}

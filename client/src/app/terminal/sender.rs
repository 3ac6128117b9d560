//! One viewer, seen from the desk.

use std::time::Duration;

use super::difference::difference;
use super::message::UPDATE;
use super::pace::Pace;
use super::parts::split;
use super::screen::Screen;

/// When a viewer may get its next update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// At once, if the screen changed.
    Now,
    /// At this time.
    Until(Duration),
    /// When an acknowledgement comes.
    Acknowledgement,
}

/// Sends one viewer what changed since the last update, at the viewer's pace.
///
/// It keeps the screen that it sent last (rows are shared) and a bounded list of what is under way. So a
/// viewer that never acknowledges costs little, and nothing to the others. `now` is the span since any fixed
/// point.
#[derive(Debug, Default)]
pub struct ScreenSender {
    /// The screen as the viewer will have it; `None` before the first update.
    last: Option<Screen>,
    seq: u64,
    pace: Pace,
}

impl ScreenSender {
    /// A viewer that has seen nothing: the first update is the whole screen.
    pub fn new() -> Self {
        ScreenSender::default()
    }

    /// The next update as messages for the viewer's channel, in this order and with nothing between them.
    /// `None` if nothing changed or the viewer must be waited for: ask again when [`ScreenSender::wait`]
    /// says.
    pub fn poll_update(&mut self, screen: &Screen, now: Duration) -> Option<Vec<Vec<u8>>> {
        if !self.pace.may_send(now) {
            return None;
        }
        let (seq, blank) = (self.seq + 1, self.last.is_none().then(|| Screen::new(screen.size())));
        let old = self.last.as_ref().or(blank.as_ref())?;
        let update = difference(old, screen, seq, self.seq);
        if update.is_empty() {
            return None;
        }
        let messages = split(UPDATE, &update.write());
        self.seq = seq;
        self.last = Some(screen.clone());
        self.pace.on_sent(seq, messages.iter().map(Vec::len).sum(), now);
        Some(messages)
    }

    /// The viewer has drawn update `seq` and all before it.
    pub fn on_ack(&mut self, seq: u64, now: Duration) {
        self.pace.on_ack(seq, now);
    }

    /// When to poll for a screen that changed since the last update.
    pub fn wait(&self, now: Duration) -> Wait {
        match self.pace.next_at() {
            _ if !self.pace.has_room() => Wait::Acknowledgement,
            Some(at) if at > now => Wait::Until(at),
            _ => Wait::Now,
        }
    }

    /// When the oldest update that the viewer has not acknowledged was sent.
    pub fn unacknowledged_since(&self) -> Option<Duration> {
        self.pace.unacknowledged_since()
    }

    /// How many updates the viewer has not acknowledged.
    pub fn under_way(&self) -> usize {
        self.pace.under_way()
    }
}

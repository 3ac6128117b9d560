//! The events of a link that the app has not read. While it is full, nothing is taken from the engine, so the
//! tunnel's window bounds the rest.

use std::collections::VecDeque;

use super::LinkEvent;
use crate::app::AppEvent;
use crate::engine::EngineEvent;

/// Unread events, and unread bytes of data, with which nothing more is taken from the engine.
const EVENTS_MAX: usize = 512;
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// A queue of events. It can grow over its bounds by what one batch of the engine brings.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    events: VecDeque<LinkEvent>,
    /// Of the `Data` among them.
    bytes: usize,
    /// `Stopped` was pushed: nothing follows.
    is_over: bool,
    /// Something was pushed since the listener was called.
    has_changed: bool,
}

impl Inbox {
    pub(super) fn push(&mut self, event: LinkEvent) {
        self.bytes += bytes_of(&event);
        self.is_over |= matches!(event, LinkEvent::Engine(EngineEvent::Stopped { .. }));
        self.has_changed = true;
        self.events.push_back(event);
    }

    /// The oldest events, at most `max` of them.
    pub(super) fn take(&mut self, max: usize) -> Vec<LinkEvent> {
        let taken: Vec<LinkEvent> = self.events.drain(..max.min(self.events.len())).collect();
        self.bytes -= taken.iter().map(bytes_of).sum::<usize>();
        taken
    }

    /// True once for everything that was pushed in between.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= EVENTS_MAX || self.bytes >= BYTES_MAX
    }

    /// True if the engine has stopped.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

fn bytes_of(event: &LinkEvent) -> usize {
    match event {
        LinkEvent::App(AppEvent::Data { bytes, .. }) => bytes.len(),
        _ => 0,
    }
}

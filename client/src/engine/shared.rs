//! What lies between the app's threads and the driver's: the tunnel itself, and the events that the app has
//! not read.
//!
//! The tunnel's two windows bound all that is kept, so there is no other queue of messages. The lock is held
//! for what the machine computes (the longest is to seal or open one piece of 32 KiB), never over I/O.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::event::{EngineEvent, EngineState};
use super::inbox::Inbox;
use crate::driver::Wake;
use crate::http::HttpError;
use crate::tunnel::Tunnel;

/// The state, and the condition variables of its waiters.
pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// Signalled when there is an event.
    news: Condvar,
    /// Signalled when a wait for room, acknowledgements or the end may be over.
    progress: Condvar,
    /// Wakes the driver.
    wake: Wake,
    pub(super) clock: Arc<dyn Clock>,
}

pub(super) struct Inner {
    pub(super) tunnel: Tunnel,
    pub(super) inbox: Inbox,
    /// The number of the last message that the app was given and has not come back from.
    pub(super) given: Option<u64>,
    pub(super) state: EngineState,
    pub(super) asked: Asked,
    /// Results of requests to the relay.
    pub(super) answers: VecDeque<Answered>,
    /// The driver has had its turn and must be woken for news.
    awaits_news: bool,
    /// There are events of which the app was not told.
    has_events: bool,
    reader: Option<Reader>,
}

/// Called on the driver's thread, without a lock, when there are events; it must not block.
pub(crate) type Reader = Arc<dyn Fn() + Send + Sync>;

/// Requests of the app that the driver has not seen yet.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) foreground: Option<bool>,
    pub(super) network_changed: bool,
    pub(super) retry: bool,
    pub(super) close: bool,
    /// The app has dropped its handle: events are no longer read. Never reset.
    pub(super) abandoned: bool,
    pub(super) forget: Option<Forgetting>,
}

/// An erasure under way.
#[derive(Debug)]
pub(super) enum Forgetting {
    Asked,
    /// Stays, so that a later caller sees it.
    Done(Result<(), Arc<io::Error>>),
}

/// The result of a request to the relay.
#[derive(Debug)]
pub(super) enum Answered {
    RegisteredAgain(Result<(), HttpError>),
    Deleted(Result<(), HttpError>),
}

impl Inner {
    /// Calls `reader` when there are events, instead of a thread that waits for them.
    pub(super) fn set_reader(&mut self, reader: Reader) {
        self.reader = Some(reader);
    }

    /// Appends an event, which the app gets with all others of the driver's turn: to wake a thread costs more
    /// than most events do.
    pub(super) fn tell(&mut self, event: EngineEvent) {
        self.inbox.push(event);
        self.has_events = true;
    }
}

impl Shared {
    pub(super) fn new(tunnel: Tunnel, wake: Wake, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            tunnel,
            inbox: Inbox::default(),
            given: None,
            state: EngineState::Connecting,
            asked: Asked::default(),
            answers: VecDeque::new(),
            awaits_news: true,
            has_events: false,
            reader: None,
        };
        Shared { inner: Mutex::new(inner), news: Condvar::new(), progress: Condvar::new(), wake, clock }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // The machine checks its input; a panic elsewhere does not leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the driver that there is work. One wake is enough for a turn.
    pub(super) fn wake(&self, mut inner: MutexGuard<'_, Inner>) {
        let needed = std::mem::take(&mut inner.awaits_news);
        drop(inner);
        if needed {
            (self.wake)();
        }
    }

    /// The driver's turn begins: later requests must wake it.
    pub(super) fn begin_turn(&self) {
        self.lock().awaits_news = true;
    }

    /// Gives the app the events that were told since the last call.
    pub(super) fn give_events(&self) {
        let mut inner = self.lock();
        if !std::mem::take(&mut inner.has_events) {
            return;
        }
        let reader = inner.reader.clone();
        drop(inner);
        match reader {
            Some(reader) => reader(),
            None => self.news.notify_one(),
        }
    }

    /// Wakes the callers that wait for room, acknowledgements or the end.
    pub(super) fn on_progress(&self) {
        self.progress.notify_all();
    }

    /// Wakes every waiting caller.
    pub(super) fn on_end(&self) {
        self.news.notify_all();
        self.progress.notify_all();
    }

    /// Waits for an event, at most until `deadline`; `None` is for ever. True if there may be one.
    pub(super) fn wait_for_news<'a>(
        &self,
        inner: MutexGuard<'a, Inner>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'a, Inner>, bool) {
        wait(&self.news, inner, deadline)
    }

    /// As `wait_for_news`, for room, acknowledgements or the end.
    pub(super) fn wait_for_progress<'a>(
        &self,
        inner: MutexGuard<'a, Inner>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'a, Inner>, bool) {
        wait(&self.progress, inner, deadline)
    }
}

fn wait<'a>(
    signal: &Condvar,
    inner: MutexGuard<'a, Inner>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, Inner>, bool) {
    // A deadline beyond the clock's range is looked at again now and then.
    let left = deadline
        .map_or(Duration::from_secs(3600), |deadline| deadline.saturating_duration_since(Instant::now()));
    if left.is_zero() {
        return (inner, false);
    }
    (signal.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0, true)
}

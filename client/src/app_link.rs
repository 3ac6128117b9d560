//! The app protocol over a running engine: what an app holds that has a terminal, a chat or files to share.
//!
//! [`AppLink`] owns an [`Engine`] whose code said that both ends speak the app protocol, and drives an
//! [`AppEnd`]. The engine's own thread brings what came; any thread may open, send and read. `inbox` holds
//! the events that the app has not read.

mod inbox;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::app::{
    AppEnd, AppEvent, ChannelError, ChannelId, DeskInfo, Hello, Ignored, Kind, OpenError, Reason,
};
use crate::engine::{Engine, EngineEvent, FlushError};
use crate::tunnel::{Entropy, RandomError, SystemEntropy};
use inbox::Inbox;

/// One thing that happened on a link, in the order it happened.
#[derive(Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// Of the app protocol.
    App(AppEvent),
    /// Of the tunnel and its connection; never `Message` or `Acknowledged`. `Stopped` is the last of all.
    Engine(EngineEvent),
}

/// Why a link could not be started.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The pair's code did not ask for the app protocol.
    #[error("this pair exchanges bare messages: pair again with a code of the app protocol")]
    Bare,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] RandomError),
}

/// Called after events were added, on any thread and without a lock; it must not block.
pub type Listener = Arc<dyn Fn() + Send + Sync>;

/// A running end of the app protocol. All methods may be called from any thread.
///
/// The app must read its events: while more than a few hundred lie unread, nothing is taken from the tunnel,
/// and the other end waits. Dropping the link ends the engine without waiting for anything.
pub struct AppLink {
    shared: Arc<LinkShared>,
}

struct LinkShared {
    engine: Engine,
    inner: Mutex<LinkInner>,
    /// Signalled when there is an event.
    news: Condvar,
    /// Signalled when a wait for credit, or for an empty queue, may be over.
    progress: Condvar,
}

struct LinkInner {
    end: AppEnd,
    /// The start of the end's time.
    began_at: Instant,
    /// Taken from the end and not accepted by the tunnel yet.
    held: Option<Vec<u8>>,
    inbox: Inbox,
    listener: Option<Listener>,
    /// The app has dropped its handle.
    is_abandoned: bool,
}

/// Life.
impl AppLink {
    /// Takes over an engine. This end introduces itself as `hello`.
    ///
    /// # Errors
    /// The pair does not speak the app protocol, or the system gave no random bytes.
    pub fn start(engine: Engine, hello: Hello) -> Result<Self, LinkError> {
        if !engine.speaks_app() {
            return Err(LinkError::Bare);
        }
        keep_freed_memory();
        let mut nonce = [0; 8];
        SystemEntropy.fill(&mut nonce)?;
        let end = AppEnd::new(engine.role(), hello, u64::from_be_bytes(nonce));
        let inner = LinkInner {
            end,
            began_at: Instant::now(),
            held: None,
            inbox: Inbox::default(),
            listener: None,
            is_abandoned: false,
        };
        let (inner, news, progress) = (Mutex::new(inner), Condvar::new(), Condvar::new());
        let shared = Arc::new(LinkShared { engine, inner, news, progress });
        let reading = Arc::downgrade(&shared);
        shared.engine.set_reader(Arc::new(move || {
            if let Some(shared) = reading.upgrade() {
                shared.take_in();
            }
        }));
        // What came before.
        shared.take_in();
        Ok(AppLink { shared })
    }

    /// The engine, for its user's word (`allow`, `deny`, `forget`), its state, and the network. Its events
    /// and messages are the link's.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// Calls `listener` after events were added: for an app whose thread waits for other things too. It reads
    /// them by [`AppLink::next_events`] with a timeout of zero, until that gives no more.
    pub fn set_listener(&self, listener: Listener) {
        self.shared.lock().listener = Some(listener);
    }

    /// Waits until the other app has taken every message that was accepted, at most `timeout`.
    ///
    /// # Errors
    /// It has not, or the engine has stopped.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let deadline = Instant::now().checked_add(timeout);
        self.shared.wait_for_progress(deadline, |inner| {
            (inner.held.is_some() || inner.end.buffered().0 > 0).then_some(())
        });
        let left = deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
        let waits = self.shared.lock().end.buffered().0 > 0;
        match self.shared.engine.flush(left) {
            Ok(()) if waits => Err(FlushError { unacknowledged: 1 }),
            flushed => flushed,
        }
    }

    /// Ends the engine as [`Engine::close`] does. Call [`AppLink::flush`] before to be sure of every message.
    pub fn close(&self) {
        self.shared.engine.close();
    }
}

/// Channels. Each method is [`AppEnd`]'s of the same name.
impl AppLink {
    /// The next events, at most `max` of them; waits at most `timeout` for the first. Empty if none came, and
    /// at once after `Stopped` was read.
    pub fn next_events(&self, max: usize, timeout: Duration) -> Vec<LinkEvent> {
        let deadline = Instant::now().checked_add(timeout);
        let mut inner = self.shared.lock();
        while inner.inbox.is_empty() && !inner.inbox.is_over() {
            let waited;
            (inner, waited) = wait(&self.shared.news, inner, deadline);
            if !waited {
                return Vec::new();
            }
        }
        let was_full = inner.inbox.is_full();
        let events = inner.inbox.take(max);
        drop(inner);
        if was_full {
            self.shared.take_in();
        }
        events
    }

    /// As [`AppEnd::is_ready`].
    pub fn is_ready(&self) -> bool {
        self.shared.lock().end.is_ready()
    }

    /// As [`AppEnd::ignored`].
    pub fn ignored(&self) -> Ignored {
        self.shared.lock().end.ignored()
    }

    /// As [`AppEnd::set_desk`].
    pub fn set_desk(&self, desk: DeskInfo) {
        self.shared.with(|end| end.set_desk(desk));
    }

    /// As [`AppEnd::set_hidden`].
    pub fn set_hidden(&self, hidden: bool) {
        self.shared.with(|end| end.set_hidden(hidden));
    }

    /// As [`AppEnd::open`].
    ///
    /// # Errors
    /// Nothing was opened; the error says why.
    pub fn open(&self, kind: Kind, params: &str) -> Result<ChannelId, OpenError> {
        self.shared.with(|end| end.open(kind, params))
    }

    /// As [`AppEnd::accept`].
    ///
    /// # Errors
    /// The channel is gone, or was answered before, or the parameters can't be sent.
    pub fn accept(&self, ch: ChannelId, params: &str) -> Result<(), ChannelError> {
        self.shared.with(|end| end.accept(ch, params))
    }

    /// As [`AppEnd::refuse`].
    ///
    /// # Errors
    /// The channel is gone, or was answered before.
    pub fn refuse(&self, ch: ChannelId, reason: Reason) -> Result<(), ChannelError> {
        self.shared.with(|end| end.refuse(ch, reason))
    }

    /// Sends one message on a channel; waits at most `timeout` for credit.
    ///
    /// # Errors
    /// Nothing was accepted: `Full` after `timeout`, everything else at once.
    pub fn send(&self, ch: ChannelId, payload: &[u8], timeout: Duration) -> Result<(), ChannelError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut sent = Ok(());
        self.shared.wait_for_progress(deadline, |inner| {
            sent = inner.end.send(ch, payload);
            matches!(sent, Err(ChannelError::Full(_))).then_some(())
        });
        self.shared.with(|_| sent)
    }

    /// As [`AppEnd::send`]: never waits.
    ///
    /// # Errors
    /// Nothing was accepted. After `Full`, `Writable` follows.
    pub fn try_send(&self, ch: ChannelId, payload: &[u8]) -> Result<(), ChannelError> {
        self.shared.with(|end| end.send(ch, payload))
    }

    /// Sends messages from the front of a queue, as far as they are accepted now; each as
    /// [`AppEnd::send_owned`].
    ///
    /// # Errors
    /// The first message in the queue was not accepted. After `Full`, `Writable` follows.
    pub fn try_send_all(&self, ch: ChannelId, messages: &mut VecDeque<Vec<u8>>) -> Result<(), ChannelError> {
        self.shared.with(|end| {
            while let Some(message) = messages.front_mut() {
                end.send_owned(ch, message)?;
                messages.pop_front();
            }
            Ok(())
        })
    }

    /// As [`AppEnd::message_len`].
    pub fn message_len(&self, ch: ChannelId) -> usize {
        self.shared.lock().end.message_len(ch)
    }

    /// As [`AppEnd::consumed`].
    pub fn consumed(&self, ch: ChannelId, bytes: usize) {
        self.shared.with(|end| end.consumed(ch, bytes));
    }

    /// As [`AppEnd::end`].
    ///
    /// # Errors
    /// The channel is gone, not accepted yet, or was ended before.
    pub fn end(&self, ch: ChannelId) -> Result<(), ChannelError> {
        self.shared.with(|end| end.end(ch))
    }

    /// As [`AppEnd::reset`].
    ///
    /// # Errors
    /// The channel is gone.
    pub fn reset(&self, ch: ChannelId, reason: Reason) -> Result<(), ChannelError> {
        self.shared.with(|end| end.reset(ch, reason))
    }
}

impl Drop for AppLink {
    fn drop(&mut self) {
        self.shared.lock().is_abandoned = true;
        self.shared.engine.abandon();
        self.shared.news.notify_all();
        self.shared.progress.notify_all();
    }
}

impl LinkShared {
    fn lock(&self) -> MutexGuard<'_, LinkInner> {
        // The machine checks its input; a panic elsewhere does not leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the end one input of the app, and passes on what came of it.
    fn with<T>(&self, input: impl FnOnce(&mut AppEnd) -> T) -> T {
        let mut inner = self.lock();
        let done = input(&mut inner.end);
        self.settle(inner);
        done
    }

    /// From the engine to the end, while the inbox has room: when the engine has events, and when there is
    /// room again.
    fn take_in(&self) {
        let mut inner = self.lock();
        while !inner.inbox.is_full() && !inner.is_abandoned {
            // Under the lock, as two threads may be here and the events have an order.
            let events = self.engine.next_events(BATCH, Duration::ZERO);
            if events.is_empty() {
                break;
            }
            events.into_iter().for_each(|event| inner.take(event));
        }
        self.settle(inner);
        self.progress.notify_all();
    }

    /// After each input: the end's events to the app, its messages to the tunnel as far as that takes them.
    /// An acknowledgement is an event of the engine, so there is another call when there is room again.
    fn settle(&self, mut inner: MutexGuard<'_, LinkInner>) {
        inner.pump(&self.engine);
        if !inner.inbox.take_changed() {
            return;
        }
        let listener = inner.listener.clone();
        drop(inner);
        self.news.notify_all();
        if let Some(listener) = listener {
            listener();
        }
    }

    /// Tries until there is nothing to wait for, or `deadline` is over; again whenever there is progress.
    fn wait_for_progress(
        &self,
        deadline: Option<Instant>,
        mut waits: impl FnMut(&mut LinkInner) -> Option<()>,
    ) {
        let mut inner = self.lock();
        while waits(&mut inner).is_some() && !inner.inbox.is_over() {
            let waited;
            (inner, waited) = wait(&self.progress, inner, deadline);
            if !waited {
                return;
            }
        }
    }
}

impl LinkInner {
    fn take(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Message(message) => self.end.on_message(message.bytes, self.began_at.elapsed()),
            EngineEvent::Acknowledged(_) => {}
            event => {
                match &event {
                    EngineEvent::Opened { .. } => self.end.on_open(),
                    EngineEvent::Restarted { .. } => {
                        // It was for the old process.
                        self.held = None;
                        self.end.on_restart();
                    }
                    _ => {}
                }
                self.inbox.push(LinkEvent::Engine(event));
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(event) = self.end.poll_event() {
            self.inbox.push(LinkEvent::App(event));
        }
    }

    fn pump(&mut self, engine: &Engine) {
        self.collect();
        let now = self.began_at.elapsed();
        let (end, held) = (&mut self.end, &mut self.held);
        // Bulk takes at most half of what the tunnel keeps, so there is room for what is typed meanwhile.
        let waiting = engine.send_all(|is_half_free| {
            let urgent = held.take().or_else(|| end.poll_interactive(now));
            urgent.or_else(|| if is_half_free { end.poll_bulk(now) } else { None })
        });
        self.held = waiting;
    }
}

/// Lets the allocator keep a few MiB of freed memory for the next messages. glibc gives freed memory back to
/// the system page by page, and getting pages again costs more than the bytes in them; the limit of what it
/// keeps grows with the longest block that was freed. Elsewhere this does nothing.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(KEPT_BYTES)));
}

const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// Events of the engine that are taken at once.
const BATCH: usize = 64;

fn wait<'a>(
    signal: &Condvar,
    inner: MutexGuard<'a, LinkInner>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, LinkInner>, bool) {
    let Some(deadline) = deadline else {
        return (signal.wait(inner).unwrap_or_else(PoisonError::into_inner), true);
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return (inner, false);
    }
    (signal.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0, true)
}

//! What lies between the app's threads and the driver's: frames to send and events to read, both bounded.
//!
//! Full has one outcome each: a full outbox makes `send` wait (and `try_send` say so); a full inbox makes the
//! driver leave the socket unread, so that the relay slows the other role down. Nothing is dropped without a
//! count. The lock is held for queue operations only, never over I/O.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use protocol::close::CloseCode;
use protocol::ids::Role;
use protocol::message::KillReason;
use tungstenite::{Bytes, Message};

use crate::driver::Wake;
use crate::driver::app::App;
use crate::event::{ClientEvent, Lost, Stop};
use crate::outbox::{ClientSendError, Gate, Outbox};
use crate::session::Input;

/// Unread events of at most this many bytes, and one more message.
const INBOX_BYTES_MAX: usize = 1 << 20;
/// At most this many unread events, and the few that one message or one loss brings.
const INBOX_EVENTS_MAX: usize = 256;

/// The two queues and the condition variables of their waiters.
pub(crate) struct Mailbox {
    state: Mutex<Queues>,
    /// Signalled when the outbox has room or its gate moved.
    room: Condvar,
    /// Signalled when there is an event.
    news: Condvar,
    /// Wakes the driver.
    wake: Wake,
    /// This client's.
    role: Role,
}

struct Queues {
    outbox: Outbox,
    inbox: VecDeque<ClientEvent>,
    inbox_bytes: usize,
    /// The driver left the socket unread for want of room here.
    reading_paused: bool,
    stopped: bool,
    /// An input that the driver has not taken yet.
    input: Option<Input>,
    abandoned: bool,
    /// The relay has accepted this client once.
    was_connected: bool,
    /// Since then the relay has no such session.
    away_since: Option<SystemTime>,
}

impl Mailbox {
    /// Empty, gate shut. `wake` must make the driver's poll return and may be called from any thread.
    pub(crate) fn new(wake: Wake, role: Role) -> Self {
        let state = Queues {
            outbox: Outbox::default(),
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            reading_paused: false,
            stopped: false,
            input: None,
            abandoned: false,
            was_connected: false,
            away_since: None,
        };
        Mailbox { state: Mutex::new(state), room: Condvar::new(), news: Condvar::new(), wake, role }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        // No code under the lock can leave the queues half changed, so a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The app's side.
impl Mailbox {
    /// Waits for room, then queues. Ends early when the link does.
    pub(crate) fn send(&self, mut message: Message) -> Result<(), ClientSendError> {
        let mut state = self.lock();
        loop {
            let was_empty = state.outbox.is_empty();
            match state.outbox.push(message) {
                Ok(()) => {
                    drop(state);
                    self.wake_if(was_empty);
                    return Ok(());
                }
                Err((ClientSendError::Full, back)) => message = back,
                Err((error, _)) => return Err(error),
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Queues, or says why not.
    pub(crate) fn try_send(&self, message: Message) -> Result<(), ClientSendError> {
        let mut state = self.lock();
        let was_empty = state.outbox.is_empty();
        state.outbox.push(message).map_err(|(error, _)| error)?;
        drop(state);
        self.wake_if(was_empty);
        Ok(())
    }

    /// The oldest unread event; waits for one until `timeout` is over.
    pub(crate) fn next_event(&self, timeout: Duration) -> Option<ClientEvent> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        loop {
            if let Some(event) = state.inbox.pop_front() {
                state.inbox_bytes -= bytes_of(&event);
                let resume = state.reading_paused && state.inbox_is_half_empty();
                state.reading_paused &= !resume;
                drop(state);
                self.wake_if(resume);
                return Some(event);
            }
            if state.stopped {
                return None;
            }
            // A timeout beyond the clock's range is for ever.
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if left.is_zero() {
                return None;
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Refuses further sends and asks the driver to end.
    pub(crate) fn request_close(&self) {
        let mut state = self.lock();
        state.input = Some(Input::Close);
        state.outbox.shut(Gate::Closed);
        drop(state);
        self.room.notify_all();
        (self.wake)();
    }

    /// As `request_close`, and the handle is gone.
    pub(crate) fn abandon(&self) {
        self.lock().abandoned = true;
        self.request_close();
    }

    fn wake_if(&self, needed: bool) {
        if needed {
            (self.wake)();
        }
    }
}

/// The driver's side. None of these block.
impl App for Arc<Mailbox> {
    fn poll_input(&mut self) -> Option<Input> {
        self.lock().input.take()
    }

    /// The other end would send it again.
    fn on_too_long(&mut self, message: String) -> Input {
        Input::Impossible(Stop::Refused { code: CloseCode::TooBig.code(), message })
    }

    fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    fn on_link(&mut self, missed: u64, message_bytes_max: usize) {
        self.lock().outbox.open(message_bytes_max);
        self.tell(ClientEvent::Joined { missed });
    }

    /// Drops what waits, and says how much.
    fn on_unlink(&mut self) {
        let unsent = self.lock().outbox.shut_and_drop(Gate::NotLinked);
        self.room.notify_all();
        self.tell(ClientEvent::Left { unsent });
    }

    fn on_binary(&mut self, bytes: Bytes) {
        self.tell(ClientEvent::Binary(bytes.into()));
    }

    /// Plain frames have no other session to go to, and only its owner may register it again.
    fn on_session_gone(&mut self, why: Stop) {
        let mut state = self.lock();
        // The app's own wish comes first, and ends it anyway.
        if state.input.is_some() {
            return;
        }
        let was_deleted = matches!(why, Stop::Killed { reason: Some(KillReason::Deleted) });
        state.input = Some(if was_deleted || !state.was_connected {
            Input::Impossible(why)
        } else {
            let since = *state.away_since.get_or_insert_with(SystemTime::now);
            Input::NotRegistered(Lost::away(self.role, since, why.to_string()))
        });
    }

    fn stop(&mut self, why: Stop) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        let unsent = state.outbox.shut_and_drop(Gate::Closed);
        state.stopped = true;
        state.push_event(ClientEvent::Stopped { why, unsent });
        drop(state);
        self.room.notify_all();
        self.news.notify_all();
    }

    /// Queues an event. The bound is kept by not reading while `pause_if_full` says so.
    fn tell(&mut self, event: ClientEvent) {
        let mut state = self.lock();
        if event == ClientEvent::Connected {
            state.was_connected = true;
            state.away_since = None;
        }
        state.push_event(event);
        drop(state);
        self.news.notify_one();
    }

    /// If not, the driver is woken when half of the inbox has been read.
    fn pause_if_full(&mut self) -> bool {
        let mut state = self.lock();
        state.reading_paused = state.inbox_is_full();
        state.reading_paused
    }

    fn next_outgoing(&mut self) -> Option<Message> {
        let message = self.lock().outbox.pop()?;
        self.room.notify_all();
        Some(message)
    }
}

impl Queues {
    fn push_event(&mut self, event: ClientEvent) {
        // Unread retries replace one another; only the newest is news.
        let is_retry = |event: &ClientEvent| matches!(event, ClientEvent::Reconnecting { .. });
        if is_retry(&event) && self.inbox.back().is_some_and(is_retry) {
            self.inbox.pop_back();
        }
        self.inbox_bytes += bytes_of(&event);
        self.inbox.push_back(event);
    }

    fn inbox_is_full(&self) -> bool {
        self.inbox.len() >= INBOX_EVENTS_MAX || self.inbox_bytes >= INBOX_BYTES_MAX
    }

    fn inbox_is_half_empty(&self) -> bool {
        self.inbox.len() <= INBOX_EVENTS_MAX / 2 && self.inbox_bytes <= INBOX_BYTES_MAX / 2
    }
}

fn bytes_of(event: &ClientEvent) -> usize {
    match event {
        ClientEvent::Text(text) => text.len(),
        ClientEvent::Binary(bytes) => bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A mailbox and how often it woke the driver.
    fn mailbox() -> (Arc<Mailbox>, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let wake = move || {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        (Arc::new(Mailbox::new(Box::new(wake), Role::Phone)), wakes)
    }

    #[test]
    fn reading_stops_at_the_bound_and_goes_on_at_half_of_it() {
        for len in [1, INBOX_BYTES_MAX / 8] {
            let (mut mailbox, wakes) = mailbox();
            let mut told = 0;
            while !mailbox.pause_if_full() {
                mailbox.tell(ClientEvent::Binary(vec![0; len]));
                told += 1;
            }
            assert_eq!(told, INBOX_EVENTS_MAX.min(INBOX_BYTES_MAX / len));
            for read in 1..=told {
                assert!(mailbox.next_event(Duration::ZERO).is_some());
                assert_eq!(wakes.load(Ordering::Relaxed), usize::from(read >= told / 2), "{read} of {told}");
            }
            assert_eq!(mailbox.next_event(Duration::ZERO), None);
        }
    }

    #[test]
    fn only_the_first_message_wakes_the_driver() {
        let (mut mailbox, wakes) = mailbox();
        mailbox.on_link(0, usize::MAX);
        for _ in 0..10 {
            mailbox.try_send(Message::text("x")).unwrap();
        }
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        while mailbox.next_outgoing().is_some() {}
        mailbox.send(Message::text("x")).unwrap();
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn retries_that_nobody_reads_about_take_one_place() {
        let (mut mailbox, _) = mailbox();
        let retry =
            |secs| ClientEvent::Reconnecting { after: Duration::from_secs(secs), why: Lost::EventsUnread };
        (0..1000).for_each(|secs| mailbox.tell(retry(secs)));
        assert_eq!(mailbox.next_event(Duration::ZERO), Some(retry(999)));
        assert_eq!(mailbox.next_event(Duration::ZERO), None);
    }

    #[test]
    fn the_end_comes_once_with_the_count_and_lets_nobody_wait() {
        let (mut mailbox, _) = mailbox();
        mailbox.on_link(0, usize::MAX);
        mailbox.try_send(Message::text("x")).unwrap();
        mailbox.stop(Stop::Replaced);
        mailbox.stop(Stop::Closed);
        assert_eq!(mailbox.send(Message::text("x")), Err(ClientSendError::Closed));
        assert_eq!(mailbox.next_event(Duration::MAX), Some(ClientEvent::Joined { missed: 0 }));
        let end = ClientEvent::Stopped { why: Stop::Replaced, unsent: 1 };
        assert_eq!(mailbox.next_event(Duration::MAX), Some(end));
        assert_eq!(mailbox.next_event(Duration::MAX), None);
    }
}

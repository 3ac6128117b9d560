//! The driver: one thread that holds the connection, feeds the session machine and carries out what it says.
//!
//! It owns the poll, the socket and the only clock. It sleeps in the poll until the socket, the app, a
//! finished connect or the machine's next deadline needs it, so a send goes out at once and nothing wakes
//! without cause. It decides nothing: what to do is the machine's to say. Started by `Client`; connecting
//! itself blocks and is done on a thread of its own ([`dial`]).

pub(crate) mod app;
mod connection;
mod dial;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use tungstenite::Message;

use crate::event::{ClientEvent, Lost, Stop};
use crate::net::way::Way;
use crate::session::{Action, Identity, Input, Session};
use crate::settings::ConnectionSettings;
use app::App;
use connection::{Connection, Flow, Received};
use dial::Dial;

const WAKER: Token = Token(0);
const SOCKET: Token = Token(1);
/// Messages read, and messages written, before the other direction has its turn.
const TURN_MESSAGES_MAX: usize = 64;

/// What wakes a driver. May be called from any thread, and after the driver's end.
pub(crate) type Wake = Box<dyn Fn() + Send + Sync>;

/// A driver that does not run yet: the app's side is made out of what wakes it.
pub(crate) struct Start {
    poll: Poll,
    waker: Arc<Waker>,
}

impl Start {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Start { poll, waker })
    }

    /// What wakes the driver.
    pub(crate) fn wake(&self) -> Wake {
        let waker = Arc::clone(&self.waker);
        // Waking can only fail if the driver's poll is gone; then there is no thread to wake.
        Box::new(move || drop(waker.wake()))
    }

    /// Starts the thread; it ends by itself when the client has stopped or was abandoned.
    pub(crate) fn run<A: App + Send + 'static>(self, settings: ConnectionSettings, app: A) -> io::Result<()> {
        let identity = Identity {
            session: settings.session,
            token: settings.token,
            role: settings.role,
            instance: random_u64()?,
        };
        let session = Session::new(identity, random_u64()?, Instant::now());
        let Start { poll, waker } = self;
        let (dial, connection, failed) = (None, None, None);
        let driver = Driver { poll, waker, session, app, settings, dial, connection, failed, stopped: false };
        thread::Builder::new().name("relay-client".into()).spawn(move || driver.run())?;
        Ok(())
    }
}

struct Driver<A: App> {
    poll: Poll,
    waker: Arc<Waker>,
    session: Session,
    app: A,
    settings: ConnectionSettings,
    /// A connect under way. Never with a connection at the same time.
    dial: Option<Dial>,
    connection: Option<Connection>,
    /// The way that was tried last and led to no relay: the next connect starts behind it.
    failed: Option<Way>,
    stopped: bool,
}

impl<A: App> Driver<A> {
    fn run(mut self) {
        self.carry_out(Instant::now());
        self.app.give_events();
        let mut events = Events::with_capacity(8);
        let mut more = false;
        while !self.stopped {
            let timeout = if more { Some(Duration::ZERO) } else { self.until_deadline() };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return self.app.stop(Stop::Fault(format!("poll failed: {error}")));
                }
                _ => more = self.turn(Instant::now()),
            }
        }
    }

    /// One round through everything that may need work; true if some is left over. Trying a read and a flush
    /// that have nothing to do costs one system call each, and no readiness needs to be remembered.
    fn turn(&mut self, now: Instant) -> bool {
        self.app.begin_turn();
        self.take_inputs(now);
        self.finish_dial(now);
        let unread = self.read(now);
        self.feed(Input::Tick, now);
        // What the app answers at once goes out in this turn.
        self.app.give_events();
        let unwritten = self.write(now);
        // Writing may have made room for more of the app's messages.
        self.take_inputs(now);
        self.app.give_events();
        unread || unwritten
    }

    fn until_deadline(&mut self) -> Option<Duration> {
        let due_at = self.session.next_deadline();
        let of_session = due_at.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        [of_session, self.app.due_in()].into_iter().flatten().min()
    }

    /// One input, then all that follows from it.
    fn feed(&mut self, input: Input, now: Instant) {
        self.session.handle(input, now);
        self.carry_out(now);
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(action) = self.session.poll_action() {
            self.perform(action, now);
        }
    }

    fn perform(&mut self, action: Action, now: Instant) {
        match action {
            Action::Connect => self.dial = Some(self.begin_dial(now)),
            Action::Send(text) => {
                if let Some(connection) = &mut self.connection {
                    connection.queue_control(text);
                }
            }
            Action::Link { missed, message_bytes_max } => {
                let max = message_bytes_max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
                self.app.on_link(missed, max);
            }
            Action::Unlink => self.app.on_unlink(),
            Action::Tell(event) => {
                if event == ClientEvent::Connected {
                    self.failed = None;
                    self.connection.iter_mut().for_each(Connection::on_accepted);
                }
                self.app.tell(event);
            }
            Action::Deliver(bytes) => self.app.on_binary(bytes),
            Action::CloseWhenWritten => {
                if let Some(connection) = &mut self.connection {
                    connection.close_when_written();
                }
            }
            Action::Look => {
                if let Some(connection) = &self.connection {
                    self.session.handle(Input::Delivered(connection.delivered()), now);
                }
            }
            Action::Disconnect => {
                let tried = self.dial.take().and_then(|dial| dial.way().cloned());
                let left = self.connection.take().and_then(|connection| connection.unaccepted().cloned());
                self.failed = tried.or(left).or(self.failed.take());
            }
            Action::SessionGone(why) => self.app.on_session_gone(why),
            Action::Stop(why) => {
                self.app.stop(why);
                self.stopped = true;
            }
        }
    }

    fn begin_dial(&mut self, now: Instant) -> Dial {
        // An app that reads nothing would pile up events of one connection after the other.
        if self.app.pause_if_full() {
            return Dial::failed(Input::Lost(Lost::EventsUnread), &self.waker);
        }
        Dial::start(&self.settings, self.session.id(), self.failed.as_ref(), now, &self.waker)
    }

    fn take_inputs(&mut self, now: Instant) {
        while let Some(input) = self.app.poll_input() {
            self.feed(input, now);
        }
        if self.app.is_abandoned() {
            self.stopped = true;
            if let Some(connection) = &mut self.connection {
                connection.close_now();
            }
        }
    }

    fn finish_dial(&mut self, now: Instant) {
        let Some(outcome) = self.dial.as_ref().and_then(Dial::outcome) else { return };
        let tried = self.dial.take().and_then(|dial| dial.way().cloned());
        match outcome.and_then(|socket| {
            Connection::new(socket, self.poll.registry(), SOCKET)
                .map_err(|error| Input::Lost(Lost::Broken(error.to_string())))
        }) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.feed(Input::Connected, now);
            }
            Err(input) => {
                self.failed = tried.or(self.failed.take());
                self.feed(input, now);
            }
        }
    }

    /// Reads from the relay while the app has room; true if there may be more right now.
    fn read(&mut self, now: Instant) -> bool {
        for _ in 0..TURN_MESSAGES_MAX {
            if self.connection.is_none() {
                return false;
            }
            if self.app.pause_if_full() {
                // While the socket is not read, silence says nothing about the connection.
                self.feed(Input::Heard, now);
                return false;
            }
            let Some(connection) = &mut self.connection else { return false };
            let received = connection.receive();
            if connection.heard_something() {
                self.feed(Input::Heard, now);
            }
            match received {
                Received::Nothing => return false,
                Received::Ignored => {}
                Received::Input(input) => {
                    self.feed(input, now);
                    self.take_inputs(now);
                }
                Received::TooLong(words) => {
                    let input = self.app.on_too_long(words);
                    self.feed(input, now);
                }
            }
        }
        true
    }

    /// Writes what waits, as long as the socket takes it; true if there may be more and it would.
    fn write(&mut self, now: Instant) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let app = &mut self.app;
        let before = connection.bytes_out();
        let mut left = TURN_MESSAGES_MAX;
        let mut has_more = true;
        let next = || -> Option<Message> {
            left = left.checked_sub(1)?;
            let message = app.next_outgoing();
            has_more = message.is_some();
            message
        };
        let written = connection.transmit(next);
        if connection.bytes_out() > before {
            self.session.handle(Input::Sent, now);
        }
        match written {
            Ok(Flow::Blocked) => false,
            Ok(Flow::Free) if has_more => true,
            Ok(Flow::Free) => {
                connection.on_all_written();
                false
            }
            Err(input) => {
                self.feed(input, now);
                false
            }
        }
    }
}

impl<A: App> Drop for Driver<A> {
    fn drop(&mut self) {
        // However this thread ends, its waiters must be woken.
        self.app.stop(Stop::Fault("its thread ended".into()));
    }
}

fn random_u64() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(format!("no random bits from the system: {error}")))
}

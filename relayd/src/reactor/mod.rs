//! The reactor: one thread, all sockets, never blocking.
//!
//! `Reactor::turn` is the whole of it: poll, dispatch, serve who has work, drain the store, timers, flush, accept.
//! Owns the sockets, the buffers and the clock; asks the core for every decision and the backend for everything that
//! may wait. Only this folder names `mio`.

mod accept;
mod admit;
mod apply;
mod between;
mod clock;
mod connection;
mod conns;
mod exchange;
mod forward;
mod memory;
mod notes;
mod read;
mod signals;
mod write;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use relayd_core::event::Input;
use relayd_core::limits::Limits;
use relayd_core::relay::{Relay, STOPPED_AFTER};
use relayd_core::store::Conn;
use relayd_core::time::Time;

use self::accept::Acceptor;
use self::clock::Clock;
use self::conns::Conns;
use self::memory::LargeGate;
use self::signals::StopSignals;
use crate::admission::{Admission, AdmissionLimits};
use crate::backend::{Backend, Status};
use crate::http::Policy;
use crate::metrics::Metrics;

pub use self::accept::bind;

/// What the reactor follows besides the core's limits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the core may use.
    pub limits: Limits,
    /// The rules of the endpoints.
    pub policy: Policy,
    /// What clients are told to connect to.
    pub ws_url: String,
    /// How long a stop may take.
    pub drain: Duration,
    /// How many may come in.
    pub admission: AdmissionLimits,
    /// Descriptors that were not in use when the listener stood; `None` where that is not known.
    pub descriptors_left: Option<usize>,
}

/// One thread's worth of relay.
pub struct Reactor {
    poll: Poll,
    events: Events,
    settings: Settings,
    acceptor: Option<Acceptor>,
    signals: Option<StopSignals>,
    stop: Arc<AtomicBool>,
    /// Set while the reactor drains: when it ends whatever is left.
    drain_until: Option<Time>,
    clock: Clock,
    conns: Conns,
    gate: LargeGate,
    admission: Admission,
    /// It was said that a proxy on this machine is not trusted.
    has_warned_of_proxy: bool,
    relay: Relay,
    backend: Backend,
    /// How often the backend had come back when that was last looked at.
    restored: u64,
    /// What was last logged of the store.
    store_logged: Status,
    /// Where a packet for another node is written before it is handed to the backend.
    packet: Vec<u8>,
    /// The last turn ended with messages of the bus left.
    has_more_messages: bool,
    /// When this node last subscribed anew because it heard nothing.
    listened_at: Option<Time>,
    /// The last turn ended with answers of the store left.
    has_more_answers: bool,
    /// Turns in a row that put timers off.
    deferred_due: u32,
    /// Connections that had no room for a notice, and are about to be closed for it.
    overflowed: Vec<Conn>,
    metrics: Metrics,
    /// The one read buffer: what was parked, and behind it what a read brings.
    read_buffer: Box<[u8]>,
    /// Where HTTP answers are written before they are queued.
    answer: Vec<u8>,
}

/// Makes a running reactor stop, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);

/// Answers of the store that one turn carries out at most, so that sockets are served in between.
const ANSWERS_PER_TURN: usize = 1024;

/// Turns in a row that may put timers off because more events wait.
const DEFERRALS_MAX: u32 = 64;

/// After a turn that began so long after the last one, nobody is judged before one more poll.
const POLL_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Events that one poll brings at most.
const EVENTS_PER_TURN: usize = 1024;

/// What must exist before the reactor does: the poll that everything registers with, and what wakes it.
#[derive(Debug)]
pub struct Wakeable {
    poll: Poll,
    waker: Arc<Waker>,
}

impl Wakeable {
    /// A poll and its waker.
    ///
    /// # Errors
    /// The operating system gave no epoll instance or eventfd.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Wakeable { poll, waker })
    }

    /// What the backend's threads call when they have answers.
    pub fn wake(&self) -> impl Fn() + Send + Clone + 'static {
        let waker = Arc::clone(&self.waker);
        move || {
            // A failed wake is made good by the backend's own deadline.
            if let Err(error) = waker.wake() {
                tracing::warn!(%error, "the reactor could not be woken");
            }
        }
    }
}

impl Reactor {
    /// Around a bound listener. `relay` and `backend` know the same node.
    ///
    /// # Errors
    /// A socket could not be registered.
    pub fn new(
        wakeable: Wakeable,
        listener: std::net::TcpListener,
        relay: impl FnOnce(Time) -> Relay,
        backend: Backend,
        settings: Settings,
    ) -> io::Result<(Self, Stopper)> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopper = Stopper { stop: Arc::clone(&stop), waker: wakeable.waker };
        let clock = Clock::start();
        let reactor = Reactor {
            acceptor: Some(Acceptor::new(
                listener,
                accept::Room::of(&settings),
                wakeable.poll.registry(),
                LISTENER,
            )?),
            relay: relay(clock.now()),
            poll: wakeable.poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            signals: None,
            stop,
            drain_until: None,
            clock,
            conns: Conns::default(),
            gate: LargeGate::default(),
            admission: Admission::new(&settings.admission),
            has_warned_of_proxy: false,
            settings,
            restored: backend.restored(),
            store_logged: backend.status().clone(),
            backend,
            packet: Vec::new(),
            has_more_messages: false,
            listened_at: None,
            has_more_answers: false,
            deferred_due: 0,
            overflowed: Vec::new(),
            metrics: Metrics::default(),
            read_buffer: vec![0; read::BUFFER_BYTES].into_boxed_slice(),
            answer: Vec::new(),
        };
        Ok((reactor, stopper))
    }

    /// SIGTERM and SIGINT stop the reactor from here on.
    ///
    /// # Errors
    /// The handlers could not be installed.
    pub fn stop_on_signals(&mut self) -> io::Result<()> {
        self.signals = Some(StopSignals::new(self.poll.registry(), SIGNALS)?);
        Ok(())
    }

    /// Serves until it is stopped, then drains for at most [`Settings::drain`] and lets the store know who left.
    ///
    /// # Errors
    /// The operating system's poll failed, which nothing can mend.
    pub fn run(mut self) -> io::Result<()> {
        while !self.is_done() {
            self.turn()?;
        }
        let abandoned = self.conns.len();
        if abandoned > 0 {
            tracing::warn!(connections = abandoned, "the drain time is over; the rest is cut off");
        }
        self.abandon_all();
        self.backend.flush_and_stop(self.clock.now(), STORE_FLUSH);
        Ok(())
    }

    /// One turn of the loop.
    fn turn(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        match self.poll.poll(&mut self.events, timeout) {
            // The next poll brings what waits. Judging anybody's silence before would be rash.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        self.clock.tick();
        let passed = self.clock.gap();
        if !self.relay.is_alone() && passed > STOPPED_AFTER {
            tracing::warn!("this node stood still: clients are read again once it knows what it missed");
            self.handle(Input::Revived);
        }
        // A stop may have come between the poll and the look at the clock: then these events are older than it is.
        let has_heard_all = self.dispatch() && passed < POLL_AGAIN_AFTER;
        self.conns.take_up_unfinished();
        self.serve_ready();
        self.drain_bus();
        self.drain_backend();
        self.on_due(has_heard_all);
        self.flush_dirty();
        self.publish();
        self.listen_again();
        self.bound_memory();
        self.accept();
        if self.drain_until.is_none() && self.stop.load(Ordering::Acquire) {
            self.begin_drain();
        }
        Ok(())
    }

    /// Notes what each event says; the work comes after, in one order for all.
    ///
    /// True if no more events can be waiting behind these.
    fn dispatch(&mut self) -> bool {
        let mut count = 0;
        for event in &self.events {
            count += 1;
            match event.token() {
                LISTENER => {
                    if let Some(acceptor) = &mut self.acceptor {
                        acceptor.is_ready = true;
                    }
                }
                WAKER => {}
                SIGNALS => {
                    if self.signals.as_mut().is_some_and(StopSignals::came) {
                        self.stop.store(true, Ordering::Release);
                    }
                }
                Token(slot) => self.conns.note_event(slot, event),
            }
        }
        count < EVENTS_PER_TURN
    }

    /// Everybody who has something to read, or was told to look again, gets a turn of bounded length. What it sent is written
    /// at once, while it is in the processor's cache: nobody else sends to the same peer.
    fn serve_ready(&mut self) {
        let mut ready = self.conns.take_ready();
        for conn in ready.drain(..) {
            self.serve(conn);
            self.flush_dirty();
        }
        self.conns.return_emptied(ready);
    }

    fn drain_backend(&mut self) {
        let (now, mut budget) = (self.clock.now(), ANSWERS_PER_TURN);
        self.has_more_answers = loop {
            let Some(answer) = self.backend.drain(now) else { break false };
            self.handle(Input::Answered(answer));
            budget -= 1;
            if budget == 0 {
                break true;
            }
        };
        self.log_store();
        let restored = self.backend.restored();
        if restored != self.restored {
            self.restored = restored;
            self.handle(Input::StoreBack);
        }
    }

    /// Says when the store goes away, why when the reason changes, and when it is back.
    fn log_store(&mut self) {
        let status = self.backend.status();
        if *status == self.store_logged {
            return;
        }
        match status {
            Status::Available => tracing::info!("the store answers"),
            Status::Full { reason } => {
                tracing::warn!(%reason, "the store is full: open sessions go on, new ones are refused");
            }
            Status::Away { reason } => {
                tracing::warn!(%reason, "the store is away: open sessions go on, new ones are refused");
            }
        }
        self.store_logged = status.clone();
    }

    /// Timers fire after everybody was read: after a long stop, what came meanwhile counts first.
    fn on_due(&mut self, has_heard_all: bool) {
        let now = self.clock.now();
        if !has_heard_all && self.deferred_due < DEFERRALS_MAX {
            self.deferred_due += 1;
            return;
        }
        self.deferred_due = 0;
        if self.relay.poll_timeout().is_some_and(|due| due <= now) {
            self.handle(Input::Due);
        }
        while let Some(conn) = self.conns.deadlines.poll(now) {
            self.on_exchange_due(conn);
        }
    }

    /// How long the poll may wait: not at all while somebody has work left.
    fn timeout(&self) -> Option<Duration> {
        if self.has_more_answers
            || self.has_more_messages
            || self.conns.has_work()
            || self.acceptor.as_ref().is_some_and(Acceptor::has_more)
        {
            return Some(Duration::ZERO);
        }
        let accept_again = self.acceptor.as_ref().and_then(Acceptor::retry_at);
        let due = [
            self.relay.poll_timeout(),
            self.conns.deadlines.next(),
            self.backend.next_deadline(),
            self.drain_until,
            self.gate.turn_over_at(),
            accept_again,
        ];
        due.into_iter().flatten().min().map(|due| due.since(self.clock.now()))
    }

    fn begin_drain(&mut self) {
        let now = self.clock.now();
        tracing::info!(
            connections = self.conns.len(),
            "stopping: no new connections, the open ones are told"
        );
        self.drain_until = Some(now + self.settings.drain);
        self.acceptor = None;
        self.handle(Input::Drain { until: now + self.settings.drain });
        self.drain_exchanges();
    }

    fn is_done(&self) -> bool {
        let Some(until) = self.drain_until else { return false };
        // What was accepted for another node must be in its memory.
        (self.conns.is_empty() && self.relay.is_bus_idle()) || until <= self.clock.now()
    }
}

/// How long the store may take at a stop to hear who left.
const STORE_FLUSH: Duration = Duration::from_secs(2);

impl Stopper {
    /// Asks the reactor to stop; returns at once.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "the reactor could not be woken");
        }
    }
}

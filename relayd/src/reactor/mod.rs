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
mod large;
mod lobby;
mod look_up;
mod memory;
mod notes;
mod read;
mod refusals;
mod stop;
mod write;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use relayd_core::event::Input;
use relayd_core::limits::Limits;
use relayd_core::relay::{Relay, STOPPED_AFTER};
use relayd_core::store::{Conn, Request};
use relayd_core::time::Time;

use self::accept::Acceptor;
use self::clock::Clock;
use self::conns::Conns;
use self::large::LargeGate;
use self::lobby::Lobby;
use self::refusals::Refusals;
use self::stop::Stop;
use crate::admission::{Admission, AdmissionLimits, Lookups};
use crate::backend::{Backend, Status};
use crate::http::Policy;
use crate::metrics::Metrics;

pub use self::accept::{bind, is_family_unknown};
pub use self::stop::{StopTimes, Stopper};

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
    pub stop: StopTimes,
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
    stop: Stop,
    clock: Clock,
    conns: Conns,
    lobby: Lobby,
    gate: LargeGate,
    /// Over this large messages wait for room. In bytes.
    memory_free: usize,
    /// When it was last logged that connections before their hello held too much.
    early_logged_at: Option<Time>,
    admission: Admission,
    /// What waits to be looked up for addresses that have named too many sessions that are none.
    lookups: Lookups<Request>,
    /// Those that found no room there, and are about to be refused.
    crowded_out: Vec<Request>,
    refusals: Refusals,
    /// It was said that a proxy on this machine is not trusted.
    has_warned_of_proxy: bool,
    relay: Relay,
    backend: Backend,
    /// How often the backend had come back when that was last looked at.
    restored: u64,
    /// What was last logged of the store.
    store_logged: Status,
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

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

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
    stopper: Stopper,
}

impl Wakeable {
    /// A poll and its waker.
    ///
    /// # Errors
    /// The operating system gave no epoll instance or eventfd.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let stopper = Stopper::new(Arc::clone(&waker));
        Ok(Wakeable { poll, waker, stopper })
    }

    /// Stops the reactor that this becomes part of.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
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
    ) -> io::Result<Self> {
        let clock = Clock::start();
        Ok(Reactor {
            acceptor: Some(Acceptor::new(
                listener,
                accept::Room::of(&settings),
                wakeable.poll.registry(),
                LISTENER,
            )?),
            relay: relay(clock.now()),
            poll: wakeable.poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            stop: Stop::new(wakeable.stopper, settings.stop),
            clock,
            conns: Conns::default(),
            lobby: Lobby::new(settings.descriptors_left),
            gate: LargeGate::default(),
            memory_free: settings.limits.memory_free(),
            early_logged_at: None,
            admission: Admission::new(&settings.admission),
            lookups: Lookups::default(),
            crowded_out: Vec::new(),
            refusals: Refusals::default(),
            has_warned_of_proxy: false,
            settings,
            restored: backend.restored(),
            store_logged: backend.status().clone(),
            backend,
            has_more_messages: false,
            listened_at: None,
            has_more_answers: false,
            deferred_due: 0,
            overflowed: Vec::new(),
            metrics: Metrics::default(),
            read_buffer: vec![0; read::BUFFER_BYTES].into_boxed_slice(),
            answer: Vec::new(),
        })
    }

    /// Serves until it is stopped, then drains and lets the store know who left, all within [`StopTimes::total`].
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
        self.tell_last_refusals();
        self.abandon_all();
        self.backend.flush_and_stop(self.clock.now(), self.stop.store_flush());
        Ok(())
    }

    /// One turn of the loop.
    fn turn(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        let was_interrupted = match self.poll.poll(&mut self.events, timeout) {
            // The next poll brings what waits. The turn goes on, so that no deadline waits for the last signal of many.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            other => other.map(|()| false)?,
        };
        self.clock.tick();
        let passed = self.clock.gap();
        if !self.relay.is_alone() && passed > STOPPED_AFTER {
            tracing::warn!("this node stood still: clients are read again once it knows what it missed");
            self.handle(Input::Revived);
        }
        // Judging anybody's silence would be rash if not all events came, or if the process stood still between the poll
        // and the look at the clock: then these events are older than it is.
        let has_heard_all = self.dispatch() && !was_interrupted && passed < POLL_AGAIN_AFTER;
        self.conns.take_up_unfinished();
        self.serve_ready();
        self.drain_bus();
        self.look_up();
        self.drain_backend();
        self.on_due(has_heard_all);
        self.tell_refusals();
        self.flush_dirty();
        self.bound_memory();
        self.publish();
        self.listen_again();
        self.accept();
        self.follow_stop();
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
            self.lookups.next_due(),
            self.stop.next_due(),
            self.refusals.next_due(),
            self.lobby_due(),
            self.gate.next_look(),
            accept_again,
        ];
        due.into_iter().flatten().min().map(|due| due.since(self.clock.now()))
    }

    fn is_done(&self) -> bool {
        // What was accepted for another node must be in its memory.
        let is_idle = self.conns.is_empty() && self.relay.is_bus_idle();
        self.stop.is_draining() && (is_idle || self.stop.is_over(self.clock.now()))
    }
}

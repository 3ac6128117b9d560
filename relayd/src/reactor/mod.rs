//! The reactor: one thread, all sockets, never blocking.
//!
//! `Reactor::turn` is all of it: poll, dispatch, serve the connections that have work, drain the store,
//! timers, flush, accept. Owns the sockets, the buffers and the clock. Asks the core for every decision, and
//! the backend for everything that may wait. Only this folder names `mio`.

mod accept;
mod acceptor;
mod admin;
mod apply;
mod backend_watch;
mod between;
mod client_limits;
mod clock;
mod connection;
mod conns;
mod exchanges;
mod forward;
mod handshakes;
mod large;
mod listen;
mod live;
mod memory;
mod notes;
mod pulse;
mod read;
mod refusal_log;
mod remote_frames;
mod reports;
mod requests;
mod settings;
mod stop;
mod stream;
mod turn;
mod waiting_list;
mod wake;
mod write;

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};
use relayd_core::event::Input;
use relayd_core::relay::{Relay, STOPPED_AFTER};
use relayd_core::store::Conn;
use relayd_core::time::Time;

use self::acceptor::Acceptor;
use self::admin::Admin;
use self::backend_watch::BackendWatch;
use self::client_limits::ClientLimits;
use self::clock::Clock;
use self::conns::Conns;
use self::exchanges::Exchanges;
use self::forward::Forwarder;
use self::handshakes::Handshakes;
use self::large::LargeMessages;
use self::stop::StopProgress;
use crate::backend::Backend;
use crate::metrics::Metrics;
use crate::tls::Presenter;

pub use self::admin::{AdminDoors, OPERATORS_MAX};
pub use self::listen::{bind, is_family_unknown, try_address};
pub use self::live::{LiveSettings, Updater};
pub use self::pulse::Pulse;
pub use self::settings::ReactorSettings;
pub use self::stop::{StopTimes, Stopper};
pub use self::wake::Wakeable;

/// The relay of one thread, with all its sockets.
pub struct Reactor {
    poll: Poll,
    events: Events,
    settings: ReactorSettings,
    updater: Updater,
    /// `None` once the node drains.
    acceptor: Option<Acceptor>,
    admin: Admin,
    stop: StopProgress,
    pulse: Pulse,
    clock: Clock,
    conns: Conns,
    exchanges: Exchanges,
    /// `None`: the listener is plain.
    handshakes: Option<Handshakes>,
    client_limits: ClientLimits,
    large: LargeMessages,
    relay: Relay,
    backend: Backend,
    watch: BackendWatch,
    metrics: Metrics,
    /// The one read buffer: what was parked, and behind it what a read brings.
    read_buffer: Box<[u8]>,
    /// Connections that had no room for a notice, and are about to be closed for it.
    overflowed: Vec<Conn>,
    /// Turns in a row that put timers off.
    deferred_due: u32,
    /// When it was last logged that connections before their hello held too much.
    early_logged_at: Option<Time>,
}

const LISTENER: Token = Token(usize::MAX);

/// If this much time passed since the last turn, no timer fires before one more poll.
const POLL_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Events that one poll brings at most.
const EVENTS_PER_TURN: usize = 1024;

impl Reactor {
    /// Around a bound listener, which speaks `tls` if there is one. `relay` and `backend` know the same node.
    /// Operators come in by `doors`.
    ///
    /// # Errors
    /// A socket could not be registered.
    pub fn new(
        wakeable: Wakeable,
        listener: std::net::TcpListener,
        relay: impl FnOnce(Time) -> Relay,
        backend: Backend,
        tls: Option<Presenter>,
        doors: AdminDoors,
        settings: ReactorSettings,
    ) -> io::Result<Self> {
        let clock = Clock::start();
        let registry = wakeable.poll.registry();
        Ok(Reactor {
            acceptor: Some(Acceptor::new(listener, &settings, registry, LISTENER)?),
            admin: Admin::new(doors, registry)?,
            relay: relay(clock.now()),
            poll: wakeable.poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            stop: StopProgress::new(wakeable.stopper, settings.stop),
            updater: wakeable.updater,
            pulse: wakeable.pulse,
            clock,
            conns: Conns::default(),
            exchanges: Exchanges::new(tls.is_some()),
            handshakes: tls.map(Handshakes::new),
            client_limits: ClientLimits::new(&settings.admission, settings.policy.trusted_proxies.clone()),
            large: LargeMessages::new(settings.limits),
            settings,
            watch: BackendWatch::new(&backend),
            backend,
            metrics: Metrics::default(),
            read_buffer: vec![0; read::BUFFER_BYTES].into_boxed_slice(),
            overflowed: Vec::new(),
            deferred_due: 0,
            early_logged_at: None,
        })
    }

    /// Serves until it is stopped, then drains and tells the store which connections left, all within
    /// [`StopTimes::total`].
    ///
    /// # Errors
    /// The operating system's poll failed, which cannot be repaired.
    pub fn run(mut self) -> io::Result<()> {
        while !self.is_done() {
            self.turn()?;
        }
        let abandoned = self.conns.len();
        if abandoned > 0 {
            tracing::warn!(connections = abandoned, "the drain time is over; the rest is cut off");
        }
        self.client_limits.log_last_refusals(self.clock.now());
        self.abandon_all();
        self.backend.flush_and_stop(self.clock.now(), self.stop.store_flush());
        Ok(())
    }

    /// One turn of the loop.
    fn turn(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        let was_interrupted = match self.poll.poll(&mut self.events, timeout) {
            // The next poll brings the events. The turn goes on, so that no deadline waits for the last of
            // many signals.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => true,
            other => other.map(|()| false)?,
        };
        self.pulse.answer();
        self.clock.tick();
        let passed = self.clock.gap();
        if !self.relay.is_alone() && passed > STOPPED_AFTER {
            tracing::warn!("this node stood still: it reads clients again once it knows what it missed");
            self.handle(Input::Revived);
        }
        // No silence is judged if events are missing, or if the process stood still between the poll and the
        // look at the clock: then these events are older than the clock says.
        let has_heard_all = self.dispatch() && !was_interrupted && passed < POLL_AGAIN_AFTER;
        self.take_settings();
        self.conns.take_up_unfinished();
        self.handshakes.iter_mut().for_each(Handshakes::on_turn);
        self.serve_ready();
        self.drain_bus();
        self.look_up();
        self.drain_backend();
        self.on_due(has_heard_all);
        self.client_limits.log_refusals(self.clock.now());
        self.flush_dirty();
        self.bound_memory();
        self.publish();
        self.listen_again();
        self.accept();
        self.serve_admin();
        self.follow_stop();
        self.metrics.histograms.turns.observe_time(self.clock.since_tick());
        Ok(())
    }

    /// The parts that frames pass through.
    fn forwarder(&mut self) -> Forwarder<'_> {
        Forwarder {
            conns: &mut self.conns,
            relay: &mut self.relay,
            large: &mut self.large,
            metrics: &mut self.metrics,
            limits: &self.settings.limits,
            now: self.clock.now(),
            at: self.clock.unix(),
        }
    }

    fn is_done(&self) -> bool {
        // Frames that were accepted for another node must be in its memory.
        let is_idle = self.conns.is_empty() && self.relay.is_bus_idle();
        self.stop.is_draining() && (is_idle || self.stop.is_over(self.clock.now()))
    }
}

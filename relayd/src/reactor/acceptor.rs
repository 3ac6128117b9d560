//! The listening socket: who may be accepted, and when to try again if the process has no descriptor left.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use relayd_core::store::Conn;
use relayd_core::time::Time;

use super::ReactorSettings;
use super::waiting_list::{self, WaitingList};

/// The listener, and the connections that wait for a place.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    /// Connections may be queued. The poll says so only once, so it is remembered until `accept` would block.
    pub is_ready: bool,
    limit: ConnectionLimit,
    pub waiting: WaitingList,
    /// No descriptor was left for a connection: until then only those of the waiting list are used.
    starved_until: Option<Time>,
    /// There is no place, and none in the waiting list: when to look again.
    retry_at: Option<Time>,
    /// When the last line about a full server was logged.
    logged_at: Option<Time>,
}

/// How many connections are allowed, and by what.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimit {
    connections_max: usize,
    /// The operator's own limit is the lower one.
    is_set: bool,
}

impl ConnectionLimit {
    /// As many as the operator allows, but a few descriptors stay free: to dial Redis again, to log in there,
    /// to look up a name.
    pub fn of(settings: &ReactorSettings) -> Self {
        let left = settings.descriptors_left.unwrap_or(usize::MAX);
        let reserved = DESCRIPTORS_RESERVED + waiting_list::LEN_MAX;
        let by_descriptors = left.saturating_sub(reserved).max(left / 2).max(1);
        match settings.admission.connections_max {
            1.. if settings.admission.connections_max < by_descriptors => {
                ConnectionLimit { connections_max: settings.admission.connections_max, is_set: true }
            }
            _ => ConnectionLimit { connections_max: by_descriptors, is_set: false },
        }
    }
}

/// Descriptors that connections never take: for signals, three connections to Redis, and dialing these.
const DESCRIPTORS_RESERVED: usize = 16;

/// How long to wait after the process ran out of descriptors. A closed connection ends the wait sooner.
pub(super) const RETRY: Duration = Duration::from_millis(100);

impl Acceptor {
    pub fn new(
        listener: std::net::TcpListener,
        settings: &ReactorSettings,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Acceptor {
            listener,
            is_ready: true,
            limit: ConnectionLimit::of(settings),
            waiting: WaitingList::new(settings.descriptors_left),
            starved_until: None,
            retry_at: None,
            logged_at: None,
        })
    }

    /// True if connections may be queued and may be accepted now.
    pub fn has_more(&self) -> bool {
        self.is_ready && self.retry_at.is_none()
    }

    /// When to look again though no event comes. A connection that waits for a place that is free waits for a
    /// descriptor, and no event tells of one.
    pub fn next_due(&self, connections: usize, now: Time) -> Option<Time> {
        let waits_for_descriptor = !self.waiting.is_empty() && self.has_place(connections);
        let again = waits_for_descriptor.then(|| now + RETRY);
        again.into_iter().chain(self.retry_at).min()
    }

    /// A new turn begins.
    pub fn on_turn(&mut self, now: Time) {
        self.retry_at.take_if(|at| *at <= now);
        self.starved_until.take_if(|at| *at <= now);
    }

    /// A connection ended, and its descriptor is free.
    pub fn leave(&mut self, conn: Conn) {
        self.waiting.leave(conn);
        self.retry_at = None;
        self.starved_until = None;
    }

    /// A connection that waits asked for something that needs a place. Gives when it is answered at the
    /// latest; `None` if it asked before.
    pub fn note_asked(&mut self, conn: Conn, now: Time) -> Option<Time> {
        let is_new = self.waiting.note_asked(conn);
        if is_new {
            // It may go now, and make room for the next.
            self.retry_at = None;
        }
        is_new.then(|| now + WAIT_WITHIN)
    }

    /// No connection can be accepted for a moment.
    pub fn wait(&mut self, now: Time) {
        self.retry_at = Some(now + RETRY);
    }

    /// The next connection that waits and gets a place. `may_enter` names those that can use one.
    pub fn take_seated(&mut self, connections: usize, may_enter: impl Fn(Conn) -> bool) -> Option<Conn> {
        let has_place = !self.waiting.is_empty() && self.has_place(connections);
        if has_place && self.waiting.try_reserve() { self.waiting.take_first(may_enter) } else { None }
    }

    /// True if the next connection gets a place at once. Logs that there is none.
    pub fn look_for_place(&mut self, connections: usize, now: Time) -> bool {
        let seated = connections - self.waiting.len();
        if !self.has_place(connections) && self.take_log_turn(now) {
            let remedy =
                if self.limit.is_set { "--connections-max" } else { "the descriptor limit (ulimit -n)" };
            tracing::warn!(connections = seated, "no new connection is taken until one ends; raise {remedy}");
        }
        self.has_place(connections) && self.starved_until.is_none() && self.waiting.is_empty()
    }

    /// True if fewer than allowed have a place, of all connections.
    fn has_place(&self, connections: usize) -> bool {
        connections - self.waiting.len() < self.limit.connections_max
    }

    /// The next connection; `None` if none can be accepted now. See [`Acceptor::has_more`].
    pub fn accept(&mut self, now: Time) -> Option<(TcpStream, IpAddr)> {
        let error = match self.listener.accept() {
            Ok((stream, address)) => return Some((stream, address.ip().to_canonical())),
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::WouldBlock => self.is_ready = false,
            _ if is_shortage(&error) => self.starve(&error, now),
            // accept(2): errors of the new connection itself. The next one may be fine.
            _ => tracing::debug!(%error, "a connection ended before it was accepted"),
        }
        None
    }

    fn starve(&mut self, error: &io::Error, now: Time) {
        // Even the descriptor that the waiting list had reserved was not enough.
        if self.starved_until.is_some() {
            self.retry_at = Some(now + RETRY);
        }
        self.starved_until = Some(now + RETRY);
        if self.take_log_turn(now) {
            tracing::warn!(%error, "no new connection can be taken; raise the descriptor limit (ulimit -n)");
        }
    }

    /// True once a second.
    fn take_log_turn(&mut self, now: Time) -> bool {
        let may = self.logged_at.is_none_or(|at| now.since(at) >= Duration::from_secs(1));
        if may {
            self.logged_at = Some(now);
        }
        may
    }
}

/// True if the process or the machine has too little for one more connection, whichever that is.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

/// How long a connection may wait for a place before it is told to try again.
const WAIT_WITHIN: Duration = Duration::from_secs(30);

// errno(3), the same numbers on Linux and macOS but for two.
const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };

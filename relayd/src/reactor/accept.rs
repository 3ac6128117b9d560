//! The listening socket: bounded accepts per turn, and patience when the process has no descriptor left.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use relayd_core::store::Conn;
use relayd_core::time::Time;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Reactor, Settings, lobby};
use crate::metrics::Refused;

/// The listener and what is known of it.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    /// Connections may wait. The poll says so once only, so it is remembered until `accept` would block.
    pub is_ready: bool,
    room: Room,
    /// No descriptor was left for a connection: until when none is asked for but those of the lobby.
    starved_until: Option<Time>,
    /// There is no place, and none in the lobby: when to look again.
    retry_at: Option<Time>,
    /// When that was last logged.
    logged_at: Option<Time>,
}

/// How many connections there may be, and what says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    connections_max: usize,
    /// The operator's own limit is the lower one.
    is_set: bool,
}

impl Room {
    /// As many as the operator allows, and no more than leave a few descriptors free: to dial Redis again, to log in there,
    /// to look a name up.
    pub fn of(settings: &Settings) -> Self {
        let left = settings.descriptors_left.unwrap_or(usize::MAX);
        let reserved = DESCRIPTORS_RESERVED + lobby::PLACES_MAX;
        let by_descriptors = left.saturating_sub(reserved).max(left / 2).max(1);
        match settings.admission.connections_max {
            1.. if settings.admission.connections_max < by_descriptors => {
                Room { connections_max: settings.admission.connections_max, is_set: true }
            }
            _ => Room { connections_max: by_descriptors, is_set: false },
        }
    }
}

/// Descriptors that connections never take: for the signals, three connections to Redis, and what dialing these takes for
/// a moment.
const DESCRIPTORS_RESERVED: usize = 16;

/// New connections per turn, so that those who are in are served in between.
const ACCEPTS_PER_TURN: usize = 64;

/// How long to wait after the process ran out of descriptors. A closed connection ends the wait sooner.
const RETRY: Duration = Duration::from_millis(100);

/// How many connections the kernel keeps for us.
const BACKLOG: i32 = 4096;

/// Opens the listening socket. Without an address: every interface, IPv6 and IPv4, or IPv4 where there is no IPv6.
///
/// # Errors
/// The address is taken or not of this machine.
pub fn bind(address: Option<IpAddr>, port: u16) -> io::Result<std::net::TcpListener> {
    match address {
        Some(address) => listen(SocketAddr::new(address, port)),
        None => {
            listen(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).or_else(|error| match error.kind() {
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
                _ => {
                    tracing::info!(%error, "this machine has no IPv6: only IPv4 is listened on");
                    listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
                }
            })
        }
    }
}

/// True if the operating system knows no addresses of this kind: there is no IPv6.
pub fn is_family_unknown(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

impl Acceptor {
    pub fn new(
        listener: std::net::TcpListener,
        room: Room,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Acceptor { listener, is_ready: true, room, starved_until: None, retry_at: None, logged_at: None })
    }

    /// Connections may wait and nothing forbids to take them now.
    pub fn has_more(&self) -> bool {
        self.is_ready && self.retry_at.is_none()
    }

    pub fn retry_at(&self) -> Option<Time> {
        self.retry_at
    }

    /// A connection ended, and its descriptor came free.
    pub fn on_descriptor_freed(&mut self) {
        self.retry_at = None;
        self.starved_until = None;
    }

    /// Something has changed in the lobby: there may be a place.
    pub fn look_again(&mut self) {
        self.retry_at = None;
    }

    /// The next connection; `None` if there is none to take this time. See [`Acceptor::has_more`].
    fn next(&mut self, now: Time) -> Option<(TcpStream, IpAddr)> {
        let error = match self.listener.accept() {
            Ok((stream, address)) => return Some((stream, address.ip().to_canonical())),
            Err(error) => error,
        };
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => self.is_ready = false,
            Some(EMFILE | ENFILE | ENOBUFS | ENOMEM) => self.starve(&error, now),
            // accept(2): errors of the new connection itself. The next one may be fine.
            _ => tracing::debug!(%error, "a connection ended before it was accepted"),
        }
        None
    }

    /// True if one more connection may be taken beside so many.
    fn look_for_room_beside(&mut self, connections: usize, now: Time) -> bool {
        let is_full = connections >= self.room.connections_max;
        if is_full && self.take_log_turn(now) {
            let remedy =
                if self.room.is_set { "--connections-max" } else { "the descriptor limit (ulimit -n)" };
            tracing::warn!(connections, "no new connection is taken until one ends; raise {remedy}");
        }
        !is_full && self.starved_until.is_none()
    }

    fn starve(&mut self, error: &io::Error, now: Time) {
        // It came in spite of the lobby's own descriptor.
        if self.starved_until.is_some() {
            self.retry_at = Some(now + RETRY);
        }
        self.starved_until = Some(now + RETRY);
        if self.take_log_turn(now) {
            tracing::warn!(%error, "no new connection can be taken; raise the descriptor limit (ulimit -n)");
        }
    }

    /// Once a second.
    fn take_log_turn(&mut self, now: Time) -> bool {
        let may = self.logged_at.is_none_or(|at| now.since(at) >= Duration::from_secs(1));
        if may {
            self.logged_at = Some(now);
        }
        may
    }
}

impl Reactor {
    /// Takes in new connections. Last in the turn: a slot that was freed in it is named by no event any more.
    pub(super) fn accept(&mut self) {
        let now = self.clock.now();
        let Some(acceptor) = &mut self.acceptor else { return };
        if acceptor.retry_at.is_some_and(|at| at <= now) {
            acceptor.retry_at = None;
        }
        if acceptor.starved_until.is_some_and(|at| at <= now) {
            acceptor.starved_until = None;
        }
        let connections_max = acceptor.room.connections_max;
        if self.lobby.len() > 0 {
            self.seat_waiting(connections_max);
        }
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.accept_one(now) {
                return;
            }
        }
    }

    /// When to look again for a descriptor for those who wait: there is a place, and nothing tells when there is one.
    pub(super) fn lobby_due(&self) -> Option<Time> {
        let acceptor = self.acceptor.as_ref().filter(|_| self.lobby.len() > 0)?;
        let has_place = self.conns.len() - self.lobby.len() < acceptor.room.connections_max;
        has_place.then(|| self.clock.now() + RETRY)
    }

    /// Takes in one, to a place or to the lobby. False: none can be taken, or none waits.
    fn accept_one(&mut self, now: Time) -> bool {
        let seated = self.conns.len() - self.lobby.len();
        let Some(acceptor) = self.acceptor.as_mut().filter(|acceptor| acceptor.has_more()) else {
            return false;
        };
        let has_place = acceptor.look_for_room_beside(seated, now) && self.lobby.len() == 0;
        if !has_place && !self.make_place() {
            self.acceptor.iter_mut().for_each(|acceptor| acceptor.retry_at = Some(now + RETRY));
            return false;
        }
        let Some(acceptor) = &mut self.acceptor else { return false };
        let came = acceptor.next(now).and_then(|(stream, address)| self.take_in(stream, address, now));
        match came {
            Some(conn) if !has_place => self.lobby.enter(conn, now),
            _ => drop(self.lobby.refill()),
        }
        true
    }

    fn take_in(&mut self, stream: TcpStream, address: IpAddr, now: Time) -> Option<Conn> {
        self.metrics.accepts += 1;
        let limited = self.settings.policy.trusted_proxies.at_accept(address);
        if limited.is_some_and(|address| !self.admission.has_room(address)) {
            self.note_refused(Refused::Connection, limited);
            return None;
        }
        match self.conns.admit(stream, address, self.poll.registry(), now) {
            Ok(conn) => {
                limited.into_iter().for_each(|address| self.admission.enter(conn.slot, address));
                Some(conn)
            }
            Err(error) => {
                tracing::debug!(%error, "a new connection could not be set up");
                None
            }
        }
    }
}

// errno(3), the same numbers on Linux and macOS but for two.
const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };

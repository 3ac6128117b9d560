//! Operators: their listeners, their few connections, and what these wait for.
//!
//! They share the thread and the poll with clients, and nothing else: no place, no limit by address, no pool.
//! There are at most [`PEERS_MAX`] of them, each with a deadline, and a newcomer displaces the oldest. A page
//! about all connections is made in steps of [`LOOKS_PER_TURN`], so that no turn grows with their number.

mod answers;
mod peer;
mod stream;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mio::event::Event;
use mio::{Registry, Token};
use relayd_core::store::Conn;
use relayd_core::time::Time;

use self::peer::{Peer, Step};
use self::stream::{Listener, Stream};
use super::acceptor::{RETRY, is_shortage};
use crate::admin::closes::RecentCloses;
use crate::admin::socket::SocketFile;
use crate::admin::survey::Survey;
use crate::http::admin::{self, AdminCall, AdminHosts};
use crate::http::{Context, HttpDate, Policy, Reply};

/// Connections of operators, and descriptors that they may take.
pub const OPERATORS_MAX: usize = 32;

const PEERS_MAX: usize = OPERATORS_MAX;

/// Listeners and connections have the tokens from here on.
pub(super) const FIRST_TOKEN: usize = usize::MAX - 1 - LISTENERS_MAX - PEERS_MAX;

const LISTENERS_MAX: usize = 2;

/// Slots of connections that one turn looks at for a page.
const LOOKS_PER_TURN: usize = 1024;

/// Between two surveys.
const SURVEY_EVERY: Duration = Duration::from_millis(50);

/// What operators come in by, bound and not registered yet.
#[derive(Debug, Default)]
pub struct AdminDoors {
    /// For the pages.
    pub address: Option<std::net::TcpListener>,
    /// For `relayctl`, with its file.
    pub socket: Option<(std::os::unix::net::UnixListener, SocketFile)>,
    /// Names that requests to the address may have as `Host`.
    pub hosts: AdminHosts,
}

impl AdminDoors {
    /// True if operators can come in at all.
    pub fn is_open(&self) -> bool {
        self.address.is_some() || self.socket.is_some()
    }
}

/// All operators.
#[derive(Debug)]
pub(super) struct Admin {
    listeners: Vec<Listener>,
    /// Goes with the process.
    _file: Option<SocketFile>,
    hosts: AdminHosts,
    policy: Policy,
    peers: [Option<Peer>; PEERS_MAX],
    next_name: u64,
    /// The first deadline of a peer, or an earlier time. Derived at the end of each turn, as most nodes have
    /// no operator and all look at it.
    due: Option<Time>,
    /// An event came, or a peer has more to do.
    is_ready: bool,
    /// There was no descriptor for a connection: when to accept again. No event tells of one.
    retry_at: Option<Time>,
    /// Asked, and not part of a survey yet. At most one for each peer.
    asked: VecDeque<Asked>,
    job: Option<Job>,
    /// When the next survey may begin.
    next_job_at: Time,
    /// Sessions that are being ended, by the ticket of the delete.
    killing: Vec<(Conn, Asked)>,
    pub closes: RecentCloses,
}

/// The request of a peer.
#[derive(Debug)]
struct Asked {
    slot: usize,
    /// Of the peer, which may be gone.
    name: u64,
    call: AdminCall,
    reply: Reply,
}

/// A survey under way.
#[derive(Debug)]
struct Job {
    survey: Survey,
    /// The next slot to look at.
    at: usize,
    /// Answered at its end.
    asked: Vec<Asked>,
}

impl Admin {
    pub fn new(doors: AdminDoors, registry: &Registry) -> io::Result<Self> {
        let AdminDoors { address, socket, hosts } = doors;
        let address = address.map(|listener| Listener::Tcp(mio::net::TcpListener::from_std(listener)));
        let (unix, file) = socket.unzip();
        let unix = unix.map(|listener| Listener::Unix(mio::net::UnixListener::from_std(listener)));
        let mut listeners: Vec<Listener> = address.into_iter().chain(unix).collect();
        for (at, listener) in listeners.iter_mut().enumerate() {
            listener.register(registry, Token(FIRST_TOKEN + at))?;
        }
        Ok(Admin {
            listeners,
            _file: file,
            hosts,
            policy: admin::policy(),
            peers: [const { None }; PEERS_MAX],
            next_name: 0,
            due: None,
            is_ready: false,
            retry_at: None,
            asked: VecDeque::new(),
            job: None,
            next_job_at: Time::default(),
            killing: Vec::new(),
            closes: RecentCloses::default(),
        })
    }

    /// Notes what the poll says of one of our sockets.
    pub fn note_event(&mut self, token: usize, event: &Event) {
        self.is_ready = true;
        let slot = (token - FIRST_TOKEN).checked_sub(LISTENERS_MAX);
        if let Some(Some(peer)) = slot.and_then(|slot| self.peers.get_mut(slot)) {
            peer.note_event(event);
        }
    }

    /// True if there is work though no event comes.
    pub fn has_more(&self) -> bool {
        self.is_ready || self.job.is_some()
    }

    /// When to look again.
    pub fn next_due(&self) -> Option<Time> {
        let job = (!self.asked.is_empty() && self.job.is_none()).then_some(self.next_job_at);
        self.due.into_iter().chain(job).chain(self.retry_at).min()
    }

    /// Accepts and serves. Gives what peers ask for. Those whose deadline has passed are gone.
    fn serve(&mut self, registry: &Registry, date: &HttpDate, now: Time) -> Vec<Asked> {
        let mut calls = Vec::new();
        let is_retry = self.retry_at.take_if(|at| *at <= now).is_some();
        if std::mem::take(&mut self.is_ready) || is_retry {
            self.accept(registry, now);
        }
        let context = Context { policy: &self.policy, date };
        for (slot, place) in self.peers.iter_mut().enumerate() {
            let Some(peer) = place else { continue };
            let name = peer.name;
            match peer.serve(&self.hosts, &context, now) {
                _ if peer.due <= now => *place = None,
                Step::Idle => {}
                Step::Again => self.is_ready = true,
                Step::Call(call, reply) => calls.push(Asked { slot, name, call, reply }),
                Step::Gone => *place = None,
            }
        }
        self.due = self.peers.iter().flatten().map(|peer| peer.due).min();
        calls
    }

    fn accept(&mut self, registry: &Registry, now: Time) {
        for at in 0..self.listeners.len() {
            self.is_ready |= self.accept_at(at, registry, now);
        }
    }

    /// Returns true if more may be queued that can be accepted now.
    fn accept_at(&mut self, at: usize, registry: &Registry, now: Time) -> bool {
        for _ in 0..PEERS_MAX {
            match self.listeners[at].accept() {
                Ok(stream) => self.enter(stream, registry, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    tracing::debug!(%error, "an operator's connection could not be accepted");
                    // accept(2): other errors are of the new connection itself. The next one may be fine.
                    if is_shortage(&error) {
                        self.retry_at = Some(now + RETRY);
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Takes a connection in. If there are too many, the one that would be over first goes.
    fn enter(&mut self, mut stream: Stream, registry: &Registry, now: Time) {
        if !stream.may_ask() {
            tracing::warn!("a user other than root and relayd's own was refused at the socket for relayctl");
            return;
        }
        let due = |place: &Option<Peer>| place.as_ref().map_or(Time::default(), |peer| peer.due);
        let Some(slot) = (0..PEERS_MAX).min_by_key(|&slot| due(&self.peers[slot])) else { return };
        match stream.register(registry, Token(FIRST_TOKEN + LISTENERS_MAX + slot)) {
            Ok(()) => {
                self.next_name += 1;
                self.peers[slot] = Some(Peer::new(self.next_name, stream, now));
            }
            Err(error) => tracing::debug!(%error, "an operator's connection could not be set up"),
        }
    }

    fn peer_mut(&mut self, asked: &Asked) -> Option<&mut Peer> {
        self.peers[asked.slot].as_mut().filter(|peer| peer.name == asked.name)
    }

    /// Begins the next survey, if one is asked for and may begin.
    fn begin_job(&mut self, now: Time) {
        if self.job.is_some() || self.next_job_at > now {
            return;
        }
        let Some(first) = self.asked.front() else { return };
        let digits = first.call.digits();
        let (asked, rest): (Vec<_>, Vec<_>) =
            self.asked.drain(..).partition(|asked| asked.call.digits() == digits);
        self.asked = rest.into();
        self.job = Some(Job { survey: Survey::new(digits), at: 0, asked });
    }

    /// The request that this ticket of a delete belongs to.
    fn take_killing(&mut self, ticket: Conn) -> Option<Asked> {
        let at = self.killing.iter().position(|(known, _)| *known == ticket)?;
        Some(self.killing.swap_remove(at).1)
    }
}

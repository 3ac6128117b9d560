//! The lobby: connections that came when no place was free. They wait there, in bounded number, and `/health`, `/ready` and
//! `/metrics` are answered meanwhile, so that a server at its limit is not taken for a dead one.
//!
//! Nobody can tell what a connection asks before it is taken in. So when more wait than the lobby holds, the newest one that
//! asked for anything else is told to come again, and makes room to look at the next.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use relayd_core::store::Conn;
use relayd_core::time::Time;

use super::Reactor;
use super::accept::Acceptor;
use super::connection::Stage;
use super::exchange::context_of;
use crate::http;
use crate::metrics::Refused;

/// Who waits, and the descriptors that are kept for them.
#[derive(Debug)]
pub(super) struct Lobby {
    /// Each holds a descriptor for one who may come. `spares.len() + waiting.len() <= places`
    spares: Vec<UnixDatagram>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    places: usize,
}

#[derive(Debug)]
struct Waiting {
    conn: Conn,
    since: Time,
    /// It asked for something that needs a place.
    has_asked: bool,
}

impl Lobby {
    /// With as many places as the descriptors allow that are left.
    pub fn new(descriptors_left: Option<usize>) -> Self {
        let places = descriptors_left.map_or(PLACES_MAX, |left| PLACES_MAX.min(left / 4));
        let mut lobby = Lobby { spares: Vec::new(), waiting: Vec::new(), places };
        lobby.refill();
        lobby
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn contains(&self, conn: Conn) -> bool {
        self.waiting.iter().any(|waiting| waiting.conn == conn)
    }

    /// Gives a descriptor free for the next one. False: there is none.
    pub fn try_open(&mut self) -> bool {
        self.spares.pop().is_some()
    }

    /// It is in.
    pub fn enter(&mut self, conn: Conn, now: Time) {
        self.waiting.push(Waiting { conn, since: now, has_asked: false });
    }

    /// It is gone, and its descriptor with it.
    pub fn leave(&mut self, conn: Conn) {
        self.waiting.retain(|waiting| waiting.conn != conn);
        self.refill();
    }

    /// The server stops: nobody waits any more.
    pub fn close(&mut self) -> Vec<Conn> {
        self.spares.clear();
        self.places = 0;
        self.waiting.drain(..).map(|waiting| waiting.conn).collect()
    }

    /// It can't be answered here. True if that is new.
    fn note_asked(&mut self, conn: Conn) -> bool {
        let waiting = self.waiting.iter_mut().find(|waiting| waiting.conn == conn);
        waiting.is_some_and(|waiting| !std::mem::replace(&mut waiting.has_asked, true))
    }

    /// Takes the descriptors back that are free. True if each place has one.
    pub fn refill(&mut self) -> bool {
        while self.spares.len() + self.waiting.len() < self.places {
            match UnixDatagram::unbound() {
                Ok(spare) => self.spares.push(spare),
                Err(_) => return false,
            }
        }
        true
    }

    /// The one that has waited longest and is `wanted`, if its descriptor can be spared.
    fn take_first(&mut self, wanted: impl Fn(Conn) -> bool) -> Option<Conn> {
        let at = self.waiting.iter().position(|waiting| wanted(waiting.conn))?;
        let spare = UnixDatagram::unbound().ok()?;
        self.spares.push(spare);
        Some(self.waiting.remove(at).conn)
    }
}

impl Reactor {
    /// Lets this one wait for a place if it has none, and says whether it does. What it asked stays parked until then.
    pub(super) fn hold_if_without_place(&mut self, conn: Conn) -> bool {
        if !self.lobby.contains(conn) {
            return false;
        }
        self.answer.clear();
        if self.conns.of(conn).is_some_and(|connection| connection.flags.read_closed) {
            self.gone(conn);
        } else if self.lobby.note_asked(conn) {
            self.conns.set_due(conn, Some(self.clock.now() + WAIT_WITHIN));
            self.acceptor.iter_mut().for_each(Acceptor::look_again);
        }
        true
    }

    /// Those who have waited longest come in, as far as there are places.
    pub(super) fn seat_waiting(&mut self, connections_max: usize) {
        while self.conns.len() - self.lobby.len() < connections_max && self.lobby.refill() {
            let conns = &self.conns;
            let is_there =
                |conn| conns.of(conn).is_some_and(|connection| matches!(connection.stage, Stage::Http(_)));
            let Some(conn) = self.lobby.take_first(is_there) else { return };
            self.conns.schedule(conn);
        }
    }

    /// Gives a place in the lobby free, if somebody there can go. See the module.
    pub(super) fn make_place(&mut self) -> bool {
        if self.lobby.try_open() {
            return true;
        }
        let now = self.clock.now();
        let is_leaving = |waiting: &&Waiting| {
            self.conns.of(waiting.conn).is_none_or(|connection| !matches!(connection.stage, Stage::Http(_)))
        };
        let all = &self.lobby.waiting;
        let leaving = all.iter().find(is_leaving).map(|waiting| waiting.conn);
        let newest = all.iter().rev().find(|waiting| waiting.has_asked).map(|waiting| waiting.conn);
        let is_silent = |waiting: &&Waiting| !waiting.has_asked && now.since(waiting.since) >= SILENT_FOR;
        let silent = all.iter().find(is_silent).map(|waiting| waiting.conn);
        match (leaving, newest, silent) {
            (Some(conn), ..) => self.gone(conn),
            (None, Some(conn), _) => self.send_away(conn),
            (None, None, Some(conn)) => self.gone(conn),
            (None, None, None) => return false,
        }
        self.lobby.try_open()
    }

    /// Tells one who waits to come again, and lets it go.
    fn send_away(&mut self, conn: Conn) {
        self.answer_overloaded(conn);
        self.flush_dirty();
        self.gone(conn);
    }

    /// The connection ends with a 503, as there is no place for it.
    pub(super) fn answer_overloaded(&mut self, conn: Conn) {
        self.note_refused(Refused::Place, self.admission.address_of(conn.slot));
        self.answer.clear();
        let answered = http::overloaded(&context_of(&self.settings, &self.clock), &mut self.answer);
        self.queue_answer(conn, answered);
    }

    /// The server stops: whoever waits is told so like anybody else.
    pub(super) fn close_lobby(&mut self) {
        for conn in self.lobby.close() {
            self.conns.schedule(conn);
        }
    }
}

/// How many may wait.
pub(super) const PLACES_MAX: usize = 8;

/// How long one may wait for a place before it is told to come again.
const WAIT_WITHIN: Duration = Duration::from_secs(30);

/// A connection that was taken in has its request with it, or right behind: this long is enough for any path.
const SILENT_FOR: Duration = Duration::from_millis(250);

//! New connections: each gets a place, waits for one, or is turned away.

use std::net::IpAddr;

use mio::net::TcpStream;
use relayd_core::store::Conn;
use relayd_core::time::Time;

use super::Reactor;
use super::connection::Stage;
use super::waiting_list::Displaced;
use crate::http;
use crate::metrics::Refused;

/// New connections per turn, so that the others are served in between.
const ACCEPTS_PER_TURN: usize = 64;

impl Reactor {
    /// Accepts connections. Last in the turn: a slot that was freed in it is named by no event any more.
    pub(super) fn accept(&mut self) {
        let now = self.clock.now();
        let Some(acceptor) = &mut self.acceptor else { return };
        acceptor.on_turn(now);
        loop {
            let conns = &self.conns;
            let may_enter = |conn| conns.of(conn).is_some_and(|it| matches!(it.stage, Stage::Http));
            let Some(conn) = acceptor.take_seated(conns.len(), may_enter) else { break };
            self.conns.schedule(conn);
        }
        for _ in 0..ACCEPTS_PER_TURN {
            if !self.accept_one(now) {
                return;
            }
        }
    }

    /// True if this connection waits for a place.
    pub(super) fn waits_for_place(&self, conn: Conn) -> bool {
        self.acceptor.as_ref().is_some_and(|acceptor| acceptor.waiting.contains(conn))
    }

    /// Keeps the request of a connection that waits for a place until it has one. What it sent stays parked.
    pub(super) fn hold_request(&mut self, conn: Conn) {
        if self.conns.of(conn).is_some_and(|connection| connection.flags.read_closed) {
            return self.gone(conn);
        }
        let now = self.clock.now();
        let until = self.acceptor.as_mut().and_then(|acceptor| acceptor.note_asked(conn, now));
        if let Some(until) = until {
            self.exchanges.hold(conn, until);
        }
    }

    /// Answers 503, as there is no place for the connection, and closes it.
    pub(super) fn answer_overloaded(&mut self, conn: Conn) {
        self.note_refused(Refused::Place, self.client_limits.address_of(conn));
        self.answer(conn, http::overloaded);
    }

    /// Accepts one connection, which gets a place or waits for one. False if none can be accepted now.
    fn accept_one(&mut self, now: Time) -> bool {
        let connections = self.conns.len();
        let Some(acceptor) = self.acceptor.as_mut().filter(|acceptor| acceptor.has_more()) else {
            return false;
        };
        let has_place = acceptor.look_for_place(connections, now);
        if !has_place && !self.make_room_to_wait(now) {
            self.acceptor.iter_mut().for_each(|acceptor| acceptor.wait(now));
            return false;
        }
        let accepted = self.acceptor.as_mut().and_then(|acceptor| acceptor.accept(now));
        let came = accepted.and_then(|(stream, peer)| self.take_in(stream, peer, now));
        let Some(acceptor) = &mut self.acceptor else { return false };
        match came {
            Some(conn) if !has_place => acceptor.waiting.enter(conn, now),
            _ => {
                acceptor.waiting.try_reserve();
            }
        }
        true
    }

    /// Frees a descriptor for a connection that will wait. False if no other can go for it.
    fn make_room_to_wait(&mut self, now: Time) -> bool {
        let Some(acceptor) = &mut self.acceptor else { return false };
        if acceptor.waiting.try_free_descriptor() {
            return true;
        }
        let conns = &self.conns;
        let is_closing = |conn| conns.of(conn).is_none_or(|it| !matches!(it.stage, Stage::Http));
        match acceptor.waiting.displaced(is_closing, now) {
            Some(Displaced::Told(conn)) => {
                self.answer_overloaded(conn);
                self.flush_dirty();
                self.gone(conn);
            }
            Some(Displaced::Silently(conn)) => self.gone(conn),
            None => return false,
        }
        self.acceptor.as_mut().is_some_and(|acceptor| acceptor.waiting.try_free_descriptor())
    }

    fn take_in(&mut self, stream: TcpStream, peer: IpAddr, now: Time) -> Option<Conn> {
        self.metrics.accepts += 1;
        let limited = match self.client_limits.check_accept(peer) {
            Ok(limited) => limited,
            Err(address) => {
                self.note_refused(Refused::Connection, Some(address));
                return None;
            }
        };
        match self.conns.add(stream, self.poll.registry()) {
            Ok(conn) => {
                self.exchanges.begin(conn, peer, now);
                self.client_limits.enter(conn, limited);
                Some(conn)
            }
            Err(error) => {
                tracing::debug!(%error, "a new connection could not be set up");
                None
            }
        }
    }
}

//! Large messages wait for room, and their senders with them.
//!
//! A message may be 64 KiB long however much is held. A longer one grows as its bytes come while memory is under
//! [`Limits::memory_free`](relayd_core::limits::Limits::memory_free). Over that it is let in only when there is room for
//! all that it may still need; until then its source is not read, or gets no credit if it is on another node. They are let
//! in in the order in which they asked. A length that is claimed holds room back from other large messages only, and for
//! [`TURN`] at most while others wait; no memory is taken for it before its bytes come.
//!
//! Messages of clients and of other nodes stand in lanes of their own, and the nodes' lane may use more: what clients here
//! send to another node, and waits for room there, never fills what that node's messages need here.

mod gate;

use relayd_core::limits::{CREDIT_BYTES, LARGE_BESIDES, LARGE_MESSAGE};
use relayd_core::node_link::item::PIECE_BYTES_MAX;
use relayd_core::store::Conn;
use relayd_core::time::Time;
use relayd_core::wire::pool::Pool;

pub(super) use self::gate::LargeGate;
use self::gate::{Large, Source, TURN, Way};
use super::Reactor;
use super::connection::{Standing, Turn};

/// What may still come over a link after its source was told to wait.
const IN_FLIGHT_MAX: usize = CREDIT_BYTES + PIECE_BYTES_MAX;

impl Reactor {
    /// Bytes by which large messages may grow that were not let in.
    pub(super) fn room_for_large(&self) -> usize {
        self.memory_free.saturating_sub(self.conns.pool.lent() + self.gate.promised())
    }

    /// The message that `conn` sends found no room to grow. True if it is let in; else its sender waits.
    pub(super) fn try_grow(&mut self, conn: Conn, turn: &mut Turn) -> bool {
        let large = Large { conn, way: Way::FromClient };
        let need = turn.inbound.growth_max(self.settings.limits.message_bytes_max) + LARGE_BESIDES;
        turn.may_grow = self.try_let_in(large, need);
        if !turn.may_grow
            && let Some(connection) = self.conns.of_mut(conn)
            && !std::mem::replace(&mut connection.flags.is_held, true)
        {
            self.hold(large);
        }
        turn.may_grow
    }

    /// The message that `conn` sends and that was let in is whole.
    pub(super) fn end_growth(&mut self, conn: Conn, turn: &mut Turn) {
        turn.may_grow = false;
        self.gate.clients.let_in.retain(|&(large, _)| large.conn != conn);
        self.set_may_grow(conn, false);
    }

    /// A piece of a message came over a link. If there is no room for what may come now, nothing is credited until there is.
    pub(super) fn hold_pieces_without_room(&mut self, conn: Conn, link: u32) {
        let large = Large { conn, way: Way::FromNode(link) };
        let Some((len, growth)) = self.growth_of_arriving(large, IN_FLIGHT_MAX) else { return };
        let is_let_in = || self.gate.nodes.let_in.iter().any(|&(other, _)| other == large);
        if len <= LARGE_MESSAGE || growth <= self.room_for_large() || is_let_in() {
            return;
        }
        let need = self.need_of(large).unwrap_or_default();
        if !self.try_let_in(large, need) && self.relay.hold_pieces(link) {
            self.hold(large);
        }
    }

    fn hold(&mut self, large: Large) {
        let (source, now) = (large.source(), self.clock.now());
        let mut lane = std::mem::take(self.gate.lane_mut(source));
        lane.hold(large, now, |other| self.need_of(other).is_some());
        *self.gate.lane_mut(source) = lane;
    }

    /// Lets in for whom there is room now, in their order.
    pub(super) fn pass_gate(&mut self) {
        if self.gate.is_idle() {
            return;
        }
        let now = self.clock.now();
        // What has taken a turn is told to wait only where another waits though all that is free was given away.
        for may_stay_over_turn in [true, false] {
            if may_stay_over_turn || self.gate.has_held() {
                for source in [Source::Nodes, Source::Clients] {
                    self.settle_lane(source, Some(now).filter(|_| !may_stay_over_turn));
                    self.let_in_held(source, now);
                }
            }
        }
        self.make_room_for_first(Source::Nodes, now);
        self.make_room_for_first(Source::Clients, now);
        self.settle_overdraft();
        self.gate.looked_at = Some(now);
        self.carry_out();
    }

    /// Forgets those that are done, and those whose turn is over where `now` is given; adds up what the others may need.
    fn settle_lane(&mut self, source: Source, now: Option<Time>) {
        let mut let_in = std::mem::take(&mut self.gate.lane_mut(source).let_in);
        let mut promised = 0;
        let_in.retain(|&(large, since)| {
            let need = self.need_of(large).filter(|_| now.is_none_or(|now| since + TURN > now));
            if need.is_none() && large.way == Way::FromClient {
                self.set_may_grow(large.conn, false);
            }
            promised += need.unwrap_or_default();
            need.is_some()
        });
        let lane = self.gate.lane_mut(source);
        (lane.let_in, lane.promised) = (let_in, promised);
    }

    fn settle_overdraft(&mut self) {
        for source in [Source::Clients, Source::Nodes] {
            let over = self.used_with(0).saturating_sub(self.room_end(source));
            let lane = self.gate.lane_mut(source);
            lane.overdraft = lane.overdraft.min(over);
        }
    }

    fn let_in_held(&mut self, source: Source, now: Time) {
        while let Some(&(large, _)) = self.gate.lane(source).held.front() {
            let need = self.need_of(large);
            if need.is_some_and(|need| !self.has_room_for(source, need)) {
                return;
            }
            self.gate.lane_mut(source).held.pop_front();
            if let Some(need) = need {
                self.let_in(large, need);
            }
            match large.way {
                Way::FromNode(link) => self.relay.credit_pieces(link, now),
                Way::FromClient => {
                    if let Some(connection) = self.conns.of_mut(large.conn) {
                        connection.flags.is_held = false;
                        self.conns.schedule(large.conn);
                    }
                }
            }
        }
    }

    /// The first one has waited for as long as a reader may read nothing: now those that hold most make room for it.
    fn make_room_for_first(&mut self, source: Source, now: Time) {
        let Some((first, since)) = self.gate.lane_mut(source).held.front_mut() else { return };
        if *since + self.settings.limits.stall > now {
            return;
        }
        *since = now;
        let (conn, first) = (first.conn, *first);
        let closed = self.make_room(Standing::Leaving..=Standing::Joined, Some(conn), |reactor| {
            reactor.need_of(first).is_some_and(|need| !reactor.has_room_for(source, need))
        });
        tracing::warn!(closed, "a large message found no room for long: those that held most were closed");
        self.let_in_held(source, now);
    }

    fn try_let_in(&mut self, large: Large, need: usize) -> bool {
        let source = large.source();
        let may = self.gate.lane(source).held.is_empty() && self.has_room_for(source, need);
        if may {
            self.let_in(large, need);
        }
        may
    }

    fn let_in(&mut self, large: Large, need: usize) {
        let source = large.source();
        // Only one that is let in alone goes over.
        let over = self.used_with(need).saturating_sub(self.room_end(source));
        let now = self.clock.now();
        let lane = self.gate.lane_mut(source);
        lane.overdraft = lane.overdraft.max(over);
        lane.promised += need;
        lane.let_in.push((large, now));
        if source == Source::Clients {
            self.set_may_grow(large.conn, true);
        }
    }

    /// True if there is room for all that a message may need. Also for one alone of which only the longest form would not
    /// fit: else nothing might end its wait.
    fn has_room_for(&self, source: Source, need: usize) -> bool {
        let (room_end, is_alone) = (self.room_end(source), self.gate.lane(source).let_in.is_empty());
        self.used_with(need) <= room_end || (is_alone && self.used_with(0) <= room_end)
    }

    /// How far memory may be used for large messages of a source. What one client's goes over is not at the nodes' expense.
    fn room_end(&self, source: Source) -> usize {
        let limits = &self.settings.limits;
        match source {
            Source::Clients => limits.memory_for_clients(),
            Source::Nodes => limits.memory_for_nodes() + self.gate.clients.overdraft,
        }
    }

    fn used_with(&self, need: usize) -> usize {
        self.conns.pool.lent() + self.gate.promised() + need
    }

    /// What a message may still need at most. `None` if it is not under way any more.
    fn need_of(&self, large: Large) -> Option<usize> {
        let message_bytes_max = self.settings.limits.message_bytes_max;
        let growth = match large.way {
            Way::FromNode(_) => self.growth_of_arriving(large, message_bytes_max)?.1,
            Way::FromClient => {
                let buffers = self.conns.of(large.conn)?.buffers.as_ref()?;
                (!buffers.inbound.is_idle()).then(|| buffers.inbound.growth_max(message_bytes_max))?
            }
        };
        Some(growth + LARGE_BESIDES)
    }

    /// How much has come of a message from another node, and by how much its memory grows for `more` bytes.
    fn growth_of_arriving(&self, large: Large, more: usize) -> Option<(usize, usize)> {
        let arriving = self.conns.of(large.conn)?.buffers.as_ref()?.arriving.as_ref()?;
        if large.way != Way::FromNode(arriving.link) {
            return None;
        }
        let left = self.settings.limits.message_bytes_max.saturating_sub(arriving.chunk.len());
        Some((arriving.chunk.len(), Pool::growth(&arriving.chunk, more.min(left))))
    }

    fn set_may_grow(&mut self, conn: Conn, may_grow: bool) {
        if let Some(connection) = self.conns.of_mut(conn) {
            connection.flags.may_grow = may_grow;
        }
    }
}

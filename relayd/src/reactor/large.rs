//! Large messages wait for room, and their senders with them.
//!
//! A message may be 64 KiB long however much is held. A longer one grows as its bytes come while memory is
//! under [`Limits::memory_free`]. Over that it is let in only when there is room for all that it may still
//! need. Until then its source is not read, or gets no credit if it is on another node. Messages are let in
//! in the order in which they asked. A claimed length only holds room back from other large messages, and for
//! [`TURN`] at most while others wait. No memory is taken for it before its bytes come.
//!
//! Messages of clients and of other nodes have lanes of their own, and the nodes' lane may use more. So what
//! clients here send to another node, and waits for room there, never fills what that node's messages need
//! here.

mod lane;

use relayd_core::limits::{CREDIT_BYTES, LARGE_BESIDES, LARGE_MESSAGE, Limits};
use relayd_core::node_link::item::PIECE_BYTES_MAX;
use relayd_core::relay::Relay;
use relayd_core::store::Conn;
use relayd_core::time::Time;
use relayd_core::wire::pool::Pool;

use self::lane::{Lane, TURN, Way};
pub(super) use self::lane::{Large, Source};
use super::connection::Turn;
use super::conns::Conns;

/// What may still come over a link after its source was told to wait.
const IN_FLIGHT_MAX: usize = CREDIT_BYTES + PIECE_BYTES_MAX;

/// All large messages that are under way.
#[derive(Debug)]
pub(super) struct LargeMessages {
    limits: Limits,
    /// Over this they wait for room. In bytes.
    memory_free: usize,
    /// By [`Source`].
    lanes: [Lane; 2],
    looked_at: Option<Time>,
}

impl LargeMessages {
    pub fn new(limits: Limits) -> Self {
        let memory_free = limits.memory_free();
        LargeMessages { limits, memory_free, lanes: Default::default(), looked_at: None }
    }

    /// Bytes by which messages may grow that were not let in.
    pub fn room(&self, conns: &Conns) -> usize {
        self.memory_free.saturating_sub(conns.pool.lent() + self.promised())
    }

    /// By how much the limit on all memory may be exceeded.
    pub fn overdraft(&self) -> usize {
        self.lanes.iter().map(|lane| lane.overdraft).sum()
    }

    /// True if no message waits, was let in, or exceeds its limit.
    pub fn is_idle(&self) -> bool {
        !self.has_held() && self.lanes.iter().all(|lane| lane.let_in.is_empty() && lane.overdraft == 0)
    }

    /// When to look again though nothing happens.
    pub fn next_look(&self) -> Option<Time> {
        if !self.has_held() {
            return None;
        }
        let turns = self.lanes.iter().flat_map(|lane| &lane.let_in).map(|&(_, since)| since);
        turns.chain(self.looked_at).min().map(|since| since + TURN)
    }

    /// The message that `conn` sends found no room to grow. True if it is let in now; else its sender waits.
    pub fn try_grow(&mut self, conns: &mut Conns, conn: Conn, turn: &mut Turn, now: Time) -> bool {
        let large = Large { conn, way: Way::FromClient };
        let need = turn.inbound.growth_max(self.limits.message_bytes_max) + LARGE_BESIDES;
        turn.may_grow = self.try_let_in(conns, large, need, now);
        if !turn.may_grow
            && let Some(connection) = conns.of_mut(conn)
            && !std::mem::replace(&mut connection.flags.is_held, true)
        {
            self.hold(conns, large, now);
        }
        turn.may_grow
    }

    /// The message that `conn` sends and that was let in is whole.
    pub fn end_growth(&mut self, conns: &mut Conns, conn: Conn, turn: &mut Turn) {
        turn.may_grow = false;
        self.lane_mut(Source::Clients).let_in.retain(|&(large, _)| large.conn != conn);
        set_may_grow(conns, conn, false);
    }

    /// A piece of a message came over a link. Without room for what may come next, nothing is credited until
    /// there is.
    pub fn hold_pieces(&mut self, conns: &mut Conns, relay: &mut Relay, conn: Conn, link: u32, now: Time) {
        let large = Large { conn, way: Way::FromNode(link) };
        let Some((len, growth)) = self.growth_of_arriving(conns, large, IN_FLIGHT_MAX) else { return };
        let is_let_in = || self.lane(Source::Nodes).let_in.iter().any(|&(other, _)| other == large);
        if len <= LARGE_MESSAGE || growth <= self.room(conns) || is_let_in() {
            return;
        }
        let need = self.need_of(conns, large).unwrap_or_default();
        if !self.try_let_in(conns, large, need, now) && relay.hold_pieces(link) {
            self.hold(conns, large, now);
        }
    }

    /// Lets those in that have room now, in their order. Leaves actions of the core to poll.
    pub fn let_in_waiting(&mut self, conns: &mut Conns, relay: &mut Relay, now: Time) {
        self.looked_at = Some(now);
        // A message that had its turn gives way only where another waits although all free room is promised.
        for may_stay_over_turn in [true, false] {
            if may_stay_over_turn || self.has_held() {
                for source in [Source::Nodes, Source::Clients] {
                    self.settle(conns, source, Some(now).filter(|_| !may_stay_over_turn));
                    self.let_in_held(conns, relay, source, now);
                }
            }
        }
    }

    /// The first message of a source that waits, if it has waited for as long as a reader may read nothing.
    /// Its time starts again.
    pub fn take_overdue(&mut self, source: Source, now: Time) -> Option<Large> {
        let stall = self.limits.stall;
        let (first, since) = self.lane_mut(source).held.front_mut()?;
        if *since + stall > now {
            return None;
        }
        *since = now;
        Some(*first)
    }

    /// True if a message is under way and there is no room for all that it may need.
    pub fn lacks_room(&self, conns: &Conns, large: Large) -> bool {
        self.need_of(conns, large).is_some_and(|need| !self.has_room_for(conns, large.source(), need))
    }

    /// Lets the messages of a source in that wait, as far as there is room.
    pub fn let_in_held(&mut self, conns: &mut Conns, relay: &mut Relay, source: Source, now: Time) {
        while let Some(&(large, _)) = self.lane(source).held.front() {
            let need = self.need_of(conns, large);
            if need.is_some_and(|need| !self.has_room_for(conns, source, need)) {
                return;
            }
            self.lane_mut(source).held.pop_front();
            if let Some(need) = need {
                self.let_in(conns, large, need, now);
            }
            match large.way {
                Way::FromNode(link) => relay.credit_pieces(link, now),
                Way::FromClient => {
                    if let Some(connection) = conns.of_mut(large.conn) {
                        connection.flags.is_held = false;
                        conns.schedule(large.conn);
                    }
                }
            }
        }
    }

    /// Takes back the part of each overdraft that is free again.
    pub fn settle_overdraft(&mut self, conns: &Conns) {
        for source in [Source::Clients, Source::Nodes] {
            let over = self.used_with(conns, 0).saturating_sub(self.room_end(source));
            let lane = self.lane_mut(source);
            lane.overdraft = lane.overdraft.min(over);
        }
    }

    fn hold(&mut self, conns: &Conns, large: Large, now: Time) {
        let source = large.source();
        let mut lane = std::mem::take(self.lane_mut(source));
        lane.hold(large, now, |other| self.need_of(conns, other).is_some());
        *self.lane_mut(source) = lane;
    }

    /// Removes those that have ended, and where `now` is given those whose turn is over. Adds up what the
    /// others may need.
    fn settle(&mut self, conns: &mut Conns, source: Source, now: Option<Time>) {
        let mut let_in = std::mem::take(&mut self.lane_mut(source).let_in);
        let mut promised = 0;
        let_in.retain(|&(large, since)| {
            let need = self.need_of(conns, large).filter(|_| now.is_none_or(|now| since + TURN > now));
            if need.is_none() && large.way == Way::FromClient {
                set_may_grow(conns, large.conn, false);
            }
            promised += need.unwrap_or_default();
            need.is_some()
        });
        let lane = self.lane_mut(source);
        (lane.let_in, lane.promised) = (let_in, promised);
    }

    fn try_let_in(&mut self, conns: &mut Conns, large: Large, need: usize, now: Time) -> bool {
        let source = large.source();
        let may = self.lane(source).held.is_empty() && self.has_room_for(conns, source, need);
        if may {
            self.let_in(conns, large, need, now);
        }
        may
    }

    fn let_in(&mut self, conns: &mut Conns, large: Large, need: usize, now: Time) {
        let source = large.source();
        // Only a message that is let in alone exceeds the limit.
        let over = self.used_with(conns, need).saturating_sub(self.room_end(source));
        let lane = self.lane_mut(source);
        lane.overdraft = lane.overdraft.max(over);
        lane.promised += need;
        lane.let_in.push((large, now));
        if source == Source::Clients {
            set_may_grow(conns, large.conn, true);
        }
    }

    /// True if there is room for all that a message may need. Also true for a single one of which only the
    /// longest form would not fit: otherwise nothing might end its wait.
    fn has_room_for(&self, conns: &Conns, source: Source, need: usize) -> bool {
        let (room_end, is_alone) = (self.room_end(source), self.lane(source).let_in.is_empty());
        self.used_with(conns, need) <= room_end || (is_alone && self.used_with(conns, 0) <= room_end)
    }

    /// How much memory may be used for large messages of a source. The overdraft of a client's is not at the
    /// nodes' expense.
    fn room_end(&self, source: Source) -> usize {
        match source {
            Source::Clients => self.limits.memory_for_clients(),
            Source::Nodes => self.limits.memory_for_nodes() + self.lane(Source::Clients).overdraft,
        }
    }

    fn used_with(&self, conns: &Conns, need: usize) -> usize {
        conns.pool.lent() + self.promised() + need
    }

    /// What a message may still need at most. `None` if it is not under way any more.
    fn need_of(&self, conns: &Conns, large: Large) -> Option<usize> {
        let message_bytes_max = self.limits.message_bytes_max;
        let growth = match large.way {
            Way::FromNode(_) => self.growth_of_arriving(conns, large, message_bytes_max)?.1,
            Way::FromClient => {
                let buffers = conns.of(large.conn)?.buffers.as_ref()?;
                (!buffers.inbound.is_idle()).then(|| buffers.inbound.growth_max(message_bytes_max))?
            }
        };
        Some(growth + LARGE_BESIDES)
    }

    /// How much of a message from another node has come, and by how much its memory grows for `more` bytes.
    fn growth_of_arriving(&self, conns: &Conns, large: Large, more: usize) -> Option<(usize, usize)> {
        let arriving = conns.of(large.conn)?.buffers.as_ref()?.arriving.as_ref()?;
        if large.way != Way::FromNode(arriving.link) {
            return None;
        }
        let left = self.limits.message_bytes_max.saturating_sub(arriving.chunk.len());
        Some((arriving.chunk.len(), Pool::growth(&arriving.chunk, more.min(left))))
    }

    fn promised(&self) -> usize {
        self.lanes.iter().map(|lane| lane.promised).sum()
    }

    fn has_held(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.held.is_empty())
    }

    fn lane(&self, source: Source) -> &Lane {
        &self.lanes[source as usize]
    }

    fn lane_mut(&mut self, source: Source) -> &mut Lane {
        &mut self.lanes[source as usize]
    }
}

fn set_may_grow(conns: &mut Conns, conn: Conn, may_grow: bool) {
    if let Some(connection) = conns.of_mut(conn) {
        connection.flags.may_grow = may_grow;
    }
}

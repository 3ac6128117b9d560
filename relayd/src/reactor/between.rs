//! Between this node and others: frames out into the streams, frames in from the bus.
//!
//! What a packet means is the core's to say; here its frames are put together and written into queues, and what the core
//! has to say is handed to the backend at the end of the turn.

use std::time::Duration;

use protocol::close::CloseCode;
use protocol::envelope::Head;
use relayd_core::event::{Delivery, Sender};
use relayd_core::node_link::item::{Item, PIECE_BYTES_MAX};
use relayd_core::store::Conn;
use relayd_core::wire::inbound::Kind;
use relayd_core::wire::outbound::{Outbound, Room};
use relayd_core::wire::pool::Pool;

use super::Reactor;
use super::connection::{Arriving, Outgoing, Stage, Turn};
use super::forward::{Message, Stop};
use crate::backend::Published;

/// Messages of the bus that one turn takes at most, so that sockets are served in between.
const MESSAGES_PER_TURN: usize = 256;

/// A node that has not heard its own probe for so long is not ready, and subscribes anew.
pub(super) const DEAF_AFTER: Duration = Duration::from_secs(10);

impl Reactor {
    /// Takes in what other nodes said.
    pub(super) fn drain_bus(&mut self) {
        let mut budget = MESSAGES_PER_TURN;
        self.has_more_messages = loop {
            let Some(message) = self.backend.poll_packet() else { break false };
            self.take_message(&message);
            self.backend.recycle(message);
            budget -= 1;
            if budget == 0 {
                break true;
            }
        };
    }

    fn take_message(&mut self, message: &[u8]) {
        let now = self.clock.now();
        let taken = self.relay.take_message(message, now);
        self.carry_out();
        let Some((from, mut items)) = taken else { return };
        while let Some(item) = Item::take(&mut items) {
            let delivery = self.relay.handle_item(from, item, now);
            self.carry_out();
            if let Some(delivery) = delivery {
                self.deliver(&delivery);
            }
        }
        if !items.is_empty() {
            tracing::warn!(node = %from, bytes = items.len(), "a batch of another node can't be read to its end");
        }
    }

    /// Hands the core's packets for other nodes to the backend. The core writes each into the buffer that is sent.
    pub(super) fn publish(&mut self) {
        let now = self.clock.now();
        loop {
            match self.backend.publish(|packet| self.relay.poll_publish(now, packet)) {
                Published::Nothing => return,
                Published::Queued => {}
                // The stream repeats it.
                Published::Refused(to) => tracing::debug!(node = %to, "no room for a packet"),
            }
        }
    }

    /// Without an own probe for long this node hears nothing: it subscribes anew.
    pub(super) fn listen_again(&mut self) {
        let now = self.clock.now();
        if self.is_deaf() && self.listened_at.is_none_or(|at| now.since(at) >= DEAF_AFTER) {
            self.listened_at = Some(now);
            tracing::warn!(
                "this node has not heard its own probe for 10 s: it subscribes anew and is not ready"
            );
            self.backend.resubscribe();
        }
    }

    /// True if this node does not hear the bus.
    pub(super) fn is_deaf(&self) -> bool {
        !self.relay.is_alone() && self.relay.probe_age(self.clock.now()) >= DEAF_AFTER
    }

    /// A frame for a connection of another node: at once, or piece by piece if it is large.
    pub(super) fn send_on(
        &mut self,
        conn: Conn,
        turn: &mut Turn,
        sender: &Sender,
        handle: u32,
        message: Message<'_>,
    ) -> Option<Stop> {
        if message.bytes().len() > sender.message_bytes_max {
            // It was begun before the link stood, so its header could not be judged by it.
            message.give_back(self);
            return Some(Stop::Fault(CloseCode::TooBig));
        }
        if message.bytes().len() <= PIECE_BYTES_MAX {
            let (now, kind) = (self.clock.now(), message.kind());
            self.relay.put_frame(handle, kind, true, message.bytes().len(), message.bytes(), now);
            self.metrics.frames_to_nodes[sender.role.index()] += 1;
            message.give_back(self);
            return self.relay.is_paused(conn).then_some(Stop::Wait);
        }
        let kind = message.kind();
        let chunk = match message {
            Message::Gathered(_, chunk) => chunk,
            whole => self.conns.pool.lend_copy(whole.bytes()),
        };
        turn.outgoing = Some(Box::new(Outgoing { handle, kind, chunk, at: 0 }));
        (!self.pump(conn, turn)).then_some(Stop::Wait)
    }

    /// Puts pieces of a large message into the stream while there is room. True if nothing is left of it.
    pub(super) fn pump(&mut self, conn: Conn, turn: &mut Turn) -> bool {
        let Some(mut outgoing) = turn.outgoing.take() else { return true };
        let (now, len) = (self.clock.now(), outgoing.chunk.len());
        // A link that ended takes nothing more, and its end was told.
        while outgoing.at < len && self.relay.is_linked_by(conn, outgoing.handle) {
            if self.relay.is_paused(conn) {
                turn.outgoing = Some(outgoing);
                return false;
            }
            let end = (outgoing.at + PIECE_BYTES_MAX).min(len);
            let piece = &outgoing.chunk[outgoing.at..end];
            self.relay.put_frame(outgoing.handle, outgoing.kind, end == len, len, piece, now);
            outgoing.at = end;
            if end == len
                && let Some(sender) = self.relay.sender(conn)
            {
                self.metrics.frames_to_nodes[sender.role.index()] += 1;
            }
        }
        self.conns.pool.give_back(outgoing.chunk);
        !self.relay.is_paused(conn)
    }

    /// Writes a frame of another node into its target's queue, once it is whole.
    fn deliver(&mut self, delivery: &Delivery<'_>) {
        let &Delivery { conn, session, from, is_last, bytes, .. } = delivery;
        let (message_bytes_max, at) = (self.settings.limits.message_bytes_max, self.clock.unix());
        let stage = self.conns.of(conn).map(|connection| &connection.stage);
        let Some(&Stage::Open { raw }) = stage else { return };
        let Some((buffers, pool)) = self.conns.with_buffers(conn) else { return };
        let head = Head::new(&session.hex(), from, at.as_bytes());
        let gathered = gather(&mut buffers.arriving, delivery, message_bytes_max, pool);
        let (is_part, was_in_parts) =
            (matches!(gathered, Gathered::Part), matches!(gathered, Gathered::Whole(Some(_))));
        let queued = match gathered {
            Gathered::Part => Ok(()),
            Gathered::TooLarge => Err(()),
            Gathered::Whole(None) => queue(&mut buffers.outbound, &head, delivery, raw, pool),
            Gathered::Whole(Some(chunk)) => {
                queue_chunk(&mut buffers.outbound, &head, delivery.kind, chunk, raw, pool)
            }
        };
        let is_over_high = buffers.outbound.is_over_high();
        self.conns.mark_dirty(conn);
        if is_part {
            self.hold_pieces_without_room(conn, delivery.link);
        } else if was_in_parts {
            self.relay.end_hold(delivery.link);
        }
        self.metrics.frames[from.index()] += u64::from(is_last);
        self.metrics.frame_bytes[from.index()] += bytes.len() as u64;
        if is_over_high {
            self.relay.note_congested(conn);
        }
        if queued.is_err() {
            tracing::error!(
                message_bytes_max,
                "a frame of another node is over MAX_MESSAGE_BYTES here, or no UTF-8, so its link ends and is opened again; \
                 run one version and one MAX_MESSAGE_BYTES on all nodes"
            );
            self.relay.give_up_link(conn, self.clock.now());
            self.carry_out();
        }
    }
}

/// What has come of a message.
enum Gathered {
    /// Not all of it.
    Part,
    /// More than this node allows.
    TooLarge,
    /// All: in one piece, or in a chunk.
    Whole(Option<Vec<u8>>),
}

/// Puts a piece to the ones before it.
fn gather(
    under_way: &mut Option<Box<Arriving>>,
    delivery: &Delivery<'_>,
    message_bytes_max: usize,
    pool: &mut Pool,
) -> Gathered {
    let &Delivery { link, is_last, bytes, .. } = delivery;
    // What was under way over a link that ended never becomes whole.
    if let Some(stale) = under_way.take_if(|arriving| arriving.link != link) {
        pool.give_back(stale.chunk);
    }
    if is_last && under_way.is_none() {
        return Gathered::Whole(None);
    }
    let arriving = under_way.get_or_insert_with(|| Box::new(Arriving { link, chunk: Vec::new() }));
    if arriving.chunk.len() + bytes.len() > message_bytes_max {
        return Gathered::TooLarge;
    }
    pool.grow(&mut arriving.chunk, bytes.len());
    arriving.chunk.extend_from_slice(bytes);
    match under_way.take_if(|_| is_last) {
        Some(whole) => Gathered::Whole(Some(whole.chunk)),
        None => Gathered::Part,
    }
}

/// Queues a frame that came in one piece. `Err`: it is no UTF-8.
fn queue(
    outbound: &mut Outbound,
    head: &Head,
    delivery: &Delivery<'_>,
    bare: bool,
    pool: &mut Pool,
) -> Result<(), ()> {
    match delivery.kind {
        Kind::Binary => outbound.binary(head, delivery.bytes, bare, Room::Granted, pool),
        Kind::Text => {
            std::str::from_utf8(delivery.bytes).map_err(drop)?;
            outbound.text(head, delivery.bytes, Room::Granted, pool);
        }
    }
    Ok(())
}

/// Queues a message that was gathered. `Err`: it is no UTF-8.
fn queue_chunk(
    outbound: &mut Outbound,
    head: &Head,
    kind: Kind,
    chunk: Vec<u8>,
    bare: bool,
    pool: &mut Pool,
) -> Result<(), ()> {
    if kind == Kind::Text && std::str::from_utf8(&chunk).is_err() {
        pool.give_back(chunk);
        return Err(());
    }
    // It keeps its chunk: written whole it might need six times as much.
    outbound.gathered(head, kind, chunk, bare, Room::ToMark, pool);
    Ok(())
}

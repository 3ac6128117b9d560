//! Frames to and from other nodes: out into the streams, in from them into the queues of connections.
//!
//! A large message goes in pieces, and is put together again here.

use protocol::close::CloseCode;
use protocol::envelope::Head;
use relayd_core::event::{Delivery, Sender};
use relayd_core::node_link::item::PIECE_BYTES_MAX;
use relayd_core::store::Conn;
use relayd_core::wire::inbound::Kind;
use relayd_core::wire::outbound::{Outbound, Room};
use relayd_core::wire::pool::Pool;

use super::connection::{Arriving, Outgoing, Stage, Turn};
use super::forward::{Forwarder, ReceivedMessage, StopReason};

impl Forwarder<'_> {
    /// A frame for a connection of another node: at once, or piece by piece if it is large.
    pub fn send_on(
        &mut self,
        conn: Conn,
        turn: &mut Turn,
        sender: &Sender,
        handle: u32,
        message: ReceivedMessage<'_>,
    ) -> Option<StopReason> {
        if message.bytes().len() > sender.message_bytes_max {
            // It began before the link was open, so its header was judged by another limit.
            message.give_back(&mut self.conns.pool);
            return Some(StopReason::Fault(CloseCode::TooBig));
        }
        if message.bytes().len() <= PIECE_BYTES_MAX {
            let (kind, bytes) = (message.kind(), message.bytes());
            self.relay.put_frame(handle, kind, true, bytes.len(), bytes, self.now);
            self.metrics.frames_to_nodes[sender.role.index()] += 1;
            message.give_back(&mut self.conns.pool);
            return self.relay.is_paused(conn).then_some(StopReason::Wait);
        }
        let kind = message.kind();
        let chunk = match message {
            ReceivedMessage::Gathered(_, chunk) => chunk,
            whole => self.conns.pool.lend_copy(whole.bytes()),
        };
        turn.outgoing = Some(Box::new(Outgoing { handle, kind, chunk, at: 0 }));
        (!self.pump(conn, turn)).then_some(StopReason::Wait)
    }

    /// Puts pieces of a large message into the stream while there is room. True if nothing is left of it.
    pub fn pump(&mut self, conn: Conn, turn: &mut Turn) -> bool {
        let Some(mut outgoing) = turn.outgoing.take() else { return true };
        let len = outgoing.chunk.len();
        // A link that ended takes nothing more, and the client was told of its end.
        while outgoing.at < len && self.relay.is_linked_by(conn, outgoing.handle) {
            if self.relay.is_paused(conn) {
                turn.outgoing = Some(outgoing);
                return false;
            }
            let end = (outgoing.at + PIECE_BYTES_MAX).min(len);
            let piece = &outgoing.chunk[outgoing.at..end];
            self.relay.put_frame(outgoing.handle, outgoing.kind, end == len, len, piece, self.now);
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

    /// Writes a frame of another node into its target's queue, once it is whole. Leaves actions to poll.
    pub fn deliver(&mut self, delivery: &Delivery<'_>) {
        let &Delivery { conn, session, from, is_last, bytes, .. } = delivery;
        let message_bytes_max = self.limits.message_bytes_max;
        let stage = self.conns.of(conn).map(|connection| &connection.stage);
        let Some(&Stage::Open { raw }) = stage else { return };
        let Some((buffers, pool)) = self.conns.with_buffers(conn) else { return };
        let head = Head::new(&session.hex(), from, self.at.as_bytes());
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
            self.large.hold_pieces(self.conns, self.relay, conn, delivery.link, self.now);
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
                "a frame of another node is over MAX_MESSAGE_BYTES here, or not UTF-8, so its link ends and is opened again; \
                 run one version and one MAX_MESSAGE_BYTES on all nodes"
            );
            self.relay.give_up_link(conn, self.now);
        }
    }
}

/// What has come of a message.
enum Gathered {
    /// A part of it.
    Part,
    /// More than this node allows.
    TooLarge,
    /// All of it: in one piece, or in a chunk.
    Whole(Option<Vec<u8>>),
}

/// Appends a piece to those before it.
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

/// Queues a frame that came in one piece. `Err`: it is not UTF-8.
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

/// Queues a message that was gathered. `Err`: it is not UTF-8.
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

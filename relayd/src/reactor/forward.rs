//! The hot path: messages of one connection, one after the other, into the queues of others.
//!
//! [`Forwarder`] asks the core where each goes and never calls its `handle`: what needs that leaves as a
//! [`StopReason`]. Nothing here allocates in steady state.

use protocol::close::CloseCode;
use protocol::envelope::Head;
use protocol::ids::Role;
use protocol::limits::HELLO_BYTES_MAX;
use protocol::message::{Hello, HelloError, Notice, is_heartbeat};
use protocol::ws::control::PeerClose;
use relayd_core::event::{Sender, Verdict};
use relayd_core::limits::{HIGH_MARK, LOW_MARK, Limits};
use relayd_core::relay::Relay;
use relayd_core::store::Conn;
use relayd_core::time::Time;
use relayd_core::wire::inbound::{Allowance, Cursor, Kind, Step};
use relayd_core::wire::outbound::{Room, UnixMs};
use relayd_core::wire::pool::Pool;

use super::connection::{Buffers, Stage, Turn};
use super::conns::Conns;
use super::large::LargeMessages;
use crate::metrics::Metrics;

/// The parts of the reactor that frames pass through, lent for one read or one delivery.
pub(super) struct Forwarder<'a> {
    pub conns: &'a mut Conns,
    pub relay: &'a mut Relay,
    pub large: &'a mut LargeMessages,
    pub metrics: &'a mut Metrics,
    pub limits: &'a Limits,
    pub now: Time,
    /// The timestamp of frames.
    pub at: UnixMs,
}

/// Why forwarding stopped before the bytes were used up.
#[derive(Debug, Clone, Copy)]
pub(super) enum StopReason {
    /// The target is congested, memory is short, or the connection does not read its answers.
    Wait,
    /// The first message of the connection.
    Hello(Result<Hello, HelloError>),
    /// The client's Close frame.
    Left(PeerClose),
    /// The connection is to be closed with this code.
    Fault(CloseCode),
}

/// What holds for all messages of one read, as no link can change while they are passed on.
#[derive(Debug)]
struct Reading {
    /// `None` before the connection holds a role.
    sender: Option<Sender>,
    /// Set by the first message to a peer on this node.
    run: Option<Run>,
}

/// What the messages of one read have in common that go to a peer on this node.
#[derive(Debug)]
struct Run {
    to: Conn,
    /// Binary goes bare to it.
    bare: bool,
    from: Role,
    head: Head,
    /// With more than this in its queue no more is passed on to it. Lower while memory is short.
    mark: usize,
}

/// One message, wherever its bytes are.
pub(super) enum ReceivedMessage<'a> {
    /// UTF-8.
    Text(&'a [u8]),
    Binary(&'a [u8]),
    Gathered(Kind, Vec<u8>),
}

impl Forwarder<'_> {
    /// Takes `bytes` apart and passes on the messages that are whole. Gives how many bytes were taken.
    pub(super) fn forward(
        &mut self,
        conn: Conn,
        turn: &mut Turn,
        bytes: &mut [u8],
    ) -> (usize, Option<StopReason>) {
        let mut cursor = Cursor::new(bytes);
        let mut reading = Reading { sender: self.relay.sender(conn), run: None };
        let message_bytes_max = reading.sender.map_or(HELLO_BYTES_MAX, |sender| sender.message_bytes_max);
        let stop = loop {
            let room = if turn.may_grow { usize::MAX } else { self.large.room(self.conns) };
            let allowed = Allowance { message_bytes_max, room };
            let flow = match turn.inbound.step(&mut cursor, allowed, &mut self.conns.pool) {
                Step::Text(text) => self.on_message(conn, turn, &mut reading, ReceivedMessage::Text(text)),
                Step::Binary(bytes) => {
                    self.on_message(conn, turn, &mut reading, ReceivedMessage::Binary(bytes))
                }
                Step::Gathered(kind) => {
                    let message = ReceivedMessage::Gathered(kind, turn.inbound.take_message());
                    if turn.may_grow {
                        self.large.end_growth(self.conns, conn, turn);
                    }
                    self.on_message(conn, turn, &mut reading, message)
                }
                Step::Ping(payload) => self.on_ping(conn, payload),
                Step::Pong => None,
                Step::Close(said) => Some(StopReason::Left(said)),
                Step::NeedMore => break None,
                Step::Held if self.large.try_grow(self.conns, conn, turn, self.now) => None,
                Step::Held => Some(StopReason::Wait),
                Step::Breach(code) => Some(StopReason::Fault(code)),
            };
            if flow.is_some() {
                break flow;
            }
        };
        (cursor.taken(), stop)
    }

    fn on_message(
        &mut self,
        conn: Conn,
        turn: &mut Turn,
        reading: &mut Reading,
        message: ReceivedMessage<'_>,
    ) -> Option<StopReason> {
        let Some(sender) = &reading.sender else { return self.on_unjoined(conn, message) };
        if message.is_heartbeat() {
            self.metrics.heartbeats += 1;
            self.relay.note_heartbeat(conn, self.now);
            return self.answer_heartbeat(conn, message);
        }
        if let Some(run) = &reading.run {
            return self.pass_on(run, message);
        }
        match self.relay.route(conn, self.now) {
            Verdict::Peer(to) => {
                let head = Head::new(&sender.session.hex(), sender.role, self.at.as_bytes());
                self.conns.mark_dirty(to);
                let stage = self.conns.of(to).map(|target| &target.stage);
                let bare = matches!(stage, Some(Stage::Open { raw: true }));
                let run = Run { to, bare, from: sender.role, head, mark: self.mark() };
                self.pass_on(reading.run.insert(run), message)
            }
            Verdict::Remote(handle) => self.send_on(conn, turn, sender, handle, message),
            Verdict::Absent => {
                self.metrics.frames_absent[sender.role.index()] += 1;
                message.give_back(&mut self.conns.pool);
                None
            }
            Verdict::Core | Verdict::Closing => {
                message.give_back(&mut self.conns.pool);
                None
            }
        }
    }

    /// How much may wait for a target before its sender is paused.
    fn mark(&self) -> usize {
        let is_short = self.conns.pool.lent() > self.limits.memory_short();
        if is_short { LOW_MARK } else { HIGH_MARK }
    }

    /// Writes a frame into its target's queue.
    #[inline]
    fn pass_on(&mut self, run: &Run, message: ReceivedMessage<'_>) -> Option<StopReason> {
        self.metrics.frames[run.from.index()] += 1;
        self.metrics.frame_bytes[run.from.index()] += message.bytes().len() as u64;
        let Some((Buffers { outbound, .. }, pool)) = self.conns.with_buffers(run.to) else {
            debug_assert!(false, "the core links connections that are there");
            message.give_back(&mut self.conns.pool);
            return None;
        };
        match message {
            ReceivedMessage::Text(text) => outbound.text(&run.head, text, Room::ToMark, pool),
            ReceivedMessage::Binary(bytes) => outbound.binary(&run.head, bytes, run.bare, Room::ToMark, pool),
            ReceivedMessage::Gathered(kind, chunk) => {
                outbound.gathered(&run.head, kind, chunk, run.bare, Room::ToMark, pool);
            }
        }
        if outbound.is_over(run.mark) {
            self.relay.note_congested(run.to);
            return Some(StopReason::Wait);
        }
        None
    }

    /// Before a connection holds a role it sends one message: the hello.
    fn on_unjoined(&mut self, conn: Conn, message: ReceivedMessage<'_>) -> Option<StopReason> {
        let is_first = self.relay.route(conn, self.now) == Verdict::Core;
        let stop = is_first.then(|| StopReason::Hello(Hello::parse(message.bytes(), message.is_text())));
        message.give_back(&mut self.conns.pool);
        stop.or(Some(StopReason::Wait))
    }

    fn answer_heartbeat(&mut self, conn: Conn, message: ReceivedMessage<'_>) -> Option<StopReason> {
        message.give_back(&mut self.conns.pool);
        let (buffers, pool) = self.conns.with_buffers(conn)?;
        if buffers.outbound.notice(&Notice::HbAck, pool).is_err() {
            return Some(StopReason::Fault(CloseCode::TimedOut));
        }
        self.after_answer(conn)
    }

    fn on_ping(&mut self, conn: Conn, payload: &[u8]) -> Option<StopReason> {
        let (buffers, pool) = self.conns.with_buffers(conn)?;
        buffers.outbound.pong(payload, pool);
        self.after_answer(conn)
    }

    /// An answer was queued. A connection that does not read its answers is not read either.
    fn after_answer(&mut self, conn: Conn) -> Option<StopReason> {
        self.conns.mark_dirty(conn);
        let outbound = self.conns.of(conn)?.outbound();
        if outbound.is_over_high() {
            self.relay.note_congested(conn);
        }
        (!self.conns.of(conn)?.outbound().has_answer_room()).then_some(StopReason::Wait)
    }
}

impl ReceivedMessage<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            ReceivedMessage::Text(bytes) | ReceivedMessage::Binary(bytes) => bytes,
            ReceivedMessage::Gathered(_, chunk) => chunk,
        }
    }

    fn is_text(&self) -> bool {
        matches!(self, ReceivedMessage::Text(_) | ReceivedMessage::Gathered(Kind::Text, _))
    }

    pub fn kind(&self) -> Kind {
        if self.is_text() { Kind::Text } else { Kind::Binary }
    }

    fn is_heartbeat(&self) -> bool {
        self.is_text() && is_heartbeat(self.bytes())
    }

    /// Gives its memory back.
    pub fn give_back(self, pool: &mut Pool) {
        if let ReceivedMessage::Gathered(_, chunk) = self {
            pool.give_back(chunk);
        }
    }
}

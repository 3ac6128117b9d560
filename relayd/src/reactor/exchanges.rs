//! HTTP connections: what each waits for, and until when.
//!
//! Reads requests from bytes, writes answers and queues them, and keeps every deadline of a connection that
//! the core does not know. What a request asks of the core, of the store or of admission is for the reactor
//! to do.

mod exchange;

use std::net::IpAddr;
use std::time::Duration;

use relayd_core::deadlines::Deadlines;
use relayd_core::store::Conn;
use relayd_core::time::Time;

use self::exchange::{Awaits, Exchange};
pub(super) use self::exchange::{Heard, PendingRequest};
use super::conns::Conns;
use crate::admission::Address;
use crate::http::{Answered, Context, Parsed};

/// From accept to a whole first head, and from a later request's first byte to the whole request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Between two requests of one connection, and for an answer to be taken.
const IDLE_WITHIN: Duration = Duration::from_secs(30);

/// From the last byte queued to the socket gone.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// All HTTP connections, and those that close without having been anything else.
#[derive(Debug)]
pub(super) struct Exchanges {
    /// By [`Conn::slot`].
    slots: Vec<Option<Box<Exchange>>>,
    /// `deadlines` = { (exchange.due, conn) }
    deadlines: Deadlines<Conn>,
    /// Where an answer is written before it is queued.
    answer: Vec<u8>,
    /// Connections begin with TLS.
    begin_with_tls: bool,
}

/// A connection whose deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// A request that is not whole: it is answered.
    Request(Conn),
    /// Anything else: the connection goes.
    Connection(Conn),
}

impl Exchanges {
    /// Without connections.
    pub fn new(begin_with_tls: bool) -> Self {
        Exchanges { slots: Vec::new(), deadlines: Deadlines::default(), answer: Vec::new(), begin_with_tls }
    }

    /// A connection was accepted.
    pub fn begin(&mut self, conn: Conn, address: IpAddr, now: Time) {
        let slot = conn.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots[slot] = Some(Box::new(Exchange::new(conn.name, address, self.begin_with_tls)));
        self.set_due(conn, Some(now + HEAD_WITHIN));
    }

    /// The connection is gone, or speaks WebSocket.
    pub fn end(&mut self, conn: Conn) {
        self.set_due(conn, None);
        if self.of(conn).is_some() {
            self.slots[conn.slot as usize] = None;
        }
    }

    /// When [`Exchanges::poll_due`] must be called.
    pub fn next_due(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// The next connection whose deadline has passed.
    pub fn poll_due(&mut self, now: Time) -> Option<Overdue> {
        let conn = self.deadlines.poll(now)?;
        let exchange = self.of_mut(conn)?;
        exchange.due = None;
        match exchange.awaits {
            Awaits::WholeRequest => Some(Overdue::Request(conn)),
            Awaits::Request | Awaits::Store(_) | Awaits::End => Some(Overdue::Connection(conn)),
        }
    }

    /// True if a connection must begin with TLS, and has not.
    pub fn expects_tls(&self, conn: Conn) -> bool {
        self.of(conn).is_some_and(|exchange| exchange.expects_tls)
    }

    /// True if the next request of a connection may be parsed now.
    pub fn may_parse(&self, conn: Conn) -> bool {
        self.of(conn).is_some_and(|it| matches!(it.awaits, Awaits::Request | Awaits::WholeRequest))
    }

    /// Reads what `input` begins with. An answer to it is written and not queued yet.
    pub fn read(&mut self, conn: Conn, input: &[u8], context: &Context<'_>) -> Heard {
        self.answer.clear();
        match of_mut(&mut self.slots, conn) {
            Some(exchange) => exchange.read(input, context, &mut self.answer),
            None => Heard::Request(Parsed::NeedMore),
        }
    }

    /// A request has begun, or not. The time of a new one starts with its first byte; later bytes do not
    /// extend it.
    pub fn note_part(&mut self, conn: Conn, has_begun: bool, conns: &mut Conns, now: Time) {
        self.queue_bytes(conn, conns);
        let Some(exchange) = self.of_mut(conn).filter(|_| has_begun) else { return };
        if matches!(exchange.awaits, Awaits::Request) {
            exchange.awaits = Awaits::WholeRequest;
            self.set_due(conn, Some(now + HEAD_WITHIN));
        }
    }

    /// A whole request waits for a place. It stays parked until there is one, or until that time.
    pub fn hold(&mut self, conn: Conn, until: Time) {
        self.set_due(conn, Some(until));
    }

    /// The request of a connection waits for the store.
    pub fn await_store(&mut self, conn: Conn, pending: PendingRequest, now: Time) {
        if let Some(exchange) = self.of_mut(conn) {
            exchange.awaits = Awaits::Store(pending);
            self.set_due(conn, Some(now + IDLE_WITHIN));
        }
    }

    /// What answers the request that waits for the store, now that it can be answered.
    pub fn take_pending(&mut self, conn: Conn) -> Option<PendingRequest> {
        let exchange = self.of_mut(conn)?;
        match std::mem::replace(&mut exchange.awaits, Awaits::Request) {
            Awaits::Store(pending) => Some(pending),
            other => {
                exchange.awaits = other;
                None
            }
        }
    }

    /// The address of a delete that waits for the store, if it is past its limit of failed ones.
    pub fn doubted_address(&self, conn: Conn) -> Option<Address> {
        match &self.of(conn)?.awaits {
            Awaits::Store(pending) => pending.limited.filter(|_| pending.is_doubted),
            _ => None,
        }
    }

    /// Writes an answer, to be queued.
    pub fn write(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Answered) -> Answered {
        self.answer.clear();
        write(&mut self.answer)
    }

    /// Queues the answer that was written, and a body that is part of the program. The connection closes
    /// behind it, or waits for its next request.
    pub fn queue_answer(
        &mut self,
        conn: Conn,
        closes: bool,
        body: &'static [u8],
        conns: &mut Conns,
        now: Time,
    ) {
        self.queue_bytes(conn, conns);
        if let Some((buffers, pool)) = conns.with_buffers(conn).filter(|_| !body.is_empty()) {
            buffers.outbound.fixed(body, pool);
        }
        if closes {
            return self.close(conn, conns, now);
        }
        if let Some(exchange) = self.of_mut(conn) {
            exchange.awaits = Awaits::Request;
            self.set_due(conn, Some(now + IDLE_WITHIN));
            conns.schedule(conn);
        }
    }

    /// Queues the 101 that was written: from here on the connection speaks WebSocket.
    pub fn upgrade(&mut self, conn: Conn, conns: &mut Conns) {
        self.queue_bytes(conn, conns);
        self.end(conn);
    }

    /// The connection is shut down and drained once its answers are written.
    pub fn close(&mut self, conn: Conn, conns: &mut Conns, now: Time) {
        if let Some(exchange) = self.of_mut(conn) {
            exchange.awaits = Awaits::End;
        }
        self.set_due(conn, Some(now + CLOSE_WITHIN));
        conns.begin_closing(conn);
    }

    /// The node stops: connections between requests close at once, the others with the answer to what they
    /// ask.
    pub fn drain(&mut self, conns: &mut Conns, now: Time) {
        for slot in 0..self.slots.len() {
            let Some(exchange) = &mut self.slots[slot] else { continue };
            let conn = Conn { slot: slot as u32, name: exchange.name };
            match &mut exchange.awaits {
                Awaits::Store(pending) => pending.reply = pending.reply.closing(),
                Awaits::WholeRequest if conns.has_parked(conn) => {}
                Awaits::WholeRequest | Awaits::Request => self.close(conn, conns, now),
                Awaits::End => {}
            }
        }
    }

    fn queue_bytes(&self, conn: Conn, conns: &mut Conns) {
        if self.answer.is_empty() {
            return;
        }
        if let Some((buffers, pool)) = conns.with_buffers(conn) {
            buffers.outbound.bytes(&self.answer, pool);
            conns.mark_dirty(conn);
        }
    }

    fn set_due(&mut self, conn: Conn, due: Option<Time>) {
        let Some(exchange) = of_mut(&mut self.slots, conn) else { return };
        if let Some(was) = std::mem::replace(&mut exchange.due, due) {
            self.deadlines.disarm(conn, was);
        }
        if let Some(due) = due {
            self.deadlines.arm(conn, due);
        }
    }

    fn of(&self, conn: Conn) -> Option<&Exchange> {
        self.slots.get(conn.slot as usize)?.as_deref().filter(|exchange| exchange.name == conn.name)
    }

    fn of_mut(&mut self, conn: Conn) -> Option<&mut Exchange> {
        of_mut(&mut self.slots, conn)
    }
}

fn of_mut(slots: &mut [Option<Box<Exchange>>], conn: Conn) -> Option<&mut Exchange> {
    slots.get_mut(conn.slot as usize)?.as_deref_mut().filter(|exchange| exchange.name == conn.name)
}

#[cfg(test)]
mod tests;

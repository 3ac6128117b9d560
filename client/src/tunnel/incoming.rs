//! Received messages: pieces put together in order, each once, within the window, and which of them the app
//! has taken.
//!
//! Nothing of a message is acknowledged before the app has taken the whole of it. So whatever this end holds
//! is unacknowledged, and the window bounds it. Knows numbers and bytes; no keys, no time. Called by the
//! stream only.

use std::collections::VecDeque;

use super::event::{Fault, Message};
use super::limits::PIECE_COST;

/// `taken_up_to <= received`, and held pieces cost at most the window.
pub(super) struct Incoming {
    window: u32,
    /// The highest piece taken in, in order.
    received: u64,
    /// Up to here the app has taken whole messages.
    taken_up_to: u64,
    partial: Vec<u8>,
    /// Whole messages that the app has not taken.
    waiting: VecDeque<Waiting>,
    /// The cost of the pieces held, in whole messages and the partial one.
    cost: usize,
    partial_cost: usize,
    /// The number of the last message that came whole, over all numberings.
    messages: u64,
}

#[derive(Debug)]
struct Waiting {
    message: u64,
    /// The number of its last piece.
    last_piece: u64,
    cost: usize,
}

/// The messages that the app has newly taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) pieces: u64,
    pub(super) cost: usize,
}

impl Incoming {
    /// Empty, with this end's window.
    pub(super) fn new(window: u32) -> Self {
        Incoming {
            window,
            received: 0,
            taken_up_to: 0,
            partial: Vec::new(),
            waiting: VecDeque::new(),
            cost: 0,
            partial_cost: 0,
            messages: 0,
        }
    }

    /// Takes a piece in. Gives the message that it ends; a piece that is here already is ignored.
    pub(super) fn take_in(&mut self, number: u64, fin: bool, bytes: &[u8]) -> Result<Option<Message>, Fault> {
        let expected = self.received + 1;
        if number < expected {
            return Ok(None);
        }
        if number > expected {
            return Err(Fault::Gap { expected, got: number });
        }
        let cost = bytes.len() + PIECE_COST;
        if self.cost + cost > self.window as usize {
            return Err(Fault::OverWindow { window: self.window });
        }
        let limit = self.window as usize / 2;
        if self.partial.len() + bytes.len() > limit {
            return Err(Fault::MessageTooLong { limit });
        }
        self.received = number;
        self.cost += cost;
        self.partial_cost += cost;
        self.partial.extend_from_slice(bytes);
        Ok(fin.then(|| self.finish()))
    }

    fn finish(&mut self) -> Message {
        self.messages += 1;
        let cost = std::mem::take(&mut self.partial_cost);
        self.waiting.push_back(Waiting { message: self.messages, last_piece: self.received, cost });
        Message { number: self.messages, bytes: std::mem::take(&mut self.partial) }
    }

    /// The app has taken every message up to number `message`. One that is not waiting changes nothing.
    pub(super) fn taken(&mut self, message: u64) -> Taken {
        let mut taken = Taken::default();
        while self.waiting.front().is_some_and(|waiting| waiting.message <= message)
            && let Some(waiting) = self.waiting.pop_front()
        {
            taken.pieces += waiting.last_piece - self.taken_up_to;
            taken.cost += waiting.cost;
            self.taken_up_to = waiting.last_piece;
            self.cost -= waiting.cost;
        }
        taken
    }

    /// The highest piece taken in, in order.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The number up to which pieces may be acknowledged.
    pub(super) fn ack(&self) -> u64 {
        self.taken_up_to
    }

    /// This end's window.
    pub(super) fn window(&self) -> u32 {
        self.window
    }

    /// The cost of the pieces held, against the window.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// True if the app has taken every whole message.
    pub(super) fn is_all_taken(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A new epoch of the peer: numbering starts again, and an unfinished message is dropped.
    pub(super) fn restart(&mut self) {
        debug_assert!(self.waiting.is_empty(), "messages of the former life are not taken");
        *self = Incoming { messages: self.messages, ..Incoming::new(self.window) };
    }

    /// Panics where the invariants do not hold; for tests and debug builds.
    pub(super) fn check_invariants(&self) {
        debug_assert!(self.taken_up_to <= self.received, "{self:?}");
        debug_assert!(self.cost <= self.window as usize, "{self:?}");
        let waiting: usize = self.waiting.iter().map(|waiting| waiting.cost).sum();
        debug_assert_eq!(self.cost, waiting + self.partial_cost);
    }
}

/// Shows no payload.
impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Incoming { received, taken_up_to, waiting, cost, .. } = self;
        write!(
            f,
            "Incoming(received {received}, taken {taken_up_to}, {} waiting, cost {cost})",
            waiting.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunnel::limits::{PIECE_BYTES_MAX, WINDOW_MIN};

    const FULL: &[u8] = &[1; PIECE_BYTES_MAX];

    #[test]
    fn pieces_make_messages_and_repeats_are_ignored() {
        let mut incoming = Incoming::new(WINDOW_MIN);
        assert_eq!(incoming.take_in(1, false, FULL), Ok(None));
        assert_eq!(incoming.take_in(1, false, FULL), Ok(None), "a repeat");
        let message = incoming.take_in(2, true, b"end").unwrap().expect("a whole message");
        assert_eq!((message.number, message.bytes.len()), (1, PIECE_BYTES_MAX + 3));
        assert_eq!(incoming.take_in(2, true, b"end"), Ok(None), "a repeat");
        assert_eq!((incoming.received(), incoming.ack()), (2, 0));
        let cost = PIECE_BYTES_MAX + 3 + 2 * PIECE_COST;
        assert_eq!(incoming.taken(1), Taken { pieces: 2, cost });
        assert_eq!(incoming.taken(1), Taken::default());
        assert_eq!((incoming.received(), incoming.ack(), incoming.cost()), (2, 2, 0));
        incoming.check_invariants();
    }

    #[test]
    fn a_gap_is_a_fault() {
        let mut incoming = Incoming::new(WINDOW_MIN);
        assert_eq!(incoming.take_in(2, true, b""), Err(Fault::Gap { expected: 1, got: 2 }));
        assert_eq!(incoming.take_in(0, true, b""), Ok(None));
    }

    #[test]
    fn more_than_the_window_or_half_of_it_in_one_message_is_a_fault() {
        let mut incoming = Incoming::new(WINDOW_MIN);
        incoming.take_in(1, false, FULL).unwrap();
        incoming.take_in(2, false, FULL).unwrap();
        let too_long = Fault::MessageTooLong { limit: WINDOW_MIN as usize / 2 };
        assert_eq!(incoming.take_in(3, true, b"x"), Err(too_long));
        assert!(incoming.take_in(3, true, b"").unwrap().is_some());
        incoming.take_in(4, true, FULL).unwrap();
        assert_eq!(incoming.take_in(5, true, FULL), Err(Fault::OverWindow { window: WINDOW_MIN }));
        incoming.taken(1);
        assert!(incoming.take_in(5, true, FULL).unwrap().is_some());
        incoming.check_invariants();
    }

    #[test]
    fn a_restart_forgets_the_unfinished_and_names_on() {
        let mut incoming = Incoming::new(WINDOW_MIN);
        incoming.take_in(1, true, b"a").unwrap();
        incoming.taken(1);
        incoming.take_in(2, false, FULL).unwrap();
        incoming.restart();
        assert_eq!((incoming.received(), incoming.ack(), incoming.cost()), (0, 0, 0));
        let message = incoming.take_in(1, true, b"b").unwrap().expect("a whole message");
        assert_eq!(message, Message { number: 2, bytes: b"b".to_vec() });
    }
}

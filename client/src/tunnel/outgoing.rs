//! The messages to send: cut into pieces, numbered, kept until acknowledged, never more than the peer's
//! window.
//!
//! Knows numbers and bytes; no keys, no time. Called by the stream only.

use std::collections::VecDeque;

use super::event::{Fault, SendError};
use super::limits::{PIECE_BYTES_MAX, PIECE_COST};

/// The queue of unacknowledged pieces.
///
/// `acknowledged, received <= sent <= acknowledged + pieces.len()`, and the pieces' cost is at most the
/// window.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Numbers `acknowledged + 1 ..`, without gaps. Whole messages only.
    pieces: VecDeque<Piece>,
    acknowledged: u64,
    /// Up to here the peer has them, and their bytes are gone here.
    received: u64,
    /// The highest number that was ever handed to a connection in this numbering.
    sent: u64,
    /// The highest number that was handed to the present connection.
    sent_here: u64,
    cost: usize,
    /// The peer's; 0 until known.
    window: usize,
    /// The number of the last message accepted, over all numberings.
    messages: u64,
    /// The number of the last message acknowledged, or given up at a restart.
    settled: u64,
}

struct Piece {
    /// Emptied once the peer has it.
    bytes: Vec<u8>,
    cost: usize,
    /// The message that this piece ends.
    ends: Option<u64>,
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Piece({} bytes, ends {:?})", self.bytes.len(), self.ends)
    }
}

/// A piece to be sent: its number, whether it ends its message, its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NextPiece<'a> {
    pub(super) number: u64,
    pub(super) fin: bool,
    pub(super) bytes: &'a [u8],
}

impl Outgoing {
    /// The peer's window, in bytes.
    pub(super) fn set_window(&mut self, window: u32) {
        self.window = window as usize;
    }

    /// Accepts a whole message and names it, or says why not.
    pub(super) fn push(&mut self, message: &[u8]) -> Result<u64, SendError> {
        self.admit(message.len())?;
        let mut rest = message;
        loop {
            let (bytes, later) = rest.split_at(rest.len().min(PIECE_BYTES_MAX));
            self.add(bytes.to_vec(), later.is_empty());
            if later.is_empty() {
                return Ok(self.messages);
            }
            rest = later;
        }
    }

    /// As `push`; takes the bytes out of the message, without a copy if they are one piece.
    pub(super) fn push_owned(&mut self, message: &mut Vec<u8>) -> Result<u64, SendError> {
        if message.len() > PIECE_BYTES_MAX {
            return self.push(message);
        }
        self.admit(message.len())?;
        self.add(std::mem::take(message), true);
        Ok(self.messages)
    }

    fn admit(&mut self, len: usize) -> Result<(), SendError> {
        let limit = self.message_bytes_max();
        if len > limit {
            return Err(SendError::TooLarge { len, limit });
        }
        if self.cost + cost_of_message(len) > self.window {
            return Err(SendError::Full);
        }
        self.messages += 1;
        Ok(())
    }

    fn add(&mut self, bytes: Vec<u8>, ends: bool) {
        let cost = bytes.len() + PIECE_COST;
        self.cost += cost;
        self.pieces.push_back(Piece { bytes, cost, ends: ends.then_some(self.messages) });
    }

    /// The longest message that the peer takes.
    pub(super) fn message_bytes_max(&self) -> usize {
        self.window / 2
    }

    /// True if the longest message would be accepted now, or nothing is kept.
    pub(super) fn has_room(&self) -> bool {
        self.pieces.is_empty() || self.cost + cost_of_message(self.message_bytes_max()) <= self.window
    }

    /// True if what is kept is at most half of the window.
    pub(super) fn is_half_free(&self) -> bool {
        self.cost <= self.window / 2
    }

    /// The next piece that the standing connection has not had; it counts as sent.
    pub(super) fn poll_due(&mut self) -> Option<NextPiece<'_>> {
        let number = self.sent_here + 1;
        let piece = self.pieces.get(usize::try_from(number - self.acknowledged - 1).ok()?)?;
        self.sent_here = number;
        self.sent = self.sent.max(number);
        Some(NextPiece { number, fin: piece.ends.is_some(), bytes: &piece.bytes })
    }

    /// True if every accepted piece was handed to the standing connection.
    pub(super) fn is_all_sent(&self) -> bool {
        self.sent_here == self.last()
    }

    /// The highest number given to a piece.
    pub(super) fn last(&self) -> u64 {
        self.acknowledged + self.pieces.len() as u64
    }

    /// The peer's app has taken everything up to `number`. Gives the last message newly acknowledged.
    pub(super) fn acknowledge(&mut self, number: u64) -> Result<Option<u64>, Fault> {
        self.check(number, 0)?;
        let mut newest = None;
        while self.acknowledged < number
            && let Some(piece) = self.pieces.pop_front()
        {
            self.acknowledged += 1;
            self.cost -= piece.cost;
            newest = piece.ends.or(newest);
        }
        self.settled = newest.unwrap_or(self.settled);
        self.sent_here = self.sent_here.max(self.acknowledged);
        Ok(newest)
    }

    /// A new connection to the same epoch of the peer, which has everything up to `received`: forgets those
    /// bytes, and sends from there.
    pub(super) fn resume(&mut self, received: u64) -> Result<(), Fault> {
        self.check(received, self.received.max(self.acknowledged))?;
        self.received = received;
        let held = usize::try_from(received - self.acknowledged).unwrap_or(usize::MAX);
        for piece in self.pieces.iter_mut().take(held) {
            piece.bytes = Vec::new();
        }
        self.sent_here = received;
        Ok(())
    }

    /// A new epoch of the peer: everything is dropped and numbering starts again. Gives the number of
    /// messages that were not acknowledged.
    pub(super) fn restart(&mut self) -> u64 {
        let unconfirmed = self.unacknowledged();
        let messages = self.messages;
        *self = Outgoing { window: self.window, messages, settled: messages, ..Outgoing::default() };
        unconfirmed
    }

    /// Messages accepted and not acknowledged.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.messages - self.settled
    }

    /// The cost of the pieces kept, against the window.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    fn check(&self, number: u64, from: u64) -> Result<(), Fault> {
        let to = self.sent;
        if (from..=to).contains(&number) { Ok(()) } else { Err(Fault::BadNumber { got: number, from, to }) }
    }

    /// Panics where the invariants do not hold; for tests and debug builds.
    pub(super) fn check_invariants(&self) {
        debug_assert!(
            self.acknowledged <= self.sent_here && self.sent_here <= self.sent.max(self.acknowledged),
            "{self:?}"
        );
        debug_assert!(self.sent <= self.last(), "{self:?}");
        debug_assert!(self.cost <= self.window, "{self:?}");
        debug_assert_eq!(self.cost, self.pieces.iter().map(|piece| piece.cost).sum::<usize>());
        debug_assert!(self.pieces.back().is_none_or(|piece| piece.ends.is_some()));
    }
}

/// The cost of a message of `len` bytes against the window.
fn cost_of_message(len: usize) -> usize {
    len + PIECE_COST * len.div_ceil(PIECE_BYTES_MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunnel::limits::WINDOW_MIN;

    fn outgoing() -> Outgoing {
        let mut outgoing = Outgoing::default();
        outgoing.set_window(WINDOW_MIN);
        outgoing
    }

    fn sent(outgoing: &mut Outgoing) -> Vec<(u64, bool, usize)> {
        let mut sent = Vec::new();
        while let Some(due) = outgoing.poll_due() {
            sent.push((due.number, due.fin, due.bytes.len()));
        }
        outgoing.check_invariants();
        sent
    }

    #[test]
    fn messages_are_cut_at_32_kib() {
        let mut outgoing = outgoing();
        for (len, pieces) in [
            (0, vec![(1, true, 0)]),
            (1, vec![(2, true, 1)]),
            (32_768, vec![(3, true, 32_768)]),
            (32_769, vec![(4, false, 32_768), (5, true, 1)]),
        ] {
            outgoing.push(&vec![7; len]).unwrap();
            assert_eq!(sent(&mut outgoing), pieces);
        }
        assert!(outgoing.is_all_sent());
        assert_eq!((outgoing.last(), outgoing.unacknowledged()), (5, 4));
    }

    #[test]
    fn half_the_window_is_the_longest_message_and_the_window_the_most_kept() {
        let mut outgoing = outgoing();
        let limit = WINDOW_MIN as usize / 2;
        let too_large = SendError::TooLarge { len: limit + 1, limit };
        assert_eq!(outgoing.push(&vec![0; limit + 1]), Err(too_large));
        assert_eq!(outgoing.push(&vec![0; limit]), Ok(1));
        assert_eq!(outgoing.push(&vec![0; limit]), Err(SendError::Full), "the pieces' own cost");
        assert_eq!(outgoing.push(&vec![0; limit - 4 * PIECE_COST]), Ok(2));
        assert_eq!(outgoing.push(b""), Err(SendError::Full));
        outgoing.check_invariants();
        sent(&mut outgoing);
        assert_eq!(outgoing.acknowledge(2), Ok(Some(1)));
        assert_eq!(outgoing.push(b""), Ok(3));
    }

    #[test]
    fn empty_messages_are_bounded_too() {
        let mut outgoing = outgoing();
        let accepted = std::iter::from_fn(|| outgoing.push(b"").ok()).count();
        assert_eq!(accepted, WINDOW_MIN as usize / PIECE_COST);
    }

    #[test]
    fn what_the_peer_has_is_forgotten_and_the_rest_sent_again() {
        let mut outgoing = outgoing();
        for _ in 0..3 {
            outgoing.push(b"abc").unwrap();
        }
        sent(&mut outgoing);
        outgoing.resume(1).unwrap();
        assert_eq!(outgoing.unacknowledged(), 3, "having is not taking");
        assert_eq!(outgoing.cost(), 3 * (3 + PIECE_COST));
        assert_eq!(sent(&mut outgoing), [(2, true, 3), (3, true, 3)]);
        assert_eq!(outgoing.acknowledge(3), Ok(Some(3)));
        assert_eq!(outgoing.cost(), 0);
    }

    #[test]
    fn numbers_that_make_no_sense_are_faults() {
        let mut outgoing = outgoing();
        outgoing.push(b"a").unwrap();
        assert_eq!(outgoing.acknowledge(1), Err(Fault::BadNumber { got: 1, from: 0, to: 0 }), "not sent yet");
        sent(&mut outgoing);
        assert_eq!(outgoing.acknowledge(1), Ok(Some(1)));
        assert_eq!(outgoing.acknowledge(1), Ok(None));
        assert_eq!(outgoing.acknowledge(0), Ok(None), "an old one says nothing new");
        assert_eq!(outgoing.resume(0), Err(Fault::BadNumber { got: 0, from: 1, to: 1 }));
        assert_eq!(outgoing.resume(2), Err(Fault::BadNumber { got: 2, from: 1, to: 1 }));
    }

    #[test]
    fn a_restart_drops_all_and_counts_what_was_not_confirmed() {
        let mut outgoing = outgoing();
        for _ in 0..3 {
            outgoing.push(&[0; 40_000][..30_000]).unwrap();
        }
        sent(&mut outgoing);
        outgoing.acknowledge(1).unwrap();
        assert_eq!(outgoing.restart(), 2);
        assert_eq!(outgoing.push(b"x"), Ok(4), "messages are named on");
        assert_eq!(sent(&mut outgoing), [(1, true, 1)], "pieces start again");
    }
}

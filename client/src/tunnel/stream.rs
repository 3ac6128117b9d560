//! The two numbered directions between one epoch of this end and one epoch of the peer, over however many
//! connections.
//!
//! Owns the epochs, both directions, and when an acknowledgement is due. Knows no keys, sockets or
//! clock: time comes as a span since the machine's beginning. Called by the machine, which seals what
//! [`MessageStreams::poll_record`] gives and hands in each decrypted record.

use std::time::Duration;

use super::event::{Fault, Message, SendError};
use super::incoming::Incoming;
use super::limits::{ACK_DELAY, ACK_PIECES};
use super::outgoing::{NextPiece, Outgoing};
use super::record::{Epoch, Record, ResumeState};

/// Both directions. See the module.
#[derive(Debug)]
pub(super) struct MessageStreams {
    own: Epoch,
    peer: Option<Peer>,
    outgoing: Outgoing,
    incoming: Incoming,
    acks: Acks,
    /// This end sends nothing after what it has accepted.
    closing: bool,
    /// CLOSE was handed to the standing connection.
    close_sent: bool,
    /// The peer sends nothing after what it sent.
    peer_closed: bool,
}

/// The peer in its present epoch.
#[derive(Clone, Copy, Debug)]
struct Peer {
    epoch: Epoch,
    window: u32,
}

/// When to acknowledge what the app has taken.
#[derive(Debug, Default)]
struct Acks {
    /// The number last acknowledged on the present connection.
    told: u64,
    /// Taken since then.
    pieces: u64,
    cost: usize,
    /// When it must be said at the latest.
    due_at: Option<Duration>,
}

impl MessageStreams {
    /// A new epoch of this end that takes in `window` bytes and knows no peer.
    pub(super) fn new(own: Epoch, window: u32) -> Self {
        MessageStreams {
            own,
            peer: None,
            outgoing: Outgoing::default(),
            incoming: Incoming::new(window),
            acks: Acks::default(),
            closing: false,
            close_sent: false,
            peer_closed: false,
        }
    }

    /// A new epoch of this end, with the same window; a close that the app asked for still holds.
    pub(super) fn reborn(&self, own: Epoch) -> Self {
        MessageStreams { closing: self.closing, ..MessageStreams::new(own, self.incoming.window()) }
    }

    /// This end's state for a handshake.
    pub(super) fn state(&self) -> ResumeState {
        ResumeState {
            epoch: self.own,
            known: self.peer.map(|peer| peer.epoch),
            received: self.incoming.received(),
            window: self.incoming.window(),
        }
    }

    /// A new connection: takes in the peer's state. `Some` if the peer's epoch is new: the number
    /// of messages that were not confirmed by the former one.
    pub(super) fn resume(&mut self, theirs: &ResumeState, now: Duration) -> Result<Option<u64>, Fault> {
        let restarted = self.meet(theirs)?;
        // A peer that does not know this epoch has nothing of it.
        let received = if theirs.known == Some(self.own) { theirs.received } else { 0 };
        self.outgoing.resume(received)?;
        self.close_sent = false;
        self.acks = Acks::default();
        if self.incoming.ack() > 0 {
            // Records of the former connection may have been lost with it.
            self.acks.due_at = Some(now);
        }
        self.check_invariants();
        Ok(restarted)
    }

    fn meet(&mut self, theirs: &ResumeState) -> Result<Option<u64>, Fault> {
        let met = Peer { epoch: theirs.epoch, window: theirs.window };
        let restarted = match self.peer {
            Some(peer) if peer.epoch == met.epoch && peer.window != met.window => {
                return Err(Fault::WindowChanged { from: peer.window, to: met.window });
            }
            Some(peer) if peer.epoch == met.epoch => None,
            // The messages of two epochs together could be twice the window.
            Some(_) if !self.incoming.is_all_taken() => return Err(Fault::Behind),
            Some(_) => {
                self.incoming.restart();
                self.peer_closed = false;
                Some(self.outgoing.restart())
            }
            None => None,
        };
        self.peer = Some(met);
        self.outgoing.set_window(met.window);
        Ok(restarted)
    }

    /// Accepts a whole message for sending and names it.
    pub(super) fn push(&mut self, message: &[u8]) -> Result<u64, SendError> {
        if self.closing {
            return Err(SendError::Closed);
        }
        let accepted = self.outgoing.push(message);
        self.check_invariants();
        accepted
    }

    /// As `push`; takes the bytes out of the message.
    pub(super) fn push_owned(&mut self, message: &mut Vec<u8>) -> Result<u64, SendError> {
        if self.closing {
            return Err(SendError::Closed);
        }
        let accepted = self.outgoing.push_owned(message);
        self.check_invariants();
        accepted
    }

    /// No message follows those accepted.
    pub(super) fn close(&mut self) {
        self.closing = true;
        // There may be no later.
        if let Some(due_at) = &mut self.acks.due_at {
            *due_at = Duration::ZERO;
        }
    }

    /// A piece came.
    pub(super) fn on_data(&mut self, number: u64, fin: bool, bytes: &[u8]) -> Result<Option<Message>, Fault> {
        if self.peer_closed && number > self.incoming.received() {
            return Err(Fault::OutOfPlace("DATA record after CLOSE"));
        }
        let message = self.incoming.take_in(number, fin, bytes)?;
        self.check_invariants();
        Ok(message)
    }

    /// An acknowledgement came. Gives the last message newly acknowledged.
    pub(super) fn on_ack(&mut self, ack: u64) -> Result<Option<u64>, Fault> {
        let newest = self.outgoing.acknowledge(ack)?;
        self.check_invariants();
        Ok(newest)
    }

    /// The peer says that it sends nothing after `last`. True the first time.
    pub(super) fn on_close(&mut self, last: u64) -> Result<bool, Fault> {
        if last != self.incoming.received() {
            return Err(Fault::Gap { expected: self.incoming.received(), got: last });
        }
        Ok(!std::mem::replace(&mut self.peer_closed, true))
    }

    /// The app has taken every message up to this one. True if an acknowledgement is due at another time now.
    pub(super) fn taken(&mut self, message: u64, now: Duration) -> bool {
        let taken = self.incoming.taken(message);
        if taken.pieces == 0 {
            return false;
        }
        let before = self.acks.due_at;
        self.acks.pieces += taken.pieces;
        self.acks.cost += taken.cost;
        let is_much = self.acks.pieces >= ACK_PIECES || self.acks.cost >= self.incoming.window() as usize / 4;
        let due_at = if is_much { now } else { now + ACK_DELAY };
        self.acks.due_at = Some(before.map_or(due_at, |earlier| earlier.min(due_at)));
        self.check_invariants();
        self.acks.due_at != before
    }

    /// The next record for the standing connection.
    pub(super) fn poll_record(&mut self, now: Duration) -> Option<Record<'_>> {
        let ack = self.incoming.ack();
        if self.outgoing.is_all_sent() {
            return self.poll_ack(ack, now).or_else(|| self.poll_close());
        }
        self.acks = Acks { told: ack, ..Acks::default() };
        self.outgoing.poll_due().map(|NextPiece { number, fin, bytes }| Record::Data {
            number,
            ack,
            fin,
            bytes,
        })
    }

    fn poll_ack(&mut self, ack: u64, now: Duration) -> Option<Record<'static>> {
        let is_due = self.acks.due_at.is_some_and(|due_at| due_at <= now) && ack > self.acks.told;
        is_due.then(|| {
            self.acks = Acks { told: ack, ..Acks::default() };
            Record::Ack { ack }
        })
    }

    fn poll_close(&mut self) -> Option<Record<'static>> {
        let is_due = self.closing && !self.close_sent;
        is_due.then(|| {
            self.close_sent = true;
            Record::Close { last: self.outgoing.last() }
        })
    }

    /// When an acknowledgement is due.
    pub(super) fn ack_due_at(&self) -> Option<Duration> {
        self.acks.due_at
    }

    /// True if the longest possible message would be accepted now, or nothing is kept.
    pub(super) fn has_room(&self) -> bool {
        self.outgoing.has_room()
    }

    /// True if at most half of the peer's window is kept for sending.
    pub(super) fn is_half_free(&self) -> bool {
        self.outgoing.is_half_free()
    }

    /// Messages accepted and not acknowledged.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.outgoing.unacknowledged()
    }

    /// The cost of messages kept for sending, and of those received and not taken, against the two windows.
    pub(super) fn costs(&self) -> (usize, usize) {
        (self.outgoing.cost(), self.incoming.cost())
    }

    fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            self.outgoing.check_invariants();
            self.incoming.check_invariants();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunnel::limits::PIECE_BYTES_MAX;

    const WINDOW: u32 = 256 * 1024;

    const NOW: Duration = Duration::from_secs(10);

    fn epoch(byte: u8) -> Epoch {
        Epoch([byte; 16])
    }

    /// Two streams that have met.
    fn pair() -> (MessageStreams, MessageStreams) {
        let (mut a, mut b) = (MessageStreams::new(epoch(1), WINDOW), MessageStreams::new(epoch(2), WINDOW));
        meet(&mut a, &mut b).unwrap();
        (a, b)
    }

    /// As a handshake does it: `b` speaks first.
    fn meet(a: &mut MessageStreams, b: &mut MessageStreams) -> Result<(Option<u64>, Option<u64>), Fault> {
        let told = a.resume(&b.state(), NOW)?;
        Ok((told, b.resume(&a.state(), NOW)?))
    }

    /// Moves the records of `from` at `now`; gives them and the numbers of the messages that
    /// came.
    fn carry(
        from: &mut MessageStreams,
        to: &mut MessageStreams,
        now: Duration,
    ) -> (Vec<&'static str>, Vec<u64>) {
        let (mut said, mut came) = (Vec::new(), Vec::new());
        while let Some(record) = from.poll_record(now) {
            match record {
                Record::Data { number, ack, fin, bytes } => {
                    said.push("data");
                    to.on_ack(ack).unwrap();
                    came.extend(to.on_data(number, fin, bytes).unwrap().map(|message| message.number));
                }
                Record::Ack { ack } => {
                    said.push("ack");
                    to.on_ack(ack).unwrap();
                }
                Record::Close { last } => {
                    said.push("close");
                    to.on_close(last).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        (said, came)
    }

    #[test]
    fn a_message_is_acknowledged_when_the_app_has_taken_it_after_200_ms() {
        let (mut a, mut b) = pair();
        a.push(&[7; PIECE_BYTES_MAX + 1]).unwrap();
        assert_eq!(carry(&mut a, &mut b, NOW), (vec!["data", "data"], vec![1]));
        assert_eq!((b.state().received, b.ack_due_at()), (2, None), "had, not taken");
        b.taken(1, NOW);
        assert_eq!(b.ack_due_at(), Some(NOW + ACK_DELAY));
        assert_eq!(carry(&mut b, &mut a, NOW + ACK_DELAY - Duration::from_millis(1)).0, [""; 0]);
        assert_eq!(a.unacknowledged(), 1);
        assert_eq!(carry(&mut b, &mut a, NOW + ACK_DELAY).0, ["ack"]);
        assert_eq!((a.unacknowledged(), b.ack_due_at()), (0, None));
    }

    #[test]
    fn an_acknowledgement_rides_on_data() {
        let (mut a, mut b) = pair();
        a.push(b"x").unwrap();
        carry(&mut a, &mut b, NOW);
        b.taken(1, NOW);
        b.push(b"y").unwrap();
        assert_eq!(carry(&mut b, &mut a, NOW).0, ["data"]);
        assert_eq!((a.unacknowledged(), b.ack_due_at()), (0, None));
    }

    #[test]
    fn a_quarter_of_the_window_or_64_pieces_are_acknowledged_at_once() {
        for (len, enough) in [(PIECE_BYTES_MAX, 2), (0, 64)] {
            let (mut a, mut b) = pair();
            for message in 1..=enough {
                a.push(&vec![0; len]).unwrap();
                carry(&mut a, &mut b, NOW);
                b.taken(message, NOW);
                let said = carry(&mut b, &mut a, NOW).0;
                assert_eq!(said.len(), usize::from(message == enough), "{len} bytes, {message}");
            }
        }
    }

    #[test]
    fn a_new_connection_sends_the_rest_and_says_again_what_was_taken() {
        let (mut a, mut b) = pair();
        for _ in 0..3 {
            a.push(b"x").unwrap();
        }
        let Some(Record::Data { number, fin, bytes, .. }) = a.poll_record(NOW) else { panic!() };
        b.on_data(number, fin, bytes).unwrap();
        b.taken(1, NOW);
        assert!(b.poll_record(NOW + ACK_DELAY).is_some(), "lost on its way");
        assert_eq!(meet(&mut a, &mut b), Ok((None, None)));
        assert_eq!(carry(&mut b, &mut a, NOW).0, ["ack"]);
        assert_eq!(a.unacknowledged(), 2);
        assert_eq!(carry(&mut a, &mut b, NOW).1, [2, 3]);
    }

    #[test]
    fn a_new_life_of_the_peer_starts_both_directions_again() {
        let (mut a, mut b) = pair();
        a.push(b"x").unwrap();
        b.push(b"y").unwrap();
        carry(&mut a, &mut b, NOW);
        carry(&mut b, &mut a, NOW);
        let mut new_b = MessageStreams::new(epoch(3), WINDOW);
        assert_eq!(meet(&mut a, &mut new_b), Err(Fault::Behind), "the old life's message is not taken");
        a.taken(1, NOW);
        assert_eq!(meet(&mut a, &mut new_b), Ok((Some(1), None)));
        assert_eq!(a.push(b"z"), Ok(2));
        assert_eq!(carry(&mut a, &mut new_b, NOW).1, [1], "the new life's first");
    }

    #[test]
    fn a_peer_that_never_heard_of_this_life_gets_all_of_it() {
        let (mut a, b) = (MessageStreams::new(epoch(1), WINDOW), MessageStreams::new(epoch(2), WINDOW));
        // The phone has the answer; the workstation never got the phone's first record.
        assert_eq!(a.resume(&b.state(), NOW), Ok(None));
        a.push(b"x").unwrap();
        assert!(a.poll_record(NOW).is_some(), "lost on its way");
        let mut b = b;
        assert_eq!(meet(&mut a, &mut b), Ok((None, None)));
        assert_eq!(carry(&mut a, &mut b, NOW).1, [1]);
    }

    #[test]
    fn a_window_does_not_change_within_a_life() {
        let (mut a, b) = pair();
        let changed = ResumeState { window: WINDOW + 1, ..b.state() };
        let fault = Fault::WindowChanged { from: WINDOW, to: WINDOW + 1 };
        assert_eq!(a.resume(&changed, NOW), Err(fault));
    }

    #[test]
    fn close_comes_after_everything_and_again_on_each_connection() {
        let (mut a, mut b) = pair();
        a.push(b"x").unwrap();
        a.close();
        assert_eq!(a.push(b"y"), Err(SendError::Closed));
        assert_eq!(carry(&mut a, &mut b, NOW), (vec!["data", "close"], vec![1]));
        assert_eq!(meet(&mut a, &mut b), Ok((None, None)));
        assert_eq!(a.poll_record(NOW), Some(Record::Close { last: 1 }));
        assert_eq!(b.on_close(1), Ok(false), "known already");
        assert_eq!(b.on_close(2), Err(Fault::Gap { expected: 1, got: 2 }));
        assert_eq!(b.on_data(2, true, b""), Err(Fault::OutOfPlace("DATA record after CLOSE")));
    }
}

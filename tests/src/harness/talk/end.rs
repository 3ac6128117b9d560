//! One end of a pair that talks: what it was told, what it sent and what it received.

use std::time::Duration;

use crate::harness::peer::{Event, Peer};
use crate::harness::role::Role;
use crate::harness::sequence::{Checker, Numbered, Wrong};
use crate::harness::session::Session;
use crate::harness::ws::{Opcode, in_pieces};

/// Frames that one end may have in flight.
const UNDER_WAY_MAX: u64 = 64;
/// How long one look at an end that says nothing takes.
const LOOK: Duration = Duration::from_millis(2);

/// How a message goes over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Binary, or else text.
    pub is_binary: bool,
    /// In so many fragments, 1 or more.
    pub pieces: usize,
}

#[derive(Debug)]
pub(super) struct End {
    pub role: Role,
    /// `None` once the connection has ended.
    pub peer: Option<Peer>,
    pub is_linked: bool,
    pub told_left: u64,
    /// Its peer has reconnected since it was told of a link, so it must be told that the link ended.
    pub is_left_due: bool,
    pub closed_by: Option<u16>,
    pub sent: Numbered,
    /// How many frames were sent before the current link.
    pub sent_before: u64,
    /// Judges what comes.
    pub came: Checker,
    pub came_count: u64,
    /// The number of the first frame that came over this connection.
    pub first: Option<u64>,
    pub hb_acks: u64,
    pub may_be_killed: bool,
}

impl Shape {
    /// A text in one piece.
    pub const TEXT: Self = Self { is_binary: false, pieces: 1 };

    /// The next frame as bytes for the wire.
    fn encode(self, numbered: &mut Numbered, length: usize) -> Vec<u8> {
        let (opcode, payload) = match self.is_binary {
            true => (Opcode::Binary, numbered.binary(length)),
            false => (Opcode::Text, numbered.text(length).into_bytes()),
        };
        let pieces: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(self.pieces)).collect();
        in_pieces(opcode, &pieces)
    }
}

impl End {
    pub fn new(session: &Session, role: Role) -> Self {
        Self {
            role,
            peer: None,
            is_linked: false,
            told_left: 0,
            is_left_due: false,
            closed_by: None,
            sent: Numbered::new(session, role),
            sent_before: 0,
            came: Checker::new(session, role.other()),
            came_count: 0,
            first: None,
            hb_acks: 0,
            may_be_killed: false,
        }
    }

    /// Goes on with a newer connection. Gives the older one.
    pub fn put(&mut self, peer: Peer) -> Option<Peer> {
        (self.is_linked, self.is_left_due) = (false, false);
        (self.closed_by, self.first) = (None, None);
        self.peer.replace(peer)
    }

    pub fn send(&mut self, count: u64, length: usize, shape: Shape, came: u64) {
        let Some(peer) = self.peer.as_mut().filter(|_| self.is_linked) else { return };
        let room = UNDER_WAY_MAX.saturating_sub(self.sent.count() - came.max(self.sent_before));
        for _ in 0..count.min(room) {
            let frame = shape.encode(&mut self.sent, length);
            // A read will show whether the connection has ended.
            let _ = peer.ws().wire().try_send(&frame);
        }
    }

    pub fn hear(&mut self) -> Result<(), Wrong> {
        while let Some(peer) = &mut self.peer {
            match peer.event_within(LOOK) {
                Ok(Some(event)) => self.take(event)?,
                Ok(None) => break,
                Err(_) => self.cut(None),
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), Wrong> {
        match event {
            Event::Text(text) if self.is_linked => {
                self.came.try_take(&text)?;
                self.note_frame();
            }
            Event::Binary(bytes) if self.is_linked => {
                self.came.try_take_binary(&bytes)?;
                self.note_frame();
            }
            Event::Joined(_) if !self.is_linked => {
                self.is_linked = true;
                self.sent_before = self.sent.count();
                self.came.allow_gap();
            }
            Event::Left if self.is_linked => {
                (self.is_linked, self.is_left_due) = (false, false);
                self.told_left += 1;
            }
            Event::Closed(code) => self.cut(Some(code)),
            Event::HbAck => self.hb_acks += 1,
            Event::Killed(_) if self.may_be_killed => self.is_linked = false,
            // Notices of later versions do not concern frames.
            Event::Absent | Event::Replaced(_) | Event::GoingAway | Event::Error(_) => {}
            other => return Err(format!("{other:?} while linked is {}", self.is_linked)),
        }
        Ok(())
    }

    fn note_frame(&mut self) {
        self.came_count += 1;
        self.first.get_or_insert(self.came.count() - 1);
    }

    pub fn cut(&mut self, code: Option<u16>) {
        (self.peer, self.is_linked, self.is_left_due) = (None, false, false);
        self.closed_by = code;
    }

    /// True if all lost frames were sent before the other end was told of the current link, and no end of a
    /// link is still to be reported.
    pub fn misses_nothing_of(&self, other: &Self) -> bool {
        self.came.gap_to() <= other.sent_before && !self.is_left_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first sends, the second hears.
    fn linked() -> [End; 2] {
        let session = Session { id: "1".repeat(32), token: "1".repeat(32) };
        let mut ends = Role::BOTH.map(|role| End::new(&session, role));
        ends.iter_mut().for_each(|end| end.take(Event::Joined(0)).unwrap());
        ends
    }

    fn relink(end: &mut End) {
        end.take(Event::Left).unwrap();
        end.take(Event::Joined(0)).unwrap();
    }

    fn next(from: &mut End) -> Event {
        Event::Text(from.sent.text(0))
    }

    #[test]
    fn what_was_sent_in_an_older_link_may_be_lost_and_nothing_else() {
        let [mut from, mut to] = linked();
        to.take(next(&mut from)).unwrap();
        let _lost = next(&mut from);
        relink(&mut to);
        to.take(next(&mut from)).unwrap();
        assert!(!to.misses_nothing_of(&from), "its sender is not told of an end yet");
        relink(&mut from);
        assert!(to.misses_nothing_of(&from));
        relink(&mut from);
        relink(&mut to);
        let _lost = next(&mut from);
        to.take(next(&mut from)).unwrap();
        assert!(!to.misses_nothing_of(&from), "lost though its sender knew of the link");
    }

    #[test]
    fn the_end_of_a_link_must_be_told_to_whoever_stays() {
        let [from, mut to] = linked();
        to.is_left_due = true;
        assert!(!to.misses_nothing_of(&from));
        relink(&mut to);
        assert!(to.misses_nothing_of(&from));
    }

    #[test]
    fn either_kind_of_message_in_any_shape_is_the_next_frame() {
        let [mut from, mut to] = linked();
        for (is_binary, pieces) in [(false, 1), (true, 1), (false, 7), (true, 7)] {
            let bytes = Shape { is_binary, pieces }.encode(&mut from.sent, 500);
            assert_eq!((bytes[0] & 0x7F, bytes[0] >> 7), (1 + u8::from(is_binary), u8::from(pieces == 1)));
        }
        let mut again = End::new(&Session { id: "1".repeat(32), token: String::new() }, Role::Workstation);
        to.take(Event::Text(again.sent.text(500))).unwrap();
        to.take(Event::Binary(again.sent.binary(500))).unwrap();
        assert_eq!((to.first, to.came_count), (Some(0), 2));
    }
}

//! The promises of one direction, and whether they were kept.
//!
//! A message carries the life of its sender, the era (the life of the peer as the sender knows it) and its
//! place in the era. Within an era everything arrives once and in order, at one life of the receiver.

use std::collections::{BTreeMap, VecDeque};

/// Sender's life, era.
type Era = (u64, u64);

/// One direction's books.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// The sender's present era.
    era: Era,
    /// Messages accepted in it.
    accepted: u64,
    /// Those not acknowledged: the machine's number for each, its place in the era.
    unacknowledged: VecDeque<(u64, u64)>,
    /// What arrived: how many of each era, and at which life of the receiver.
    arrived: BTreeMap<Era, Arrived>,
}

#[derive(Debug, Default)]
struct Arrived {
    at_life: u64,
    handed_out: u64,
    taken: u64,
}

impl Judge {
    /// The payload of the next message, `len` bytes or what its heading needs.
    pub(super) fn next_payload(&self, len: usize) -> Vec<u8> {
        let heading = [self.era.0, self.era.1, self.accepted].map(u64::to_be_bytes).concat();
        let filler = (0..len.saturating_sub(HEADING)).map(|at| filler(self.accepted, at));
        heading.into_iter().chain(filler).collect()
    }

    /// The machine accepted that payload as its message `number`.
    pub(super) fn accepted(&mut self, number: u64) {
        self.unacknowledged.push_back((number, self.accepted));
        self.accepted += 1;
    }

    /// A payload reached the receiver's app, in its life `life`. Gives its era and place for
    /// [`Judge::taken`].
    pub(super) fn arrived(&mut self, payload: &[u8], life: u64) -> (Era, u64) {
        let number =
            |at: usize| u64::from_be_bytes(payload[at * 8..at * 8 + 8].try_into().expect("a heading"));
        let (era, place) = ((number(0), number(1)), number(2));
        let is_whole = payload[HEADING..].iter().enumerate().all(|(at, byte)| *byte == filler(place, at));
        assert!(is_whole, "message {place} of {era:?} is damaged");
        let newest = self.arrived.last_key_value().map(|(newest, _)| *newest);
        assert!(newest <= Some(era), "{era:?} after {newest:?}");
        let arrived = self.arrived.entry(era).or_insert(Arrived { at_life: life, handed_out: 0, taken: 0 });
        assert_eq!(arrived.at_life, life, "{era:?} arrived at two lives");
        assert_eq!(arrived.handed_out, place, "lost, doubled or out of order in {era:?}");
        arrived.handed_out += 1;
        (era, place)
    }

    /// The receiver's app took it.
    pub(super) fn taken(&mut self, (era, place): (Era, u64)) {
        let arrived = self.arrived.get_mut(&era).expect("it arrived");
        assert_eq!(arrived.taken, place);
        arrived.taken += 1;
    }

    /// The sender was told that everything up to `number` was taken.
    pub(super) fn acknowledged(&mut self, number: u64) {
        let taken = self.arrived.get(&self.era).map_or(0, |arrived| arrived.taken);
        while let Some((_, place)) = self.unacknowledged.pop_front_if_up_to(number) {
            assert!(
                place < taken,
                "message {place} of {:?} is acknowledged and {taken} were taken",
                self.era
            );
        }
    }

    /// The sender was told that the receiver's life is new.
    pub(super) fn restarted(&mut self, unconfirmed: u64) {
        assert_eq!(unconfirmed, self.unacknowledged.len() as u64, "of {:?}", self.era);
        self.begin((self.era.0, self.era.1 + 1));
    }

    /// The sender's process is new: its life `life`.
    pub(super) fn reborn(&mut self, life: u64) {
        self.begin((life, 0));
    }

    fn begin(&mut self, era: Era) {
        self.era = era;
        self.accepted = 0;
        self.unacknowledged.clear();
    }

    /// Nothing is under way: all of the present era arrived, was taken, and is known to have been.
    pub(super) fn check_settled(&self) {
        let taken = self.arrived.get(&self.era).map_or(0, |arrived| arrived.taken);
        assert_eq!(taken, self.accepted, "of {:?}", self.era);
        assert!(self.unacknowledged.is_empty(), "{:?}", self.unacknowledged);
    }
}

trait PopUpTo {
    fn pop_front_if_up_to(&mut self, number: u64) -> Option<(u64, u64)>;
}

impl PopUpTo for VecDeque<(u64, u64)> {
    fn pop_front_if_up_to(&mut self, number: u64) -> Option<(u64, u64)> {
        if self.front()?.0 <= number { self.pop_front() } else { None }
    }
}

fn filler(place: u64, at: usize) -> u8 {
    (place as usize).wrapping_mul(31).wrapping_add(at).to_le_bytes()[0]
}

/// Life, era, place.
pub(super) const HEADING: usize = 24;

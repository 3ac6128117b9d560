//! The promises of channels, and whether they were kept: in each direction everything arrives once and in
//! order, as it was sent; the end comes behind all of it.

use std::collections::BTreeMap;

/// One channel between two processes, whatever ids they have for it.
pub(super) type Global = u64;

/// Every direction of every channel: its channel, and the end that it leads to.
#[derive(Debug, Default)]
pub(super) struct Judge {
    directions: BTreeMap<(Global, usize), Direction>,
}

#[derive(Debug, Default)]
struct Direction {
    sent: u64,
    arrived: u64,
}

impl Judge {
    /// The payload of the next message, `len` bytes or what its heading needs.
    pub(super) fn next_payload(&self, global: Global, to: usize, len: usize) -> Vec<u8> {
        let place = self.directions.get(&(global, to)).map_or(0, |direction| direction.sent);
        let mut payload = [global.to_be_bytes(), place.to_be_bytes()].concat();
        payload.resize(len.max(HEADING), filler(place));
        payload
    }

    /// That payload was accepted.
    pub(super) fn sent(&mut self, global: Global, to: usize) {
        self.directions.entry((global, to)).or_default().sent += 1;
    }

    /// A payload arrived on the channel that its reader knows as `global`.
    pub(super) fn arrived(&mut self, global: Global, to: usize, payload: &[u8]) {
        let number = |at: usize| u64::from_be_bytes(payload[at..at + 8].try_into().expect("a heading"));
        assert_eq!(number(0), global, "a message of another channel");
        let direction = self.directions.entry((global, to)).or_default();
        assert_eq!(number(8), direction.arrived, "lost, doubled or out of order in {global}");
        assert!(direction.arrived < direction.sent, "never sent");
        assert!(payload[HEADING..].iter().all(|byte| *byte == filler(direction.arrived)), "damaged");
        direction.arrived += 1;
    }

    /// Nothing more comes: the end was read, or nothing is under way.
    pub(super) fn check_whole(&self, global: Global, to: usize) {
        if let Some(Direction { sent, arrived }) = self.directions.get(&(global, to)) {
            assert_eq!(sent, arrived, "of channel {global}, to end {to}");
        }
    }
}

fn filler(place: u64) -> u8 {
    place.wrapping_mul(31).to_le_bytes()[0]
}

/// The channel, and the place in it.
const HEADING: usize = 16;

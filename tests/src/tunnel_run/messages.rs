//! The messages: of many sizes, and all derived from the seed.

use crate::harness::random::Random;

/// One direction of one pair. Both of its ends make the same messages, so that each is compared byte by byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Messages(u64);

impl Messages {
    /// The messages of one direction. Equal seeds give equal messages.
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::new(seed).any())
    }

    /// The message of this number.
    pub(super) fn message(self, number: u64) -> Vec<u8> {
        let mut random = Random::new(self.0 ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let len = len(&mut random);
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&random.any().to_be_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// What is wrong with `bytes`, which arrived when the message `due` was expected.
    pub(super) fn judge(self, due: u64, bytes: &[u8]) -> Result<(), String> {
        if self.message(due) == bytes {
            return Ok(());
        }
        let near = due.saturating_sub(500).max(1)..due + 500;
        let len = bytes.len();
        Err(match near.into_iter().find(|&number| len > 8 && self.message(number) == bytes) {
            Some(number) => format!("message {number} came where {due} was due"),
            None => format!("{len} bytes came that are not message {due}, nor any near it"),
        })
    }
}

/// From 0 to 300,000 bytes, 20 KB on average, and often around the size of a piece.
fn len(random: &mut Random) -> usize {
    match random.below(16) {
        0 => 0,
        1 => 1,
        2..9 => random.below(2000),
        9..12 => PIECE - 1 + random.below(3),
        12..15 => random.below(100_000),
        _ => random.below(LONGEST + 1),
    }
}

/// The tunnel cuts messages into pieces of this size.
const PIECE: usize = 32 << 10;
const LONGEST: usize = 300_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_message_that_is_due_passes() {
        let messages = Messages::new(7);
        let long = (1..).find(|&number| messages.message(number).len() > 100).unwrap();
        let bytes = messages.message(long);
        assert_eq!(messages.judge(long, &bytes), Ok(()));
        assert!(messages.judge(long + 1, &bytes).unwrap_err().contains("came where"));
        let mut spoilt = bytes.clone();
        spoilt[50] ^= 1;
        assert!(messages.judge(long, &spoilt).unwrap_err().contains("that are not message"));
        assert!(messages.judge(long, &bytes[..99]).is_err());
        assert_ne!(Messages::new(8).message(long), bytes);
    }

    #[test]
    fn all_sizes_come() {
        let lens: Vec<usize> = (0..3000).map(|number| Messages::new(1).message(number).len()).collect();
        assert!([0, 1, PIECE - 1, PIECE, PIECE + 1].iter().all(|len| lens.contains(len)));
        assert!(lens.iter().any(|&len| len > LONGEST * 9 / 10) && lens.iter().all(|&len| len <= LONGEST));
    }
}

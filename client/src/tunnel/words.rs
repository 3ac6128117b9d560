//! The six words that both screens may show: equal words mean that there is nobody in the middle.
//!
//! A word is a proquint (D. Wilkerson, "A Proposal for Proquints", arXiv:0901.4016): 16 bits as consonant,
//! vowel, consonant, vowel, consonant, high bits first. Six of them are the first 96 bits of the handshake
//! hash: too many for anybody to find a second handshake with the same words while the first one waits.

use std::fmt;

/// Six words of a handshake hash. Not secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Words([u16; 6]);

impl Words {
    /// The words of a handshake hash.
    pub(super) fn of(hash: &[u8; 32]) -> Self {
        let mut words = [0; 6];
        for (word, pair) in words.iter_mut().zip(hash.chunks_exact(2)) {
            *word = u16::from_be_bytes([pair[0], pair[1]]);
        }
        Words(words)
    }
}

/// `lusab babad gutih tugad bafug lijuf`.
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { " " };
            let consonant = |shift: u16| char::from(CONSONANTS[usize::from(word >> shift & 15)]);
            let vowel = |shift: u16| char::from(VOWELS[usize::from(word >> shift & 3)]);
            let (first, second, third) = (consonant(12), consonant(6), consonant(0));
            write!(f, "{separator}{first}{}{second}{}{third}", vowel(10), vowel(4))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({self})")
    }
}

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";

const VOWELS: &[u8; 4] = b"aiou";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_paper() {
        // 127.0.0.1, 63.84.220.193 and 63.118.7.35 in the paper.
        let mut hash = [0; 32];
        hash[..12].copy_from_slice(&[127, 0, 0, 1, 63, 84, 220, 193, 63, 118, 7, 35]);
        assert_eq!(Words::of(&hash).to_string(), "lusab babad gutih tugad gutuk bisog");
    }
}

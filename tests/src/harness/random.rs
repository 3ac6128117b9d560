//! Seeded randomness: a failure repeats with the same seed.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64: small, and good enough to mix cases.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.any() % bound as u64) as usize
    }
}

/// The arguments of a long run, `PROGRAM AMOUNT [SEED]`: the amount, and the seed, by default from the clock.
/// `None` if they are wrong; then the usage was printed.
pub fn amount_and_seed(usage: &str) -> Option<(u64, u64)> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().ok());
    let Some(Some(amount)) = args.next() else {
        eprintln!("usage: {usage} [SEED]");
        return None;
    };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    Some((amount, args.next().flatten().unwrap_or_else(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_differs() {
        let numbers =
            |seed| (0..10).scan(Random::new(seed), |random, _| Some(random.any())).collect::<Vec<_>>();
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert!((0..100).all(|seed| Random::new(seed).below(3) < 3));
    }
}

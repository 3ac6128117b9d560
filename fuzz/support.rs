//! What the fuzz bodies of all crates are built from: choices taken from the front of an input, and the
//! driver that runs a body on stable.
//!
//! Included by path in each crate's `fuzz` module, so that no crate depends on another for it and none ships
//! it.
#![allow(dead_code, reason = "each crate uses a part")]

/// An input, read as choices from its front. An input that has ended chooses zeros.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Input(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// At most `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    pub(crate) fn short(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// Bytes whose count is one of the choices.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        self.take(len)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// The rest, cut at up to three chosen places, in order. Some of the pieces may be empty.
    pub(crate) fn cut_rest(&mut self) -> (&'a [u8], Vec<&'a [u8]>) {
        let count = self.byte() % 4;
        let chosen: Vec<usize> = (0..count).map(|_| self.short()).collect();
        let rest = self.rest();
        let mut cuts: Vec<usize> = chosen.iter().map(|cut| cut % (rest.len() + 1)).collect();
        cuts.extend([0, rest.len()]);
        cuts.sort_unstable();
        (rest, cuts.windows(2).map(|pair| &rest[pair[0]..pair[1]]).collect())
    }
}

/// Runs `body` over every file of `fuzz/corpus/<target>`, then over `rounds` mutations of them. A failure
/// shows its input.
///
/// `RELAY_FUZZ_ROUNDS` runs this many instead, and `RELAY_FUZZ_SEED` takes other mutations than the usual
/// ones.
#[cfg(test)]
pub(crate) fn drive(target: &str, rounds: u64, body: fn(&[u8])) {
    let number = |name: &str| std::env::var(name).ok().and_then(|digits| digits.parse().ok());
    let corpus = stable::corpus(target);
    for (name, bytes) in &corpus {
        stable::run(name, bytes, body);
    }
    let mut mutator = stable::Mutator::new(number("RELAY_FUZZ_SEED").unwrap_or(1));
    for round in 0..number("RELAY_FUZZ_ROUNDS").unwrap_or(rounds) {
        stable::run(&format!("{target}, round {round}"), &mutator.mutate(&corpus), body);
    }
}

#[cfg(test)]
mod stable {
    use std::panic::{catch_unwind, resume_unwind};
    use std::path::Path;

    /// The stored inputs of a target with their names.
    pub(super) fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
        let mut above =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|above| above.join("fuzz/corpus"));
        let folder = above.find(|folder| folder.is_dir()).map(|folder| folder.join(target));
        let folder = folder.unwrap_or_else(|| panic!("there is no fuzz/corpus/{target}"));
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let named = files.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()));
        let mut corpus: Vec<_> = named.collect();
        assert!(!corpus.is_empty(), "fuzz/corpus/{target} is empty");
        corpus.sort();
        corpus
    }

    pub(super) fn run(name: &str, bytes: &[u8], body: fn(&[u8])) {
        if let Err(panic) = catch_unwind(|| body(bytes)) {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("the input that fails, {name}, as `xxd -r -p` takes it:\n{hex}");
            resume_unwind(panic);
        }
    }

    /// Makes inputs of stored ones, always the same ones of one seed.
    pub(super) struct Mutator(u64);

    impl Mutator {
        pub(super) fn new(seed: u64) -> Self {
            Mutator(seed)
        }

        /// SplitMix64: Steele, Lea, Flood, OOPSLA 2014. Less than `bound`, which is at least 1.
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) % bound as u64) as usize
        }

        /// One of the corpus with one to eight changes, or random bytes.
        pub(super) fn mutate(&mut self, corpus: &[(String, Vec<u8>)]) -> Vec<u8> {
            if self.below(16) == 0 {
                let len = self.below(300);
                return (0..len).map(|_| self.below(256) as u8).collect();
            }
            let mut bytes = corpus[self.below(corpus.len())].1.clone();
            for _ in 0..=self.below(8) {
                let (at, other) = (self.below(bytes.len() + 1), self.below(corpus.len()));
                self.change(&mut bytes, at, &corpus[other].1);
            }
            bytes
        }

        fn change(&mut self, bytes: &mut Vec<u8>, at: usize, other: &[u8]) {
            const TELLING: [u8; 12] = [0, 1, 0x7F, 0x80, 0xFF, 125, 126, 127, b'"', b'\\', b'\r', b'\n'];
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.below(256) as u8),
                2 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                3 => {
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(40)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
                4 => drop(bytes.drain(at..(at + self.below(9)).min(bytes.len()))),
                5 if at < bytes.len() => bytes[at] = TELLING[self.below(TELLING.len())],
                6 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ if at < bytes.len() => bytes[at] = self.below(256) as u8,
                _ => {}
            }
        }
    }
}

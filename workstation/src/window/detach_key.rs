//! The key that detaches a window: `Ctrl-\` and then `d`. Pure: time is an argument.
//!
//! Everything else that is typed passes. A `Ctrl-\` is held until the next key shows what it was, or for a
//! second, and passes then; two of them pass as one at once.

use std::time::Duration;

/// `Ctrl-\`.
const PREFIX: u8 = 0x1c;

/// What follows it, to detach.
const DETACH: u8 = b'd';

/// A `Ctrl-\` alone is held for so long.
const HELD_FOR: Duration = Duration::from_secs(1);

/// Looks for the key in what is typed.
#[derive(Debug, Default)]
pub(super) struct DetachKey {
    held_since: Option<Duration>,
}

/// What came of some typed bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Typed {
    /// What passes.
    pub(super) passed: Vec<u8>,
    /// The user detaches. What was typed behind it is dropped.
    pub(super) is_detach: bool,
}

impl DetachKey {
    /// Takes what was typed.
    pub(super) fn on_typed(&mut self, bytes: &[u8], now: Duration) -> Typed {
        let mut passed = Vec::with_capacity(bytes.len() + 1);
        for &byte in bytes {
            match (self.held_since.take(), byte) {
                (Some(_), DETACH) => return Typed { passed, is_detach: true },
                (Some(_), PREFIX) => passed.push(PREFIX),
                (None, PREFIX) => self.held_since = Some(now),
                (Some(_), byte) => passed.extend([PREFIX, byte]),
                (None, byte) => passed.push(byte),
            }
        }
        Typed { passed, is_detach: false }
    }

    /// What was held for long enough.
    pub(super) fn poll_held(&mut self, now: Duration) -> Option<u8> {
        self.held_since.take_if(|since| now >= *since + HELD_FOR).map(|_| PREFIX)
    }

    /// When to poll, if something is held.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.held_since.map(|since| since + HELD_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn only_the_two_keys_together_detach() {
        for (typed, passed, is_detach) in [
            (&b"abc"[..], &b"abc"[..], false),
            (b"a\x1cdb", b"a", true),
            (b"\x1cx", b"\x1cx", false),
            (b"\x1c\x1cd", b"\x1cd", false),
            (b"\x1c\x1c\x1cd", b"\x1c", true),
            (b"d\x1c", b"d", false),
        ] {
            for step in [1, typed.len()] {
                let (mut key, mut all, mut has_left) = (DetachKey::default(), Vec::new(), false);
                for part in typed.chunks(step) {
                    let typed = key.on_typed(part, ms(0));
                    all.extend(typed.passed);
                    has_left |= typed.is_detach;
                    if has_left {
                        break;
                    }
                }
                assert_eq!((all.as_slice(), has_left), (passed, is_detach), "{typed:?} by {step}");
            }
        }
    }

    #[test]
    fn a_key_that_is_held_passes_after_a_second() {
        let mut key = DetachKey::default();
        assert_eq!(key.next_at(), None);
        assert_eq!(key.on_typed(b"\x1c", ms(10)).passed, b"");
        assert_eq!((key.next_at(), key.poll_held(ms(1009))), (Some(ms(1010)), None));
        assert_eq!(key.poll_held(ms(1010)), Some(PREFIX));
        assert_eq!(key.poll_held(ms(9999)), None);
        assert_eq!(key.on_typed(b"d", ms(9999)).passed, b"d", "too late");
    }
}

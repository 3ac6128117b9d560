//! UTF-8 checked while the bytes of a text arrive, so that a bad one fails the connection at once. RFC 6455
//! §8.1.

/// How far a text that arrives in parts has been checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8Check {
    /// The text up to here is whole characters. At most three bytes behind it begin one that is not complete.
    valid: usize,
}

/// The text can no longer become UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidUtf8;

impl Utf8Check {
    /// Checks the last `new` bytes of `text`, which is all that has arrived. A character may be cut at the
    /// end.
    /// `new_is_ascii` may be false of ASCII; it only saves the work where it is true.
    pub(super) fn advance(&mut self, text: &[u8], new: usize, new_is_ascii: bool) -> Result<(), InvalidUtf8> {
        if new_is_ascii && self.valid + new == text.len() {
            self.valid = text.len();
            return Ok(());
        }
        self.valid += match simdutf8::compat::from_utf8(&text[self.valid..]) {
            Ok(checked) => checked.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return Err(InvalidUtf8),
        };
        Ok(())
    }

    /// The text has ended: no character may be cut.
    pub(super) fn finish(self, text: &[u8]) -> Result<(), InvalidUtf8> {
        if self.valid == text.len() { Ok(()) } else { Err(InvalidUtf8) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text arrives in these pieces. How many bytes have come when it fails; `None` if it does not.
    fn fails_after(pieces: &[&[u8]]) -> Option<usize> {
        let (mut check, mut text) = (Utf8Check::default(), vec![]);
        for piece in pieces {
            text.extend_from_slice(piece);
            if check.advance(&text, piece.len(), piece.is_ascii()).is_err() {
                return Some(text.len());
            }
        }
        check.finish(&text).is_err().then_some(text.len())
    }

    fn byte_by_byte(text: &[u8]) -> Option<usize> {
        fails_after(&text.chunks(1).collect::<Vec<_>>())
    }

    #[test]
    fn a_bad_byte_fails_when_it_arrives() {
        for (text, at) in [
            (&b"\x80"[..], Some(1)),
            (b"abc\xFFabc", Some(4)),
            (b"\xC0\x80", Some(1)),
            (b"\xC3a", Some(2)),
            (b"\xE0\x9F\x80", Some(2)),
            (b"\xED\xA0\x80", Some(2)),
            (b"\xE2\x82a", Some(3)),
            (b"\xF0\x8F\x80\x80", Some(2)),
            (b"\xF4\x90\x80\x80", Some(2)),
            (b"\xF0\x9F\x98a", Some(4)),
            (b"\xF5", Some(1)),
            ("aü€😀z".as_bytes(), None),
            ("\u{D7FF}\u{E000}\u{10FFFF}".as_bytes(), None),
            (b"", None),
        ] {
            assert_eq!(byte_by_byte(text), at, "{text:x?}");
        }
    }

    #[test]
    fn ascii_behind_a_cut_character_fails_however_long_both_are() {
        for valid in 0..5 {
            for ascii in 1..5 {
                let (head, tail) = ([&vec![b'a'; valid], &b"\xC3"[..]].concat(), vec![b'b'; ascii]);
                assert_eq!(fails_after(&[&head, &tail]), Some(valid + 1 + ascii));
            }
        }
    }

    #[test]
    fn a_character_may_be_cut_anywhere_but_at_the_end_of_the_text() {
        for character in ["ü", "€", "😀"] {
            for cut in 1..character.len() {
                let (head, tail) = character.as_bytes().split_at(cut);
                assert_eq!(fails_after(&[head, tail]), None);
                assert_eq!(fails_after(&[b"abc", head, b"", tail, b"abc"]), None);
                assert_eq!(fails_after(&[b"abc", head]), Some(3 + cut));
                assert_eq!(fails_after(&[head, b"abc", tail]), Some(cut + 3));
            }
        }
    }

    proptest! {
        #[test]
        fn in_any_pieces_it_is_the_verdict_on_the_whole(
            parts in prop::collection::vec(
                prop_oneof!["[a-zü€😀]{0,90}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..3)],
                0..6,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = parts.concat();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(fails_after(&pieces).is_none(), std::str::from_utf8(&text).is_ok());
            prop_assert_eq!(byte_by_byte(&text).is_none(), std::str::from_utf8(&text).is_ok());
        }
    }
}

//! What an application might send: a number in a fixed place, and filler.

use crate::workload::Mode;

/// Decimal digits of a frame's number.
pub(super) const DIGITS: usize = 10;
const PAIR_DIGITS: usize = 6;

/// The least payload that has room for a number, in bytes.
pub(crate) fn size_min(mode: Mode) -> usize {
    match mode {
        Mode::Enveloped => HEAD.len() + PAIR_DIGITS + MIDDLE.len() + DIGITS + WORDS.len() + END.len(),
        Mode::Raw => PAIR_DIGITS + DIGITS,
    }
}

/// A payload of `size` bytes, at least [`size_min`], with the number 0, and where that stands.
pub(super) fn make(mode: Mode, size: usize, pair: usize) -> (Vec<u8>, usize) {
    match mode {
        Mode::Enveloped => (json(size, pair), HEAD.len() + PAIR_DIGITS + MIDDLE.len()),
        Mode::Raw => (binary(size, pair), PAIR_DIGITS),
    }
}

const HEAD: &str = r#"{"type":"chunk","pair":""#;
const MIDDLE: &str = r#"","n":""#;
const WORDS: &str = r#"","words":[""#;
const ITEM: &str = r#"the quick brown fox jumps over the dog",""#;
const END: &str = r#""]}"#;

/// JSON as an application would send it: about every tenth byte is a quote that the envelope must escape.
fn json(size: usize, pair: usize) -> Vec<u8> {
    let mut text = format!("{HEAD}{pair:0PAIR_DIGITS$}{MIDDLE}{:0DIGITS$}{WORDS}", 0);
    while text.len() + ITEM.len() + END.len() <= size {
        text.push_str(ITEM);
    }
    text.extend(std::iter::repeat_n('x', size - END.len() - text.len()));
    text.push_str(END);
    text.into_bytes()
}

/// Bytes that are neither text nor worth compressing.
fn binary(size: usize, pair: usize) -> Vec<u8> {
    let mut bytes = format!("{pair:0PAIR_DIGITS$}{:0DIGITS$}", 0).into_bytes();
    // Marsaglia, "Xorshift RNGs", 2003.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ pair as u64;
    bytes.extend(
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(size - bytes.len()),
    );
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_json_with_quotes_to_escape() {
        let text = String::from_utf8(json(200, 0)).unwrap();
        let quotes = text.matches('"').count();
        assert!((16..=32).contains(&quotes), "{quotes} in {text}");
        assert!(protocol::json::nesting_within(text.as_bytes(), 2));
        assert!(!protocol::message::is_heartbeat(text.as_bytes()));
    }
}

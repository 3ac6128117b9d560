//! Text as the inside of a JSON string: where most of the time of an enveloped frame goes.
//!
//! With SSSE3, eight bytes at a time are spread by a table of shuffles: one entry for each pattern of bytes
//! that need a backslash before them. No branch depends on where they are. Elsewhere the library's writer
//! does it.

use crate::json;

/// Appends `text`, which must be UTF-8, escaped as the inside of a JSON string, without quotes. Allocates
/// nothing if `out` has `6 × text.len() + 64` bytes to spare.
pub fn escape_into(out: &mut Vec<u8>, text: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("ssse3") && std::arch::is_x86_feature_detected!("popcnt") {
        return spread::escape_into(out, text);
    }
    escape_by_library(out, text);
}

/// Bytes of text in one step of [`escape_within`].
const STEP: usize = 1024;

/// The most bytes that the escape makes of one byte: a control character as `\u00XX`.
pub const GROWTH_MAX: usize = 6;

/// Escapes `text` until the next character might go over `room` bytes. Gives how many bytes of `text` are
/// done: all, or up to the start of a character. Allocates nothing if `out` has `room + 64` bytes to spare.
pub fn escape_within(out: &mut Vec<u8>, text: &[u8], room: usize) -> usize {
    let (end, mut at) = (out.len() + room, 0);
    loop {
        let step = STEP.min((end - out.len()) / GROWTH_MAX).min(text.len() - at);
        let next = char_boundary_before(text, at + step);
        if next == at {
            return at;
        }
        escape_into(out, &text[at..next]);
        at = next;
    }
}

/// The last place at or before `at` where `text`, which must be UTF-8, may be cut: never inside a character.
pub fn char_boundary_before(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80) {
        at -= 1;
    }
    at
}

/// The writer adds quotes. The opening one is put over the last byte before it, which is restored afterwards.
fn escape_by_library(out: &mut Vec<u8>, text: &[u8]) {
    let Some(saved) = out.pop() else {
        out.push(b'"');
        escape_by_library(out, text);
        out.remove(0);
        return;
    };
    let at = out.len();
    json::write_quoted(&mut *out, &String::from_utf8_lossy(text));
    out[at] = saved;
    out.pop();
}

/// Byte by byte.
#[cfg(target_arch = "x86_64")]
fn escape_few(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0C => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod spread {
    use std::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_min_epu8, _mm_movemask_epi8,
        _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_setzero_si128, _mm_shuffle_epi8, _mm_unpackhi_epi64,
    };
    use std::mem::MaybeUninit;

    use super::escape_few;

    /// The caller has seen that this processor knows SSSE3 and POPCNT.
    #[allow(unsafe_code)]
    pub(super) fn escape_into(out: &mut Vec<u8>, mut text: &[u8]) {
        while text.len() >= BLOCK {
            out.reserve(2 * text.len() + 2 * BLOCK);
            // SAFETY: the one caller has looked for the features that the function is compiled for.
            let (read, written) = unsafe { spread(text, out.spare_capacity_mut()) };
            // SAFETY: this many bytes behind the old length were written, each by a slice of the spare
            // capacity.
            unsafe { out.set_len(out.len() + written) };
            // It stops before a block that holds a rare control character.
            let (rare, rest) = text[read..].split_at(BLOCK.min(text.len() - read));
            escape_few(out, rare);
            text = rest;
        }
        escape_few(out, text);
    }

    /// Bytes that are looked at together.
    const BLOCK: usize = 16;

    /// By which bytes of eight need a backslash: from which of the eight each of the bytes written comes. The
    /// top bit says none: a backslash goes there, and behind the last byte whatever there is room for.
    const SHUFFLES: [[u8; BLOCK]; 256] = {
        let mut table = [[NONE; BLOCK]; 256];
        let mut pattern = 0;
        while pattern < table.len() {
            let (mut from, mut to) = (0, 0);
            while from < 8 {
                to += pattern >> from & 1;
                table[pattern][to] = from as u8;
                (from, to) = (from + 1, to + 1);
            }
            pattern += 1;
        }
        table
    };

    const NONE: u8 = 0x80;

    const SLASH: i8 = b'\\'.cast_signed();

    /// The letter behind the backslash for the control characters below 16 that have a letter; 0 for the
    /// others.
    const LETTERS: [u8; BLOCK] = [0, 0, 0, 0, 0, 0, 0, 0, b'b', b't', b'n', 0, b'f', b'r', 0, 0];

    /// [`BLOCK`] bytes of this from `BLOCK - n` on move the last `n` bytes of a block to its front.
    const TO_FRONT: [u8; 2 * BLOCK] = {
        let mut table = [NONE; 2 * BLOCK];
        let mut at = 0;
        while at < BLOCK {
            table[at] = at as u8;
            at += 1;
        }
        table
    };

    /// Writes blocks to the front of `out`, which holds `2 × text.len() + 2 × BLOCK` bytes, until one holds a
    /// control character that takes more than two bytes. Gives how much was read, and how much was written.
    /// `text` is at least a block.
    #[target_feature(enable = "ssse3,popcnt")]
    fn spread(text: &[u8], out: &mut [MaybeUninit<u8>]) -> (usize, usize) {
        let (blocks, tail) = text.as_chunks::<BLOCK>();
        let (mut read, mut written) = (0, 0);
        for block in blocks {
            let Some(marked) = mark(load(block), BLOCK) else { return (read, written) };
            written += put(marked, &mut out[written..]);
            read += BLOCK;
        }
        if let Some(last) = text.last_chunk::<BLOCK>().filter(|_| !tail.is_empty())
            && let Some(to_front) = TO_FRONT[BLOCK - tail.len()..].first_chunk()
        {
            let bytes = _mm_shuffle_epi8(load(last), load(to_front));
            let Some(marked) = mark(bytes, tail.len()) else { return (read, written) };
            written += put(marked, &mut out[written..]) - (BLOCK - tail.len());
            read += tail.len();
        }
        (read, written)
    }

    /// Bytes whose control characters are replaced by their letters, and which of them need a backslash.
    type Marked = (__m128i, usize);

    /// Looks at the first `len` bytes. `None` if there is a control character without a letter.
    #[target_feature(enable = "ssse3,popcnt")]
    #[inline]
    fn mark(bytes: __m128i, len: usize) -> Option<Marked> {
        let is = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed()));
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
        let marks = _mm_or_si128(_mm_or_si128(is(b'"'), is(b'\\')), controls);
        let within = (1 << len) - 1;
        let (marks, which) =
            (_mm_movemask_epi8(marks) as usize & within, _mm_movemask_epi8(controls) as usize);
        if which & within == 0 {
            return Some((bytes, marks));
        }
        name_controls(bytes, which & within).map(|named| (named, marks))
    }

    /// Puts their letters in the place of the control characters at `which`.
    #[target_feature(enable = "ssse3,popcnt")]
    #[inline(never)]
    fn name_controls(bytes: __m128i, which: usize) -> Option<__m128i> {
        let mut named = store(bytes);
        for (at, byte) in named.iter_mut().enumerate().filter(|(at, _)| which >> at & 1 == 1) {
            debug_assert!(at < BLOCK);
            *byte = *LETTERS.get(usize::from(*byte)).filter(|&&letter| letter != 0)?;
        }
        Some(load(&named))
    }

    /// Writes a block. Gives how many bytes it came to.
    #[target_feature(enable = "ssse3,popcnt")]
    #[inline]
    fn put((bytes, marks): Marked, out: &mut [MaybeUninit<u8>]) -> usize {
        if marks == 0 {
            write(bytes, out);
            return BLOCK;
        }
        let low = put_half(bytes, marks & 0xFF, out);
        low + put_half(_mm_unpackhi_epi64(bytes, bytes), marks >> 8 & 0xFF, &mut out[low..])
    }

    #[target_feature(enable = "ssse3,popcnt")]
    #[inline]
    fn put_half(bytes: __m128i, marks: usize, out: &mut [MaybeUninit<u8>]) -> usize {
        let shuffle = load(&SHUFFLES[marks]);
        let slashes = _mm_and_si128(_mm_cmplt_epi8(shuffle, _mm_setzero_si128()), _mm_set1_epi8(SLASH));
        write(_mm_or_si128(_mm_shuffle_epi8(bytes, shuffle), slashes), out);
        8 + marks.count_ones() as usize
    }

    /// To the front of `out`, which has the room.
    #[target_feature(enable = "ssse3,popcnt")]
    #[inline]
    fn write(bytes: __m128i, out: &mut [MaybeUninit<u8>]) {
        let room = &mut out[..BLOCK];
        if let Some(room) = room.first_chunk_mut::<BLOCK>() {
            *room = store(bytes).map(MaybeUninit::new);
        }
    }

    #[target_feature(enable = "ssse3,popcnt")]
    #[inline]
    fn load(bytes: &[u8; BLOCK]) -> __m128i {
        let both = u128::from_le_bytes(*bytes);
        _mm_set_epi64x(((both >> 64) as u64).cast_signed(), (both as u64).cast_signed())
    }

    #[allow(unsafe_code)]
    #[inline]
    fn store(bytes: __m128i) -> [u8; BLOCK] {
        // SAFETY: both are sixteen plain bytes, in the order of memory.
        unsafe { std::mem::transmute(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(escape: fn(&mut Vec<u8>, &[u8]), before: &str, text: &str) -> String {
        let mut out = before.as_bytes().to_vec();
        escape(&mut out, text.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_byte_at_every_place_is_escaped_as_the_library_does() {
        for byte in 0..0x80_u8 {
            for len in [1, 7, 15, 16, 17, 31, 32, 40] {
                for at in 0..len {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    let text = String::from_utf8(text).unwrap();
                    assert_eq!(
                        escaped(escape_into, "", &text),
                        escaped(escape_by_library, "", &text),
                        "{text:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn within_its_room_it_allocates_nothing_and_stops_only_where_the_room_may_be_short() {
        for unit in ["\u{1}", "é\"", "a😀", "x", "\n"] {
            let text = unit.repeat(4000);
            let whole = escaped(escape_by_library, "", &text);
            for room in [0, 1, 6, 100, 6 * STEP, 9999, whole.len() - 1, whole.len(), whole.len() + 24] {
                let mut out = Vec::with_capacity(room + 64);
                let place = out.as_ptr();
                let taken = escape_within(&mut out, text.as_bytes(), room);
                assert_eq!(out.as_ptr(), place);
                assert!(out.len() <= room && whole.as_bytes().starts_with(&out), "{unit:?} in {room}");
                assert_eq!(escaped(escape_by_library, "", &text[..taken]).as_bytes(), out);
                assert!(taken == text.len() || out.len() + 24 > room, "{unit:?} in {room}: {taken}");
            }
        }
    }

    #[test]
    fn a_text_is_never_cut_inside_a_character() {
        let text = "aé😀".as_bytes();
        let cuts: Vec<usize> = (0..=text.len()).map(|at| char_boundary_before(text, at)).collect();
        assert_eq!(cuts, [0, 1, 1, 3, 3, 3, 3, 7]);
    }

    #[test]
    fn it_allocates_nothing_where_there_is_the_room_it_asks_for() {
        for text in ["\"\\".repeat(500), "\u{1}".repeat(999), "plain".repeat(99), "\n\u{1f}".repeat(300)] {
            let mut out = Vec::with_capacity(6 * text.len() + 64);
            let place = out.as_ptr();
            escape_into(&mut out, text.as_bytes());
            assert_eq!(out.as_ptr(), place);
        }
    }

    proptest! {
        #[test]
        fn an_escaped_text_parses_back(text in "[\\PC\"\\\\\u{0}-\u{1f}]{0,80}", before in "[a-z]{0,3}") {
            let mine = escaped(escape_into, &before, &text);
            prop_assert_eq!(&mine, &escaped(escape_by_library, &before, &text));
            let quoted = format!("\"{}\"", &mine[before.len()..]);
            prop_assert_eq!(sonic_rs::from_str::<String>(&quoted).unwrap(), text);
        }
    }
}

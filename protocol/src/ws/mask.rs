//! Masking. RFC 6455 §5.3.

/// Masks or unmasks `bytes` in place. `phase` is how many bytes of the same frame came before them (modulo 4
/// counts). True if the result is ASCII throughout.
pub fn apply(bytes: &mut [u8], key: [u8; 4], phase: usize) -> bool {
    let mut key = key;
    key.rotate_left(phase % 4);
    let narrow = u64::from(u32::from_ne_bytes(key));
    let wide = narrow << 32 | narrow;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    let mut all = 0;
    for word in words {
        let unmasked = u64::from_ne_bytes(*word) ^ wide;
        *word = unmasked.to_ne_bytes();
        all |= unmasked;
    }
    let mut last = 0;
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
        last |= *byte;
    }
    (all & TOP_BITS) == 0 && last.is_ascii()
}

const TOP_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cut_anywhere_it_is_the_byte_rule(bytes: Vec<u8>, key: [u8; 4], cut: prop::sample::Index) {
            let expected: Vec<u8> = bytes.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
            let cut = cut.index(bytes.len() + 1);
            let mut masked = bytes;
            let (head, tail) = masked.split_at_mut(cut);
            apply(head, key, 0);
            apply(tail, key, cut);
            prop_assert_eq!(masked, expected);
        }
    }
}

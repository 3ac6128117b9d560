//! Numbers, texts and records as bytes. Reading never panics and never reserves by a claimed length.

/// Bytes that are not a message of this kind, or not one that may come there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end inside a value.
    #[error("the message ends too early")]
    Short,
    /// A number is outside its limits.
    #[error("the message has a value outside its limits: {0}")]
    Value(&'static str),
    /// A text is not UTF-8.
    #[error("the message has a text that is not UTF-8")]
    Text,
    /// A record that may not come in this state.
    #[error("the message does not follow the ones before it: {0}")]
    OutOfStep(&'static str),
}

/// Writes `value` with seven bits in each byte, the lowest first; the high bit says that more follow.
pub(super) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The bytes that a number has.
pub(super) fn number_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Writes a text with its length.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads values from the front of a message.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.bytes(1).map(|byte| byte[0])
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], Malformed> {
        self.bytes(LEN)?.try_into().map_err(|_| Malformed::Short)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A number of at most `max`.
    pub(super) fn number(&mut self, max: u64, what: &'static str) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return if value <= max { Ok(value) } else { Err(Malformed::Value(what)) };
            }
        }
        Err(Malformed::Value(what))
    }

    /// A number of 32 bits.
    pub(super) fn word(&mut self, what: &'static str) -> Result<u32, Malformed> {
        let number = self.number(u32::MAX.into(), what)?;
        u32::try_from(number).map_err(|_| Malformed::Value(what))
    }

    /// A text of at most `max` bytes, with its length.
    pub(super) fn text(&mut self, max: usize) -> Result<&'a str, Malformed> {
        let len = self.number(max as u64, "length of a text")?;
        let bytes = self.bytes(usize::try_from(len).map_err(|_| Malformed::Value("length of a text"))?)?;
        std::str::from_utf8(bytes).map_err(|_| Malformed::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_have_the_length_that_is_said() {
        for value in [0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, (1 << 53) - 1, (1 << 62) + 5] {
            let mut out = Vec::new();
            put_number(&mut out, value);
            assert_eq!(out.len(), number_len(value));
            assert_eq!(Reader::new(&out).number(u64::MAX, "x"), Ok(value));
        }
        assert_eq!(Reader::new(&[0xFF; 10]).number(u64::MAX, "x"), Err(Malformed::Value("x")));
        assert_eq!(Reader::new(&[0x80]).number(5, "x"), Err(Malformed::Short));
        assert_eq!(Reader::new(&[6]).number(5, "x"), Err(Malformed::Value("x")));
    }
}

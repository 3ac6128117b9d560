//! Messages longer than one frame: cut in parts by the writer, joined again by the reader.

use super::limits::MESSAGE_BYTES_MAX;
use super::wire::Malformed;

/// Set in the first byte of every part but the last.
const MORE: u8 = 0x80;

/// `kind` and `payload` as messages of at most [`MESSAGE_BYTES_MAX`]: `kind (high bit: more parts follow) |
/// payload`.
pub(super) fn split(kind: u8, payload: &[u8]) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> =
        payload.chunks(MESSAGE_BYTES_MAX - 1).map(|chunk| [&[kind | MORE], chunk].concat()).collect();
    match parts.last_mut() {
        Some(last) => last[0] = kind,
        None => parts.push(vec![kind]),
    }
    parts
}

/// Joins parts. They come in order and nothing comes between them.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    open: Option<(u8, Vec<u8>)>,
}

impl Joiner {
    /// The next message of the channel. Returns kind and payload when the last part is there; `None` if more
    /// must come.
    ///
    /// # Errors
    /// It is empty, too long, or does not belong to the parts before it. What was joined is dropped.
    pub(super) fn add(
        &mut self,
        message: &[u8],
        bytes_max: usize,
    ) -> Result<Option<(u8, Vec<u8>)>, Malformed> {
        let (&head, payload) = message.split_first().ok_or(Malformed::Short)?;
        let kind = head & !MORE;
        let (open_kind, mut bytes) = self.open.take().unwrap_or((kind, Vec::new()));
        if open_kind != kind {
            return Err(Malformed::Value("kind of a part"));
        }
        if bytes.len() + payload.len() > bytes_max {
            return Err(Malformed::Value("length of a message"));
        }
        bytes.extend_from_slice(payload);
        if head & MORE == 0 {
            return Ok(Some((kind, bytes)));
        }
        self.open = Some((kind, bytes));
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_split_is_joined() {
        for len in [0, 1, MESSAGE_BYTES_MAX - 1, MESSAGE_BYTES_MAX, 100_000] {
            let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let parts = split(3, &payload);
            assert!(parts.iter().all(|part| part.len() <= MESSAGE_BYTES_MAX));
            let mut joiner = Joiner::default();
            let (last, before) = parts.split_last().unwrap();
            for part in before {
                assert_eq!(joiner.add(part, 100_000), Ok(None));
            }
            assert_eq!(joiner.add(last, 100_000), Ok(Some((3, payload))));
        }
    }

    #[test]
    fn parts_are_bounded_and_stay_together() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.add(&[], 10), Err(Malformed::Short));
        assert_eq!(joiner.add(&[0x81, 1, 2], 3), Ok(None));
        assert!(joiner.add(&[0x01, 3, 4], 3).is_err(), "longer than three bytes");
        assert_eq!(joiner.add(&[0x81, 1], 3), Ok(None));
        assert!(joiner.add(&[0x02], 3).is_err(), "another kind");
        assert_eq!(joiner.add(&[0x02], 3), Ok(Some((2, Vec::new()))), "after an error it starts afresh");
    }
}

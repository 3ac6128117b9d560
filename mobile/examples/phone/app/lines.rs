//! Lines out of pieces of input. Pure.

/// The longest line that is kept. The chat takes less.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Input that has not become a line yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// The rest of a line that is too long is dropped.
    is_dropping: bool,
}

impl Lines {
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// The next whole line, or why it is none.
    pub(super) fn next(&mut self) -> Option<Result<String, &'static str>> {
        let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else {
            if self.bytes.len() > LINE_BYTES_MAX {
                self.bytes.clear();
                self.is_dropping = true;
            }
            return None;
        };
        let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
        line.pop();
        line.pop_if(|last| *last == b'\r');
        if std::mem::take(&mut self.is_dropping) {
            return Some(Err("not sent: the line is too long; send it in pieces"));
        }
        Some(String::from_utf8(line).map_err(|_| "not sent: the line is not UTF-8"))
    }

    /// The last line of the input, which may lack its end.
    pub(super) fn finish(&mut self) {
        if !self.bytes.is_empty() {
            self.bytes.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_of_any_pieces() {
        let mut lines = Lines::default();
        lines.push(b"one\r\ntw");
        assert_eq!(lines.next(), Some(Ok("one".into())));
        assert_eq!(lines.next(), None);
        lines.push(b"o\n\xff\n");
        assert_eq!(lines.next(), Some(Ok("two".into())));
        assert_eq!(lines.next(), Some(Err("not sent: the line is not UTF-8")));
        for _ in 0..100 {
            lines.push(&[b'x'; 10_000]);
            assert_eq!(lines.next(), None);
            assert!(lines.bytes.len() <= LINE_BYTES_MAX + 10_000);
        }
        lines.push(b"\nlast");
        assert!(matches!(lines.next(), Some(Err(_))));
        lines.finish();
        assert_eq!(lines.next(), Some(Ok("last".into())));
    }
}

//! What need not be emulated: text that scrolls away in the same piece of output.

/// How many bytes at the start have no effect on the last `lines` lines, where all of it is plain text. The
/// text behind them begins a line.
pub(super) fn skippable(bytes: &[u8], lines: usize) -> usize {
    // One pass that the processor does many bytes at a time.
    if bytes.len() <= lines || !bytes.iter().fold(true, |is_plain, byte| is_plain & is_text(*byte)) {
        return 0;
    }
    let newlines = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let ends = newlines.map(|(at, _)| at + 1).skip(lines);
    // Only a carriage return before it makes the next line begin at the left.
    ends.take_while(|end| *end >= 2).find(|end| bytes[end - 2] == b'\r').unwrap_or_default()
}

/// Printed, or moves within lines and to the next.
fn is_text(byte: u8) -> bool {
    (byte >= 0x20 && byte != 0x7f) || (byte >= 0x09 && byte <= 0x0d && byte != 0x0b && byte != 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_whole() {
        let text = b"one\r\ntwo\r\nthree\r\nfour";
        for (lines, kept) in [(0, "four"), (1, "three\r\nfour"), (2, "two\r\nthree\r\nfour")] {
            assert_eq!(&text[skippable(text, lines)..], kept.as_bytes());
        }
        assert_eq!(skippable(text, 3), 0);
        assert_eq!(skippable(b"", 0), 0);
    }

    #[test]
    fn only_plain_text_is_skipped() {
        for odd in ["\x1b", "\x07", "\x0e", "\x0c", "\x08", "\x7f", "\0"] {
            assert_eq!(skippable(format!("one\r\n{odd}two\r\nthree\r\n").as_bytes(), 1), 0, "{odd:?}");
        }
        assert_eq!(skippable("ü\t\r\n世\r\nx".as_bytes(), 1), 0);
        assert_eq!(skippable("ü\t\r\n世\r\nx".as_bytes(), 0), 10);
        assert_eq!(skippable(b"one\ntwo\nthree\n", 1), 0, "the column is not known");
    }
}

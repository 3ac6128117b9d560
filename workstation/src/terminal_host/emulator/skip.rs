//! What need not be emulated: text that scrolls away in the same piece of output.

/// How many bytes at the start have no effect on the last `lines` lines, where all of it is plain text. What
/// follows begins with the end of a line, which takes the cursor to the left.
pub(super) fn skippable(bytes: &[u8], lines: usize) -> usize {
    // One pass that the processor does many bytes at a time.
    if bytes.len() <= lines || !bytes.iter().fold(true, |is_plain, byte| is_plain & is_text(*byte)) {
        return 0;
    }
    let newlines = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let ends = newlines.map(|(at, _)| at + 1).skip(lines);
    // Only a carriage return before it makes the next line begin at the left.
    ends.filter_map(|end| end.checked_sub(2)).find(|at| bytes[*at] == b'\r').unwrap_or_default()
}

/// Printed, or moves within lines and to the next.
fn is_text(byte: u8) -> bool {
    (byte >= 0x20 && byte != 0x7f) || matches!(byte, b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use relay_client::app::terminal::{History, Screen, Size};

    use super::super::Emulator;
    use super::*;

    /// A screen and its history after these pieces of output, the numbers of lines aside.
    fn after<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Screen, Vec<String>) {
        let mut emulator = Emulator::new(Size::new(20, 4).unwrap(), 6);
        pieces.for_each(|piece| emulator.feed(piece, Duration::ZERO));
        let history = emulator.history();
        let (_, rows) = emulator.scrollback(history.first()..history.end);
        let mut screen = emulator.screen().clone();
        screen.history = History { generation: 0, end: 0, ..screen.history };
        (screen, rows.iter().map(|row| format!("{row:?}")).collect())
    }

    #[test]
    fn the_screen_and_its_history_are_the_same_as_without() {
        let odd = "\x1b[31mred\x1b[7;1H\x1b[?7l世界 é\tx\r\n";
        for (lines, end) in [(5, ""), (10, "\r\n"), (50, "open"), (500, &"long ".repeat(30))] {
            let flood: String = (0..lines).map(|line| format!("line {line}\tof {lines} ü世\r\n")).collect();
            let text = format!("{odd}{flood}{end}");
            let (odd, flood) = text.as_bytes().split_at(odd.len());
            let in_lines = [odd].into_iter().chain(flood.split_inclusive(|byte| *byte == b'\n'));
            assert_eq!(after([odd, flood].into_iter()), after(in_lines), "{lines} lines");
        }
        assert!(skippable("a\r\n".repeat(50).as_bytes(), 10) > 0);
    }

    #[test]
    fn the_last_lines_are_kept_whole() {
        let text = b"one\r\ntwo\r\nthree\r\nfour";
        for (lines, kept) in [(0, "\r\nfour"), (1, "\r\nthree\r\nfour"), (2, "\r\ntwo\r\nthree\r\nfour")] {
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
        assert_eq!(skippable("ü\t\r\n世\r\nx".as_bytes(), 1), 3);
        assert_eq!(skippable("ü\t\r\n世\r\nx".as_bytes(), 0), 8);
        assert_eq!(skippable(b"one\ntwo\nthree\n", 1), 0, "the column is not known");
    }
}

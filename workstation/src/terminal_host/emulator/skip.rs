//! What need not be emulated: text that scrolls away in the same piece of output. How the text looked when it
//! was left out may go on, so that is kept.

const ESC: u8 = 0x1b;

/// How many bytes at the start have no effect on the last `lines` lines but through [`looks`], where all of it
/// is text and its looks. What follows begins with the end of a line, which takes the cursor to the left.
pub(super) fn skippable(bytes: &[u8], lines: usize) -> usize {
    if bytes.len() <= lines || !is_plain(bytes) {
        return 0;
    }
    let newlines = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let ends = newlines.map(|(at, _)| at + 1).skip(lines);
    // Only a carriage return before it makes the next line begin at the left.
    ends.filter_map(|end| end.checked_sub(2)).find(|at| bytes[*at] == b'\r').unwrap_or_default()
}

/// The sequences in what is skipped that say how the text behind it looks.
pub(super) fn looks(skipped: &[u8]) -> Vec<u8> {
    let mut looks = Vec::new();
    for at in escapes(skipped) {
        let len = skipped[at..].iter().position(|byte| *byte == b'm').map_or(0, |end| end + 1);
        let look = &skipped[at..at + len];
        if matches!(look, b"\x1b[m" | b"\x1b[0m") {
            looks.clear();
        }
        looks.extend_from_slice(look);
    }
    looks
}

/// Text and its looks alone. The last sequence may be unfinished.
fn is_plain(bytes: &[u8]) -> bool {
    // One pass that the processor does many bytes at a time.
    let is_near = bytes.iter().fold(true, |is_near, byte| is_near & (is_text(*byte) | (*byte == ESC)));
    is_near && escapes(bytes).all(|at| is_look(&bytes[at + 1..]))
}

fn escapes(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == ESC).map(|(at, _)| at)
}

/// True if an escape and this are a look (SGR), or the start of one at the end of all bytes.
fn is_look(rest: &[u8]) -> bool {
    let Some(rest) = rest.strip_prefix(b"[") else { return rest.is_empty() };
    let is_parameter = |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b';' | b':');
    let end = rest.iter().take_while(is_parameter).count();
    rest.get(end).is_none_or(|end| *end == b'm')
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
            for (look, each) in [("", 1), ("\x1b[0m\x1b[44m", 1), ("\x1b[1;38:5:9m", 1000), ("\x1b[3m", 3)] {
                let look = |line: usize| if line.is_multiple_of(each) { look } else { "" };
                let line = |line| format!("{}line {line}\tof {lines} ü世\r\n", look(line));
                let text = format!("{odd}{}{end}", (0..lines).map(line).collect::<String>());
                let (odd, flood) = text.as_bytes().split_at(odd.len());
                let in_lines = [odd].into_iter().chain(flood.split_inclusive(|byte| *byte == b'\n'));
                assert_eq!(after([odd, flood].into_iter()), after(in_lines), "{lines} lines, {:?}", look(0));
            }
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
        for odd in
            ["\x1b", "\x1b[1A", "\x1b[?1m", "\x1b[1", "\x1b]", "\x07", "\x0e", "\x0c", "\x08", "\x7f", "\0"]
        {
            assert_eq!(skippable(format!("one\r\n{odd}two\r\nthree\r\n").as_bytes(), 1), 0, "{odd:?}");
        }
        assert_eq!(skippable("ü\t\r\n世\r\nx".as_bytes(), 1), 3);
        assert_eq!(skippable("ü\t\r\n世\r\nx".as_bytes(), 0), 8);
        assert_eq!(skippable(b"one\ntwo\nthree\n", 1), 0, "the column is not known");
    }

    #[test]
    fn only_looks_since_the_last_reset_go_on() {
        for (text, expected) in [
            ("one", ""),
            ("a\x1b[1mb\x1b[31mc", "\x1b[1m\x1b[31m"),
            ("\x1b[1mb\x1b[0;4mm", "\x1b[1m\x1b[0;4m"),
            ("\x1b[1mb\x1b[mc\x1b[7mm", "\x1b[m\x1b[7m"),
            ("\x1b[1mb\x1b[0mc", "\x1b[0m"),
        ] {
            assert_eq!(looks(text.as_bytes()), expected.as_bytes(), "{text:?}");
        }
        for unfinished in ["", "\x1b", "\x1b[", "\x1b[1;", "\x1b[1m"] {
            assert!(
                skippable(format!("one\r\ntwo\r\nthree{unfinished}").as_bytes(), 1) > 0,
                "{unfinished:?}"
            );
        }
    }
}

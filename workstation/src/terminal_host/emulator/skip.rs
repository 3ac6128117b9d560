//! What need not be emulated: text that scrolls away in the same piece of output.

const ESC: u8 = 0x1b;

/// How many bytes at the start have no effect on the last `lines` lines but for their [`styles`], where all of
/// it is plain text and colors. What follows begins with the end of a line, which takes the cursor to the
/// left.
pub(super) fn skippable(bytes: &[u8], lines: usize) -> usize {
    if bytes.len() <= lines || !is_plain(bytes) {
        return 0;
    }
    let newlines = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let ends = newlines.map(|(at, _)| at + 1).skip(lines);
    // Only a carriage return before it makes the next line begin at the left.
    ends.filter_map(|end| end.checked_sub(2)).find(|at| bytes[*at] == b'\r').unwrap_or_default()
}

/// The sequences in skipped text that the look of the next character depends on.
pub(super) fn styles(skipped: &[u8]) -> Vec<u8> {
    let last = |reset: &[u8]| skipped.windows(reset.len()).rposition(|part| part == reset);
    let begin = last(b"\x1b[0m").max(last(b"\x1b[m")).unwrap_or_default();
    let mut is_sequence = false;
    let in_sequence = |byte: &u8| {
        is_sequence |= *byte == ESC;
        let is_part = is_sequence;
        is_sequence &= *byte != b'm';
        is_part
    };
    skipped[begin..].iter().copied().filter(in_sequence).collect()
}

/// True if there is nothing but text, moves to the next line, and sequences that set colors and styles (SGR).
/// The last one may be unfinished.
fn is_plain(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        let text = rest.iter().position(|byte| *byte == ESC).unwrap_or(rest.len());
        // One pass that the processor does many bytes at a time.
        if !rest[..text].iter().fold(true, |is_plain, byte| is_plain & is_text(*byte)) {
            return false;
        }
        let sequence = &rest[text..];
        let begins = [ESC, b'['].iter().zip(sequence).all(|(wanted, byte)| wanted == byte);
        let values = sequence.iter().skip(2).take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'));
        let end = 2 + values.count();
        match sequence.get(end) {
            Some(b'm') if begins => rest = &sequence[end + 1..],
            None => return begins,
            Some(_) => return false,
        }
    }
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
    fn colors_are_kept_of_what_is_skipped() {
        for (text, kept) in [
            ("\x1b[31ma\x1b[mb\x1b[1mc\x1b[4:3;38;5;9md\r\n", "\x1b[m\x1b[1m\x1b[4:3;38;5;9m"),
            ("\x1b[31mm\x1b[0mm\r\n", "\x1b[0m"),
            ("\x1b[31mm\r\nm", "\x1b[31m"),
            ("mmm", ""),
        ] {
            assert_eq!(styles(text.as_bytes()), kept.as_bytes(), "{text:?}");
        }
        let colors = |line: usize| match line % 7 {
            0 => String::new(),
            3 => "\x1b[0m".to_owned(),
            other => format!("\x1b[3{other};4{}m\x1b[{other}m", 7 - other),
        };
        let flood: Vec<String> = (0..99).map(|line| format!("{line}{}x\r\n", colors(line))).collect();
        let whole = flood.concat();
        assert!(skippable(whole.as_bytes(), 10) > 0);
        assert_eq!(after([whole.as_bytes()].into_iter()), after(flood.iter().map(String::as_bytes)));
    }

    #[test]
    fn only_plain_text_is_skipped() {
        assert_eq!(skippable(b"one\r\ntwo\x1b[1", 0), 3, "what is unfinished is not skipped");
        for odd in [
            "\x1b", "\x1b[", "\x1b[2K", "\x1b[?1m", "\x1bM", "\x1b]0;m", "\x1b(0", "\x07", "\x0e", "\x0c",
            "\x08", "\x7f", "\0",
        ] {
            assert_eq!(skippable(format!("one\r\n{odd}two\r\nthree\r\n").as_bytes(), 1), 0, "{odd:?}");
        }
        assert_eq!(skippable("ü\t\r\n世\r\nx".as_bytes(), 1), 3);
        assert_eq!(skippable("ü\t\r\n世\r\nx".as_bytes(), 0), 8);
        assert_eq!(skippable(b"one\ntwo\nthree\n", 1), 0, "the column is not known");
    }
}

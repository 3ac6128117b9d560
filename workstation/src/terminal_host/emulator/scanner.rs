//! A first look at the child's output, before the emulator reads it.
//!
//! It takes the operating system commands (OSC) out of the stream and hands each one on when it is whole: so
//! their length is bounded, and those that the emulator drops can be read. It also knows what the emulator
//! does not tell: the unfinished sequence at the end of the output, the margins, and the shifted character
//! set.

const BEL: u8 = 0x07;
const SHIFT_OUT: u8 = 0x0E;
const SHIFT_IN: u8 = 0x0F;
const CANCEL: u8 = 0x18;
const SUBSTITUTE: u8 = 0x1A;
const ESC: u8 = 0x1B;

/// The most bytes of an OSC. Longer ones are dropped.
const OSC_BYTES_MAX: usize = 128 * 1024;

/// The most bytes of an unfinished sequence that are kept.
const UNFINISHED_BYTES_MAX: usize = 1024;

/// A piece of the output, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// For the emulator as it is. Characters are whole.
    Through(&'a [u8]),
    /// A whole OSC, without what begins and ends it. The emulator has read the ESC before it, and must read
    /// `]`, the body and [`Piece::Through`] of what ends it.
    Osc(&'a [u8]),
    /// The terminal was reset.
    Reset,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// An escape sequence with at least one byte between ESC and its end.
    LongEscape,
    Csi,
    Osc,
    /// An OSC that is too long, until its end.
    LongOsc,
    /// A string of another kind.
    Text,
}

/// Rows from 1, as the child set them; 0 is "the last".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Margins {
    pub(super) top: u16,
    pub(super) bottom: u16,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    /// The sequence or character that has begun: at most [`OSC_BYTES_MAX`] in an OSC, else
    /// [`UNFINISHED_BYTES_MAX`].
    unfinished: Vec<u8>,
    margins: Option<Margins>,
    rows: u16,
    is_shifted_out: bool,
}

impl Scanner {
    /// For a terminal of so many rows.
    pub(super) fn new(rows: u16) -> Self {
        Scanner { rows, ..Scanner::default() }
    }

    /// What the child began and has not finished: a terminal that reads it understands what comes next.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.unfinished
    }

    /// The margins, if the child set any.
    pub(super) fn margins(&self) -> Option<Margins> {
        self.margins
    }

    /// True if the second character set is in use.
    pub(super) fn is_shifted_out(&self) -> bool {
        self.is_shifted_out
    }

    /// The number of rows changed, and the margins are the whole screen again.
    pub(super) fn resize(&mut self, rows: u16) {
        (self.margins, self.rows) = (None, rows);
    }

    /// Takes the next bytes apart.
    pub(super) fn scan(&mut self, bytes: &[u8], mut take: impl FnMut(Piece<'_>)) {
        let joined;
        let bytes = if self.state == State::Ground && !self.unfinished.is_empty() {
            joined = [std::mem::take(&mut self.unfinished).as_slice(), bytes].concat();
            &joined
        } else {
            bytes
        };
        let (mut begin, mut at) = (0, 0);
        while at < bytes.len() {
            if self.state == State::Ground {
                at = self.scan_ground(bytes, begin, at);
                continue;
            }
            let byte = bytes[at];
            let before = self.state;
            let is_osc = matches!(before, State::Osc | State::LongOsc);
            self.step(byte);
            at += 1;
            if !is_osc && self.state == State::Osc {
                // What is before the `]` goes on now, the rest when it is whole.
                take(Piece::Through(&bytes[begin..at - 1]));
            } else if is_osc && !matches!(self.state, State::Osc | State::LongOsc) {
                self.end_osc(before, byte, &mut take);
            }
            if is_osc || self.state == State::Osc {
                begin = at;
            }
            if before == State::Escape && byte == b'c' {
                (self.margins, self.is_shifted_out) = (None, false);
                take(Piece::Through(&bytes[begin..at]));
                take(Piece::Reset);
                begin = at;
            }
        }
        // The library loses the next character if it gets one in two pieces.
        let held = if self.state == State::Ground { self.unfinished.len() } else { 0 };
        take(Piece::Through(&bytes[begin..bytes.len() - held]));
    }

    /// Reads text up to the next ESC. Returns where to go on.
    fn scan_ground(&mut self, bytes: &[u8], begin: usize, at: usize) -> usize {
        let is_telling = |byte: &u8| matches!(*byte, ESC | SHIFT_IN | SHIFT_OUT);
        let Some(found) = bytes[at..].iter().position(is_telling) else {
            self.keep_partial_char(&bytes[begin.max(bytes.len().saturating_sub(3))..]);
            return bytes.len();
        };
        self.unfinished.clear();
        match bytes[at + found] {
            ESC => {
                self.state = State::Escape;
                self.unfinished.push(ESC);
            }
            shift => self.is_shifted_out = shift == SHIFT_OUT,
        }
        at + found + 1
    }

    /// Keeps the character at the end of the text if it is incomplete.
    fn keep_partial_char(&mut self, tail: &[u8]) {
        let start = tail.iter().rposition(|byte| byte & 0xC0 == 0xC0);
        let is_partial =
            |rest: &[u8]| std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none());
        let partial = start.map(|start| &tail[start..]).filter(|rest| is_partial(rest));
        self.unfinished = partial.map(<[u8]>::to_vec).unwrap_or_default();
    }

    fn step(&mut self, byte: u8) {
        let is_in_sequence = matches!(self.state, State::Escape | State::LongEscape | State::Csi);
        let acts = byte < 0x20 && !matches!(byte, ESC | CANCEL | SUBSTITUTE);
        if is_in_sequence && (acts || byte >= 0x7F) {
            // A control character acts at once, and the sequence goes on.
            if matches!(byte, SHIFT_IN | SHIFT_OUT) {
                self.is_shifted_out = byte == SHIFT_OUT;
            }
            return;
        }
        self.state = match (self.state, byte) {
            (State::Osc | State::LongOsc, BEL) => State::Ground,
            (_, ESC) => State::Escape,
            (_, CANCEL | SUBSTITUTE) => State::Ground,
            (State::Osc, _) if self.unfinished.len() >= OSC_BYTES_MAX => State::LongOsc,
            (State::Osc, _) => State::Osc,
            (State::LongOsc, _) => State::LongOsc,
            (State::Text, _) => State::Text,
            (State::Escape, b'[') => State::Csi,
            (State::Escape, b']') => State::Osc,
            (State::Escape, b'P' | b'X' | b'^' | b'_') => State::Text,
            (State::Escape | State::LongEscape, ..0x30) => State::LongEscape,
            (State::Csi, ..0x40) => State::Csi,
            (State::Csi, b'r') => {
                self.note_margins();
                State::Ground
            }
            _ => State::Ground,
        };
        match self.state {
            State::Ground => self.end_unless_osc(byte),
            State::Escape => self.end_unless_osc(byte),
            State::LongOsc => {}
            State::Osc => self.unfinished.push(byte),
            _ if self.unfinished.len() < UNFINISHED_BYTES_MAX => self.unfinished.push(byte),
            _ => {}
        }
    }

    /// A sequence ends. An OSC is still needed for [`Scanner::end_osc`].
    fn end_unless_osc(&mut self, byte: u8) {
        if !self.unfinished.starts_with(b"\x1b]") {
            self.unfinished.clear();
            self.unfinished.extend((byte == ESC).then_some(ESC));
        }
    }

    /// An OSC ends with `byte`.
    fn end_osc(&mut self, was: State, byte: u8, take: &mut impl FnMut(Piece<'_>)) {
        let osc = std::mem::take(&mut self.unfinished);
        let is_whole = was == State::Osc && !matches!(byte, CANCEL | SUBSTITUTE);
        if is_whole {
            take(Piece::Osc(&osc[2..]));
            take(Piece::Through(&[byte]));
        } else {
            // The emulator is still behind the ESC.
            take(Piece::Through(&[CANCEL]));
            if byte == ESC {
                take(Piece::Through(&[byte]));
            }
        }
        if byte == ESC {
            self.unfinished.push(ESC);
        }
    }

    /// `ESC [ top ; bottom r`.
    fn note_margins(&mut self) {
        let Ok(parameters) = std::str::from_utf8(&self.unfinished[2..]) else { return };
        let number = |digits: &str| if digits.is_empty() { Ok(0) } else { digits.parse() };
        let (top, bottom) = parameters.split_once(';').unwrap_or((parameters, ""));
        if let (Ok(top), Ok(bottom)) = (number(top), number(bottom))
            && top.max(1) < if bottom == 0 { self.rows } else { bottom }
        {
            self.margins = Some(Margins { top, bottom });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on, with `{…}` around each OSC and `!` for a reset.
    fn scanned(scanner: &mut Scanner, bytes: &[u8], cuts: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in bytes.chunks(cuts) {
            scanner.scan(chunk, |piece| match piece {
                Piece::Through(bytes) => out.extend_from_slice(bytes),
                Piece::Osc(body) => out.extend([b"{", body, b"}"].concat()),
                Piece::Reset => out.push(b'!'),
            });
        }
        out
    }

    #[test]
    fn commands_are_taken_out_whole_however_the_output_is_cut() {
        for (output, expected) in [
            ("a\x1b]0;t\x07b", "a\x1b{0;t}\x07b"),
            ("a\x1b]0;t\x1b\\b", "a\x1b{0;t}\x1b\\b"),
            ("\x1b]1\x1b]2\x07", "\x1b{1}\x1b{2}\x07"),
            ("\x1b]x\x18b", "\x1b\x18b"),
            ("\x1b[1;2mx", "\x1b[1;2mx"),
            ("\x1bP1]0;t\x07\x1b\\x", "\x1bP1]0;t\x07\x1b\\x"),
            ("\x1bcx", "\x1bc!x"),
            ("\x1b]", "\x1b"),
            ("\x1b\x1b]a\x07", "\x1b\x1b{a}\x07"),
            ("\x1b[3\x1b]a\x07", "\x1b[3\x1b{a}\x07"),
            ("ä\x1b(0q", "ä\x1b(0q"),
            ("\x1b(]a\x07\x1b(c", "\x1b(]a\x07\x1b(c"),
        ] {
            for cuts in [1, 2, 3, 100] {
                let out = scanned(&mut Scanner::default(), output.as_bytes(), cuts);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{output:?} cut at {cuts}");
            }
        }
    }

    #[test]
    fn what_is_unfinished_is_kept() {
        for (output, expected) in [
            ("a".as_bytes(), "".as_bytes()),
            (b"a\x1b", b"\x1b"),
            (b"a\x1b[1;3", b"\x1b[1;3"),
            (b"a\x1b[1;3m", b""),
            (b"\x1b]0;ti", b"\x1b]0;ti"),
            (b"\x1b]0;ti\x07", b""),
            (b"\x1b]0;ti\x1b", b"\x1b"),
            (b"\x1b]0;ti\x1b\\", b""),
            (b"x\xf0\x9f\x98", b"\xf0\x9f\x98"),
            (b"x\xf0\x9f\x98\x80", b""),
            (b"x\xc3", b"\xc3"),
            (b"\xc3x", b""),
            (b"x\xf9", b""),
            (b"x\xed\xa0", b""),
            (b"\x1bPq12", b"\x1bPq12"),
            (b"\x1b[3\r\n4", b"\x1b[34"),
        ] {
            for cuts in [1, 2, 100] {
                let mut scanner = Scanner::default();
                scanned(&mut scanner, output, cuts);
                assert_eq!(scanner.unfinished(), expected, "{output:?} cut at {cuts}");
            }
        }
    }

    #[test]
    fn a_command_without_end_costs_bounded_memory_and_is_dropped() {
        let mut scanner = Scanner::default();
        let long = [b"a\x1b]52;c;".as_slice(), &vec![b'A'; 3_000_000], b"\x07b"].concat();
        assert_eq!(scanned(&mut scanner, &long, 4096), b"a\x1b\x18b");
        assert!(scanner.unfinished.capacity() <= 2 * OSC_BYTES_MAX);
        assert_eq!(scanner.unfinished(), b"");
    }

    #[test]
    fn margins_and_shifts_are_known() {
        let mut scanner = Scanner::new(20);
        scanned(&mut scanner, b"\x1b[2;10r\x0e", 1);
        assert_eq!(scanner.margins(), Some(Margins { top: 2, bottom: 10 }));
        assert!(scanner.is_shifted_out());
        scanned(&mut scanner, b"\x1b[?7r\x1b[5;3r\x1b[20r\x1b[1;1;2;2;4$r\x0f", 100);
        assert_eq!(scanner.margins(), Some(Margins { top: 2, bottom: 10 }));
        scanned(&mut scanner, b"\x1b[r", 100);
        assert_eq!(scanner.margins(), Some(Margins::default()));
        assert!(!scanner.is_shifted_out());
    }
}

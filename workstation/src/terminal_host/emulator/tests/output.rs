//! Random output of a child: text, sequences that programs use, and noise.

/// SplitMix64, and whether the output so far has what a redraw cannot paint.
pub(super) struct Random {
    state: u64,
    used_more: bool,
}

const TEXTS: [&str; 12] = [
    "hello",
    " ",
    "日",
    "本語",
    "e\u{301}",
    "👩\u{200d}💻",
    "─│┌",
    "\r\n",
    "\n",
    "\r",
    "\x08",
    "wrap wrap wrap",
];

/// Each `#` becomes a small number.
const SEQUENCES: [&str; 61] = [
    "\x1b[#;#H",
    "\x1b[#A",
    "\x1b[#B",
    "\x1b[#C",
    "\x1b[#D",
    "\x1b[#J",
    "\x1b[#K",
    "\x1b[#L",
    "\x1b[#M",
    "\x1b[#P",
    "\x1b[#@",
    "\x1b[#X",
    "\x1b[#S",
    "\x1b[#T",
    "\x1b[#;#r",
    "\x1b[r",
    "\x1b[#m",
    "\x1b[1;3#m",
    "\x1b[4#m",
    "\x1b[38;5;#m",
    "\x1b[48;2;#;#;#m",
    "\x1b[4:3m",
    "\x1b[9m",
    "\x1b[7m",
    "\x1b[m",
    "\x1b[m",
    "\x1b7",
    "\x1b8",
    "\x1bM",
    "\x1bD",
    "\x1bE",
    "\x1b[?25l",
    "\x1b[?25h",
    "\x1b[?7l",
    "\x1b[?7h",
    "\x1b[?6h",
    "\x1b[?6l",
    "\x1b[4h",
    "\x1b[4l",
    "\x1b[?1h",
    "\x1b[?1l",
    "\x1b=",
    "\x1b>",
    "\x1b[?2004h",
    "\x1b[?1002h",
    "\x1b[?1002l",
    "\x1b[?1006h",
    "\x1b[?1004h",
    "\x1b[20h",
    "\x1b[20l",
    "\x1b(0",
    "\x1b(B",
    "\x0e",
    "\x0f",
    "\x1b[# q",
    "\x1b]2;title #\x07",
    "\x1b]8;;http://a/#\x1b\\",
    "\x1b]8;;\x07",
    "\x1b]4;#;#0f0f0f\x07",
    "\x1b#8",
    "\x07",
];

/// What a redraw does not know, or the library keeps where nobody can look.
const MORE: [&str; 9] =
    ["\t", "\x1bH", "\x1b[?1049h", "\x1b[?1049l", "\x1bc", "\x1b[?2026h", "\x1b[?2026l", "\x1b)0", "\x1b[3J"];

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random { state: seed, used_more: false }
    }

    /// Steele, Lea, Flood, OOPSLA 2014. Less than `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    /// True if what came out so far may make a redrawn terminal go on differently.
    pub(super) fn used_more_than_a_redraw_knows(&self) -> bool {
        self.used_more
    }

    /// A few pieces of output; the last one may be cut.
    pub(super) fn output(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..=self.below(6) {
            match self.below(20) {
                0..8 => out.extend_from_slice(TEXTS[self.below(TEXTS.len())].as_bytes()),
                8..18 => self.sequence(&mut out),
                18 => {
                    self.used_more = true;
                    out.extend_from_slice(MORE[self.below(MORE.len())].as_bytes());
                }
                _ => {
                    self.used_more = true;
                    let len = self.below(4);
                    out.extend((0..len).map(|_| self.below(256) as u8).collect::<Vec<_>>());
                }
            }
        }
        if self.below(4) == 0 {
            let len = self.below(out.len() + 1);
            out.truncate(len);
        }
        out
    }

    fn sequence(&mut self, out: &mut Vec<u8>) {
        let chosen = SEQUENCES[self.below(SEQUENCES.len())];
        for (at, byte) in chosen.bytes().enumerate() {
            let is_screen_test = at == 1 && byte == b'#';
            if byte == b'#' && !is_screen_test {
                out.extend_from_slice(self.below(8).to_string().as_bytes());
            } else {
                out.push(byte);
            }
        }
    }
}

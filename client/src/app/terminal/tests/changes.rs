//! Random screens, and random changes of a screen.

use super::super::*;

/// SplitMix64: Steele, Lea, Flood, OOPSLA 2014.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// Less than `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn choose_whether(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn color(&mut self) -> Color {
        match self.below(4) {
            0 => Color::Indexed(self.below(256) as u8),
            1 => Color::Rgb(self.below(256) as u8, self.below(256) as u8, 7),
            _ => Color::Default,
        }
    }

    fn style(&mut self) -> Style {
        if self.choose_whether(3) {
            return Style::default();
        }
        let link = self.choose_whether(5).then(|| Link::new(&format!("http://a/{}", self.below(4))).unwrap());
        Style {
            text: self.color(),
            background: self.color(),
            attributes: Attributes::from_bits(self.below(256) as u8),
            underline: self.of(&[Underline::None, Underline::Single, Underline::Curly, Underline::Dashed]),
            underline_color: self.color(),
            link,
        }
    }

    pub(super) fn row(&mut self, columns: usize) -> Row {
        let (mut builder, mut at) = (RowBuilder::new(), 0);
        while at < columns && !self.choose_whether(8) {
            let style = self.style();
            let (text, is_wide) = self.of(&[
                ("x", false),
                ("─", false),
                (" ", false),
                ("日", true),
                ("e\u{301}", false),
                ("👩\u{200d}", true),
            ]);
            let width = 1 + usize::from(is_wide);
            let count = self.below(12).min((columns - at) / width);
            (0..count).for_each(|_| builder.push(text, is_wide, &style));
            let blank = self.below(10).min(columns - at - count * width);
            builder.skip(blank);
            at += count * width + blank;
        }
        builder.finish(self.choose_whether(4))
    }

    pub(super) fn size(&mut self) -> Size {
        Size::new(2 + self.below(60) as u16, 1 + self.below(30) as u16).unwrap()
    }

    /// Changes the screen as a program may.
    pub(super) fn change(&mut self, screen: &mut Screen) {
        let (columns, rows) = (usize::from(screen.size().columns()), usize::from(screen.size().rows()));
        match self.below(16) {
            0..5 => screen.set_row(self.below(rows), self.row(columns)),
            5..8 => self.scroll(screen),
            8 => (0..rows).for_each(|at| screen.set_row(at, self.row(columns))),
            9 => screen.resize(self.size()),
            10 => screen.set_title(self.of(&["", "vim", "a\u{7}b", "längerer Titel"])),
            11 => screen.bells = screen.bells.wrapping_add(1),
            12 => {
                screen.history.end += self.below(40) as u64;
                screen.history.lines = self.below(1000) as u32;
            }
            13 => {
                screen.modes = Modes {
                    is_alternate: self.choose_whether(2),
                    has_bracketed_paste: self.choose_whether(2),
                    has_newline: self.choose_whether(2),
                    mouse: self.of(&[MouseReports::Off, MouseReports::Clicks, MouseReports::Moves]),
                    mouse_encoding: self.of(&[MouseEncoding::Bytes, MouseEncoding::Utf8, MouseEncoding::Sgr]),
                    ..Modes::default()
                }
            }
            _ => {
                screen.cursor = Cursor {
                    row: self.below(rows) as u16,
                    column: self.below(columns) as u16,
                    shape: self.of(&[CursorShape::Block, CursorShape::Underline, CursorShape::Bar]),
                    is_blinking: self.choose_whether(2),
                    is_visible: self.choose_whether(2),
                }
            }
        }
    }

    /// Some lines scroll, and new ones come in at the bottom or the top.
    fn scroll(&mut self, screen: &mut Screen) {
        let columns = usize::from(screen.size().columns());
        let rows: Vec<Row> = screen.rows().iter().map(|row| (**row).clone()).collect();
        let (top, lines) = (self.below(rows.len()), self.below(rows.len()));
        let is_up = self.choose_whether(2);
        for at in top..rows.len() {
            let from = if is_up { at.checked_add(lines) } else { at.checked_sub(lines) };
            let moved = from.filter(|from| (top..rows.len()).contains(from)).map(|from| rows[from].clone());
            let row = moved.unwrap_or_else(|| self.row(columns));
            screen.set_row(at, row);
        }
    }
}

//! Numbers, texts, styles and rows as bytes. Reading never panics and never reserves by a claimed length.

use std::collections::{HashMap, HashSet};

use super::limits::{CELL_BYTES_MAX, LINK_BYTES_MAX, LINKS_MAX};
use super::row::{Row, Run, RunWidth};
use super::screen::{Size, SizeError};
use super::style::{Attributes, Color, Link, Style, Underline};

/// Bytes that are not a message of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end inside a value.
    #[error("the message ends too early")]
    Short,
    /// More bytes follow the last value.
    #[error("the message has bytes behind its end")]
    Long,
    /// A number, or the size of something, is outside its limits.
    #[error("the message has a value outside its limits: {0}")]
    Value(&'static str),
    /// A text is not UTF-8, or has control characters where none may be.
    #[error("the message has a text that is not allowed")]
    Text,
    /// An update does not follow the last one.
    #[error("the update is based on {based_on}, and the last one was {last}")]
    OutOfStep {
        /// What the update is based on.
        based_on: u64,
        /// The last one that was applied.
        last: u64,
    },
}

impl From<SizeError> for Malformed {
    fn from(_: SizeError) -> Self {
        Malformed::Value("size")
    }
}

/// Writes `value` with seven bits in each byte, the lowest first; the high bit says that more follow.
pub(super) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a length.
pub(super) fn put_len(out: &mut Vec<u8>, len: usize) {
    put_number(out, len as u64);
}

/// Writes a text with its length.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_len(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Writes a size as two numbers.
pub(super) fn put_size(out: &mut Vec<u8>, size: Size) {
    put_number(out, size.columns().into());
    put_number(out, size.rows().into());
}

/// Reads values from the front of a message.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (&first, rest) = self.0.split_first().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(first)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::Value("number"))
    }

    /// A number of at most `max`.
    pub(super) fn at_most(&mut self, max: usize, what: &'static str) -> Result<usize, Malformed> {
        let number = usize::try_from(self.number()?).ok();
        number.filter(|&number| number <= max).ok_or(Malformed::Value(what))
    }

    pub(super) fn short(&mut self, what: &'static str) -> Result<u16, Malformed> {
        u16::try_from(self.number()?).map_err(|_| Malformed::Value(what))
    }

    pub(super) fn word(&mut self, what: &'static str) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| Malformed::Value(what))
    }

    pub(super) fn size(&mut self) -> Result<Size, Malformed> {
        Ok(Size::new(self.short("columns")?, self.short("rows")?)?)
    }

    /// A text of at most `max` bytes, with its length.
    pub(super) fn text(&mut self, max: usize) -> Result<&'a str, Malformed> {
        let len = self.at_most(max, "length of a text")?;
        utf8(self.bytes(len)?)
    }

    pub(super) fn char(&mut self) -> Result<char, Malformed> {
        let len = match self.0.first().ok_or(Malformed::Short)? {
            ..0xC0 => 1,
            ..0xE0 => 2,
            ..0xF0 => 3,
            _ => 4,
        };
        utf8(self.bytes(len)?)?.chars().next().ok_or(Malformed::Text)
    }

    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Long) }
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::Text)
}

/// A text without control characters.
fn shown(text: &str) -> Result<&str, Malformed> {
    if text.chars().any(char::is_control) { Err(Malformed::Text) } else { Ok(text) }
}

/// The styles and links that some rows use, each once. A row names a style by its place; 0 is plain.
#[derive(Debug, Default)]
struct Table<'a> {
    links: Vec<&'a Link>,
    styles: Vec<&'a Style>,
}

impl<'a> Table<'a> {
    fn collect(rows: &[&'a Row]) -> (Self, HashMap<&'a Style, usize>) {
        let (mut table, mut places) = (Table::default(), HashMap::new());
        for run in rows.iter().flat_map(|row| row.runs()) {
            if run.style.is_plain() || places.contains_key(&run.style) {
                continue;
            }
            table.styles.push(&run.style);
            places.insert(&run.style, table.styles.len());
        }
        let mut known = HashSet::new();
        let links = table.styles.iter().filter_map(|style| style.link.as_ref());
        table.links = links.filter(|link| known.insert(*link)).take(LINKS_MAX).collect();
        (table, places)
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_len(out, self.links.len());
        let mut places = HashMap::new();
        for (at, link) in self.links.iter().enumerate() {
            put_text(out, link.as_str());
            places.insert(*link, at as u64);
        }
        put_len(out, self.styles.len());
        for style in &self.styles {
            put_style(out, style, style.link.as_ref().and_then(|link| places.get(link)).copied());
        }
    }
}

const HAS_TEXT_COLOR: u8 = 1;
const HAS_BACKGROUND: u8 = 1 << 1;
const HAS_UNDERLINE_COLOR: u8 = 1 << 2;
const HAS_LINK: u8 = 1 << 3;

/// `flags and kind of underline | attributes | what the flags name`.
fn put_style(out: &mut Vec<u8>, style: &Style, link: Option<u64>) {
    let colors = [style.text, style.background, style.underline_color];
    let flags = [HAS_TEXT_COLOR, HAS_BACKGROUND, HAS_UNDERLINE_COLOR];
    let set = colors.iter().zip(flags).filter(|(color, _)| **color != Color::Default);
    let mut head: u8 = set.map(|(_, flag)| flag).sum();
    if link.is_some() {
        head |= HAS_LINK;
    }
    out.extend([head | (style.underline as u8) << 4, style.attributes.bits()]);
    for color in colors {
        match color {
            Color::Default => {}
            Color::Indexed(index) => out.extend([0, index]),
            Color::Rgb(red, green, blue) => out.extend([1, red, green, blue]),
        }
    }
    if let Some(link) = link {
        put_number(out, link);
    }
}

impl Reader<'_> {
    fn style(&mut self, links: &[Link]) -> Result<Style, Malformed> {
        let (head, attributes) = (self.byte()?, self.byte()?);
        let underline = Underline::from_code(head >> 4).ok_or(Malformed::Value("underline"))?;
        let mut style =
            Style { attributes: Attributes::from_bits(attributes), underline, ..Style::default() };
        if head & HAS_TEXT_COLOR != 0 {
            style.text = self.color()?;
        }
        if head & HAS_BACKGROUND != 0 {
            style.background = self.color()?;
        }
        if head & HAS_UNDERLINE_COLOR != 0 {
            style.underline_color = self.color()?;
        }
        if head & HAS_LINK != 0 {
            let at = self.at_most(LINKS_MAX, "link")?;
            style.link = Some(links.get(at).ok_or(Malformed::Value("link"))?.clone());
        }
        Ok(style)
    }

    fn color(&mut self) -> Result<Color, Malformed> {
        match self.byte()? {
            0 => Ok(Color::Indexed(self.byte()?)),
            1 => Ok(Color::Rgb(self.byte()?, self.byte()?, self.byte()?)),
            _ => Err(Malformed::Value("color")),
        }
    }
}

/// Writes rows with their numbers: the styles they use, then row by row. Numbers ascend.
pub(super) fn put_rows(out: &mut Vec<u8>, rows: &[(usize, &Row)]) {
    let only_rows: Vec<&Row> = rows.iter().map(|(_, row)| *row).collect();
    let (table, places) = Table::collect(&only_rows);
    table.write(out);
    put_len(out, rows.len());
    let mut next = 0;
    for (at, row) in rows {
        put_len(out, at - next);
        next = at + 1;
        put_len(out, row.runs().len() << 1 | usize::from(row.is_wrapped()));
        let mut column = 0;
        for run in row.runs() {
            put_len(out, usize::from(run.column).saturating_sub(column));
            put_len(out, places.get(&run.style).copied().unwrap_or(0));
            put_run_text(out, run);
            column = run.end();
        }
    }
}

const REPEATED: usize = 4;

/// The fewest equal characters that are written as a count.
const REPEATED_MIN: usize = 4;

/// `length and kind | text`; the length is in bytes, or counts one character that is repeated.
fn put_run_text(out: &mut Vec<u8>, run: &Run) {
    let kind = run.width as usize;
    let mut chars = run.text.chars();
    let first = chars.next().unwrap_or(' ');
    let count = 1 + chars.clone().count();
    if !run.width.is_one_cell() && count >= REPEATED_MIN && chars.all(|char| char == first) {
        put_len(out, count << 3 | REPEATED | kind);
        out.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        put_len(out, run.text.len() << 3 | kind);
        out.extend_from_slice(run.text.as_bytes());
    }
}

impl Reader<'_> {
    /// Rows with their numbers below `rows_max`, ascending, each of at most `columns` columns.
    pub(super) fn rows(&mut self, rows_max: usize, columns: usize) -> Result<Vec<(usize, Row)>, Malformed> {
        let mut links: Vec<Link> = Vec::new();
        for _ in 0..self.at_most(LINKS_MAX, "number of links")? {
            links.push(Link::new(self.text(LINK_BYTES_MAX)?).ok_or(Malformed::Text)?);
        }
        let mut styles = vec![Style::default()];
        for _ in 0..self.at_most(rows_max * columns, "number of styles")? {
            styles.push(self.style(&links)?);
        }
        let (mut rows, mut next) = (Vec::new(), 0);
        for _ in 0..self.at_most(rows_max, "number of rows")? {
            let at = next + self.at_most(rows_max, "row")?;
            if at >= rows_max {
                return Err(Malformed::Value("row"));
            }
            rows.push((at, self.row(columns, &styles)?));
            next = at + 1;
        }
        Ok(rows)
    }

    fn row(&mut self, columns: usize, styles: &[Style]) -> Result<Row, Malformed> {
        let head = self.at_most(columns << 1 | 1, "number of runs")?;
        let (mut runs, mut column) = (Vec::new(), 0);
        for _ in 0..head >> 1 {
            column += self.at_most(columns, "column")?;
            let style = styles.get(self.at_most(styles.len(), "style")?);
            let style = style.ok_or(Malformed::Value("style"))?.clone();
            let (width, text) = self.run_text(columns)?;
            let start = u16::try_from(column).map_err(|_| Malformed::Value("column"))?;
            let run = Run { column: start, width, style, text };
            column = run.end();
            if column > columns {
                return Err(Malformed::Value("column"));
            }
            runs.push(run);
        }
        Ok(Row::from_parts(runs, head & 1 == 1))
    }

    fn run_text(&mut self, columns: usize) -> Result<(RunWidth, String), Malformed> {
        // A character has at most four bytes.
        let head = self.at_most((columns.max(CELL_BYTES_MAX) * 4) << 3 | 7, "length of a run")?;
        let width = match head & 3 {
            0 => RunWidth::Narrow,
            1 => RunWidth::Wide,
            2 => RunWidth::NarrowCell,
            _ => RunWidth::WideCell,
        };
        let len = head >> 3;
        let is_repeated = head & REPEATED != 0;
        if len == 0 || (width.is_one_cell() && (is_repeated || len > CELL_BYTES_MAX)) {
            return Err(Malformed::Value("length of a run"));
        }
        let text = if is_repeated {
            if len > columns {
                return Err(Malformed::Value("length of a run"));
            }
            std::iter::repeat_n(self.char()?, len).collect()
        } else {
            utf8(self.bytes(len)?)?.to_owned()
        };
        shown(&text)?;
        Ok((width, text))
    }
}

//! One change of a screen: what an update carries.

use super::limits::TITLE_BYTES_MAX;
use super::row::Row;
use super::screen::{Cursor, CursorShape, History, Modes, MouseEncoding, MouseReports, Screen, Size};
use super::wire::{Malformed, Reader, put_len, put_number, put_rows, put_size, put_text};

/// Rows `top..bottom` move up in a circle by `lines`: those that leave at the top come in at the bottom.
/// Moving down by 1 is moving up by all lines but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scroll {
    pub(super) top: usize,
    pub(super) bottom: usize,
    pub(super) lines: usize,
}

/// A change from one state of the screen to the next; `None` is "as it was".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Update<'a> {
    pub(super) seq: u64,
    /// The update that it follows; 0 if it starts from a blank screen.
    pub(super) based_on: u64,
    pub(super) size: Option<Size>,
    pub(super) cursor: Option<Cursor>,
    pub(super) modes: Option<Modes>,
    pub(super) title: Option<&'a str>,
    pub(super) history: Option<History>,
    pub(super) bells: Option<u32>,
    /// Applied before `rows`.
    pub(super) scroll: Option<Scroll>,
    pub(super) rows: Rows<'a>,
}

/// Rows with their numbers: borrowed by the writer, owned by the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rows<'a> {
    Borrowed(Vec<(usize, &'a Row)>),
    Read(Vec<(usize, Row)>),
}

const SIZE: u8 = 1;
const CURSOR: u8 = 1 << 1;
const MODES: u8 = 1 << 2;
const TITLE: u8 = 1 << 3;
const HISTORY: u8 = 1 << 4;
const BELLS: u8 = 1 << 5;
const SCROLL: u8 = 1 << 6;
const ROWS: u8 = 1 << 7;

impl Update<'_> {
    /// True if it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.sections() == 0
    }

    fn sections(&self) -> u8 {
        let has_rows = match &self.rows {
            Rows::Borrowed(rows) => !rows.is_empty(),
            Rows::Read(rows) => !rows.is_empty(),
        };
        let present = [
            (self.size.is_some(), SIZE),
            (self.cursor.is_some(), CURSOR),
            (self.modes.is_some(), MODES),
            (self.title.is_some(), TITLE),
            (self.history.is_some(), HISTORY),
            (self.bells.is_some(), BELLS),
            (self.scroll.is_some(), SCROLL),
            (has_rows, ROWS),
        ];
        present.iter().filter(|(is_there, _)| *is_there).map(|(_, section)| section).sum()
    }

    /// `seq | based on | sections | each section`, in the order of their bits.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, self.seq);
        put_number(&mut out, self.based_on);
        out.push(self.sections());
        if let Some(size) = self.size {
            put_size(&mut out, size);
        }
        if let Some(cursor) = self.cursor {
            put_cursor(&mut out, cursor);
        }
        if let Some(modes) = self.modes {
            out.extend(modes_bits(modes).to_be_bytes());
        }
        if let Some(title) = self.title {
            put_text(&mut out, title);
        }
        if let Some(history) = self.history {
            put_number(&mut out, history.generation.into());
            put_number(&mut out, history.end);
            put_number(&mut out, history.lines.into());
        }
        if let Some(bells) = self.bells {
            put_number(&mut out, bells.into());
        }
        if let Some(scroll) = self.scroll {
            [scroll.top, scroll.bottom, scroll.lines].iter().for_each(|number| put_len(&mut out, *number));
        }
        if let (true, Rows::Borrowed(rows)) = (self.sections() & ROWS != 0, &self.rows) {
            put_rows(&mut out, rows);
        }
        out
    }

    /// Reads an update of a screen whose size so far is `size`.
    pub(super) fn read(payload: &[u8], size: Size) -> Result<Update<'_>, Malformed> {
        let mut reader = Reader::new(payload);
        let (seq, based_on, sections) = (reader.number()?, reader.number()?, reader.byte()?);
        let has = |section: u8| sections & section != 0;
        let new_size = has(SIZE).then(|| reader.size()).transpose()?;
        let size = new_size.unwrap_or(size);
        let (rows, columns) = (usize::from(size.rows()), usize::from(size.columns()));
        let update = Update {
            seq,
            based_on,
            size: new_size,
            cursor: has(CURSOR).then(|| reader.cursor(size)).transpose()?,
            modes: has(MODES).then(|| reader.modes()).transpose()?,
            title: has(TITLE).then(|| reader.text(TITLE_BYTES_MAX)).transpose()?,
            history: has(HISTORY).then(|| reader.history()).transpose()?,
            bells: has(BELLS).then(|| reader.word("bells")).transpose()?,
            scroll: has(SCROLL).then(|| reader.scroll(rows)).transpose()?,
            rows: Rows::Read(if has(ROWS) { reader.rows(rows, columns)? } else { Vec::new() }),
        };
        reader.end()?;
        Ok(update)
    }

    /// Makes the change.
    pub(super) fn apply(self, screen: &mut Screen) {
        if self.based_on == 0 {
            *screen = Screen::new(self.size.unwrap_or(screen.size()));
        } else if let Some(size) = self.size {
            screen.resize(size);
        }
        if let Some(scroll) = self.scroll {
            screen.scroll_up(scroll.top, scroll.bottom, scroll.lines);
        }
        if let Rows::Read(rows) = self.rows {
            rows.into_iter().for_each(|(at, row)| screen.set_row(at, row));
        }
        screen.cursor = self.cursor.unwrap_or(screen.cursor);
        screen.modes = self.modes.unwrap_or(screen.modes);
        screen.history = self.history.unwrap_or(screen.history);
        screen.bells = self.bells.unwrap_or(screen.bells);
        if let Some(title) = self.title {
            screen.set_title(title);
        }
        screen.clamp_cursor();
    }
}

const CURSOR_BLINKS: u8 = 1 << 4;
const CURSOR_SHOWN: u8 = 1 << 5;

fn put_cursor(out: &mut Vec<u8>, cursor: Cursor) {
    put_number(out, cursor.row.into());
    put_number(out, cursor.column.into());
    let blinks = if cursor.is_blinking { CURSOR_BLINKS } else { 0 };
    let shown = if cursor.is_visible { CURSOR_SHOWN } else { 0 };
    out.push(cursor.shape as u8 | blinks | shown);
}

/// Bits 0–6 are the switches in the order of [`Modes`], 8–9 the mouse's reports, 10–11 their encoding.
fn modes_bits(modes: Modes) -> u16 {
    let switches = [
        modes.is_alternate,
        modes.has_bracketed_paste,
        modes.has_application_cursor,
        modes.has_application_keypad,
        modes.has_focus_reports,
        modes.has_alternate_scroll,
        modes.has_newline,
    ];
    let bits = switches.iter().enumerate().map(|(at, is_on)| u16::from(*is_on) << at).sum::<u16>();
    bits | (modes.mouse as u16) << 8 | (modes.mouse_encoding as u16) << 10
}

impl Reader<'_> {
    fn cursor(&mut self, size: Size) -> Result<Cursor, Malformed> {
        let row = self.at_most(usize::from(size.rows()) - 1, "cursor")? as u16;
        let column = self.at_most(usize::from(size.columns()) - 1, "cursor")? as u16;
        let look = self.byte()?;
        let shape = match look & 0xF {
            0 => CursorShape::Block,
            1 => CursorShape::Underline,
            2 => CursorShape::Bar,
            _ => return Err(Malformed::Value("cursor")),
        };
        let (is_blinking, is_visible) = (look & CURSOR_BLINKS != 0, look & CURSOR_SHOWN != 0);
        Ok(Cursor { row, column, shape, is_blinking, is_visible })
    }

    fn modes(&mut self) -> Result<Modes, Malformed> {
        let bits = u16::from_be_bytes([self.byte()?, self.byte()?]);
        let is_on = |at: u16| bits >> at & 1 == 1;
        let mouse = match bits >> 8 & 3 {
            0 => MouseReports::Off,
            1 => MouseReports::Clicks,
            2 => MouseReports::Drags,
            _ => MouseReports::Moves,
        };
        let mouse_encoding = match bits >> 10 & 3 {
            0 => MouseEncoding::Bytes,
            1 => MouseEncoding::Utf8,
            2 => MouseEncoding::Sgr,
            _ => return Err(Malformed::Value("mouse")),
        };
        Ok(Modes {
            is_alternate: is_on(0),
            has_bracketed_paste: is_on(1),
            has_application_cursor: is_on(2),
            has_application_keypad: is_on(3),
            has_focus_reports: is_on(4),
            has_alternate_scroll: is_on(5),
            has_newline: is_on(6),
            mouse,
            mouse_encoding,
        })
    }

    fn history(&mut self) -> Result<History, Malformed> {
        Ok(History { generation: self.word("history")?, end: self.number()?, lines: self.word("history")? })
    }

    fn scroll(&mut self, rows: usize) -> Result<Scroll, Malformed> {
        let mut edge = || self.at_most(rows, "scroll");
        let scroll = Scroll { top: edge()?, bottom: edge()?, lines: edge()? };
        let is_possible = scroll.top < scroll.bottom && scroll.lines < scroll.bottom - scroll.top;
        is_possible.then_some(scroll).ok_or(Malformed::Value("scroll"))
    }
}

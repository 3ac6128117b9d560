//! A page for operators: facts and tables, written as HTML, as text for 80 columns, or as JSON.
//!
//! Knows nothing of what they mean. The code that fills a page bounds its size.

mod html;
mod json;
mod text;

use std::fmt;

use protocol::ids::SessionHash;

use crate::http::admin::Format;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The heading.
    pub title: &'static str,
    /// The parts, in order.
    pub parts: Vec<Part>,
}

/// A part of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Single values, by name.
    Facts(Vec<(&'static str, Cell)>),
    /// A table.
    Table(Table),
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, and its key in JSON.
    pub name: &'static str,
    /// The names of the columns, and their keys in JSON.
    pub columns: &'static [&'static str],
    /// As many cells a row as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// How many rows there would be. `rows.len() <= all`
    pub all: usize,
    /// In text, each row is a block of lines, with whole hashes.
    pub in_blocks: bool,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing is known.
    Absent,
    /// Words.
    Text(String),
    /// A count.
    Count(u64),
    /// Bytes, with a unit in text.
    Bytes(u64),
    /// Seconds, as hours, minutes and seconds in text.
    Secs(u64),
    /// A session.
    Session(SessionHash),
}

impl Page {
    /// Writes it.
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Html => html::write(self),
            Format::Text => text::write(self),
            Format::Json => json::write(self),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Cell::Count(count as u64)
    }
}

impl Cell {
    /// Numbers stand at the right of their column.
    fn is_number(&self) -> bool {
        matches!(self, Cell::Count(_) | Cell::Bytes(_) | Cell::Secs(_))
    }
}

/// For people. A session shows as the 8 digits that the log has.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Absent => f.write_str("-"),
            Cell::Text(text) => f.write_str(text),
            Cell::Count(count) => count.fmt(f),
            Cell::Bytes(bytes) => write_bytes(f, *bytes),
            Cell::Secs(secs) => write_secs(f, *secs),
            Cell::Session(hash) => hash.tag().fmt(f),
        }
    }
}

fn write_bytes(f: &mut fmt::Formatter<'_>, bytes: u64) -> fmt::Result {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|&(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => write!(f, "{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => write!(f, "{bytes} B"),
    }
}

fn write_secs(f: &mut fmt::Formatter<'_>, secs: u64) -> fmt::Result {
    match (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60, secs % 60) {
        (0, 0, 0, secs) => write!(f, "{secs}s"),
        (0, 0, minutes, secs) => write!(f, "{minutes}m{secs:02}s"),
        (0, hours, minutes, _) => write!(f, "{hours}h{minutes:02}m"),
        (days, hours, ..) => write!(f, "{days}d{hours:02}h"),
    }
}

#[cfg(test)]
mod tests;

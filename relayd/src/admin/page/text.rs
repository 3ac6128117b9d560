//! A page as text.

use std::fmt::{self, Write};

use super::{Cell, Page, Part, Table};

pub(super) fn write(page: &Page) -> String {
    let mut out = String::new();
    // Writing into a string has no way to fail.
    let written = write_page(page, &mut out);
    debug_assert!(written.is_ok());
    out
}

fn write_page(page: &Page, out: &mut String) -> fmt::Result {
    for (at, part) in page.parts.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        match part {
            Part::Facts(facts) => write_facts(facts, out)?,
            Part::Table(table) if table.in_blocks => write_blocks(table, out)?,
            Part::Table(table) => write_table(table, page.parts.len() > 1, out)?,
        }
    }
    Ok(())
}

fn write_facts<N: AsRef<str>>(facts: &[(N, Cell)], out: &mut String) -> fmt::Result {
    let width = facts.iter().map(|(name, _)| name.as_ref().len()).max().unwrap_or_default();
    for (name, cell) in facts {
        write!(out, "{:width$}  ", name.as_ref())?;
        match cell {
            Cell::Session(hash) => writeln!(out, "{hash}")?,
            other => writeln!(out, "{other}")?,
        }
    }
    Ok(())
}

fn write_blocks(table: &Table, out: &mut String) -> fmt::Result {
    for (at, row) in table.rows.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let facts: Vec<_> = table.columns.iter().copied().zip(row.iter().cloned()).collect();
        write_facts(&facts, out)?;
    }
    write_end(table, out)
}

fn write_table(table: &Table, is_named: bool, out: &mut String) -> fmt::Result {
    if is_named {
        writeln!(out, "{}:", table.name.replace('_', " "))?;
    }
    let heads = table.columns.iter().map(|name| name.to_uppercase().replace('_', " "));
    let heads: Vec<Cell> = heads.map(Cell::Text).collect();
    let is_right = |at: usize| table.rows.iter().any(|row| row.get(at).is_some_and(Cell::is_number));
    let rows = || std::iter::once(&heads).chain(&table.rows);
    let widths: Vec<usize> = (0..heads.len())
        .map(|at| rows().filter_map(|row| row.get(at)).map(|cell| cell.to_string().chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    for row in rows() {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let cell = cell.to_string();
            let gap = if at > 0 { "  " } else { "" };
            if is_right(at) {
                write!(line, "{gap}{cell:>width$}")?;
            } else {
                write!(line, "{gap}{cell:width$}")?;
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    write_end(table, out)
}

fn write_end(table: &Table, out: &mut String) -> fmt::Result {
    match table.rows.len() {
        shown if shown < table.all => {
            writeln!(out, "({shown} of {} are shown)", table.all)
        }
        0 => writeln!(out, "(none)"),
        _ => Ok(()),
    }
}

//! A page as one JSON object: facts by name, and tables as arrays of objects.

use protocol::json;

use super::{Cell, Page, Part, Table};

pub(super) fn write(page: &Page) -> String {
    let mut out = Vec::with_capacity(1024);
    out.push(b'{');
    for part in &page.parts {
        match part {
            Part::Facts(facts) => facts.iter().for_each(|(name, cell)| member(&mut out, name, cell)),
            Part::Table(table) => write_table(&mut out, table),
        }
    }
    out.extend_from_slice(b"}\n");
    String::from_utf8(out).unwrap_or_default()
}

fn write_table(out: &mut Vec<u8>, table: &Table) {
    member(out, &format!("{}_all", table.name), &Cell::Count(table.all as u64));
    key(out, table.name);
    out.push(b'[');
    for (at, row) in table.rows.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.push(b'{');
        table.columns.iter().zip(row).for_each(|(name, cell)| member(out, name, cell));
        out.push(b'}');
    }
    out.push(b']');
}

fn member(out: &mut Vec<u8>, name: &str, cell: &Cell) {
    key(out, name);
    match cell {
        Cell::Absent => out.extend_from_slice(b"null"),
        Cell::Text(text) => json::write_quoted(&mut *out, text),
        Cell::Count(number) | Cell::Bytes(number) | Cell::Secs(number) => {
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Cell::Session(hash) => {
            json::write_quoted(&mut *out, &hash.tag().to_string());
            key(out, "hash");
            json::write_quoted(&mut *out, &hash.to_string());
        }
    }
}

/// Begins a member, behind others or as the first.
fn key(out: &mut Vec<u8>, name: &str) {
    if !matches!(out.last(), Some(b'{')) {
        out.push(b',');
    }
    json::write_quoted(&mut *out, name);
    out.push(b':');
}

//! A page as plain HTML: no script, nothing to load.

use std::fmt::Write;

use super::{Cell, Page, Part, Table};

pub(super) fn write(page: &Page) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>relayd: {0}</title>\n<style>{STYLE}</style>\n\
         <p>{NAVIGATION}</p>\n<h1>{0}</h1>\n",
        page.title
    );
    for part in &page.parts {
        match part {
            Part::Facts(facts) => {
                let rows = facts.iter().map(|(name, cell)| {
                    format!("<tr><th>{}</th>{}</tr>\n", escape(&name.replace('_', " ")), cell_of(cell))
                });
                push(&mut out, &format!("<table>\n{}</table>\n", rows.collect::<String>()));
            }
            Part::Table(table) => write_table(table, &mut out),
        }
    }
    out.push_str("</html>\n");
    out
}

fn write_table(table: &Table, out: &mut String) {
    let heads: String =
        table.columns.iter().map(|name| format!("<th>{}</th>", escape(&name.replace('_', " ")))).collect();
    push(out, &format!("<h2>{}</h2>\n<table>\n<tr>{heads}</tr>\n", escape(&table.name.replace('_', " "))));
    for row in &table.rows {
        push(out, &format!("<tr>{}</tr>\n", row.iter().map(cell_of).collect::<String>()));
    }
    out.push_str("</table>\n");
    match table.rows.len() {
        shown if shown < table.all => {
            push(out, &format!("<p>{shown} of {} are shown.</p>\n", table.all));
        }
        0 => out.push_str("<p>None.</p>\n"),
        _ => {}
    }
}

fn cell_of(cell: &Cell) -> String {
    match cell {
        Cell::Session(hash) => format!("<td>{}<br><small>{hash}</small></td>", hash.tag()),
        other if other.is_number() => format!("<td class=\"n\">{}</td>", escape(&other.to_string())),
        other => format!("<td>{}</td>", escape(&other.to_string())),
    }
}

fn push(out: &mut String, text: &str) {
    // Writing into a string has no way to fail.
    let written = out.write_str(text);
    debug_assert!(written.is_ok());
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "body{font:14px monospace;margin:1em}table{border-collapse:collapse}\
    td,th{border:1px solid gray;padding:2px 8px;text-align:left}.n{text-align:right}";

const NAVIGATION: &str = "<a href=\"/debug\">overview</a> <a href=\"/debug/sessions\">sessions</a> \
    <a href=\"/debug/connections\">connections</a> <a href=\"/debug/nodes\">nodes</a> \
    <a href=\"/metrics\">metrics</a>";

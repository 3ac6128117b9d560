//! The printed table: two lines per target, with the median of all runs above their range.

use super::claims::Verdict;
use super::findings::Report;
use super::section::{Line, Ratio, Section, Summary};
use super::spread::Spread;
use crate::load::LOAD_SHARE_MAX;
use crate::outcome::{Kind, RATE};

/// One case on all its targets.
pub(crate) fn section_text(section: &Section) -> String {
    let mut text = format!("\n{}: {}\n", section.scenario, section.what);
    if let (Some(pairs), Some(bytes)) = (section.pairs, section.payload_bytes) {
        text = format!("\n{}: {} ({pairs} pairs, {bytes} bytes)\n", section.scenario, section.what);
    }
    let is_column = |line: &&Line| line.kind != Kind::Detail;
    let first = section.subject().map_or(&[][..], |subject| &subject.figures);
    let mut rows = vec![String::new(); 1 + 2 * section.targets.len()];
    for (at, target) in section.targets.iter().enumerate() {
        rows[1 + 2 * at] = target.target.to_owned();
    }
    pad(&mut rows, |row, width| format!("{row:width$}"));
    for line in first.iter().filter(is_column) {
        let cells = section.targets.iter().flat_map(|target| cells(target, &line.name));
        let mut column: Vec<String> = std::iter::once(line.name.clone()).chain(cells).collect();
        pad(&mut column, |cell, width| format!("{cell:>width$}"));
        rows.iter_mut().zip(&column).for_each(|(row, cell)| *row += &format!("   {cell}"));
    }
    rows.iter().for_each(|row| text += &format!("{}\n", row.trim_end()));
    for target in &section.targets {
        text += &details(target);
    }
    text += &ratios(section);
    for note in &section.notes {
        text += &format!("{note}\n");
    }
    text
}

/// The promises, and whether they hold.
pub(crate) fn print_claims(report: &Report) {
    if report.claims.is_empty() {
        return;
    }
    println!("\nWhat is promised");
    for claim in &report.claims {
        let verdict = match claim.verdict {
            Verdict::Holds => "holds",
            Verdict::Fails => "FAILS",
            Verdict::Unclear => "unclear",
        };
        println!("  {verdict:7}  {} ({}): {}", claim.promise, claim.setup, claim.measured);
    }
}

/// The meaning of the table's words.
pub(crate) fn print_foot() {
    println!(
        "\nThe median of all runs, and below it their range. CPU: the target's processes. load %: what the load used of \
         its own core.\nothers %: what other programs used of both cores.\nvoid: the load used more than {:.0} %, so the rate may be its limit and not the server's.",
        LOAD_SHARE_MAX * 100.0
    );
}

/// Makes all as wide as the widest.
fn pad(cells: &mut [String], padded: impl Fn(&str, usize) -> String) {
    let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    cells.iter_mut().for_each(|cell| *cell = padded(cell, width));
}

/// The median and the range.
fn cells(target: &Summary, title: &str) -> [String; 2] {
    let Some(line) = target.figure(title) else { return ["?".to_owned(), String::new()] };
    let (Spread { median, min, max }, decimals) = (line.spread, line.decimals);
    let mark = if title == RATE && target.runs_void > 0 { "void >" } else { "" };
    [format!("{mark}{median:.decimals$}"), format!("{min:.decimals$}-{max:.decimals$}")]
}

fn details(target: &Summary) -> String {
    let mut text = String::new();
    for line in target.figures.iter().filter(|line| line.kind == Kind::Detail) {
        let (Spread { median, min, max }, decimals) = (line.spread, line.decimals);
        text += &format!(
            "{}: {} {median:.decimals$} ({min:.decimals$}-{max:.decimals$})\n",
            target.target, line.name
        );
    }
    if !target.faults.is_none() {
        text += &format!("{}: {}\n", target.target, target.faults);
    }
    text
}

/// A line for each target that the subject is compared with.
fn ratios(section: &Section) -> String {
    let Some(subject) = section.subject() else { return String::new() };
    let mut text = String::new();
    for other in section.targets.iter().skip(1) {
        let of: Vec<String> =
            section.ratios.iter().filter(|ratio| ratio.to == other.target).map(Ratio::to_string).collect();
        if !of.is_empty() {
            text += &format!("{} / {}: {}\n", subject.target, other.target, of.join(", "));
        }
    }
    text
}

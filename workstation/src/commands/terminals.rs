//! `terminals`: list the shared terminals.

use std::process::ExitCode;

use anyhow::Context;

use crate::args::Global;
use crate::ipc::folder::{Folders, terminal_names};
use crate::output::{print, say};
use crate::state::phones::load_all;
use crate::terminal_host::look::status_of;
use crate::terminal_host::wire::Status;
use crate::terminal_host::{names, seconds_now};

/// List the shared terminals.
///
/// With --json, one line for each: name, command, title, columns, rows, since (seconds since 1970), windows,
/// viewers, viewOnly, to, pid. The exit code is 1 if a terminal does not answer.
#[derive(Debug, clap::Args)]
pub(crate) struct TerminalsArgs {}

/// # Errors
/// The folder of terminals can't be read.
pub(crate) fn run(_: &TerminalsArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let folders = Folders::open(&global.profile)?;
    let names = terminal_names(&folders.terminals()?).context("can't list the terminals")?;
    let looked: Vec<Looked> = names.iter().map(|name| look(&folders, name)).collect();
    let is_silent = looked.iter().any(|looked| matches!(looked, Looked::Silent));
    let mut found: Vec<Status> = looked.into_iter().filter_map(Looked::status).collect();
    let phones = load_all(folders.state())?.0;
    for to in found.iter_mut().flat_map(|status| &mut status.to) {
        // A phone that is no longer paired is listed by its id.
        if let Some(phone) = phones.iter().find(|phone| phone.id() == to) {
            *to = phone.name();
        }
    }
    if global.json {
        for status in &found {
            let line = sonic_rs::to_string(status).context("can't write a terminal as JSON")?;
            print(&line, line.as_bytes())?;
        }
    } else if found.is_empty() && !is_silent {
        say("there are no shared terminals: start one with `workstation run`");
    } else if !found.is_empty() {
        for line in table(&found) {
            print(&line, line.as_bytes())?;
        }
    }
    Ok(if is_silent { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What came of asking a terminal.
enum Looked {
    Found(Box<Status>),
    Gone,
    /// It is there, and does not answer.
    Silent,
}

impl Looked {
    fn status(self) -> Option<Status> {
        match self {
            Looked::Found(status) => Some(*status),
            Looked::Gone | Looked::Silent => None,
        }
    }
}

/// Asks one terminal. Tells of one that does not answer.
fn look(folders: &Folders, name: &str) -> Looked {
    let connected = names::connect(folders, name);
    let asked = connected.and_then(|stream| Ok(stream.map(status_of).transpose()?));
    match asked {
        Ok(Some(status)) => Looked::Found(Box::new(status)),
        Ok(None) => Looked::Gone,
        Err(error) => {
            say(&format!("{name}: no answer: {error:#}"));
            Looked::Silent
        }
    }
}

fn table(found: &[Status]) -> Vec<String> {
    let head = ["NAME", "SIZE", "SINCE", "WINDOWS", "PHONES", "COMMAND"].map(str::to_owned);
    let now = seconds_now();
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(found.iter().map(|it| row(it, now))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.chain([row[5].clone()]).collect::<String>()
    };
    rows.iter().map(line).collect()
}

fn row(status: &Status, now: u64) -> [String; 6] {
    let phones: Vec<&str> = status.viewers.iter().map(|viewer| viewer.device.as_str()).collect();
    let phones = if phones.is_empty() { "–".to_owned() } else { phones.join(", ") };
    let clean = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    [
        clean(&status.name),
        format!("{}×{}", status.columns, status.rows),
        ago(now.saturating_sub(status.since)),
        status.windows.to_string(),
        clean(&phones),
        clean(&status.command),
    ]
}

/// A span for people.
fn ago(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs} s ago"),
        60..3600 => format!("{} min ago", secs / 60),
        3600..172_800 => format!("{} h ago", secs / 3600),
        _ => format!("{} days ago", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal_host::wire::Viewing;

    #[test]
    fn columns_are_aligned_and_control_characters_harmless() {
        let viewers = vec![Viewing { device: "Pixel\u{1b}".into(), ..Viewing::default() }];
        let sh =
            Status { name: "sh".into(), columns: 80, rows: 24, command: "sh -l".into(), ..Status::default() };
        let vim =
            Status { name: "vim-long".into(), windows: 2, viewers, command: "vim\n".into(), ..sh.clone() };
        let lines =
            table(&[Status { since: seconds_now(), ..sh }, Status { since: seconds_now() - 7200, ..vim }]);
        assert_eq!(lines[1], "sh        80×24  0 s ago  0        –       sh -l");
        assert_eq!(lines[2], "vim-long  80×24  2 h ago  2        Pixel   vim ");
    }
}

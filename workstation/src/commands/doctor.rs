//! `doctor`: what is wrong, and what to do.

use std::process::ExitCode;

use serde::Serialize;

use crate::args::{Global, RelayArgs};
use crate::doctor::{Finding, Level, examine};
use crate::output::print;

/// Look at everything that phones need to reach this machine, and say what is wrong and what to do.
///
/// A line that begins with FIX needs your hand. With --json, one line for each: check, level (good, note or
/// wrong), words, remedy. A session is made at the relay and deleted; nothing else is changed.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,
}

/// # Errors
/// stdout takes nothing more.
pub(crate) fn run(args: &DoctorArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let (mut is_well, mut printed) = (true, Ok(()));
    examine(&args.relay, global, &mut |finding| {
        is_well &= finding.level != Level::Wrong;
        let line = if global.json { entry(&finding) } else { line(&finding) };
        if printed.is_ok() {
            printed = print(&line, line.as_bytes());
        }
    });
    printed?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `FIX   clock      this machine's clock is 300 s ahead of the relay's → set it`
fn line(Finding { check, level, words, remedy }: &Finding) -> String {
    let level = match level {
        Level::Good => "ok",
        Level::Note => "note",
        Level::Wrong => "FIX",
    };
    let remedy = if remedy.is_empty() { String::new() } else { format!(" → {remedy}") };
    format!("{level:<5} {check:<10} {words}{remedy}")
}

/// The entry for scripts.
fn entry(finding: &Finding) -> String {
    #[derive(Serialize)]
    struct Entry<'a> {
        check: &'a str,
        level: &'a str,
        words: &'a str,
        remedy: &'a str,
    }
    let level = match finding.level {
        Level::Good => "good",
        Level::Note => "note",
        Level::Wrong => "wrong",
    };
    let entry = Entry { check: finding.check, level, words: &finding.words, remedy: &finding.remedy };
    // There are no maps and no floats in it that could not be written.
    sonic_rs::to_string(&entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_is_wrong_and_what_to_do() {
        let finding = Finding {
            check: "clock",
            level: Level::Wrong,
            words: "300 s ahead".into(),
            remedy: "set it".into(),
        };
        assert_eq!(line(&finding), "FIX   clock      300 s ahead → set it");
        let json = r#"{"check":"clock","level":"wrong","words":"300 s ahead","remedy":"set it"}"#;
        assert_eq!(entry(&finding), json);
    }
}

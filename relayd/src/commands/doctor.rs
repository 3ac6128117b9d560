//! `relayd doctor`: what is wrong, and what to do.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::config::Loaded;
use crate::doctor::{Finding, Level, examine};

/// The options of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Print one line of JSON for each finding: check, level (ok, warn or bad), words, remedy
    #[arg(long)]
    json: bool,
    /// Also look for more than a minute whether a quiet connection stays open. Makes a session and deletes it
    #[arg(long)]
    slow: bool,
}

/// Exit code 0 if nothing is bad, else 1.
pub(super) fn run(args: &DoctorArgs, loaded: &Loaded) -> ExitCode {
    let (mut is_well, mut printed) = (true, Ok(()));
    examine(&loaded.config, args.slow, &mut |finding| {
        is_well &= finding.level != Level::Bad;
        let line = if args.json { entry(&finding) } else { line(&finding) };
        if printed.is_ok() {
            printed = writeln!(io::stdout(), "{line}");
        }
    });
    match printed {
        Ok(()) if is_well => ExitCode::SUCCESS,
        // Nobody reads, so nobody can be told.
        Ok(()) | Err(_) => ExitCode::FAILURE,
    }
}

/// `bad   port         port 3001 is taken by another program → stop it`
fn line(finding: &Finding) -> String {
    let Finding { check, words, remedy, .. } = finding;
    let remedy = if remedy.is_empty() { String::new() } else { format!(" → {remedy}") };
    format!("{:<5} {check:<12} {words}{remedy}", word(finding.level))
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Bad => "bad",
    }
}

/// The line for scripts.
fn entry(finding: &Finding) -> String {
    #[derive(Serialize)]
    struct Entry<'a> {
        check: &'a str,
        level: &'a str,
        words: &'a str,
        remedy: &'a str,
    }
    let Finding { check, words, remedy, .. } = finding;
    // There are no maps and no floats in it that could not be written.
    sonic_rs::to_string(&Entry { check, level: word(finding.level), words, remedy }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_is_wrong_and_what_to_do() {
        let finding =
            Finding { check: "port", level: Level::Bad, words: "taken".into(), remedy: "stop it".into() };
        assert_eq!(line(&finding), "bad   port         taken → stop it");
        assert_eq!(entry(&finding), r#"{"check":"port","level":"bad","words":"taken","remedy":"stop it"}"#);
    }
}

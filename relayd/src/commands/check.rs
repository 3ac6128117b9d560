//! `relayd check`: validates the settings that the server would start with, and prints them.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::example;
use crate::config::{Loaded, Setting};

/// The options of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Print a settings file with every key at its default, as a comment, instead
    #[arg(long)]
    example: bool,
}

/// The settings were read before, files included. A bad one has ended the program with exit code 2.
pub(super) fn run(args: &CheckArgs, loaded: &Loaded) -> ExitCode {
    let text = if args.example { example::text() } else { table(&loaded.settings) };
    // A reader that closed its end has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    if !args.example {
        for warning in &loaded.warnings {
            let _ = writeln!(io::stderr(), "relayd: warning: {warning}");
        }
    }
    ExitCode::SUCCESS
}

/// One setting a line: its name, its value, and where that comes from.
fn table(settings: &[Setting]) -> String {
    let width = |of: fn(&Setting) -> usize| settings.iter().map(of).filter(|it| *it <= WIDTH_MAX).max();
    let names = width(|it| it.name.len()).unwrap_or(0);
    let values = width(|it| it.shown().chars().count()).unwrap_or(0);
    let line = |it: &Setting| format!("{:names$}  {:values$}  {}\n", it.name, it.shown(), it.origin);
    settings.iter().map(line).collect()
}

/// A longer value does not widen the column.
const WIDTH_MAX: usize = 40;

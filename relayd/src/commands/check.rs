//! `relayd check`: the settings that the server would start with.

use std::process::ExitCode;

use clap::Args;

use crate::config::Loaded;

/// The options of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {}

/// Everything was read, or the program would have ended with exit code 2 before.
pub(super) fn run(_: &CheckArgs, _: &Loaded) -> ExitCode {
    ExitCode::SUCCESS
}

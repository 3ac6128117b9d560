//! `terminal-guard`: give the terminal back after a program that was killed; such a program starts this.

use std::process::ExitCode;

use crate::window::guard::{self, Modes};

/// Give the terminal back after a program that was killed; such a program starts this.
#[derive(Debug, clap::Args)]
pub(crate) struct TerminalGuardArgs {
    /// The modes that the terminal had.
    modes: Modes,
}

/// # Errors
/// None.
pub(crate) fn run(args: &TerminalGuardArgs) -> anyhow::Result<ExitCode> {
    guard::stand(args.modes);
    Ok(ExitCode::SUCCESS)
}

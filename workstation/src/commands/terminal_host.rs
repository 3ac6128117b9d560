//! `terminal-host`: hold one shared terminal; `run` starts this.

use std::process::ExitCode;

use crate::args::Global;

/// Hold one shared terminal; `run` starts this.
#[derive(Debug, clap::Args)]
pub(crate) struct TerminalHostArgs {}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &TerminalHostArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

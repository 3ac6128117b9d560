//! `terminals`: list the shared terminals.

use std::process::ExitCode;

use crate::args::Global;

/// List the shared terminals.
#[derive(Debug, clap::Args)]
pub(crate) struct TerminalsArgs {}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &TerminalsArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

//! `agent`: hold the profile's pairs and tunnels for the other commands, which start this when they need it.

use std::process::ExitCode;

use crate::args::Global;

/// Hold the profile's pairs and tunnels for the other commands, which start this when they need it.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &AgentArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

//! `agent`: holds the profile's pairs and tunnels for the other commands, which start this when they need it.

use std::process::ExitCode;

use crate::agent;
use crate::args::Global;
use crate::ipc::folder::Folders;

/// Hold the profile's pairs and tunnels for the other commands, which start this when they need it.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {}

/// # Errors
/// The agent could not begin.
pub(crate) fn run(_: &AgentArgs, global: &Global) -> anyhow::Result<ExitCode> {
    // Away from the terminal of the command that starts it. A process that leads a group already stays there.
    let _ = rustix::process::setsid();
    agent::run(Folders::open(&global.profile)?)?;
    Ok(ExitCode::SUCCESS)
}

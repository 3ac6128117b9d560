//! `attach`: come back to a shared terminal.

use std::process::ExitCode;

use crate::args::Global;

/// Come back to a shared terminal.
#[derive(Debug, clap::Args)]
pub(crate) struct AttachArgs {
    /// The terminal's name, as `terminals` lists it.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &AttachArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

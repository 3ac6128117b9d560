//! `run`: run a command, or your shell, and share its terminal with the paired phones.

use std::process::ExitCode;

use crate::args::Global;

/// Run a command, or your shell, and share its terminal with the paired phones.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The command and its arguments. [default: your shell]
    #[arg(trailing_var_arg = true, value_name = "CMD")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &RunArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

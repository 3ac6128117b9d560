//! `rename`: give a paired phone another name.

use std::process::ExitCode;

use crate::args::Global;

/// Give a paired phone another name.
#[derive(Debug, clap::Args)]
pub(crate) struct RenameArgs {
    /// The phone's name, as `devices` lists it.
    #[arg(value_name = "OLD")]
    pub(crate) old: String,

    /// Its new name.
    #[arg(value_name = "NEW")]
    pub(crate) new: String,
}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &RenameArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

//! `revoke`: end the pair with a phone, connected or not.

use std::process::ExitCode;

use crate::args::Global;

/// End the pair with a phone, connected or not.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    /// The phone's name, as `devices` lists it.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &RevokeArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

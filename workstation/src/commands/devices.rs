//! `devices`: list the paired phones.

use std::process::ExitCode;

use crate::args::Global;

/// List the paired phones.
#[derive(Debug, clap::Args)]
pub(crate) struct DevicesArgs {}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &DevicesArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

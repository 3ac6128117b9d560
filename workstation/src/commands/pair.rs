//! `pair`: pair with one more phone.

use std::process::ExitCode;

use crate::args::{CodeArgs, Global, RelayArgs};

/// Pair with one more phone.
#[derive(Debug, clap::Args)]
pub(crate) struct PairArgs {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    #[command(flatten)]
    pub(crate) code: CodeArgs,

    /// Call the phone by this name. [default: the name it has for itself]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &PairArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

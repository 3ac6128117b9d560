//! `chat`: talk to the paired phones in lines of text; pair first if there is no phone yet.

use std::process::ExitCode;

use crate::args::{CodeArgs, Global, RelayArgs};

/// Talk to the paired phones in lines of text; pair first if there is no phone yet.
#[derive(Debug, clap::Args)]
pub(crate) struct ChatArgs {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    #[command(flatten)]
    pub(crate) code: CodeArgs,
}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &ChatArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

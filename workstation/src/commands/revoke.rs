//! `revoke`: end the pair with a phone, connected or not.

use std::process::ExitCode;

use super::session::Session;
use crate::args::Global;
use crate::ipc::wire::ToAgent;
use crate::output::say;

/// End the pair with a phone, connected or not.
///
/// A connected phone is told at once, and its key opens nothing from then on. The relay is asked to delete
/// its session until it has.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    /// The phone's name, as `devices` lists it.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// # Errors
/// No phone has this name, or the pair is still on disk.
pub(crate) fn run(args: &RevokeArgs, global: &Global) -> anyhow::Result<ExitCode> {
    Session::open(global)?.ask(&ToAgent::Revoke { name: args.name.clone() })?;
    say(&format!("\"{}\" is no longer paired", args.name));
    Ok(ExitCode::SUCCESS)
}

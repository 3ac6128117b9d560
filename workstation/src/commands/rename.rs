//! `rename`: give a paired phone another name.

use std::process::ExitCode;

use super::session::Session;
use crate::args::Global;
use crate::ipc::wire::ToAgent;
use crate::output::say;

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
/// No phone has the old name, or another one has the new name.
pub(crate) fn run(args: &RenameArgs, global: &Global) -> anyhow::Result<ExitCode> {
    Session::open(global)?.ask(&ToAgent::Rename { old: args.old.clone(), new: args.new.clone() })?;
    say(&format!("\"{}\" is now called \"{}\"", args.old, args.new));
    Ok(ExitCode::SUCCESS)
}

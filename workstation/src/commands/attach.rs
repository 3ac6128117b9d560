//! `attach`: come back to a shared terminal.

use std::process::ExitCode;

use anyhow::bail;

use super::run::show;
use crate::args::Global;
use crate::ipc::folder::Folders;
use crate::terminal_host::names;

/// Come back to a shared terminal.
///
/// The window shows the screen as it is, and decides its size. The exit code is the command's if it ends
/// meanwhile, and 0 after you detached with `Ctrl-\` and then `d`.
#[derive(Debug, clap::Args)]
pub(crate) struct AttachArgs {
    /// The terminal's name, as `terminals` lists it.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// End the command when the window is closed.
    #[arg(long)]
    pub(crate) hang_up: bool,
}

/// # Errors
/// There is no such terminal, or it can't be shown.
pub(crate) fn run(args: &AttachArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let (folders, name) = (Folders::open(&global.profile)?, &args.name);
    let Some(stream) = names::connect(&folders, name)? else {
        bail!("there is no terminal {name}: `workstation terminals` lists those that there are");
    };
    show(stream, name, args.hang_up)
}

//! `terminal-host`: hold one shared terminal; `run` starts this.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::args::Global;
use crate::terminal_host::wire::WindowSize;
use crate::terminal_host::{self, Settings, seconds_now};

/// Hold one shared terminal; `run` starts this, with the terminal's listening socket as standard input.
#[derive(Debug, clap::Args)]
pub(crate) struct TerminalHostArgs {
    /// The terminal's name.
    #[arg(long)]
    pub(crate) name: String,

    /// The socket's file, which is removed at the end.
    #[arg(long)]
    pub(crate) socket: PathBuf,

    /// Let phones watch, and not type.
    #[arg(long)]
    pub(crate) view_only: bool,

    /// Pass on what the command puts into the clipboard.
    #[arg(long)]
    pub(crate) clipboard: bool,

    /// Share with the phone of this id only.
    #[arg(long)]
    pub(crate) to: Vec<String>,

    /// A phone opens it: start the command at once, in this size.
    #[arg(long, num_args = 2, value_names = ["COLUMNS", "ROWS"])]
    pub(crate) shell: Option<Vec<u16>>,

    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

/// # Errors
/// The system refuses what a terminal needs.
pub(crate) fn run(args: &TerminalHostArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let settings = Settings {
        name: args.name.clone(),
        command: args.command.clone(),
        view_only: args.view_only,
        clipboard: args.clipboard,
        to: args.to.clone(),
        shell: args.shell.as_deref().and_then(size),
        since: seconds_now(),
    };
    let (profile, socket) = (global.profile.clone(), args.socket.clone());
    terminal_host::serve(settings, profile, socket).context("the terminal failed")?;
    Ok(ExitCode::SUCCESS)
}

fn size(numbers: &[u16]) -> Option<WindowSize> {
    let [columns, rows] = *numbers else { return None };
    Some(WindowSize { columns, rows, ..WindowSize::default() })
}

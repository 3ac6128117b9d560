//! `completions`: a script that completes this program's commands and options in a shell.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;
use clap_complete::Shell;

use crate::args;

/// Print a script that completes commands and options in your shell.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// # Errors
/// stdout takes nothing more.
pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(&args::program()), args::called(), &mut script);
    std::io::stdout().write_all(&script).context("can't write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// The program without the commands that it only runs itself.
fn shown(program: &Command) -> Command {
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new(args::called())
        .version(env!("CARGO_PKG_VERSION"))
        .args(program.get_arguments().cloned())
        .subcommands(commands)
}

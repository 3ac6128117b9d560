//! `man`: the manual pages of the program and of each command.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::args;
use crate::output::say;

/// Write the manual pages into a folder.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The folder, which is made if it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// # Errors
/// The folder can't be made or written.
pub(crate) fn run(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let folder = args.folder.display();
    fs::create_dir_all(&args.folder).with_context(|| format!("can't make the folder {folder}"))?;
    let program = args::program().name(args::called());
    clap_mangen::generate_to(program, &args.folder).with_context(|| format!("can't write into {folder}"))?;
    say(&format!("the manual pages are in {folder}"));
    Ok(ExitCode::SUCCESS)
}

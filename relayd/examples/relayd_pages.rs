//! Writes the manual pages and completions of the server's programs, for packages: `relayd_pages FOLDER`.
//!
//! `deploy/packages/pages` calls it. It is no part of the server, which needs neither.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap_complete::Shell;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: relayd_pages FOLDER");
        return ExitCode::from(2);
    };
    match write_all(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relayd_pages: can't write into {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(folder: &Path) -> std::io::Result<()> {
    write_pages(relayd::commands::line(), folder)?;
    write_pages(relayd::admin::ctl::line(), folder)
}

/// One program: a manual page for it and for each command, and a script for each shell, in folders of the
/// shells' names.
fn write_pages(mut program: clap::Command, folder: &Path) -> std::io::Result<()> {
    let name = program.get_name().to_owned();
    let pages = folder.join("man");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(program.clone(), &pages)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let scripts = folder.join(shell.to_string());
        fs::create_dir_all(&scripts)?;
        // Bash finds a script by the name of the program alone.
        let file = if shell == Shell::Bash {
            scripts.join(&name)
        } else {
            scripts.join(clap_complete::Generator::file_name(&shell, &name))
        };
        clap_complete::generate(shell, &mut program, &name, &mut fs::File::create(file)?);
    }
    Ok(())
}

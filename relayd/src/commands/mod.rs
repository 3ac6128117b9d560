//! The subcommands of `relayd`. Without one, the program serves.
//!
//! A subcommand is one variant of [`Command`] and one module with a `run`. It takes the settings of the
//! server too, before or behind its name, so that it sees what the server would see.

mod check;
mod doctor;
mod example;
mod healthcheck;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{FromArgMatches, Subcommand};

use crate::config::{self, EarlyExit, Loaded};

/// What `relayd` can do besides serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check the settings, print them with where each comes from, and exit
    Check(check::CheckArgs),
    /// Look for what keeps clients away, or will one day, and say what to do
    Doctor(doctor::DoctorArgs),
    /// Ask the server that runs here with these settings whether it is well. For containers
    Healthcheck(healthcheck::HealthcheckArgs),
}

/// Reads the arguments, beginning with the program's name, and the environment. No command: serve.
///
/// # Errors
/// A bad argument or value, or a request for help: the text to print, and the exit code.
pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<(Option<Command>, Loaded), EarlyExit> {
    load_with(&line(), args)
}

fn load_with(
    line: &clap::Command,
    args: impl IntoIterator<Item = OsString>,
) -> Result<(Option<Command>, Loaded), EarlyExit> {
    let (mut loaded, matches) = config::load_for(line, args)?;
    let asked = matches.subcommand_name().map(|_| Command::from_arg_matches(&matches)).transpose();
    let asked = asked.map_err(|error| EarlyExit::of(&error))?;
    match (&asked, loaded.config.missing_for_server()) {
        (None, Some(missing)) => return Err(missing),
        (Some(_), Some(missing)) => loaded.warnings.push(missing.message().to_owned()),
        (_, None) => {}
    }
    Ok((asked, loaded))
}

/// Carries out a command.
pub fn run(command: &Command, loaded: &Loaded) -> ExitCode {
    match command {
        Command::Check(args) => check::run(args, loaded),
        Command::Doctor(args) => doctor::run(args, loaded),
        Command::Healthcheck(args) => healthcheck::run(args, loaded),
    }
}

/// The command line of the program: the server's settings, which every command takes too.
pub fn line() -> clap::Command {
    let settings = config::command().mut_args(|arg| arg.global(true));
    // The words about the commands would take the place of those about the program.
    let about = settings.get_about().cloned().unwrap_or_default();
    let line = Command::augment_subcommands(settings).about(about);
    line.subcommand_required(false).arg_required_else_help(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without variables of the machine that runs the tests.
    fn load(args: &[&str]) -> Result<(Option<Command>, Loaded), EarlyExit> {
        let line = line().mut_args(|arg| arg.env(None::<&str>));
        load_with(&line, ["relayd"].iter().chain(args).map(OsString::from))
    }

    #[test]
    fn the_command_line_is_sound_and_begins_with_what_the_program_is_for() {
        line().debug_assert();
        let help = line().render_help().to_string();
        assert!(help.starts_with("Pairs a workstation with a phone"), "{help}");
    }

    #[test]
    fn no_command_serves_and_a_command_takes_the_settings_on_both_sides() {
        assert!(matches!(load(&["--port=1"]), Ok((None, _))));
        for args in [
            &["check", "--port=1", "--no-page"][..],
            &["--port=1", "--no-page", "check"],
            &["--port=1", "check", "--no-page"],
        ] {
            let (command, loaded) = load(args).unwrap();
            assert!(matches!(command, Some(Command::Check(_))), "{args:?}");
            assert_eq!((loaded.config.port, loaded.config.policy.serves_page), (1, false), "{args:?}");
        }
        assert!(load(&["chekc"]).is_err());
    }

    #[test]
    fn the_port_in_force_is_listed() {
        let listed = |flags: &[&str]| {
            let (_, loaded) = load(&[&["check"], flags].concat()).unwrap();
            let port = loaded.settings.iter().find(|setting| setting.name == "port");
            port.map(|port| format!("{} {}", port.shown(), port.origin)).unwrap()
        };
        assert_eq!(listed(&[]), "3001 default");
        assert_eq!(listed(&["--domain=a.example", "--acme-agree-tos"]), "443 default");
        assert_eq!(listed(&["--domain=a.example", "--acme-agree-tos", "--port=8443"]), "8443 flag");
    }

    #[test]
    fn only_a_server_needs_a_state_folder() {
        let domain = ["--domain=a.example", "--acme-agree-tos"];
        let with = |more: &[&str]| load(&[&domain, more].concat());
        assert!(with(&[]).unwrap_err().message().contains("--state-dir"));
        assert!(with(&["--state-dir=/s"]).unwrap().1.warnings.is_empty());
        for command in ["check", "doctor", "healthcheck"] {
            let (_, loaded) = with(&[command]).unwrap();
            assert!(loaded.warnings[0].contains("--state-dir"), "{command}: {:?}", loaded.warnings);
        }
    }
}

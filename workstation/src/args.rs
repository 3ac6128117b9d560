//! The command line and its environment: the commands, and the options that several of them share. The
//! options of one command are in its own file below `commands`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use relay_client::{Endpoint, Proxy, ProxyError};

use crate::code::ShowOptions;
use crate::commands;
use crate::help;

/// Shows a code, and talks to the phones that scan it.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Without a command.
    #[command(flatten)]
    pub(crate) alone: commands::alone::AloneArgs,
}

/// The options that every command has.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// Use the relay, the phones and the terminals of this profile.
    #[arg(long, env = "RELAY_PROFILE", value_name = "NAME", default_value = "default", global = true)]
    #[arg(value_parser = profile_name)]
    pub(crate) profile: String,

    /// Print one line of JSON for each event or entry, for scripts.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Chat(commands::chat::ChatArgs),
    Run(commands::run::RunArgs),
    Send(commands::send::SendArgs),
    Receive(commands::receive::ReceiveArgs),
    Notify(commands::notify::NotifyArgs),
    Clip(commands::clip::ClipArgs),
    Pipe(commands::pipe::PipeArgs),
    Terminals(commands::terminals::TerminalsArgs),
    Attach(commands::attach::AttachArgs),
    Setup(commands::setup::SetupArgs),
    Pair(commands::pair::PairArgs),
    Devices(commands::devices::DevicesArgs),
    Rename(commands::rename::RenameArgs),
    Revoke(commands::revoke::RevokeArgs),
    Rights(commands::rights::RightsArgs),
    Serve(commands::serve::ServeArgs),
    Service(commands::service::ServiceArgs),
    Doctor(commands::doctor::DoctorArgs),
    Completions(commands::completions::CompletionsArgs),
    Man(commands::man::ManArgs),
    #[command(hide = true)]
    Agent(commands::agent::AgentArgs),
    #[command(hide = true)]
    TerminalHost(commands::terminal_host::TerminalHostArgs),
    #[command(hide = true)]
    TerminalGuard(commands::terminal_guard::TerminalGuardArgs),
}

/// Which relay, and how a phone reaches it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RelayArgs {
    /// The relay's address. [default: the profile's, or else http://localhost:3001]
    #[arg(long, env = "RELAY_SERVER", value_name = "URL")]
    #[arg(value_parser = Endpoint::parse_http)]
    pub(crate) server: Option<Endpoint>,

    /// Trust only certificates of the CAs in this PEM file. [default: this machine's CAs; SSL_CERT_FILE and
    /// SSL_CERT_DIR name others]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Reach the relay through this proxy, or with `none` directly. [default: what HTTPS_PROXY, HTTP_PROXY,
    /// ALL_PROXY and NO_PROXY say]
    #[arg(long, value_name = "URL", value_parser = ProxyParser)]
    pub(crate) proxy: Option<Proxy>,

    /// The key, if the relay requires one to register.
    #[arg(long, env = "REGISTER_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) register_key: Option<String>,

    /// The address for the phone to connect to, if the detected one is wrong.
    #[arg(long, value_name = "WS_URL", value_parser = Endpoint::parse_ws)]
    pub(crate) public_url: Option<Endpoint>,

    /// The page that the link in the code names. [default: /p at the relay's address]
    #[arg(long, value_name = "URL", value_parser = Endpoint::parse_http)]
    #[arg(conflicts_with = "public_url")]
    pub(crate) page_url: Option<Endpoint>,
}

/// Reads `--proxy`. Its errors show no password, as those of other parsers show the whole value.
#[derive(Clone)]
pub(crate) struct ProxyParser;

impl TypedValueParser for ProxyParser {
    type Value = Proxy;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Proxy, clap::Error> {
        let proxy = value.to_str().ok_or(ProxyError::NotText).and_then(str::parse);
        proxy.map_err(|error| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("--proxy: {error}\n")).with_cmd(command)
        })
    }
}

/// How a code is shown, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CodeArgs {
    /// Also write the QR code to this PNG file.
    #[arg(long, value_name = "FILE")]
    pub(crate) png: Option<PathBuf>,

    /// Show no QR code in the terminal, only its text.
    #[arg(long)]
    pub(crate) no_qr: bool,

    /// How long the code is valid.
    #[arg(long, value_name = "SECS", default_value = "300")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) pair_secs: u32,

    /// Accept the first phone that has the code, without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

impl CodeArgs {
    pub(crate) fn show_options(&self) -> ShowOptions {
        ShowOptions { png: self.png.clone(), no_qr: self.no_qr }
    }
}

impl Args {
    /// Parses the process's command line; ends the process where it is wrong, or asks for help.
    pub(crate) fn of_process() -> Self {
        Self::parse_from_line(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// # Errors
    /// The command line is wrong.
    fn parse_from_line(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = program().try_get_matches_from(line)?;
        if let Some((name, _)) = matches.subcommand()
            && let Some(option) = option_before_command(&matches)
        {
            let words = format!("write the option {option} behind the command: {name} {option} …");
            return Err(Self::command().error(ErrorKind::ArgumentConflict, words));
        }
        Self::from_arg_matches(&matches)
    }
}

/// The whole command line, with all that `--help` says.
pub(crate) fn program() -> clap::Command {
    help::with_examples(Args::command())
}

/// The name by which the program was called: it has two.
pub(crate) fn called() -> &'static str {
    let path = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if path.file_stem().is_some_and(|name| name == LONG_NAME) { LONG_NAME } else { "workstation" }
}

/// Where "workstation" alone says too little, as in a system's folder of programs.
const LONG_NAME: &str = "relay-workstation";

/// The first option before the command that a command does not look at there.
fn option_before_command(matches: &ArgMatches) -> Option<String> {
    let command = Args::command();
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let misplaced =
        command.get_arguments().find(|arg| !arg.is_global_set() && given(arg.get_id().as_str()))?;
    Some(format!("--{}", misplaced.get_long()?))
}

/// A profile's name becomes that of a folder.
fn profile_name(name: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_good = !name.is_empty() && name.len() <= PROFILE_BYTES_MAX && name.chars().all(is_plain);
    if is_good {
        Ok(name.to_owned())
    } else {
        Err(format!("a profile's name has 1 to {PROFILE_BYTES_MAX} letters, digits, '-' and '_'"))
    }
}

/// The name is part of a socket's path, which has 100 bytes in all.
const PROFILE_BYTES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Args, clap::Error> {
        Args::parse_from_line(["workstation"].iter().chain(line).map(OsString::from))
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn addresses_are_checked_at_once() {
        for bad in [["--server", "localhost:3001"], ["--public-url", "http://h"]] {
            let error = parsed(&bad).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("write it like"), "{error}");
        }
    }

    #[test]
    fn the_profile_is_taken_before_and_behind_the_command() {
        for line in [["--profile", "work", "devices"], ["devices", "--profile", "work"]] {
            let args = parsed(&line).unwrap();
            assert_eq!(args.global.profile, "work");
            assert!(matches!(args.command, Some(Command::Devices(_))));
        }
        assert!(parsed(&["--profile", "../x"]).unwrap_err().to_string().contains("letters, digits"));
    }

    #[test]
    fn an_option_that_a_command_would_not_see_is_refused() {
        let error = parsed(&["--yes", "pair"]).unwrap_err();
        assert!(error.to_string().contains("pair --yes"), "{error}");
        assert_eq!(error.exit_code(), 2);
        assert!(parsed(&["pair", "--yes"]).is_ok());
    }
}

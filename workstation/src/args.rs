//! The command line and its environment.

use std::path::PathBuf;

use clap::Parser;
use relay_client::Endpoint;

/// Shows a QR code and talks to the phone that scans it: lines typed here arrive there, and the other way round.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The relay's address.
    #[arg(long, env = "RELAY_SERVER", value_name = "URL", default_value = "http://localhost:3001", value_parser = Endpoint::parse_http)]
    pub(crate) server: Endpoint,

    /// Believe only certificates of the CAs in this PEM file. [default: what this machine believes; SSL_CERT_FILE and
    /// SSL_CERT_DIR name something else]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// The key that the relay asks for, if it does.
    #[arg(long, env = "REGISTER_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) register_key: Option<String>,

    /// The address that the phone shall connect to, where the one that is found does not fit.
    #[arg(long, value_name = "WS_URL", value_parser = Endpoint::parse_ws)]
    pub(crate) public_url: Option<Endpoint>,

    /// Where the relay serves its page for phones without an app: the code becomes a link to it, and smaller.
    #[arg(long, value_name = "URL", value_parser = Endpoint::parse_http, conflicts_with_all = ["public_url", "plain"])]
    pub(crate) page_url: Option<Endpoint>,

    /// Also write the QR code to this PNG file.
    #[arg(long, value_name = "FILE")]
    pub(crate) png: Option<PathBuf>,

    /// For how long the code admits a phone.
    #[arg(long, value_name = "SECS", default_value = "300", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) pair_secs: u32,

    /// Let in the first phone that has the code, without asking.
    #[arg(long)]
    pub(crate) yes: bool,

    /// Keep the pair in this file, and go on with the one that is kept there: no code is shown then.
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    pub(crate) keep: Option<PathBuf>,

    /// End the pair that is kept, and do nothing else.
    #[arg(long, requires = "keep")]
    pub(crate) forget: bool,

    /// End when the phone is away for so long. [default: never]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "plain")]
    pub(crate) resume_secs: Option<u32>,

    /// Talk without encryption, to phones that know nothing else: whoever runs the relay can read along.
    #[arg(long)]
    pub(crate) plain: bool,

    /// End the pair and delete the session at the end, so that the phone is told and nobody can come back.
    #[arg(long)]
    pub(crate) kill: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn addresses_are_checked_at_once() {
        for bad in [["--server", "localhost:3001"], ["--public-url", "http://h"]] {
            let error = Args::try_parse_from(["workstation"].into_iter().chain(bad)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("write it like"), "{error}");
        }
    }
}

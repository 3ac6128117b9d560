//! The command line and its environment.

use std::path::PathBuf;

use clap::Parser;
use relay_client::Endpoint;

/// Shows a QR code and exchanges lines of text with the phone that scans it.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    /// The relay's address.
    #[arg(long, env = "RELAY_SERVER", value_name = "URL", default_value = "http://localhost:3001")]
    #[arg(value_parser = Endpoint::parse_http)]
    pub(crate) server: Endpoint,

    /// Trust only certificates of the CAs in this PEM file. [default: this machine's CAs; SSL_CERT_FILE and
    /// SSL_CERT_DIR name others]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// The key, if the relay requires one to register.
    #[arg(long, env = "REGISTER_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) register_key: Option<String>,

    /// The address for the phone to connect to, if the detected one is wrong.
    #[arg(long, value_name = "WS_URL", value_parser = Endpoint::parse_ws)]
    pub(crate) public_url: Option<Endpoint>,

    /// The address of the relay's page for phones without an app: the code becomes a short link to it.
    #[arg(long, value_name = "URL", value_parser = Endpoint::parse_http)]
    #[arg(conflicts_with_all = ["public_url", "plain"])]
    pub(crate) page_url: Option<Endpoint>,

    /// Also write the QR code to this PNG file.
    #[arg(long, value_name = "FILE")]
    pub(crate) png: Option<PathBuf>,

    /// How long the code is valid.
    #[arg(long, value_name = "SECS", default_value = "300")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) pair_secs: u32,

    /// Accept the first phone that has the code, without asking.
    #[arg(long)]
    pub(crate) yes: bool,

    /// Keep the pair in this file. If the file has a pair, resume it without showing a code.
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    pub(crate) keep: Option<PathBuf>,

    /// End the kept pair, and exit.
    #[arg(long, requires = "keep")]
    pub(crate) forget: bool,

    /// Exit when the phone has been away for this long. [default: never]
    #[arg(long, value_name = "SECS", conflicts_with = "plain")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) resume_secs: Option<u32>,

    /// Talk without encryption, for phones that do not support it. The relay can read every message.
    #[arg(long)]
    pub(crate) plain: bool,

    /// At the end, end the pair and delete the session: the phone is told, and it cannot reconnect.
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

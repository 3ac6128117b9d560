//! `setup`: keep the address of your relay in the profile.

use std::path::PathBuf;
use std::process::ExitCode;

use relay_client::Endpoint;

use crate::args::Global;

/// Keep the address of your relay in the profile.
#[derive(Debug, clap::Args)]
pub(crate) struct SetupArgs {
    /// The relay's address.
    #[arg(value_name = "URL", value_parser = Endpoint::parse_http)]
    pub(crate) url: Endpoint,

    /// The key, if the relay requires one to register.
    #[arg(long, env = "REGISTER_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) register_key: Option<String>,

    /// The address for phones to connect to, if the detected one is wrong.
    #[arg(long, value_name = "WS_URL", value_parser = Endpoint::parse_ws)]
    pub(crate) public_url: Option<Endpoint>,

    /// Trust only certificates of the CAs in this PEM file.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

/// # Errors
/// Always, until it is built.
pub(crate) fn run(_: &SetupArgs, _: &Global) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

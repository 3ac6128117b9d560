//! `setup`: keep the relay in the profile, so that no other command needs to be told.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use relay_client::{Endpoint, Proxy, http};

use super::session::Session;
use crate::args::{Global, ProxyParser, RelayArgs};
use crate::output::say;
use crate::push::Services;
use crate::relay::Relay;
use crate::state::profile::Profile;

/// Keep the address of your relay in the profile.
///
/// Asks the relay for a session first, so that a wrong address or key is found here. Phones that are paired
/// stay with the relay that they were paired at.
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

    /// Reach the relay through this proxy, or with `none` directly.
    #[arg(long, value_name = "URL", value_parser = ProxyParser)]
    pub(crate) proxy: Option<Proxy>,

    /// Send notices to this push service too: its host, or its address without a path. [default: those of
    /// browsers alone]
    #[arg(long, value_name = "HOST", value_parser = push_service)]
    pub(crate) push_service: Vec<String>,
}

fn push_service(name: &str) -> Result<String, String> {
    Services::of(&[name.to_owned()]).map(|_| name.to_owned())
}

/// # Errors
/// The relay does not answer, or nothing can be kept.
pub(crate) fn run(args: &SetupArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let (session, push_services) = (Session::open(global)?, args.push_service.clone());
    let args = RelayArgs {
        server: Some(args.url.clone()),
        ca: args.ca.clone(),
        proxy: args.proxy.clone(),
        register_key: args.register_key.clone(),
        public_url: args.public_url.clone(),
        page_url: None,
    };
    let relay = Relay::of(&args)?;
    let registered = relay.register()?.pairing;
    // The session has served its purpose. One that stays ends by itself.
    if let Err(error) = http::delete(&relay.server, registered.session, &registered.token) {
        say(&format!("warning: the session of the test was not deleted and ends when it expires: {error}"));
    }
    let public_url = args.public_url.as_ref().map(ToString::to_string);
    let profile = Profile { relay: relay.record(&args)?, public_url, push_services };
    profile.save(session.folders.state()).context("nothing was kept")?;
    say(&format!(
        "the relay at {} answers; the profile \"{}\" uses it from now on",
        relay.server, global.profile
    ));
    Ok(ExitCode::SUCCESS)
}

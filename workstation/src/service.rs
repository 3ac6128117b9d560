//! `serve` as a service of the user's: a unit of systemd, or an agent of launchd.
//!
//! `unit` writes the one and `plist` the other, both as texts; `systemd` and `launchd` install them, by the
//! manager's own command, which `manager` runs within a time limit.

pub(crate) mod launchd;
mod manager;
mod plist;
pub(crate) mod systemd;
mod unit;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::program;

pub(crate) use plist::plist;
pub(crate) use unit::unit;

/// What is run as a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) profile: String,
    /// This program, by its absolute path.
    pub(crate) program: PathBuf,
    /// `serve` and its options.
    pub(crate) arguments: Vec<OsString>,
    /// Variables that the manager does not have.
    pub(crate) environment: Vec<(String, OsString)>,
}

/// What is known of an installed service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceState {
    /// Its file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// The manager starts it by itself.
    pub(crate) is_enabled: bool,
    pub(crate) is_running: bool,
    /// The process of `serve`.
    pub(crate) pid: Option<u32>,
    /// In the manager's words, such as `failed (exit-code)`.
    pub(crate) words: String,
    /// It goes on when the user logs out.
    pub(crate) outlives_login: bool,
}

impl Service {
    /// `serve` with these options, for this profile.
    ///
    /// # Errors
    /// This program's file is gone, or one of the values can't be written down.
    pub(crate) fn new(profile: &str, options: Vec<OsString>) -> anyhow::Result<Self> {
        let program = program::own().context("can't find this program's own file")?;
        let first = ["serve", "--profile", profile].map(OsString::from);
        let set = PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?)));
        let service = Service {
            profile: profile.to_owned(),
            program,
            arguments: first.into_iter().chain(options).collect(),
            environment: set.filter(|(_, value)| !value.is_empty()).collect(),
        };
        service.check()?;
        Ok(service)
    }

    /// Lines and other control characters would end a value in the file.
    fn check(&self) -> anyhow::Result<()> {
        let values = self.arguments.iter().chain(self.environment.iter().map(|(_, value)| value));
        for value in values.chain([&self.program.clone().into_os_string()]) {
            let is_plain = value.to_str().is_some_and(|text| !text.chars().any(char::is_control));
            ensure!(is_plain, "{value:?} can't be written into a service's file: use a plain name");
        }
        Ok(())
    }
}

/// A shell has these, and a manager does not: where the state is, and how the relay is reached.
const PASSED_ON: [&str; 11] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "XDG_STATE_HOME",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The name of the profile's service, for a manager that separates words by `separator`.
fn name(profile: &str, separator: char) -> String {
    match profile {
        "default" => NAME.to_owned(),
        other => format!("{NAME}{separator}{other}"),
    }
}

const NAME: &str = "relay-workstation";

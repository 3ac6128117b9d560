//! The password of Redis: where it is kept, and how a dial gets it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Fault;
use crate::secrets;

/// Where the password of Redis is kept.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum RedisPassword {
    /// In the URL, if there is one at all.
    #[default]
    InUrl,
    /// In this file, which is read for each connection.
    File(PathBuf),
    /// This command prints it, and is run for each connection.
    Command(String),
}

/// The password of one server.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PasswordSource {
    /// This one.
    Known(String),
    /// It must be fetched.
    Kept(RedisPassword),
}

impl PasswordSource {
    /// What a URL says.
    pub(super) fn in_url(password: Option<String>) -> Self {
        password.map_or(PasswordSource::Kept(RedisPassword::InUrl), PasswordSource::Known)
    }

    /// The password for a connection that is about to be made. Blocks for [`COMMAND_TIME_MAX`] at most.
    pub(super) fn fetch(&self) -> Result<Option<String>, Fault> {
        let (fetched, what) = match self {
            PasswordSource::Known(password) => return Ok(Some(password.clone())),
            PasswordSource::Kept(RedisPassword::InUrl) => return Ok(None),
            PasswordSource::Kept(RedisPassword::File(path)) => {
                (secrets::read_file(path), format!("--redis-password-file {}", path.display()))
            }
            PasswordSource::Kept(RedisPassword::Command(command)) => {
                (secrets::run_command(command, COMMAND_TIME_MAX), "--redis-password-command".to_owned())
            }
        };
        fetched.map(Some).map_err(|error| Fault::new(format!("there is no password for it: {what}: {error}")))
    }
}

impl fmt::Debug for RedisPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedisPassword::InUrl => f.write_str("InUrl"),
            RedisPassword::File(path) => write!(f, "File({})", path.display()),
            // It may hold a password.
            RedisPassword::Command(_) => f.write_str("Command(redacted)"),
        }
    }
}

/// How long the command may run.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(5);

//! Finds each setting where it was given: a flag, else a variable, else the settings file, else a credential.
//!
//! What the file and the credentials say is put before the other arguments, as flags. So one definition of
//! the flags names, reads and checks all of them.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::file::{self, SettingsFile};
use super::listing::Origin;
use super::settings::EarlyExit;

/// Where this machine may have settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// The file to read if none is named. It need not exist.
    pub(super) file: Option<PathBuf>,
    /// The folder of credentials.
    pub(super) credentials: Option<PathBuf>,
}

/// All arguments, and where each setting comes from.
#[derive(Debug)]
pub(super) struct Sources {
    /// The command line with everything on it.
    pub(super) args: Vec<OsString>,
    /// By the setting's id. Settings that are not set are not in it.
    pub(super) origins: HashMap<String, Origin>,
}

impl Places {
    pub(super) fn of_this_machine() -> Self {
        // Set by systemd for a service with LoadCredential= or the like.
        let credentials = env::var_os("CREDENTIALS_DIRECTORY").filter(|path| !path.is_empty());
        Places { file: Some(CONFIG_FILE.into()), credentials: credentials.map(PathBuf::from) }
    }
}

impl Sources {
    /// Reads the settings file, and looks for credentials.
    pub(super) fn find(command: &Command, args: Vec<OsString>, places: &Places) -> Result<Self, EarlyExit> {
        let matches = matches(command, &args)?;
        let given = file::keys(command).filter_map(|arg| {
            let origin = origin_on_line(arg, &matches)?;
            Some((arg.get_id().to_string(), origin))
        });
        let mut sources = Sources { origins: given.collect(), args };
        if let Some(path) = file_of(command, &matches, places) {
            sources.add_file(SettingsFile::read(&path, command)?);
        }
        if let Some(folder) = &places.credentials {
            sources.add_credentials(command, folder);
        }
        Ok(sources)
    }

    fn add_file(&mut self, file: SettingsFile) {
        for entry in file.entries.into_iter().rev() {
            let origin = Origin::File { path: file.path.clone(), line: entry.line };
            self.add(entry.id, origin, entry.args);
        }
    }

    /// A credential is the file of the setting with its name, or with its name and `-file`. It is not used if
    /// the setting has its value elsewhere.
    fn add_credentials(&mut self, command: &Command, folder: &Path) {
        let files = file::keys(command).filter(|arg| file::value_name(arg) == "FILE");
        for arg in files {
            let flag = arg.get_long().unwrap_or_default();
            let name = flag.strip_suffix("-file").unwrap_or(flag);
            let path = folder.join(name);
            let value = name.replace('-', "_");
            let is_elsewhere =
                [value.clone(), format!("{value}_command")].iter().any(|id| self.origins.contains_key(id));
            if !is_elsewhere && path.is_file() {
                let mut said = OsString::from(format!("--{flag}="));
                said.push(&path);
                self.add(arg.get_id().to_string(), Origin::Credential, vec![said]);
            }
        }
    }

    /// Adds a setting unless it was given at a place that wins over this one.
    fn add(&mut self, id: String, origin: Origin, args: Vec<OsString>) {
        if !self.origins.contains_key(&id) {
            let at = self.args.len().min(1);
            self.args.splice(at..at, args);
            self.origins.insert(id, origin);
        }
    }
}

/// Parses a command line.
pub(super) fn matches(command: &Command, args: &[OsString]) -> Result<ArgMatches, EarlyExit> {
    command.clone().try_get_matches_from(args).map_err(|error| EarlyExit::of(&error))
}

/// `None`: neither a flag nor a variable. An empty variable counts as unset, because container configurations
/// leave settings out that way.
fn origin_on_line(arg: &clap::Arg, matches: &ArgMatches) -> Option<Origin> {
    let id = arg.get_id().as_str();
    match matches.value_source(id)? {
        ValueSource::CommandLine => Some(Origin::Flag),
        ValueSource::EnvVariable if matches.get_raw(id)?.any(|value| !value.is_empty()) => {
            Some(Origin::Variable(arg.get_env()?.to_string_lossy().into_owned()))
        }
        _ => None,
    }
}

/// The settings file. One that is named must exist.
fn file_of(command: &Command, matches: &ArgMatches, places: &Places) -> Option<PathBuf> {
    let arg = command.get_arguments().find(|arg| arg.get_id() == super::CONFIG_ID)?;
    if origin_on_line(arg, matches).is_some() {
        return matches.get_raw(super::CONFIG_ID)?.next_back().map(PathBuf::from);
    }
    let is_absent =
        |path: &Path| matches!(fs::metadata(path), Err(error) if error.kind() == ErrorKind::NotFound);
    places.file.clone().filter(|path| !is_absent(path))
}

/// Read if no other file is named.
const CONFIG_FILE: &str = "/etc/relayd/relayd.toml";

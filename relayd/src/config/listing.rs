//! The settings one by one, each with its value for people and where it comes from.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command};

use super::file::{self, Kind};
use super::redis_url::RedisUrl;
use super::settings::SettingReader;

/// Where a setting comes from. An earlier one wins over a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This variable.
    Variable(String),
    /// The settings file.
    File {
        /// Its path.
        path: PathBuf,
        /// The key's line, counted from 1.
        line: usize,
    },
    /// A credential of the service manager: the path of its file is the value.
    Credential,
    /// It is not set.
    Default,
}

/// One setting.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    /// The flag's name without its dashes, which is also the key in the file.
    pub name: String,
    /// Where its value comes from.
    pub origin: Origin,
    /// What was given. May be secret.
    given: Vec<OsString>,
    /// The value for people.
    shown: String,
}

impl Setting {
    /// The value for people. A secret shows as `(set)`.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// True if its value is a secret, or has one in it.
    pub(super) fn holds_secret(&self) -> bool {
        self.shown == HIDDEN || self.shown.contains(HIDDEN_IN_URL)
    }

    /// True if both were given the same value, wherever it came from.
    pub fn is_same(&self, other: &Setting) -> bool {
        self.given == other.given
    }

    fn of(arg: &Arg, matches: &ArgMatches, reader: &SettingReader<'_>) -> Self {
        let id = arg.get_id().as_str();
        let origin = reader.origin(id);
        let given: Vec<OsString> = match (&origin, Kind::of(arg)) {
            (Origin::Default, _) => Vec::new(),
            (_, Kind::Switch) => {
                Some(matches.get_flag(id)).filter(|is_on| *is_on).map(|_| "on".into()).into_iter().collect()
            }
            _ => matches.get_raw(id).into_iter().flatten().map(Into::into).collect(),
        };
        let shown = shown(arg, &given);
        Setting { name: arg.get_long().unwrap_or(id).to_owned(), origin, given, shown }
    }
}

/// All settings, in the order of the help.
pub(super) fn list(command: &Command, matches: &ArgMatches, reader: &SettingReader<'_>) -> Vec<Setting> {
    file::keys(command).map(|arg| Setting::of(arg, matches, reader)).collect()
}

/// Shows the default that is in force where it depends on other settings, and is not the one in the help.
pub(super) fn show_default(settings: &mut [Setting], name: &str, value: impl fmt::Display) {
    let unset = settings.iter_mut().filter(|it| it.name == name && it.origin == Origin::Default);
    unset.for_each(|setting| setting.shown = value.to_string());
}

/// True if the values of a setting must never be shown. The name that its help has for the value tells it.
pub(super) fn is_secret(arg: &Arg) -> bool {
    SECRETS.contains(&file::value_name(arg))
}

/// The default in a setting's help. `None` if it names none.
pub fn default_in_help(arg: &Arg) -> Option<String> {
    let help = arg.get_help()?.to_string();
    Some(help.split_once("[default: ")?.1.strip_suffix(']')?.to_owned())
}

fn shown(arg: &Arg, given: &[OsString]) -> String {
    let texts: Vec<_> = given.iter().map(|value| value.to_string_lossy()).collect();
    match (Kind::of(arg), given) {
        (Kind::Switch, []) => "off".to_owned(),
        (_, []) => default_in_help(arg).unwrap_or_else(|| "not set".to_owned()),
        _ if is_secret(arg) => HIDDEN.to_owned(),
        // It may hold a password.
        _ if arg.get_id() == "redis_url" => {
            texts.concat().parse::<RedisUrl>().map_or_else(|_| HIDDEN.to_owned(), |url| url.to_string())
        }
        _ => texts.join(","),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("flag"),
            Origin::Variable(name) => write!(f, "variable {name}"),
            Origin::File { path, line } => write!(f, "file {} line {line}", path.display()),
            Origin::Credential => f.write_str("credential"),
            Origin::Default => f.write_str("default"),
        }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?} ({})", self.name, self.shown, self.origin)
    }
}

/// A key, a password, or a command that may hold one.
const SECRETS: &[&str] = &["KEY", "PASSWORD", "SECRET", "TOKEN", "CMD"];

/// What is shown of a secret.
const HIDDEN: &str = "(set)";

/// What [`RedisUrl`] shows of a user and a password.
const HIDDEN_IN_URL: &str = "//***@";

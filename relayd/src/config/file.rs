//! The settings file: TOML, one key for each flag, by the flag's name.
//!
//! A key becomes the flag that it stands for, so that the file has every setting that the command line has,
//! and values are checked in one place. Here only the key and the kind of its value are checked.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use toml::de::{DeInteger, DeTable, DeValue};

use super::settings::EarlyExit;

/// A settings file, read.
#[derive(Debug)]
pub(super) struct SettingsFile {
    pub(super) path: PathBuf,
    pub(super) entries: Vec<Entry>,
}

/// One key of the file. Its values may be secret.
pub(super) struct Entry {
    /// The setting.
    pub(super) id: String,
    /// Counted from 1.
    pub(super) line: usize,
    /// The flags that say the same. None for a switch that is off.
    pub(super) args: Vec<OsString>,
}

impl SettingsFile {
    /// Reads a file with the settings of `command`.
    pub(super) fn read(path: &Path, command: &Command) -> Result<Self, EarlyExit> {
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        Self::parse(&text, path, command)
    }

    pub(super) fn parse(text: &str, path: &Path, command: &Command) -> Result<Self, EarlyExit> {
        let place = |at: usize| format!("{} line {}", path.display(), line_of(text, at));
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            EarlyExit::bad_value(format_args!("{}: {}", place(at), one_line(error.message())))
        })?;
        let mut entries = Vec::new();
        for (key, value) in table.get_ref() {
            let at = key.span().start;
            let (id, args) = read_entry(key.get_ref(), value.get_ref(), command)
                .map_err(|said| EarlyExit::bad_value(format_args!("{}: {said}", place(at))))?;
            entries.push(Entry { id, line: line_of(text, at), args });
        }
        Ok(SettingsFile { path: path.to_owned(), entries })
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("line", &self.line).finish_non_exhaustive()
    }
}

/// The settings that a file may have: all but the name of the file itself.
pub fn keys(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_key = |arg: &&Arg| {
        let is_setting = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue);
        is_setting && arg.get_id() != super::CONFIG_ID && arg.get_long().is_some()
    };
    command.get_arguments().filter(is_key)
}

/// The setting and the flags that say the same, or what is wrong.
fn read_entry(key: &str, value: &DeValue<'_>, command: &Command) -> Result<(String, Vec<OsString>), String> {
    if let DeValue::Table(_) = value {
        return Err(format!("{key:?} is a section: write all keys without sections, such as port = 3001"));
    }
    let arg = keys(command).find(|arg| arg.get_long() == Some(key)).ok_or_else(|| unknown(key, command))?;
    let flag = |text: &str| OsString::from(format!("--{key}={text}"));
    let shown = shown(value, arg);
    let wrong = || format!("{key} = {shown} is invalid: write {}", expected(arg));
    let args = match (Kind::of(arg), value) {
        (Kind::Switch, DeValue::Boolean(true)) => vec![format!("--{key}").into()],
        (Kind::Switch, DeValue::Boolean(false)) => Vec::new(),
        (Kind::Switch, _) => return Err(wrong()),
        (Kind::Many, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| text(item.get_ref()));
            texts.map(|item| item.as_deref().map(flag)).collect::<Option<_>>().ok_or_else(wrong)?
        }
        (Kind::List, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| text(item.get_ref()));
            vec![flag(&texts.collect::<Option<Vec<_>>>().ok_or_else(wrong)?.join(","))]
        }
        (_, value) => vec![flag(&text(value).ok_or_else(wrong)?)],
    };
    Ok((arg.get_id().to_string(), args))
}

/// What a setting takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// On or off.
    Switch,
    /// One value.
    One,
    /// One value, of parts separated by commas.
    List,
    /// Several values, each a flag.
    Many,
}

impl Kind {
    pub(super) fn of(arg: &Arg) -> Self {
        match arg.get_action() {
            ArgAction::SetTrue => Kind::Switch,
            ArgAction::Append => Kind::Many,
            _ if is_list(value_name(arg)) => Kind::List,
            _ => Kind::One,
        }
    }
}

/// True for a setting that is on or off.
pub fn is_switch(arg: &Arg) -> bool {
    Kind::of(arg) == Kind::Switch
}

/// How its help names the value.
pub fn value_name(arg: &Arg) -> &str {
    arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str())
}

/// True for the names that help has for lists in one value, such as `CIDR,...`.
fn is_list(value_name: &str) -> bool {
    value_name == "LIST" || value_name.ends_with(",...")
}

fn expected(arg: &Arg) -> &'static str {
    match Kind::of(arg) {
        Kind::Switch => "true or false, without quotes",
        Kind::List | Kind::Many => "a text in quotes, or several in brackets: [\"…\", \"…\"]",
        Kind::One if NUMBERS.contains(&value_name(arg)) => "a whole number",
        Kind::One if value_name(arg) == "BYTES" => "a whole number, or a text such as \"512MiB\"",
        Kind::One => "a text in quotes",
    }
}

/// A value as the flag has it. `None` if it is not a text or a number.
fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(integer(number)),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// TOML has numbers such as `1_000` and `0xff`.
fn integer(number: &DeInteger<'_>) -> String {
    let digits: String = number.as_str().chars().filter(|c| *c != '_').collect();
    i64::from_str_radix(&digits, number.radix()).map_or(digits, |number| number.to_string())
}

/// A value in an error. One that may be secret is not shown.
fn shown(value: &DeValue<'_>, arg: &Arg) -> String {
    match value {
        _ if super::listing::is_secret(arg) => "…".to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Array(_) => "[…]".to_owned(),
        DeValue::Table(_) => "{…}".to_owned(),
        DeValue::Datetime(value) => value.to_string(),
        DeValue::String(text) => format!("{text:?}").chars().take(SHOWN_CHARS_MAX).collect(),
        DeValue::Integer(_) | DeValue::Float(_) => text(value).unwrap_or_default(),
    }
}

fn unknown(key: &str, command: &Command) -> String {
    // As in the name of a variable or of a field.
    let lower = key.to_ascii_lowercase().replace('_', "-");
    let likeness = |name: &str| strsim::jaro_winkler(name, &lower);
    let by_variable = keys(command).find(|arg| arg.get_env().is_some_and(|name| name == key));
    let names = keys(command).filter_map(Arg::get_long);
    let nearest = names.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let meant = by_variable.and_then(Arg::get_long).or(nearest.filter(|name| likeness(name) > LIKE));
    let shown: String = key.chars().take(SHOWN_CHARS_MAX).collect();
    match meant {
        Some(name) => format!("there is no key {shown:?}: did you mean {name}?"),
        None => format!("there is no key {shown:?}: relayd check --example lists them all"),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> EarlyExit {
    EarlyExit::bad_value(format_args!(
        "the settings file {} can't be read ({error}); name a file that this process may read with --config",
        path.display()
    ))
}

fn one_line(text: impl Display) -> String {
    text.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The names that help has for whole numbers.
const NUMBERS: &[&str] = &["PORT", "SECS", "COUNT"];

/// The most characters of a text of the file that are shown.
const SHOWN_CHARS_MAX: usize = 100;

/// From this on, two names are alike. 1 means that they are the same.
const LIKE: f64 = 0.8;

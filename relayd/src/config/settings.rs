//! Reads single settings, and names the flag or the variable in errors.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// Why the program ends at once: a bad value, described in one line, or a request for help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlyExit {
    /// What [`EarlyExit::report`] prints.
    pub(super) text: String,
    /// 0 for help, 2 for a bad value.
    pub(super) code: u8,
}

impl EarlyExit {
    pub(super) fn bad_value(what: impl Display) -> Self {
        EarlyExit { text: format!("relayd: {what}\n"), code: EXIT_BAD_VALUE }
    }

    /// Takes the argument parser's words: help and version unchanged, an error as one line.
    pub(crate) fn of(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        if !error.use_stderr() {
            return EarlyExit { text, code: 0 };
        }
        let lines = text.lines().map(str::trim);
        let said = lines.filter_map(|line| line.strip_prefix("error: ").or(line.strip_prefix("tip: ")));
        EarlyExit::bad_value(format_args!("{}; try --help", said.collect::<Vec<_>>().join("; ")))
    }

    /// Prints the text to standard output or standard error, and returns the exit code. A closed output is
    /// ignored.
    pub fn report(&self) -> ExitCode {
        let _ = match self.code {
            0 => io::stdout().write_all(self.text.as_bytes()),
            _ => io::stderr().write_all(self.text.as_bytes()),
        };
        ExitCode::from(self.code)
    }
}

/// Reads settings, and knows if each came from a flag or from a variable.
pub(super) struct SettingReader<'a> {
    command: &'a Command,
    matches: &'a ArgMatches,
}

impl<'a> SettingReader<'a> {
    pub(super) fn new(command: &'a Command, matches: &'a ArgMatches) -> Self {
        SettingReader { command, matches }
    }

    /// Reads one setting. `None` if it was not given.
    pub(super) fn read<T>(
        &self,
        id: &str,
        given: &Option<OsString>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, EarlyExit> {
        let Some(value) = given.as_ref().filter(|value| self.is_set(id, value)) else { return Ok(None) };
        let said = match value.to_str().map(parse) {
            Some(Ok(value)) => return Ok(Some(value)),
            Some(Err(said)) => said,
            None => "it is not UTF-8".to_owned(),
        };
        let shown: String = value.to_string_lossy().chars().take(SHOWN_CHARS_MAX).collect();
        Err(EarlyExit::bad_value(format_args!("{}={shown:?} is invalid: {said}", self.name(id))))
    }

    /// Reads the files that a repeated setting names.
    pub(super) fn read_paths(&self, id: &str, given: &[OsString]) -> Vec<PathBuf> {
        given.iter().filter(|path| self.is_set(id, path)).map(PathBuf::from).collect()
    }

    /// Reads each value of a repeated setting.
    pub(super) fn read_each<T>(
        &self,
        id: &str,
        given: &[OsString],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, EarlyExit> {
        let read = |value: &OsString| self.read(id, &Some(value.clone()), &parse).transpose();
        given.iter().filter_map(read).collect()
    }

    /// Reads the file or folder that a setting names.
    pub(super) fn read_path(&self, id: &str, given: &Option<OsString>) -> Option<PathBuf> {
        given.as_ref().filter(|path| self.is_set(id, path)).map(PathBuf::from)
    }

    /// Reads a secret setting, whose value is never shown.
    pub(super) fn read_secret<T: FromStr<Err: Display>>(
        &self,
        id: &str,
        given: &Option<OsString>,
    ) -> Result<Option<T>, EarlyExit> {
        let Some(value) = given.as_ref().filter(|value| self.is_set(id, value)) else { return Ok(None) };
        let bad =
            |said: &dyn Display| EarlyExit::bad_value(format_args!("{} is invalid: {said}", self.name(id)));
        let text = value.to_str().ok_or_else(|| bad(&"it is not UTF-8"))?;
        text.parse().map(Some).map_err(|error: T::Err| bad(&error))
    }

    /// An empty variable counts as unset, because container configurations leave settings out that way.
    fn is_set(&self, id: &str, value: &OsString) -> bool {
        !(value.is_empty() && self.is_from_variable(id))
    }

    fn is_from_variable(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::EnvVariable)
    }

    /// The name that the operator used: the variable or the flag.
    fn name(&self, id: &str) -> String {
        let variable =
            self.command.get_arguments().find(|arg| arg.get_id() == id).and_then(clap::Arg::get_env);
        match variable.filter(|_| self.is_from_variable(id)) {
            Some(variable) => variable.to_string_lossy().into_owned(),
            None => format!("--{}", id.replace('_', "-")),
        }
    }
}

/// The usual exit code for wrong usage.
const EXIT_BAD_VALUE: u8 = 2;

/// The most characters of a bad value that are shown.
const SHOWN_CHARS_MAX: usize = 100;

//! A setting as it was given: where it came from, for what is said when it is no good.

use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// Why the program ends before it began: one line for a bad value, or the help that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    text: String,
    code: u8,
}

impl Stop {
    pub(super) fn bad_value(what: impl Display) -> Self {
        Stop { text: format!("relayd: {what}\n"), code: EXIT_BAD_VALUE }
    }

    /// What the argument parser has to say: help and version as they are, an error in one line.
    pub(super) fn of(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        if !error.use_stderr() {
            return Stop { text, code: 0 };
        }
        let lines = text.lines().map(str::trim);
        let said = lines.filter_map(|line| line.strip_prefix("error: ").or(line.strip_prefix("tip: ")));
        Stop::bad_value(format_args!("{}; try --help", said.collect::<Vec<_>>().join("; ")))
    }

    /// Prints it where it belongs, and says how the program exits. A closed output is no reason to panic.
    pub fn report(&self) -> ExitCode {
        let _ = match self.code {
            0 => io::stdout().write_all(self.text.as_bytes()),
            _ => io::stderr().write_all(self.text.as_bytes()),
        };
        ExitCode::from(self.code)
    }

    /// What [`Stop::report`] prints.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The exit code: 0 for help, 2 for a bad value.
    pub fn code(&self) -> u8 {
        self.code
    }
}

/// Knows of each setting whether it came from a flag or from a variable.
pub(super) struct Settings<'a> {
    command: &'a Command,
    matches: &'a ArgMatches,
}

impl<'a> Settings<'a> {
    pub(super) fn new(command: &'a Command, matches: &'a ArgMatches) -> Self {
        Settings { command, matches }
    }

    /// Reads one setting. `None` if it was not given.
    pub(super) fn read<T>(
        &self,
        id: &str,
        given: &Option<OsString>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Stop> {
        let Some(value) = given.as_ref().filter(|value| self.is_set(id, value)) else { return Ok(None) };
        let said = match value.to_str().map(parse) {
            Some(Ok(value)) => return Ok(Some(value)),
            Some(Err(said)) => said,
            None => "it is not UTF-8".to_owned(),
        };
        let shown: String = value.to_string_lossy().chars().take(SHOWN_CHARS_MAX).collect();
        Err(Stop::bad_value(format_args!("{}={shown:?} is no good: {said}", self.name(id))))
    }

    /// Reads one that must not be shown.
    pub(super) fn read_secret<T: FromStr<Err: Display>>(
        &self,
        id: &str,
        given: &Option<OsString>,
    ) -> Result<Option<T>, Stop> {
        let Some(value) = given.as_ref().filter(|value| self.is_set(id, value)) else { return Ok(None) };
        let bad = |said: &dyn Display| Stop::bad_value(format_args!("{} is no good: {said}", self.name(id)));
        let text = value.to_str().ok_or_else(|| bad(&"it is not UTF-8"))?;
        text.parse().map(Some).map_err(|error: T::Err| bad(&error))
    }

    /// An empty variable is how a container's configuration leaves something out.
    fn is_set(&self, id: &str, value: &OsString) -> bool {
        !(value.is_empty() && self.is_from_variable(id))
    }

    fn is_from_variable(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::EnvVariable)
    }

    /// What the operator wrote: the variable or the flag.
    fn name(&self, id: &str) -> String {
        let variable =
            self.command.get_arguments().find(|arg| arg.get_id() == id).and_then(clap::Arg::get_env);
        match variable.filter(|_| self.is_from_variable(id)) {
            Some(variable) => variable.to_string_lossy().into_owned(),
            None => format!("--{}", id.replace('_', "-")),
        }
    }
}

impl Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

/// What a shell and a service manager take for wrong usage.
const EXIT_BAD_VALUE: u8 = 2;

/// So that the line stays a line, whatever was pasted into it.
const SHOWN_CHARS_MAX: usize = 100;

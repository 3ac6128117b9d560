//! Reads single settings, and names the flag or the variable in errors.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Command;

use super::listing::Origin;
use crate::secrets;

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

    /// The text as a part of a line.
    pub fn message(&self) -> &str {
        let text = self.text.trim_end();
        text.strip_prefix("relayd: ").unwrap_or(text)
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

/// Reads settings, and knows where each comes from.
pub(super) struct SettingReader<'a> {
    command: &'a Command,
    origins: &'a HashMap<String, Origin>,
    warnings: RefCell<Vec<String>>,
}

impl<'a> SettingReader<'a> {
    pub(super) fn new(command: &'a Command, origins: &'a HashMap<String, Origin>) -> Self {
        SettingReader { command, origins, warnings: RefCell::default() }
    }

    /// What was noticed.
    pub(super) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }

    /// Where a setting comes from.
    pub(super) fn origin(&self, id: &str) -> Origin {
        self.origins.get(id).cloned().unwrap_or(Origin::Default)
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

    /// Reads the file of a secret: its path, and what it holds. Warns if every user may read it.
    pub(super) fn read_secret_file(
        &self,
        id: &str,
        given: &Option<OsString>,
    ) -> Result<Option<(PathBuf, String)>, EarlyExit> {
        let Some(path) = given.as_ref().filter(|path| self.is_set(id, path)).map(PathBuf::from) else {
            return Ok(None);
        };
        let bad =
            |error| EarlyExit::bad_value(format_args!("{}={path:?} is invalid: {error}", self.name(id)));
        let text = secrets::read_file(&path).map_err(bad)?;
        if secrets::is_open_to_all(&path) {
            self.warnings.borrow_mut().push(format!(
                "every user of this machine may read the secret in {}: \
                 chgrp it to the server's group, then chmod o-r",
                path.display()
            ));
        }
        Ok(Some((path, text)))
    }

    /// Reads a secret setting that may be given more than once, as one text with a line for each.
    pub(super) fn read_secrets<T: FromStr<Err: Display>>(
        &self,
        id: &str,
        given: &[OsString],
    ) -> Result<Option<T>, EarlyExit> {
        let lines: Vec<_> = given.iter().filter(|it| self.is_set(id, it)).map(OsString::as_os_str).collect();
        let text = (!lines.is_empty()).then(|| lines.join("\n".as_ref()));
        self.read_secret(id, &text)
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

    fn is_set(&self, id: &str, value: &OsString) -> bool {
        self.origins.contains_key(id) && !(value.is_empty() && self.is_from_variable(id))
    }

    fn is_from_variable(&self, id: &str) -> bool {
        matches!(self.origins.get(id), Some(Origin::Variable(_)))
    }

    /// The name that the operator used: the variable, the flag, or the key with its line.
    pub(super) fn name(&self, id: &str) -> String {
        let arg = self.command.get_arguments().find(|arg| arg.get_id() == id);
        let flag = arg.and_then(clap::Arg::get_long).unwrap_or(id);
        match self.origins.get(id) {
            Some(Origin::Variable(name)) => name.clone(),
            Some(Origin::File { path, line }) => format!("{} line {line}: {flag}", path.display()),
            _ => format!("--{flag}"),
        }
    }
}

/// The usual exit code for wrong usage.
const EXIT_BAD_VALUE: u8 = 2;

/// The most characters of a bad value that are shown.
const SHOWN_CHARS_MAX: usize = 100;

//! Runs a service manager's own command, within a time limit.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

/// A manager that does not answer for so long is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A command of a manager, with what it wrote.
pub(super) struct Answer {
    words: String,
    output: Output,
}

/// Runs it.
///
/// # Errors
/// It is not there, or does not come to an end.
pub(super) fn run(mut command: Command) -> anyhow::Result<Answer> {
    let program = command.get_program().to_string_lossy().into_owned();
    let words = words(&command);
    command.stdin(Stdio::null());
    let (sender, outputs) = channel();
    thread::Builder::new().name("manager".into()).spawn(move || drop(sender.send(command.output())))?;
    let output = match outputs.recv_timeout(ANSWER_WITHIN) {
        Err(_) => bail!("`{words}` did not come to an end within {} s", ANSWER_WITHIN.as_secs()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            bail!("this machine has no {program}: run `workstation serve` in a window instead")
        }
        Ok(output) => output.with_context(|| format!("can't run `{words}`"))?,
    };
    Ok(Answer { words, output })
}

impl Answer {
    /// What it wrote on standard output.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What it wrote on standard error, in one line.
    pub(super) fn said(&self) -> String {
        let said = String::from_utf8_lossy(&self.output.stderr);
        said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// True if it ended well.
    pub(super) fn is_well(&self) -> bool {
        self.output.status.success()
    }

    /// What it wrote, if it ended well.
    ///
    /// # Errors
    /// It did not; the error has its own words.
    pub(super) fn checked(self) -> anyhow::Result<String> {
        match self.is_well() {
            true => Ok(self.text()),
            false => Err(anyhow!("`{}` failed ({}): {}", self.words, self.output.status, self.said())),
        }
    }
}

fn words(command: &Command) -> String {
    let all = [command.get_program()].into_iter().chain(command.get_args());
    all.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

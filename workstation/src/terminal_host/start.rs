//! Starts a terminal's host: a process of its own, which gets the listening socket as its standard input.

use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use super::names::{self, Place};
use super::wire::WindowSize;
use crate::ipc::folder::Folders;
use crate::program;
use crate::user::User;

/// What to share.
#[derive(Debug)]
pub(crate) struct NewTerminal<'a> {
    /// Its name, if somebody chose one; else that of the command's program.
    pub(crate) name: Option<&'a str>,
    pub(crate) command: &'a [OsString],
    pub(crate) view_only: bool,
    /// What it puts into the clipboard goes to the phones, too.
    pub(crate) clipboard: bool,
    /// The ids of the phones that may look on; empty if all may.
    pub(crate) to: &'a [String],
    /// A phone opens it as a shell of its own, in this size.
    pub(crate) shell: Option<WindowSize>,
}

/// A host that was started, and a connection to it that has said nothing yet.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) name: String,
    pub(crate) stream: UnixStream,
    /// It outlives this process. If it ends earlier, its socket tells.
    pub(crate) process: Option<Child>,
}

/// Starts a host of this profile.
///
/// # Errors
/// The name is taken, or the system has no socket or no process for it.
pub(crate) fn start(folders: &Folders, profile: &str, terminal: &NewTerminal<'_>) -> anyhow::Result<Started> {
    let program = terminal.command.first().context("no command to share")?;
    let name = terminal.name.map_or_else(|| names::name_of_program(program), str::to_owned);
    let Place { name, socket, listener } = names::bind(folders, &name, terminal.name.is_some())?;
    let path = socket.as_path();
    // Before the host runs, so that it never finds itself without clients.
    let stream = UnixStream::connect(path).with_context(|| format!("can't use {}", path.display()))?;
    let started = host_command(terminal, profile, &name, path).and_then(|mut host| {
        host.args(terminal.command)
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        host.spawn().context("could not start a process for the terminal")
    });
    if started.is_err() {
        // The listener is closed, so nobody can use the socket.
        drop(fs::remove_file(path));
    }
    Ok(Started { name, stream, process: Some(started?) })
}

fn host_command(
    terminal: &NewTerminal<'_>,
    profile: &str,
    name: &str,
    path: &Path,
) -> anyhow::Result<Command> {
    let program = program::own().context("can't find this program's own file")?;
    let mut host = Command::new(program);
    host.args(["terminal-host", "--name", name, "--socket"]).arg(path);
    if terminal.view_only {
        host.arg("--view-only");
    }
    if terminal.clipboard {
        host.arg("--clipboard");
    }
    for phone in terminal.to {
        host.args(["--to", phone]);
    }
    if let Some(size) = terminal.shell {
        host.args(["--shell", &size.columns.to_string(), &size.rows.to_string()]);
        set_apart(&mut host);
    }
    for (variable, _) in std::env::vars_os().filter(|(name, _)| is_ours(&name.to_string_lossy())) {
        host.env_remove(variable);
    }
    host.env("RELAY_PROFILE", profile);
    host.arg("--");
    Ok(host)
}

/// Gives a phone's shell the environment of a login, and not that of the window or the service that happens
/// to have started the agent.
fn set_apart(host: &mut Command) {
    let is_foreign =
        |name: &str| FOREIGN.contains(&name) || FOREIGN_STARTS.iter().any(|start| name.starts_with(start));
    for (variable, _) in std::env::vars_os().filter(|(name, _)| is_foreign(&name.to_string_lossy())) {
        host.env_remove(variable);
    }
    host.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
    host.current_dir(home());
}

/// Variables of a window, of another terminal, or of a service.
const FOREIGN: [&str; 18] = [
    "COLUMNS",
    "CREDENTIALS_DIRECTORY",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LINES",
    "MAINPID",
    "MANAGERPID",
    "NOTIFY_SOCKET",
    "OLDPWD",
    "PWD",
    "STY",
    "TMUX",
    "TMUX_PANE",
    "VTE_VERSION",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "WINDOWID",
    "WORKSTATION_TERMINAL",
];

const FOREIGN_STARTS: [&str; 5] = ["LISTEN_", "MEMORY_PRESSURE_", "SSH_", "SYSTEMD_", "TERM_PROGRAM"];

/// Variables of ours that commands must not see: the relay's key above all.
fn is_ours(variable: &str) -> bool {
    variable == "REGISTER_KEY" || variable.starts_with("RELAY_")
}

/// The user's shell.
pub(crate) fn shell() -> OsString {
    let filled = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    filled.or_else(|| User::own().shell).unwrap_or_else(|| "/bin/sh".into())
}

fn home() -> PathBuf {
    let set = std::env::var_os("HOME").map(PathBuf::from);
    let home = set.or_else(|| User::own().home.map(PathBuf::from));
    home.filter(|home| home.is_dir()).unwrap_or_else(|| "/".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relays_variables_are_ours() {
        assert!(is_ours("REGISTER_KEY") && is_ours("RELAY_SERVER") && !is_ours("RELAYS") && !is_ours("PATH"));
    }
}

//! What runs: the agent, shared terminals, the service.

use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::args::Global;
use crate::ipc::client::{Present, log_path, look};
use crate::ipc::folder::Folders;
use crate::ipc::wire::{FromAgent, State, ToAgent};
use crate::service::systemd;
use crate::terminal_host::look::silent;
use crate::terminal_host::start::shell;

/// Looks at the programs of the profile.
pub(super) fn examine(folders: &Folders, global: &Global) -> Vec<Finding> {
    let mut findings = agent(folders);
    findings.extend(silent(folders).into_iter().map(|name| {
        let words = format!("the terminal {name} does not answer");
        Finding::wrong("terminals", words, "end its process: `workstation terminals --json` has its pid")
    }));
    findings.extend(own_shell());
    findings.extend(service(&global.profile));
    findings
}

fn agent(folders: &Folders) -> Vec<Finding> {
    match look(folders) {
        Err(error) => vec![Finding::wrong("agent", format!("{error:#}"), "")],
        Ok(Present::Nobody) => vec![match last_error(folders) {
            None => Finding::good("agent", "none runs now; a command starts one"),
            Some(line) => {
                let words = format!("none runs now, and the last one ended so: {line}");
                Finding::wrong("agent", words, "do what it says, and start any command")
            }
        }],
        Ok(Present::Agent { pid, program, is_older: true, .. }) => {
            let words = format!("process {pid} is of an older program{}", version(&program));
            vec![Finding::note("agent", words, "the next command replaces it; terminals go on")]
        }
        Ok(Present::Agent { mut client, pid, program, .. }) => {
            let runs = Finding::good("agent", format!("process {pid}{}", version(&program)));
            match client.ask(&ToAgent::Devices, |_| {}) {
                Ok(FromAgent::Devices { phones, .. }) => {
                    let ended = phones.into_iter().filter(|phone| phone.state == State::Ended);
                    let ended = ended.map(|phone| {
                        let words = format!("the pair with \"{}\" has ended", phone.name);
                        Finding::wrong("phones", words, "take it off the list: `workstation revoke NAME`")
                    });
                    [runs].into_iter().chain(ended).collect()
                }
                Ok(_) => vec![runs],
                Err(error) => vec![Finding::wrong("agent", format!("process {pid}: {error:#}"), "end it")],
            }
        }
    }
}

/// An agent of an older program does not tell it.
fn version(program: &str) -> String {
    if program.is_empty() { String::new() } else { format!(", version {program}") }
}

/// The last line of the agent's log, if it is an error.
fn last_error(folders: &Folders) -> Option<String> {
    let text = fs::read_to_string(log_path(folders)).ok()?;
    let last = text.lines().next_back()?;
    last.contains(": error: ").then(|| last.to_owned())
}

/// The user's shell, where it can't be started.
fn own_shell() -> Option<Finding> {
    let shell = PathBuf::from(shell());
    (shell.is_absolute() && !shell.is_file()).then(|| {
        let words = format!("{} is this user's shell, and is not there", shell.display());
        Finding::wrong("shell", words, "set SHELL, or change it by chsh")
    })
}

/// The service, if one was installed.
fn service(profile: &str) -> Option<Finding> {
    let file = systemd::path(profile).ok().filter(|file| file.exists())?;
    let again = "install it again: `workstation service install`";
    let program = fs::read_to_string(&file).ok().as_deref().and_then(program_in);
    if let Some(program) = program.filter(|program| !program.is_file()) {
        let words = format!("the service starts {}, which is not there", program.display());
        return Some(Finding::wrong("service", words, again));
    }
    Some(match systemd::state(profile) {
        Err(error) => Finding::note("service", format!("it can't be asked: {error:#}"), ""),
        Ok(state) if !state.is_running => {
            Finding::wrong("service", format!("it does not run: {}", state.words), again)
        }
        Ok(state) if !state.outlives_login => {
            let words = "it runs, and ends when you log out";
            Finding::note("service", words, "to keep it: `loginctl enable-linger`")
        }
        Ok(_) => Finding::good("service", "it runs"),
    })
}

/// The program that a unit starts: the first quoted word of its command.
fn program_in(unit: &str) -> Option<PathBuf> {
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=\""))?;
    let program = command.split_once("\" ").map_or(command.trim_end_matches('"'), |(program, _)| program);
    Some(Path::new(&program.replace("%%", "%")).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_unit_is_found() {
        let unit = "[Service]\nExecStart=\"/opt/my 100%%/workstation\" \"serve\"\n";
        assert_eq!(program_in(unit), Some(PathBuf::from("/opt/my 100%/workstation")));
        assert_eq!(program_in("[Unit]\n"), None);
    }
}

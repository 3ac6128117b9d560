//! `service`: have `serve` run whenever the user is logged in.

use std::process::ExitCode;

use clap::ValueEnum;
use clap::error::ErrorKind;
use serde::Serialize;

use super::serve::{ServeOptions, grant_shells};
use super::session::Session;
use crate::args::{self, Global};
use crate::output::{print, say};
use crate::service::{Service, ServiceState, launchd, plist, systemd, unit};

/// Have `serve` run whenever you are logged in: a unit of systemd, or an agent of launchd.
///
/// `install` takes the options of `serve`, and replaces an earlier one. Shared terminals go on when the
/// service is stopped or removed.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    /// What to do.
    #[arg(value_name = "ACTION", value_enum)]
    pub(crate) action: Action,

    #[command(flatten)]
    pub(crate) options: ServeOptions,

    /// With install: print the service's file for this manager, and change nothing.
    #[arg(long, value_name = "MANAGER", value_enum)]
    pub(crate) print: Option<Manager>,
}

/// What to do with the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Action {
    /// Write it, and start it.
    Install,
    /// End it, and remove it.
    Uninstall,
    /// Tell how it is.
    Status,
}

/// What runs services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Manager {
    Systemd,
    Launchd,
}

impl Manager {
    /// That of this system.
    const fn own() -> Self {
        if cfg!(target_os = "macos") { Manager::Launchd } else { Manager::Systemd }
    }
}

/// # Errors
/// There is no service manager, or it refuses.
pub(crate) fn run(args: &ServiceArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let has_options = args.options.is_any() || args.print.is_some();
    if args.action != Action::Install && has_options {
        let words = "options of `serve` are for `service install`";
        args::program().error(ErrorKind::ArgumentConflict, words).exit();
    }
    match args.action {
        Action::Install => install(args, global),
        Action::Uninstall => uninstall(global),
        Action::Status => status(global),
    }
}

fn install(args: &ServiceArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let service = Service::new(&global.profile, args.options.words()?)?;
    let session = Session::open(global)?;
    let log = session.folders.state().join("serve.log");
    if let Some(manager) = args.print {
        let text = match manager {
            Manager::Systemd => unit(&service),
            Manager::Launchd => plist(&service, &launchd::label(&global.profile), &log),
        };
        print(text.trim_end(), text.trim_end().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    grant_shells(&session, &args.options.shell_for)?;
    match Manager::own() {
        Manager::Systemd => systemd::install(&service)?,
        Manager::Launchd => launchd::install(&service, &log)?,
    }
    status(global)
}

fn uninstall(global: &Global) -> anyhow::Result<ExitCode> {
    let was_there = match Manager::own() {
        Manager::Systemd => systemd::uninstall(&global.profile)?,
        Manager::Launchd => launchd::uninstall(&global.profile)?,
    };
    say(if was_there { "the service is removed; shared terminals go on" } else { "no service is installed" });
    Ok(ExitCode::SUCCESS)
}

fn status(global: &Global) -> anyhow::Result<ExitCode> {
    let state = match Manager::own() {
        Manager::Systemd => systemd::state(&global.profile)?,
        Manager::Launchd => launchd::state(&global.profile)?,
    };
    let lines = if global.json { vec![entry(&state)] } else { lines(&state) };
    for line in lines {
        print(&line, line.as_bytes())?;
    }
    let runs = state.file.is_some() && state.is_running;
    Ok(if runs { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The state for people.
fn lines(state: &ServiceState) -> Vec<String> {
    let Some(file) = &state.file else {
        return vec!["no service is installed: `workstation service install` does it".to_owned()];
    };
    let process = state.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    let runs = match state.is_running {
        true => format!("the service runs{process}"),
        false => format!("the service does not run: {}; {LOG}", state.words),
    };
    let mut lines = vec![runs, format!("file: {}", file.display())];
    if !state.is_enabled {
        lines.push("it does not start by itself: `workstation service install` changes that".to_owned());
    } else if state.outlives_login || Manager::own() == Manager::Launchd {
        lines.push("it starts by itself".to_owned());
    } else {
        lines.push("it starts when you log in, and ends when you log out".to_owned());
        lines.push("  `loginctl enable-linger` keeps it without a login".to_owned());
    }
    lines
}

const LOG: &str = "`journalctl --user -u relay-workstation` says why";

/// The state for scripts.
fn entry(state: &ServiceState) -> String {
    #[derive(Serialize)]
    struct Entry<'a> {
        installed: bool,
        running: bool,
        enabled: bool,
        outlives_login: bool,
        pid: Option<u32>,
        state: &'a str,
        file: Option<String>,
    }
    let ServiceState { file, is_enabled, is_running, pid, words, outlives_login } = state;
    let entry = Entry {
        installed: file.is_some(),
        running: *is_running,
        enabled: *is_enabled,
        outlives_login: *outlives_login,
        pid: *pid,
        state: words,
        file: file.as_ref().map(|file| file.display().to_string()),
    };
    // There are no maps and no floats in it that could not be written.
    sonic_rs::to_string(&entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_told_with_what_to_do() {
        let none = ServiceState::default();
        assert!(lines(&none)[0].contains("service install"));
        let runs = ServiceState {
            file: Some("/u.service".into()),
            is_enabled: true,
            is_running: true,
            pid: Some(7),
            words: "active (running)".into(),
            outlives_login: false,
        };
        let shown = lines(&runs).join("\n");
        assert!(shown.starts_with("the service runs, process 7\nfile: /u.service\n"), "{shown}");
        let failed = ServiceState { is_running: false, words: "failed (exit-code)".into(), ..runs.clone() };
        assert!(lines(&failed)[0].contains("does not run: failed (exit-code); `journalctl"));
        assert_eq!(
            entry(&runs),
            r#"{"installed":true,"running":true,"enabled":true,"outlives_login":false,"pid":7,"state":"active (running)","file":"/u.service"}"#
        );
    }
}

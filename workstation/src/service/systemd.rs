//! The service as a unit of the user's systemd.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::manager::{Answer, run};
use super::{Service, ServiceState, name, unit};
use crate::state::file;
use crate::user::User;

/// Writes the unit, and starts it.
///
/// # Errors
/// It can't be written, or does not run.
pub(crate) fn install(service: &Service) -> anyhow::Result<()> {
    // Before anything is written: without a manager there is nothing to install for.
    check_manager()?;
    let (unit_name, path) = (unit_name(&service.profile), path(&service.profile)?);
    let folder = path.parent().context("the unit has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    file::write_text(&path, &unit(service))?;
    systemctl(&["daemon-reload"])?.checked()?;
    systemctl(&["enable", &unit_name])?.checked()?;
    systemctl(&["restart", &unit_name])?.checked()?;
    Ok(())
}

/// # Errors
/// The user's systemd does not answer.
fn check_manager() -> anyhow::Result<()> {
    let answer = systemctl(&["show-environment"])?;
    ensure!(
        answer.is_well(),
        "no systemd of this user answers ({}): log in on this machine itself or by ssh, and not by su or sudo",
        answer.said()
    );
    Ok(())
}

/// Ends the service, and removes its unit. False if there was none.
///
/// # Errors
/// It is still there.
pub(crate) fn uninstall(profile: &str) -> anyhow::Result<bool> {
    let (unit_name, path) = (unit_name(profile), path(profile)?);
    if !path.exists() {
        return Ok(false);
    }
    check_manager()?;
    // One that the manager does not know has nothing to end.
    let ended = systemctl(&["disable", "--now", &unit_name])?.checked();
    file::remove(&path)?;
    systemctl(&["daemon-reload"])?.checked()?;
    ended.map(|_| true)
}

/// What the manager says of the service.
///
/// # Errors
/// The manager can't be asked.
pub(crate) fn state(profile: &str) -> anyhow::Result<ServiceState> {
    let path = path(profile)?;
    if !path.exists() {
        return Ok(ServiceState::default());
    }
    check_manager()?;
    let shown = systemctl(&["show", &unit_name(profile), "--property", PROPERTIES])?;
    let mut state = parsed(&shown.checked()?);
    state.file = Some(path);
    state.outlives_login = lingers(Path::new("/var/lib/systemd/linger"), &User::own());
    Ok(state)
}

const PROPERTIES: &str = "ActiveState,SubState,Result,MainPID,UnitFileState";

fn parsed(shown: &str) -> ServiceState {
    let value = |name: &str| {
        let found = shown.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| *key == name);
        found.map(|(_, value)| value.trim()).unwrap_or_default()
    };
    let (active, result) = (value("ActiveState"), value("Result"));
    let words = match result {
        "" | "success" => format!("{active} ({})", value("SubState")),
        result => format!("{active} ({result})"),
    };
    ServiceState {
        file: None,
        is_enabled: value("UnitFileState") == "enabled",
        is_running: active == "active",
        pid: value("MainPID").parse().ok().filter(|pid| *pid > 0),
        words,
        outlives_login: false,
    }
}

/// True if the user's services go on without a login.
fn lingers(folder: &Path, user: &User) -> bool {
    user.name.as_ref().is_some_and(|name| folder.join(name).exists())
}

fn unit_name(profile: &str) -> String {
    format!("{}.service", name(profile, '-'))
}

/// Where the unit of this profile lies.
///
/// # Errors
/// There is no home folder.
pub(crate) fn path(profile: &str) -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let config = config.context("there is no folder for units: set HOME")?;
    Ok(config.join("systemd/user").join(unit_name(profile)))
}

fn systemctl(arguments: &[&str]) -> anyhow::Result<Answer> {
    let mut command = Command::new("systemctl");
    command.arg("--user").args(arguments);
    let runtime = PathBuf::from(format!("/run/user/{}", rustix::process::getuid().as_raw()));
    // A user that came by su has the manager, and not the variable that leads to it.
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && is_folder(&runtime).unwrap_or(false) {
        command.env("XDG_RUNTIME_DIR", &runtime);
    }
    run(command)
}

fn is_folder(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_manager_shows_is_read() {
        let shown =
            "MainPID=77\nResult=success\nActiveState=active\nSubState=running\nUnitFileState=enabled\n";
        let state = parsed(shown);
        assert!(state.is_running && state.is_enabled && state.pid == Some(77));
        assert_eq!(state.words, "active (running)");
        let shown = "MainPID=0\nResult=exit-code\nActiveState=failed\nSubState=failed\nUnitFileState=\n";
        let state = parsed(shown);
        assert!(!state.is_running && !state.is_enabled && state.pid.is_none());
        assert_eq!(state.words, "failed (exit-code)");
    }

    #[test]
    fn each_profile_has_a_unit() {
        assert_eq!(unit_name("default"), "relay-workstation.service");
        assert_eq!(unit_name("work"), "relay-workstation-work.service");
    }
}

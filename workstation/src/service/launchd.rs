//! The service as an agent of the user's launchd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::manager::{Answer, run};
use super::{Service, ServiceState, name, plist};
use crate::state::file;

/// Writes the property list, and starts the agent.
///
/// # Errors
/// It can't be written, or launchd refuses it.
pub(crate) fn install(service: &Service, log: &Path) -> anyhow::Result<()> {
    let (label, path) = (label(&service.profile), path(&service.profile)?);
    let folder = path.parent().context("the property list has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    // An agent of this label that runs has the old options. There may be none.
    drop(launchctl(&["bootout", &target(&label)])?);
    file::write_text(&path, &plist(service, &label, log))?;
    launchctl(&["bootstrap", &domain(), &path.to_string_lossy()])?.checked()?;
    Ok(())
}

/// Ends the agent, and removes its property list. False if there was none.
///
/// # Errors
/// It is still there.
pub(crate) fn uninstall(profile: &str) -> anyhow::Result<bool> {
    let path = path(profile)?;
    if !path.exists() {
        return Ok(false);
    }
    // One that is not loaded has nothing to end.
    drop(launchctl(&["bootout", &target(&label(profile))])?);
    file::remove(&path)?;
    Ok(true)
}

/// What launchd says of the agent.
///
/// # Errors
/// launchd can't be asked.
pub(crate) fn state(profile: &str) -> anyhow::Result<ServiceState> {
    let path = path(profile)?;
    let printed = launchctl(&["print", &target(&label(profile))])?;
    let mut state = parsed(&printed.text());
    state.file = Some(path).filter(|path| path.exists());
    state.is_enabled = state.file.is_some();
    Ok(state)
}

fn parsed(printed: &str) -> ServiceState {
    let value = |name: &str| {
        let found =
            printed.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == name);
        found.map(|(_, value)| value.trim().to_owned())
    };
    let words = value("state").unwrap_or_else(|| "not loaded".to_owned());
    ServiceState {
        is_running: words == "running",
        pid: value("pid").and_then(|pid| pid.parse().ok()),
        words,
        ..ServiceState::default()
    }
}

/// The label of the profile's agent.
pub(crate) fn label(profile: &str) -> String {
    format!("org.{}", name(profile, '.'))
}

fn domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn target(label: &str) -> String {
    format!("{}/{label}", domain())
}

fn path(profile: &str) -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = home.context("there is no home folder: set HOME")?.join("Library/LaunchAgents");
    Ok(folder.join(format!("{}.plist", label(profile))))
}

fn launchctl(arguments: &[&str]) -> anyhow::Result<Answer> {
    let mut command = Command::new("launchctl");
    command.args(arguments);
    run(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_launchd_prints_is_read() {
        let state = parsed("gui/501/org.relay-workstation = {\n\tstate = running\n\tpid = 812\n}\n");
        assert!(state.is_running && state.pid == Some(812));
        let state = parsed("");
        assert_eq!((state.is_running, state.words.as_str()), (false, "not loaded"));
    }

    #[test]
    fn each_profile_has_a_label() {
        assert_eq!(label("default"), "org.relay-workstation");
        assert_eq!(label("work"), "org.relay-workstation.work");
    }
}

//! What is kept: whose it is, who may read it, whether it can be used, and whether there is room.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use rustix::process::geteuid;
use serde::de::IgnoredAny;

use super::Finding;
use crate::ipc::folder::Folders;
use crate::state::file;
use crate::state::phones::load_all;

/// With less room than this, pairs can soon not be kept.
const ROOM_MIN: u64 = 4 << 20;

/// Looks at the profile's folders.
pub(super) fn examine(folders: &Folders) -> Vec<Finding> {
    let state = folders.state();
    let mut findings = vec![files(state), room(state)];
    if let Err(error) = folders.agent_socket() {
        findings.push(Finding::wrong("sockets", format!("{error:#}"), ""));
    }
    findings.extend(damaged(state));
    findings.retain(|finding| !finding.words.is_empty());
    findings
}

/// Files that others may read have the keys of phones in them.
fn files(state: &Path) -> Finding {
    let (mut open, mut foreign) = (Vec::new(), Vec::new());
    for path in kept(state) {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.uid() != geteuid().as_raw() {
            foreign.push(path);
        } else if metadata.mode() & 0o077 != 0 {
            open.push(path);
        }
    }
    if let Some(path) = foreign.first() {
        let words = format!("{} belongs to another user", path.display());
        return Finding::wrong("state", words, "give it back to this user, as by chown");
    }
    match open.first() {
        None => Finding::good("state", format!("{} is this user's alone", state.display())),
        Some(path) => {
            let words = format!("others may read {}", path.display());
            let remedy = format!("close it: `chmod -R go= {}`", state.display());
            Finding::wrong("state", words, &remedy)
        }
    }
}

/// The files of the profile and of its phones.
fn kept(state: &Path) -> Vec<PathBuf> {
    let listed =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let phones = state.join("phones");
    let all = listed(state).chain(listed(&phones));
    all.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

fn room(state: &Path) -> Finding {
    let free = statvfs(state).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    match free {
        Err(error) => Finding::wrong("space", format!("can't look at {}: {error}", state.display()), ""),
        Ok(free) if free < ROOM_MIN => {
            let words = format!("{} KiB are left for {}", free >> 10, state.display());
            Finding::wrong("space", words, "make room there: pairs can't be kept on a full disk")
        }
        Ok(free) => Finding::good("space", format!("{} MiB are left", free >> 20)),
    }
}

/// Files that can't be used; each one's own words say what to do.
fn damaged(state: &Path) -> Vec<Finding> {
    let mut words = match load_all(state) {
        Ok((_, damaged)) => damaged,
        Err(error) => vec![format!("{error:#}")],
    };
    let list = state.join("retire.json");
    let read = file::read::<IgnoredAny>(&list, "delete it: the sessions in it end by themselves");
    words.extend(read.err().map(|error| format!("{error:#}")));
    words.into_iter().map(|words| Finding::wrong("files", words, "")).collect()
}

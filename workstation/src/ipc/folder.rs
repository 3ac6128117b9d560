//! The folders of a profile: `state` outlives the machine's sleep and its restarts, `runtime` has the
//! sockets.
//!
//! Both are this user's alone. One that another user owns, or may enter, is refused: its sockets could lead
//! to anybody.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use rustix::process::geteuid;

/// The most bytes in the path of a socket. Linux has room for 107, macOS for 103.
const SOCKET_PATH_MAX: usize = 100;

/// The folders that a profile's processes share. Both exist and are this user's alone.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    state: PathBuf,
    runtime: PathBuf,
}

impl Folders {
    /// The folders of this profile; makes those that are missing.
    ///
    /// # Errors
    /// One can't be made, or is not this user's alone; the error names it.
    pub(crate) fn open(profile: &str) -> anyhow::Result<Self> {
        Self::open_in(profile, |name| env::var_os(name))
    }

    fn open_in(profile: &str, variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let state = state_base(&variable)?.join(PROGRAM);
        fs::create_dir_all(state.parent().unwrap_or(&state))
            .with_context(|| format!("can't make the folder for {}", state.display()))?;
        let runtime = runtime_base(&variable).map(|base| base.join(PROGRAM));
        let [state, runtime] = [&state, runtime.as_ref().unwrap_or(&state)].map(|base| {
            make_own(base)?;
            let folder = base.join(profile);
            make_own(&folder).map(|()| folder)
        });
        Ok(Folders { state: state?, runtime: runtime? })
    }

    /// Where the profile, its phones and what is left to do are kept.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// The agent's socket.
    ///
    /// # Errors
    /// Its path is too long for a socket.
    pub(crate) fn agent_socket(&self) -> anyhow::Result<PathBuf> {
        short_enough(self.runtime.join("agent.sock"))
    }

    /// The file that the profile's agent has locked, and in which it writes its socket's path.
    pub(crate) fn agent_lock(&self) -> PathBuf {
        self.state.join("agent.lock")
    }

    /// Where the profile's agent listens if it was started with another `XDG_RUNTIME_DIR`, or none.
    pub(crate) fn noted_socket(&self) -> Option<PathBuf> {
        let noted = fs::read(self.agent_lock()).ok()?;
        let noted = absolute(Some(OsString::from_vec(noted)))?;
        Some(noted).filter(|noted| *noted != self.runtime.join("agent.sock"))
    }

    /// The profile's name.
    pub(crate) fn profile(&self) -> &str {
        self.state.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The same folders by the variables of now: the folder of the sockets goes with the last login and comes
    /// with the next.
    ///
    /// # Errors
    /// As [`Folders::open`].
    pub(crate) fn reopened(&self) -> anyhow::Result<Self> {
        Self::open(self.profile())
    }

    /// The folder of the shared terminals: each socket `NAME.sock` in it is one. Makes it if it is missing.
    ///
    /// # Errors
    /// It can't be made, or is not this user's alone.
    pub(crate) fn terminals(&self) -> anyhow::Result<PathBuf> {
        let folder = self.runtime.join("terminals");
        make_own(&folder)?;
        Ok(folder)
    }

    /// The socket of the shared terminal of this name. It need not exist.
    ///
    /// # Errors
    /// As [`Folders::terminals`], or the path is too long for a socket.
    pub(crate) fn terminal_socket(&self, name: &str) -> anyhow::Result<PathBuf> {
        ensure!(is_terminal_name(name), "{name:?} is not the name of a terminal");
        short_enough(self.terminals()?.join(format!("{name}.sock")))
    }
}

/// True if a terminal may have this name: it is also a file's.
pub(crate) fn is_terminal_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    (1..=TERMINAL_NAME_MAX).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_plain)
}

/// The names of the terminals whose sockets are in `folder`, sorted.
///
/// # Errors
/// The folder can't be read.
pub(crate) fn terminal_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".sock"));
        names.extend(name.filter(|name| is_terminal_name(name)).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

/// `XDG_STATE_HOME`, or what the XDG base directory specification has in its place.
fn state_base(variable: &impl Fn(&str) -> Option<OsString>) -> anyhow::Result<PathBuf> {
    if let Some(base) = absolute(variable("XDG_STATE_HOME")) {
        return Ok(base);
    }
    let home = absolute(variable("HOME"));
    let home = home.context("there is no folder to keep phones in: set HOME or XDG_STATE_HOME")?;
    Ok(home.join(".local/state"))
}

/// `XDG_RUNTIME_DIR`, if there is such a folder.
fn runtime_base(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    absolute(variable("XDG_RUNTIME_DIR")).filter(|base| base.is_dir())
}

/// The specification has relative paths ignored.
fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Makes a folder that is this user's alone. One that is there already must be that.
fn make_own(folder: &Path) -> anyhow::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(error).with_context(|| format!("can't make the folder {}", folder.display()));
        }
    }
    let metadata = fs::symlink_metadata(folder).with_context(|| folder.display().to_string())?;
    let shown = folder.display();
    if !metadata.is_dir() {
        bail!("{shown} must be a folder and not a link or a file: remove it");
    }
    let owner = metadata.uid();
    ensure!(
        owner == geteuid().as_raw(),
        "{shown} belongs to another user ({owner}): set XDG_RUNTIME_DIR and XDG_STATE_HOME to folders of your own"
    );
    let mode = metadata.mode() & 0o7777;
    ensure!(mode & 0o077 == 0, "other users may enter {shown} (mode {mode:o}): chmod 700 {shown}");
    Ok(())
}

fn short_enough(socket: PathBuf) -> anyhow::Result<PathBuf> {
    let len = socket.as_os_str().as_bytes().len();
    ensure!(
        len < SOCKET_PATH_MAX,
        "the path of a socket has less than {SOCKET_PATH_MAX} bytes, and {} has {len}: set XDG_RUNTIME_DIR to \
         a shorter one",
        socket.display()
    );
    Ok(socket)
}

/// The folder of this program in the user's own.
const PROGRAM: &str = "relay-workstation";

const TERMINAL_NAME_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A folder that goes with its test.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("rw-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Place(path)
        }

        fn open(&self) -> anyhow::Result<Folders> {
            Folders::open_in("work", |name| match name {
                "XDG_STATE_HOME" => Some(self.0.join("state").into()),
                "XDG_RUNTIME_DIR" => Some(self.0.clone().into()),
                _ => None,
            })
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn folders_are_made_for_this_user_alone_and_found_again() {
        let place = Place::new("made");
        let folders = place.open().unwrap();
        assert_eq!(folders.state(), place.0.join("state/relay-workstation/work"));
        let socket = folders.agent_socket().unwrap();
        assert_eq!(socket, place.0.join("relay-workstation/work/agent.sock"));
        for folder in [folders.state(), socket.parent().unwrap(), &folders.terminals().unwrap()] {
            assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o700, "{}", folder.display());
        }
        place.open().unwrap();
    }

    #[test]
    fn a_folder_that_others_may_enter_or_that_is_a_link_is_refused_and_named() {
        let place = Place::new("loose");
        let folder = place.0.join("relay-workstation");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
        let error = place.open().unwrap_err().to_string();
        assert!(error.contains("other users may enter") && error.contains("mode 750"), "{error}");
        fs::remove_dir(&folder).unwrap();
        symlink("/tmp", &folder).unwrap();
        let error = place.open().unwrap_err().to_string();
        assert!(error.contains("must be a folder and not a link"), "{error}");
    }

    #[test]
    fn without_a_runtime_folder_the_sockets_lie_beside_the_state() {
        let place = Place::new("none");
        let folders = Folders::open_in("x", |name| match name {
            "HOME" => Some(place.0.clone().into()),
            "XDG_STATE_HOME" => Some("relative".into()),
            "XDG_RUNTIME_DIR" => Some(place.0.join("missing").into()),
            _ => None,
        });
        let folders = folders.unwrap();
        assert_eq!(folders.state(), place.0.join(".local/state/relay-workstation/x"));
        assert_eq!(folders.agent_socket().unwrap(), folders.state().join("agent.sock"));
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused_before() {
        let place = Place::new("long");
        let long = place.0.join("x".repeat(SOCKET_PATH_MAX));
        fs::create_dir(&long).unwrap();
        let folders =
            Folders::open_in("x", |name| Some(if name == "HOME" { &place.0 } else { &long }.into()));
        let error = folders.unwrap().agent_socket().unwrap_err().to_string();
        assert!(error.contains("set XDG_RUNTIME_DIR to a shorter one"), "{error}");
    }

    #[test]
    fn the_sockets_of_the_folder_are_the_terminals() {
        let place = Place::new("names");
        let folders = place.open().unwrap();
        let folder = folders.terminals().unwrap();
        for name in ["b", "a-1"] {
            drop(UnixListener::bind(folders.terminal_socket(name).unwrap()).unwrap());
        }
        fs::write(folder.join("b.lock"), "").unwrap();
        assert_eq!(terminal_names(&folder).unwrap(), ["a-1", "b"]);
        for bad in ["", "../x", "a b", ".x", &"x".repeat(33)] {
            assert!(folders.terminal_socket(bad).is_err(), "{bad:?}");
        }
    }
}

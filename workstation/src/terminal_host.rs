//! The host of a shared terminal: a process of its own that keeps a command, its pseudo-terminal and the
//! state of its screen, and outlives the window that started it and the agent.
//!
//! `run` starts it by `start`, as does the agent for a phone that opens a shell. Its clients come over a Unix
//! socket: the desk's windows, which get the command's bytes as they are; phones, through the agent, which
//! get the state of the screen; and lists.
//!
//! `wire` is what they say, and `names` how they find the host. `host` is the loop over `clients` (of the
//! kinds `desk_window` and `viewer`; `greeting` tells which) and the `terminal`: `child` is the command,
//! `screen_keeper` feeds the `emulator`, `sizes` knows who decides the size. What is typed waits in `typed`,
//! and what clients are told is in `news`; `away` is what phones are told while nobody is at the desk.

mod answers;
mod away;
mod child;
mod clients;
mod desk_window;
pub(crate) mod emulator;
mod flood;
mod greeting;
mod host;
pub(crate) mod look;
pub(crate) mod names;
mod news;
mod place;
mod screen_keeper;
mod signals;
mod sizes;
pub(crate) mod start;
mod terminal;
mod typed;
mod viewer;
pub(crate) mod wire;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::SystemTime;

use place::Place;
use wire::WindowSize;

/// The most bytes of a command that are shown. Arguments may have megabytes.
const WORDS_MAX: usize = 1 << 10;

/// What is shared, and with whom.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The terminal's name.
    pub(crate) name: String,
    /// The command and its arguments.
    pub(crate) command: Vec<OsString>,
    /// No phone may type.
    pub(crate) view_only: bool,
    /// What the command puts into the clipboard goes to the phones, too.
    pub(crate) clipboard: bool,
    /// The phones that may look on; empty if all may.
    pub(crate) to: Vec<String>,
    /// A phone opened it: the command starts at once, in this size, and not with the first window.
    pub(crate) shell: Option<WindowSize>,
    /// When it began, in seconds since 1970.
    pub(crate) since: u64,
}

impl Settings {
    /// The command for people: the beginning of a long one.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        for (index, word) in self.command.iter().enumerate() {
            words.push_str(if index > 0 { " " } else { "" });
            words.push_str(&word.to_string_lossy());
            if words.len() > WORDS_MAX {
                let is_end = |end: &usize| words.is_char_boundary(*end);
                words.truncate((0..=WORDS_MAX).rev().find(is_end).unwrap_or_default());
                words.push('…');
                break;
            }
        }
        words
    }
}

/// Serves a terminal at the listener that is this process's standard input, until its command has ended.
///
/// # Errors
/// The system refuses what a terminal needs.
pub(crate) fn serve(settings: Settings, profile: String, socket: PathBuf) -> io::Result<()> {
    // Fails only for a process that leads a group already, which has left its terminal behind as well.
    let _leads = rustix::process::setsid();
    let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let host = host::Host::new(listener, Place::new(profile, socket), settings)?;
    host.serve()
}

/// Seconds since 1970.
pub(crate) fn seconds_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

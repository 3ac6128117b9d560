//! What keeps phones from reaching this machine: one finding for each thing that is looked at.
//!
//! `network` asks the relay, `folders` looks at what is kept, `programs` at the agent, terminals and the
//! service, `push` at push services, `window` at the terminal. Nothing is changed, but for a session that is
//! made at the relay and deleted.

mod folders;
mod network;
mod programs;
mod push;
mod window;

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use relay_client::lines::harmless;

use crate::args::{Global, RelayArgs};
use crate::ipc::folder::Folders;

/// What came of looking at one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was looked at, in a word.
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    pub(crate) words: String,
    /// What to do; empty if there is nothing.
    pub(crate) remedy: String,
}

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Good,
    /// Worth knowing.
    Note,
    /// There is something to do.
    Wrong,
}

impl Finding {
    fn good(check: &'static str, words: impl Into<String>) -> Self {
        Self::new(check, Level::Good, &words.into(), "")
    }

    fn note(check: &'static str, words: impl Into<String>, remedy: &str) -> Self {
        Self::new(check, Level::Note, &words.into(), remedy)
    }

    fn wrong(check: &'static str, words: impl Into<String>, remedy: &str) -> Self {
        Self::new(check, Level::Wrong, &words.into(), remedy)
    }

    fn new(check: &'static str, level: Level, words: &str, remedy: &str) -> Self {
        Finding { check, level, words: harmless(words), remedy: remedy.to_owned() }
    }
}

/// Looks at everything, and tells each finding as it comes.
pub(crate) fn examine(args: &RelayArgs, global: &Global, tell: &mut dyn FnMut(Finding)) {
    let folders = match Folders::open(&global.profile) {
        Ok(folders) => {
            folders::examine(&folders).into_iter().for_each(&mut *tell);
            Some(folders)
        }
        Err(error) => {
            tell(Finding::wrong("state", format!("{error:#}"), ""));
            None
        }
    };
    network::examine(args, folders.as_ref(), tell);
    tell(window::examine());
    if let Some(folders) = folders {
        push::examine(&folders).into_iter().for_each(&mut *tell);
        programs::examine(&folders, global).into_iter().for_each(tell);
    }
}

/// Does work that may block, and gives it up after this time. It is left to itself then, until this program
/// ends.
fn within<T: Send + 'static>(time: Duration, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (sender, results) = channel();
    let begun = thread::Builder::new().name("probe".into()).spawn(move || drop(sender.send(work())));
    begun.map_err(|error| format!("there is no thread to ask with: {error}"))?;
    results.recv_timeout(time).map_err(|error| match error {
        RecvTimeoutError::Timeout => format!("no answer within {} s", time.as_secs()),
        RecvTimeoutError::Disconnected => "the question failed".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_back_is_given_up() {
        assert_eq!(within(Duration::from_secs(60), || 7), Ok(7));
        let (keep, never) = channel::<()>();
        let silent = within(Duration::from_millis(10), move || never.recv());
        assert!(silent.unwrap_err().starts_with("no answer within"));
        drop(keep);
    }
}

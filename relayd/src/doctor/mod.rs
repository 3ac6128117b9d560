//! What keeps clients from reaching this relay, or would one day: one finding for each thing that is looked
//! at.
//!
//! `port` looks at the listener, `machine` at descriptors and memory, `store` at Redis, and `public` at the
//! address that clients are told, with the proxy in front of it. Nothing is changed, but for keys and
//! messages that the server itself uses as probes.

mod clock;
mod idle;
mod machine;
mod port;
mod public;
mod store;

use crate::config::Config;

/// What came of looking at one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a word.
    pub check: &'static str,
    /// How it is meant.
    pub level: Level,
    /// What was found.
    pub words: String,
    /// What to do; empty if there is nothing.
    pub remedy: String,
}

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing is wrong.
    Ok,
    /// Worth knowing, and it may be meant so.
    Warn,
    /// There is something to do.
    Bad,
}

impl Finding {
    fn ok(check: &'static str, words: impl Into<String>) -> Self {
        Finding { check, level: Level::Ok, words: words.into(), remedy: String::new() }
    }

    fn warn(check: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { check, level: Level::Warn, words: words.into(), remedy: remedy.into() }
    }

    fn bad(check: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding { check, level: Level::Bad, words: words.into(), remedy: remedy.into() }
    }
}

/// Looks at everything with these settings, and tells each finding as it comes. `slow`: also what takes more
/// than a minute.
pub fn examine(config: &Config, slow: bool, tell: &mut dyn FnMut(Finding)) {
    tell(port::examine(config));
    machine::examine(config).into_iter().for_each(&mut *tell);
    store::examine(config, tell);
    public::examine(config, slow, tell);
}

/// What this process is shown by others as one short line.
fn harmless(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

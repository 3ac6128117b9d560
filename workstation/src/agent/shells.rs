//! The shells that phones open for themselves: how many, how often, and what becomes of their processes.

use std::collections::VecDeque;
use std::process::Child;
use std::time::{Duration, Instant};

use relay_client::app::Reason;
use relay_client::lines::harmless;

use super::terminals::Terminals;
use crate::ipc::folder::Folders;
use crate::terminal_host::start::{NewTerminal, Started, shell, start};
use crate::terminal_host::wire::WindowSize;

/// Shells of all phones that are open at once.
const SHELLS_MAX: usize = 8;

/// Shells that are opened in [`WITHIN`]: each opening is told at the desk.
const OPENED_MAX: usize = 20;

const WITHIN: Duration = Duration::from_secs(60);

/// The shells that this agent has started.
#[derive(Debug, Default)]
pub(super) struct Shells {
    /// Each with its name, until it has ended.
    started: Vec<(String, Child)>,
    /// When the newest ones were opened.
    opened: VecDeque<Instant>,
}

impl Shells {
    /// Starts a login shell of the user in a terminal of this size.
    ///
    /// # Errors
    /// There are too many, or the system refuses one.
    pub(super) fn open(
        &mut self,
        folders: &Folders,
        listed: &Terminals,
        size: WindowSize,
        now: Instant,
    ) -> Result<Started, Reason> {
        self.let_go();
        if self.count(listed) >= SHELLS_MAX {
            let words = format!("{SHELLS_MAX} shells are open at this desk, and no more may be");
            return Err(Reason::new(Reason::TOO_MANY, words));
        }
        self.opened.retain(|at| now.saturating_duration_since(*at) < WITHIN);
        if self.opened.len() >= OPENED_MAX {
            let words = format!("{OPENED_MAX} shells were opened within a minute: wait, and try again");
            return Err(Reason::new(Reason::TOO_MANY, words));
        }
        let command = [shell(), "-l".into()];
        let terminal = NewTerminal {
            name: None,
            command: &command,
            view_only: false,
            clipboard: false,
            to: &[],
            shell: Some(size),
        };
        let mut started = start(folders, folders.profile(), &terminal)
            .map_err(|error| Reason::new(Reason::OTHER, harmless(&format!("{error:#}"))))?;
        self.opened.push_back(now);
        let process = started.process.take();
        self.started.extend(process.map(|process| (started.name.clone(), process)));
        Ok(started)
    }

    /// Those that are listed, and those that are not listed yet.
    fn count(&self, listed: &Terminals) -> usize {
        let is_listed = |name: &str| listed.shells().any(|shell| shell == name);
        listed.shells().count() + self.started.iter().filter(|(name, _)| !is_listed(name)).count()
    }

    /// Lets the system forget those that have ended.
    pub(super) fn let_go(&mut self) {
        self.started.retain_mut(|(_, process)| matches!(process.try_wait(), Ok(None)));
    }
}

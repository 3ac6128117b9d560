//! What a command waits for, from several threads: the agent, the keyboard, signals.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::session::thread;
use crate::ipc::client::AgentClient;
use crate::ipc::wire::FromAgent;

/// Messages of the agent that may wait here; of more, the agent keeps what the phones keep.
const WAITING_MAX: usize = 256;

/// One thing that came.
#[derive(Debug)]
pub(crate) enum Input {
    /// From the agent, over the connection of this number; `None` is its end.
    Agent(u32, Option<FromAgent>),
    /// A line that was typed at the terminal.
    Typed(String, Instant),
    /// The relay has answered, or not, and there is a code or an error.
    CodeMade,
    /// No more lines come, and every one was confirmed or given up.
    AllSaid,
    /// Ctrl-C, or another signal that ends programs.
    Interrupted,
    /// Work on another thread has failed.
    Failed(anyhow::Error),
}

/// The inputs that wait. All methods may be called from any thread.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    waiting: Mutex<VecDeque<Input>>,
    changed: Condvar,
}

impl Inputs {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Input>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an input of a person, who is slower than this program.
    pub(crate) fn put(&self, input: Input) {
        self.waiting().push_back(input);
        self.changed.notify_all();
    }

    /// Adds an input; waits until there is room.
    fn put_when_room(&self, input: Input) {
        let mut waiting = self.waiting();
        while waiting.len() >= WAITING_MAX {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.push_back(input);
        self.changed.notify_all();
    }

    /// The next input; waits for it.
    pub(crate) fn next(&self) -> Input {
        let mut waiting = self.waiting();
        loop {
            if let Some(input) = waiting.pop_front() {
                self.changed.notify_all();
                return input;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reads what the agent says on this connection, to its end.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn listen_to(self: &Arc<Self>, mut agent: AgentClient, number: u32) -> io::Result<()> {
        let inputs = Arc::clone(self);
        thread("agent", move || {
            loop {
                // A connection that failed has ended, too.
                let message = agent.next().ok().flatten();
                let has_ended = message.is_none();
                inputs.put_when_room(Input::Agent(number, message));
                if has_ended {
                    return;
                }
            }
        })
    }
}

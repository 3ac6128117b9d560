//! The lines on their way to the phones: as many at once as a window allows, each until it is confirmed.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use relay_client::tunnel::{Entropy, SystemEntropy};

use super::inputs::{Input, Inputs};
use super::session::thread;
use crate::ipc::client::AgentSender;
use crate::ipc::wire::ToAgent;
use crate::talk::waiting::{Next, Waiting};

/// Lines that may be on their way at once. The agent keeps more than this for a phone that is away.
const WINDOW: usize = 64;

/// What was typed or piped in, until the phones have it. All methods may be called from any thread.
pub(crate) struct Said {
    /// Read and not handed to the agent yet.
    pub(crate) waiting: Waiting,
    way: Mutex<Way>,
    changed: Condvar,
}

struct Way {
    /// `None` while there is no agent.
    agent: Option<AgentSender>,
    /// Handed to the agent and not confirmed, by number.
    lines: BTreeMap<u64, String>,
    next: u64,
    /// Makes the ids of this process different from another one's.
    prefix: String,
    /// Lines that will not be sent.
    lost: u64,
    has_stopped: bool,
}

impl Said {
    /// Begins with this agent.
    ///
    /// # Errors
    /// The system gave no random bytes, or no thread.
    pub(crate) fn open(agent: AgentSender, inputs: &Arc<Inputs>) -> anyhow::Result<Arc<Self>> {
        let mut bytes = [0; 6];
        SystemEntropy.fill(&mut bytes)?;
        let prefix = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (agent, lines) = (Some(agent), BTreeMap::new());
        let way = Mutex::new(Way { agent, lines, next: 0, prefix, lost: 0, has_stopped: false });
        let said = Arc::new(Said { waiting: Waiting::default(), way, changed: Condvar::new() });
        let (sender, inputs) = (Arc::clone(&said), Arc::clone(inputs));
        thread("send", move || sender.send_all(&inputs))?;
        Ok(said)
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_all(&self, inputs: &Inputs) {
        loop {
            match self.waiting.next() {
                Next::Line(line) => {
                    if !self.send(line) {
                        return;
                    }
                    self.waiting.sent();
                }
                Next::Ended => {
                    if self.wait_while(|way| !way.lines.is_empty()) {
                        inputs.put(Input::AllSaid);
                    }
                    return;
                }
                Next::Stopped => return,
            }
        }
    }

    /// Hands one line to the agent when the window has room. False if nothing is sent any more.
    fn send(&self, line: String) -> bool {
        if !self.wait_while(|way| way.lines.len() >= WINDOW) {
            return false;
        }
        let mut way = self.way();
        way.next += 1;
        let number = way.next;
        way.lines.insert(number, line);
        way.hand_over(number);
        true
    }

    /// Waits; false if nothing is sent any more.
    fn wait_while(&self, waits: impl Fn(&Way) -> bool) -> bool {
        let mut way = self.way();
        while waits(&way) && !way.has_stopped {
            way = self.changed.wait(way).unwrap_or_else(PoisonError::into_inner);
        }
        !way.has_stopped
    }

    /// The line of this number is confirmed, or will not be sent.
    pub(crate) fn settle(&self, number: u64, is_lost: bool) {
        let mut way = self.way();
        if way.lines.remove(&number).is_some() {
            way.lost += u64::from(is_lost);
        }
        self.changed.notify_all();
    }

    /// The agent is gone; lines wait for another one.
    pub(crate) fn on_agent_gone(&self) {
        self.way().agent = None;
    }

    /// There is another agent: what was not confirmed is said again, under its old ids.
    pub(crate) fn on_agent(&self, agent: AgentSender) {
        let mut way = self.way();
        way.agent = Some(agent);
        let numbers: Vec<u64> = way.lines.keys().copied().collect();
        numbers.into_iter().for_each(|number| way.hand_over(number));
    }

    /// What the agent told under this number is printed.
    pub(crate) fn printed(&self, number: u64) {
        self.way().send(&ToAgent::Heard { number });
    }

    /// Asks the agent to connect at once.
    pub(crate) fn retry(&self) {
        self.way().send(&ToAgent::Retry);
    }

    /// Sends nothing more.
    pub(crate) fn stop(&self) {
        self.waiting.set_stopped(true);
        self.way().has_stopped = true;
        self.changed.notify_all();
    }

    /// How many lines the phones have not confirmed.
    pub(crate) fn unconfirmed(&self) -> u64 {
        let way = self.way();
        way.lines.len() as u64 + way.lost + self.waiting.not_sent()
    }
}

impl Way {
    fn hand_over(&mut self, number: u64) {
        let Some(text) = self.lines.get(&number).cloned() else { return };
        let id = format!("{}-{number}", self.prefix);
        self.send(&ToAgent::Say { number, id, text });
    }

    /// An agent that is gone is noticed by the thread that reads.
    fn send(&mut self, message: &ToAgent) {
        if let Some(agent) = &mut self.agent
            && agent.send(message).is_err()
        {
            self.agent = None;
        }
    }
}

//! One end and its bad network: what it sends and receives.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::ids::Role;
use relay_client::engine::{Engine, EngineEvent as Event, SendError, limits};

use super::messages::Messages;
use super::tally::{Held, Tally};
use crate::harness::guard::let_pass;
use crate::harness::tunnel::{Ends, at, fresh_code};
use crate::harness::{FaultProxy, Fleet};

/// A workstation and a phone.
pub(super) struct Pair {
    workstation: Line,
    phone: Line,
}

/// One end and its network.
pub(super) struct Line {
    name: String,
    role: Role,
    pub(super) engine: Engine,
    pub(super) proxy: FaultProxy,
    nodes: Mutex<Nodes>,
    says: Messages,
    hears: Messages,
    sent: AtomicU64,
    came: AtomicU64,
}

/// Where the nodes are, and at which of them the network ends.
struct Nodes {
    addrs: Vec<SocketAddr>,
    at: usize,
}

impl Pair {
    /// Pairs on a network without faults, the two ends at two nodes. `number` names the pair.
    pub(super) fn start(fleet: &Fleet, number: usize, seed: u64) -> Self {
        let proxies = [0, 1].map(|node| FaultProxy::start(fleet.addr(node)));
        let code = fresh_code(fleet.addr(0));
        let [workstation, phone] = [&proxies[0], &proxies[1]].map(FaultProxy::addr);
        let ends = Ends::pair(code, &at(Role::Workstation, workstation), &at(Role::Phone, phone));
        let engines = [ends.workstation.engine, ends.phone.engine];
        let salt = seed ^ (number as u64 + 1) << 40;
        let says = [Messages::new(salt), Messages::new(!salt)];
        let addrs = vec![fleet.addr(0), fleet.addr(1)];
        let mut lines = engines.into_iter().zip(proxies).enumerate().map(|(end, (engine, proxy))| {
            let role = [Role::Workstation, Role::Phone][end];
            Line {
                name: format!("the {} of pair {number}", role.as_str()),
                role,
                engine,
                proxy,
                nodes: Mutex::new(Nodes { addrs: addrs.clone(), at: end }),
                says: says[end],
                hears: says[1 - end],
                sent: AtomicU64::new(0),
                came: AtomicU64::new(0),
            }
        });
        let (Some(workstation), Some(phone)) = (lines.next(), lines.next()) else { unreachable!("two ends") };
        Self { workstation, phone }
    }

    /// Both ends.
    pub(super) fn lines(&self) -> [&Line; 2] {
        [&self.workstation, &self.phone]
    }

    /// After the last flush: what was sent has arrived.
    pub(super) fn judge(&self, tally: &Tally) {
        for (from, to) in [(&self.workstation, &self.phone), (&self.phone, &self.workstation)] {
            let (sent, came) = (from.sent.load(Ordering::SeqCst), to.came.load(Ordering::SeqCst));
            if sent != came {
                tally.breach(format!("{} sent {sent} messages, and {came} came", from.name));
            }
        }
    }
}

impl Line {
    /// Sends message after message, until `is_over`.
    pub(super) fn send_all(&self, tally: &Tally, is_over: &AtomicBool) {
        while !is_over.load(Ordering::SeqCst) && !tally.is_broken() {
            let number = self.sent.load(Ordering::SeqCst) + 1;
            let message = self.says.message(number);
            match self.engine.send(&message, PATIENCE) {
                Ok(named) if named == number => {
                    self.sent.store(number, Ordering::SeqCst);
                    tally.sent();
                }
                Ok(named) => tally.breach(format!("{}: message {number} was named {named}", self.name)),
                Err(SendError::Full) => {}
                Err(error) => tally.breach(format!("{}: {error}", self.name)),
            }
            self.look(tally);
            let_pass(PACE);
        }
    }

    /// Reads what arrives, until `is_over`. Now and then it lags, as apps do.
    pub(super) fn read_all(&self, tally: &Tally, is_over: &AtomicBool) {
        while !is_over.load(Ordering::SeqCst) {
            let events = self.engine.next_events(EVENTS, LOOK_UP);
            self.look(tally);
            for event in events {
                self.hear(event, tally);
            }
            let came = self.came.load(Ordering::SeqCst);
            if came % LAG_EVERY == LAG_EVERY - 1 {
                let_pass(LAG);
            }
        }
    }

    fn hear(&self, event: Event, tally: &Tally) {
        match event {
            Event::Message(message) => {
                let due = self.came.fetch_add(1, Ordering::SeqCst) + 1;
                match self.hears.judge(due, &message.bytes) {
                    Ok(()) => tally.came(message.bytes.len()),
                    Err(wrong) => tally.breach(format!("{}: {wrong}", self.name)),
                }
            }
            Event::Connected => tally.reconnect(),
            Event::Opened { .. } => tally.handshake(),
            Event::Acknowledged(_) | Event::Left | Event::Reconnecting { .. } => {}
            other => tally.breach(format!("{} was told {other:?}", self.name)),
        }
    }

    /// What is held is never more than the windows.
    fn look(&self, tally: &Tally) {
        let (unacknowledged, untaken) = self.engine.buffered();
        tally.held(self.role, Held { unacknowledged, untaken });
        let (own, other) = match self.role {
            Role::Workstation => (limits::WINDOW_WORKSTATION, limits::WINDOW_PHONE),
            Role::Phone => (limits::WINDOW_PHONE, limits::WINDOW_WORKSTATION),
        };
        if unacknowledged > other as usize || untaken > own as usize {
            tally.breach(format!("{} holds {unacknowledged} and {untaken} bytes", self.name));
        }
    }

    /// The faults are over: waits until the other app has everything.
    pub(super) fn flush(&self, tally: &Tally) {
        self.engine.network_changed();
        if let Err(error) = self.engine.flush(FLUSH) {
            let state = self.engine.state();
            tally.breach(format!("{} in state {state:?} after {FLUSH:?}: {error}", self.name));
        }
    }

    /// The nodes are there now.
    pub(super) fn note_nodes(&self, addrs: Vec<SocketAddr>) {
        self.change_nodes(|nodes| nodes.addrs = addrs);
    }

    /// The network now leads to the other node.
    pub(super) fn hop(&self) {
        self.change_nodes(|nodes| nodes.at = (nodes.at + 1) % nodes.addrs.len());
        self.proxy.cut();
    }

    fn change_nodes(&self, change: impl FnOnce(&mut Nodes)) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut nodes);
        self.proxy.set_upstream(nodes.addrs[nodes.at]);
    }
}

/// How long a send waits for room before the thread checks whether it is over.
const PATIENCE: Duration = Duration::from_millis(200);
/// Between two messages, which makes some hundred KB per second in each direction.
const PACE: Duration = Duration::from_millis(30);
const EVENTS: usize = 16;
const LOOK_UP: Duration = Duration::from_millis(100);
/// An app is busy for this long, once in this many messages.
const LAG: Duration = Duration::from_millis(300);
const LAG_EVERY: u64 = 40;
/// The last retry before the end may be 30 s away, and 10 s more if the relay asked to wait.
const FLUSH: Duration = Duration::from_secs(120);

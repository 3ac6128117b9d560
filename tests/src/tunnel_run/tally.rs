//! Counts what happened, and keeps what was wrong in words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::ids::Role;

/// Shared by all threads of a run.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Seen>);

/// What was seen in a run.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Faults by their kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Connections that the relay accepted after an end's first.
    pub reconnects: u64,
    /// Handshakes after an end's first.
    pub handshakes: u64,
    /// Messages that were accepted for sending.
    pub sent: u64,
    /// Messages that arrived as expected.
    pub came: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The most that a workstation and a phone held.
    pub held: [Held; 2],
    /// What was wrong, in words.
    pub breaches: Vec<String>,
}

/// The most bytes that one kind of end held, as the windows count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Accepted for sending and not acknowledged.
    pub unacknowledged: usize,
    /// Received and not taken by the app.
    pub untaken: usize,
}

impl Tally {
    pub(super) fn fault(&self, kind: &'static str) {
        *self.seen_now().faults.entry(kind).or_default() += 1;
    }

    pub(super) fn reconnect(&self) {
        self.seen_now().reconnects += 1;
    }

    pub(super) fn handshake(&self) {
        self.seen_now().handshakes += 1;
    }

    pub(super) fn sent(&self) {
        self.seen_now().sent += 1;
    }

    pub(super) fn came(&self, bytes: usize) {
        let mut seen = self.seen_now();
        seen.came += 1;
        seen.bytes += bytes as u64;
    }

    pub(super) fn held(&self, role: Role, now: Held) {
        let held = &mut self.seen_now().held[role as usize];
        held.unacknowledged = held.unacknowledged.max(now.unacknowledged);
        held.untaken = held.untaken.max(now.untaken);
    }

    pub(super) fn breach(&self, words: String) {
        self.seen_now().breaches.push(words);
    }

    pub(super) fn is_broken(&self) -> bool {
        !self.seen_now().breaches.is_empty()
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen_now().clone()
    }

    fn seen_now(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(f, "faults: {}", faults.join(", "))?;
        writeln!(f, "{} reconnects, {} handshakes", self.reconnects, self.handshakes)?;
        writeln!(f, "{} messages sent, {} came, {} bytes", self.sent, self.came, self.bytes)?;
        for role in [Role::Workstation, Role::Phone] {
            let Held { unacknowledged, untaken } = self.held[role as usize];
            let role = role.as_str();
            writeln!(f, "a {role} held at most {unacknowledged} bytes unacknowledged, {untaken} not taken")?;
        }
        self.breaches.iter().try_for_each(|breach| writeln!(f, "breach: {breach}"))?;
        write!(f, "{} breaches", self.breaches.len())
    }
}

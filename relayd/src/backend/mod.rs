//! The store behind the relay: embedded, or a Redis that many nodes share.
//!
//! Carries requests to the store and answers back, and decides nothing else. The reactor's thread submits and drains;
//! neither call ever blocks, fails or calls back. Whatever waits for Redis waits on a thread of this module's own.

pub mod memory;

use std::time::Duration;

use protocol::ids::NodeId;
use relayd_core::store::table::TableLimits;
use relayd_core::store::{Answer, Conn, Request};
use relayd_core::time::Time;

pub use self::memory::Memory;

/// The store this process uses. An enum, as both kinds are known.
#[derive(Debug)]
pub enum Backend {
    /// Embedded: sessions live and die with this process.
    Memory(Memory),
}

/// Whether the store can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It answers.
    Available,
    /// It can't be reached, or does not do its work.
    Away {
        /// What is wrong, for an operator. Holds no secret.
        reason: String,
    },
}

impl Backend {
    /// The embedded store, for sessions that end after `idle_secs` without activity.
    pub fn memory(idle_secs: u64, limits: TableLimits, node: NodeId) -> Self {
        Backend::Memory(Memory::new(idle_secs, limits, node))
    }

    /// Takes a request. Its answer, if it has one, comes out of [`Backend::drain`]; if there is no room or the store
    /// is away, that answer says so.
    pub fn submit(&mut self, request: Request, now: Time) {
        match self {
            Backend::Memory(memory) => memory.submit(&request, now),
        }
    }

    /// A connection closed: its claim is neither sent nor answered, if it was not sent yet. If it was, the answer
    /// comes, and a granted role must be released.
    pub fn cancel(&mut self, conn: Conn) {
        match self {
            Backend::Memory(_) => _ = conn,
        }
    }

    /// The next answer, until `None`. Call it after each wake, at [`Backend::next_deadline`], and after submitting.
    pub fn drain(&mut self, _now: Time) -> Option<Answer> {
        match self {
            Backend::Memory(memory) => memory.drain(),
        }
    }

    /// When [`Backend::drain`] must be called though nothing woke the loop. A time that is past: answers wait.
    pub fn next_deadline(&self) -> Option<Time> {
        match self {
            Backend::Memory(memory) => memory.next_deadline(),
        }
    }

    /// `"redis"` or `"memory"`.
    pub fn kind(&self) -> &'static str {
        match self {
            Backend::Memory(_) => "memory",
        }
    }

    /// Whether the store can be asked, as of the last [`Backend::drain`].
    pub fn status(&self) -> &Status {
        match self {
            Backend::Memory(_) => &Status::Available,
        }
    }

    /// How many times the store became available, the first included. When it rises, every hold must be checked.
    pub fn restored(&self) -> u64 {
        match self {
            Backend::Memory(_) => 1,
        }
    }

    /// Sends what waits, releases above all, for at most `timeout`, then ends the threads. Blocks that long.
    pub fn flush_and_stop(self, now: Time, timeout: Duration) {
        match self {
            Backend::Memory(_) => _ = (now, timeout),
        }
    }
}

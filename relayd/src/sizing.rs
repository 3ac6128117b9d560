//! The most memory that the process may need, part by part. `MemoryMax` of a systemd unit must be higher.
//!
//! A test measures each part, and compares `docs/operations.md` with [`Load::table`].

use std::fmt::Write;

use relayd_core::limits::{LARGE_BESIDES, Limits, POOL_KEPT_MAX, READ_BYTES, UNACKNOWLEDGED_MAX};
use relayd_core::store::table::TableLimits;
use relayd_core::wire::pool::Pool;

use crate::admission::{ADDRESSES_MAX, LOOK_UPS_MAX};
use crate::backend::REDIS_BYTES_MAX;

/// Bytes of one connection without waiting data: its slot, its peer in the core, and its part of a session.
pub const CONNECTION_BYTES: usize = 1024;

/// Bytes of one session in the embedded store, with both roles held and taken over. A session that no
/// client has joined yet takes 170.
pub const SESSION_BYTES: usize = 640;

/// Bytes of one ended session in the embedded store.
pub const TOMBSTONE_BYTES: usize = 256;

/// Bytes of the two rates of one address.
pub const ADDRESS_BYTES: usize = 256;

/// Bytes of one hello or delete that waits for its look-up, and of the record of those that had theirs.
pub const LOOK_UP_BYTES: usize = 1024;

/// Bytes of the program without clients: its code, its threads' stacks, 4,096 log lines.
pub const PROGRAM_BYTES: usize = 24 << 20;

/// The load of a server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The operator's settings.
    pub limits: Limits,
    /// Simultaneous connections.
    pub connections: usize,
    /// The limit of sessions in the embedded store. `None` with Redis.
    pub sessions: Option<usize>,
}

/// One part of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What takes the memory.
    pub what: &'static str,
    /// How its size follows from the settings.
    pub of: &'static str,
    /// The most it takes.
    pub bytes: usize,
}

impl Load {
    /// All parts that the process may need, at most.
    pub fn parts(&self) -> Vec<Part> {
        let part = |what, of, bytes| Part { what, of, bytes };
        let longest = Pool::capacity_max(self.limits.message_bytes_max);
        let (alone, of) = match self.sessions {
            Some(_) => (1, "2 × `MAX_MESSAGE_BYTES`, rounded up"),
            None => (2, "3 × `MAX_MESSAGE_BYTES`, rounded up"),
        };
        let mut parts = vec![
            part("all waiting and queued bytes", "`--memory-max`", self.limits.memory_max),
            part(
                "a large message that is let in alone, one from another node, and the copy of one that grows",
                of,
                (alone + 1) * longest + alone * LARGE_BESIDES,
            ),
            part(
                "what a turn reads before it looks at the limit",
                "64 KiB for each connection, if all flood at once",
                READ_BYTES * self.connections,
            ),
            part("returned buffers that are kept", "32 MiB", POOL_KEPT_MAX),
            part("connections", "1 KiB each", CONNECTION_BYTES * self.connections),
            part("rates by address", "65,536 addresses, 256 bytes each", ADDRESS_BYTES * ADDRESSES_MAX),
            part("look-ups that wait for their turn", "16,384, 1 KiB each", LOOK_UP_BYTES * LOOK_UPS_MAX),
            part("the program", "24 MiB", PROGRAM_BYTES),
        ];
        match self.sessions {
            Some(sessions) => parts.extend([
                part("sessions", "640 bytes each, `--sessions-max` at most", SESSION_BYTES * sessions),
                part(
                    "ended sessions that are remembered",
                    "250,000, 256 bytes each",
                    TOMBSTONE_BYTES * TableLimits::default().tombstones_max,
                ),
            ]),
            None => parts.extend([
                part("streams to other nodes", "8 MiB", UNACKNOWLEDGED_MAX),
                part("what waits on its way to and from Redis", "24 MiB", REDIS_BYTES_MAX),
            ]),
        }
        parts
    }

    /// The sum of all parts.
    pub fn sum(&self) -> usize {
        self.parts().iter().map(|part| part.bytes).sum()
    }

    /// The parts and their sum as a table in Markdown, in MiB.
    pub fn table(&self) -> String {
        let mut table = String::from("| what | of | MiB |\n|---|---|---|\n");
        for Part { what, of, bytes } in self.parts() {
            let _ = writeln!(table, "| {what} | {of} | {} |", in_mib(bytes));
        }
        let _ = writeln!(table, "| the sum | | {} |", in_mib(self.sum()));
        table
    }
}

/// Rounded up.
fn in_mib(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

//! Every bound of the core in one place, and the sum of memory they allow.

use std::time::Duration;

use protocol::envelope::OVERHEAD_MAX;
use protocol::message::Version;
use protocol::ws::header::HEADER_BYTES_MAX;

/// A target with more than this waiting makes its source unread. In bytes.
pub const HIGH_MARK: usize = 256 * 1024;

/// A target that was over [`HIGH_MARK`] lets its source be read again below this. In bytes.
pub const LOW_MARK: usize = 64 * 1024;

/// How far the last message before the pause may go over [`HIGH_MARK`], in bytes. A message that needs more
/// is written piece by piece.
pub const OVERSHOOT: usize = 16 * 1024;

/// Room above that for pongs, heartbeat acks, notices and the Close frame, in bytes. A connection whose
/// answers fill half of it is not read until it reads them; one whose notices fill it is closed 4408: it has
/// not read for long.
pub const CONTROL_ROOM: usize = 4 * 1024;

/// Bytes of one direction of a link between nodes that may be on their way to a socket: of payload, and
/// [`FRAME_COST`] for each frame or piece.
pub const CREDIT_BYTES: usize = 256 * 1024;

/// What a frame takes in a queue besides its payload, at most. It is charged, as else frames without payload
/// were free.
pub const FRAME_COST: usize = OVERHEAD_MAX + HEADER_BYTES_MAX;

/// What frames within that credit take in a queue at most: every byte escaped to six.
pub const GRANTED_BYTES_MAX: usize = CREDIT_BYTES * 6 + 64 * 1024;

/// All windows of streams to other nodes together stay under what Redis lets a subscriber lag behind, in
/// bytes.
pub const WINDOWS_MAX: usize = 4 * 1024 * 1024;

/// The least that one window may hold, in bytes.
pub const WINDOW_MIN: usize = 64 * 1024;

/// What streams to other nodes hold at most, in bytes: the windows, and the piece that filled each, or half
/// as much again of requests for links.
pub const UNACKNOWLEDGED_MAX: usize = 2 * WINDOWS_MAX;

/// The most that is ever queued for one socket, in bytes, a large message being written piece by piece apart.
pub const QUEUE_BYTES_MAX: usize = HIGH_MARK + OVERSHOOT + CONTROL_ROOM;

/// What one read takes from a socket at most, in bytes; so also what one connection may park unparsed.
pub const READ_BYTES: usize = 64 * 1024;

/// The same while memory is short, in bytes.
pub const READ_BYTES_SHORT: usize = 16 * 1024;

/// A message under way that is longer than this waits where there is no room for it.
pub const LARGE_MESSAGE: usize = 64 * 1024;

/// What a large message takes besides its own bytes, in bytes: its target's queue, and what its source parks
/// behind it.
pub const LARGE_BESIDES: usize = QUEUE_BYTES_MAX + 4096 + READ_BYTES + 8192;

/// Bytes of returned chunks that the pool keeps.
pub const POOL_KEPT_MAX: usize = 32 << 20;

/// What a stalled connection's socket must take within the stall time, in bytes, unless less than that waits.
pub const STALL_BYTES: usize = 64 * 1024;

/// From the upgrade to a whole hello.
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// From a hello to the store's answer. The backends answer sooner; this is the backstop.
pub const CLAIM_WITHIN: Duration = Duration::from_secs(15);

/// From a Close frame queued to the socket gone.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// How much longer than an interval a client of version 3 may be silent: it has that long to answer its ping.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Between two pings of a paused client of version 3.
pub const PAUSED_PING: Duration = Duration::from_secs(5);

/// An older client is not closed for a shorter silence, however short the interval.
pub const SILENCE_MIN: Duration = Duration::from_secs(16);

/// Between two comparisons of one hold with the store.
pub const CHECK_EVERY: Duration = Duration::from_secs(30);

/// In so many parts all holds are compared within that time, so that no turn has to do with all of them.
pub const CHECK_PARTS: u32 = 30;

/// How long after a store's return every node has written again what it may have lost: longer than the wait
/// between two dials, and a round of checks.
pub const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// How long to wait before asking a store again that was away.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the operator may set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A session idle for this long ends.
    pub session_idle: Duration,
    /// A connection silent for one of these is pinged; [`Limits::silence_max`] says when it is closed.
    pub heartbeat_interval: Duration,
    /// The longest message.
    pub message_bytes_max: usize,
    /// How long a socket may take nothing while bytes wait for it.
    pub stall: Duration,
    /// How long links to other nodes outlast the bus.
    pub bus_hold: Duration,
    /// All parked and queued bytes.
    pub memory_max: usize,
}

impl Limits {
    /// What clients are told to keep to: the interval, at most a third of the idle time, at least a second.
    pub fn heartbeat_secs_told(&self) -> u64 {
        self.heartbeat_interval.as_secs().min(self.session_idle.as_secs() / 3).max(1)
    }

    /// A connection of this version is closed when nothing came for that long.
    pub fn silence_max(&self, version: Version) -> Duration {
        match version {
            Version::V1 | Version::V2 => (self.heartbeat_interval * 3).max(SILENCE_MIN),
            Version::V3 => self.heartbeat_interval + ANSWER_WITHIN,
        }
    }

    /// Activity is told to the store when it is older than this.
    pub fn touch_every(&self) -> Duration {
        (self.session_idle / 4).min(Duration::from_secs(30))
    }

    /// Over this memory is short: a target's queue makes its source unread over [`LOW_MARK`], not
    /// [`HIGH_MARK`]. In bytes.
    pub const fn memory_short(&self) -> usize {
        self.memory_max / 2
    }

    /// Large messages of clients that are let in stay under this, so that small ones find room above. In
    /// bytes.
    pub const fn memory_for_clients(&self) -> usize {
        self.memory_max / 16 * 13
    }

    /// The same for those of other nodes. More, as what clients here send there may wait for room that these
    /// take there.
    pub const fn memory_for_nodes(&self) -> usize {
        self.memory_max / 16 * 15
    }

    /// Up to this large messages grow as their bytes come. Over it they wait to be let in, and there is room
    /// above for one of the longest, so that the unfinished ones can be finished one after the other. In
    /// bytes.
    pub fn memory_free(&self) -> usize {
        let longest = self.memory_for_clients().saturating_sub(self.message_bytes_max);
        longest.min(self.memory_max / 4 * 3)
    }

    /// What connections that have not said hello may hold together. In bytes.
    pub const fn memory_early(&self) -> usize {
        self.memory_max / 4
    }

    /// The most bytes that `connections` can hold before the limit on all of them steps in.
    pub fn memory_max(&self, connections: usize) -> usize {
        let one = READ_BYTES // read and not yet parsed
            + self.message_bytes_max // the message under way
            + QUEUE_BYTES_MAX // queued for its socket
            + GRANTED_BYTES_MAX // above that, frames of another node within their credit
            + self.message_bytes_max; // a large message being written to it piece by piece
        (one * connections).min(
            self.memory_max
                + 2 * (self.message_bytes_max + LARGE_BESIDES) // large messages that are let in alone
                + READ_BYTES * connections, // what a turn may read before the limit is looked at again
        ) + UNACKNOWLEDGED_MAX // in streams to other nodes
            + WINDOWS_MAX // from other nodes, not yet taken in
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            session_idle: Duration::from_secs(7200),
            heartbeat_interval: Duration::from_secs(30),
            message_bytes_max: protocol::limits::MESSAGE_BYTES_DEFAULT,
            stall: Duration::from_secs(120),
            bus_hold: Duration::from_secs(60),
            memory_max: 512 * 1024 * 1024,
        }
    }
}

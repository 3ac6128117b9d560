//! The store behind the relay: embedded, or a Redis that many nodes share.
//!
//! Carries requests to the store and its answers back, and decides nothing else. The reactor's thread calls
//! `submit` and `drain`; neither ever blocks, fails or calls back. Only this module's own threads wait for
//! Redis.

pub mod detect;
pub mod memory;
pub mod redis;

use std::io;
use std::time::Duration;

use protocol::ids::NodeId;
use relayd_core::store::table::TableLimits;
use relayd_core::store::{Answer, Conn, Request};
use relayd_core::time::Time;
use thiserror::Error;

use crate::metrics::Histogram;

pub use self::memory::Memory;
pub use self::redis::{
    BusCounts, PACKET_BYTES_MAX, REDIS_BYTES_MAX, Redis, RedisPassword, RedisSettings, Survey, survey,
};

/// The store that this process uses.
#[derive(Debug)]
pub enum Backend {
    /// Embedded: sessions end with this process.
    Memory(Box<Memory>),
    /// Shared: sessions outlive this process, and all nodes see them.
    Redis(Box<Redis>),
}

/// Whether the store is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It answers.
    Available,
    /// It answers but has no memory left: open sessions go on, and no new one can be registered.
    Full {
        /// What is wrong, for an operator. Holds no secret.
        reason: String,
    },
    /// It can't be reached, or refuses requests.
    Away {
        /// What is wrong, for an operator. Holds no secret.
        reason: String,
    },
}

/// What became of a packet for another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// There was none.
    Nothing,
    /// It waits to be sent. It may still get lost, and its stream repeats it then.
    Queued,
    /// It is lost, because the queue for this node was full or the packet too long.
    Refused(NodeId),
}

/// The store could not be set up. A Redis that can't be reached is not an error: it is dialed until it can.
#[derive(Debug, Error)]
pub enum BackendError {
    /// The URL does not name a Redis.
    #[error("REDIS_URL can't be used ({reason}); give redis://[user:password@]host[:port][/db]")]
    Url {
        /// What is wrong with it, without its password.
        reason: String,
    },
    /// No thread could be started.
    #[error("no thread for Redis could be started ({0}); raise the process's thread or memory limit")]
    Thread(#[source] io::Error),
}

impl Backend {
    /// The embedded store, for sessions that end after `idle_secs` without activity.
    pub fn memory(idle_secs: u64, limits: TableLimits, node: NodeId) -> Self {
        Backend::Memory(Box::new(Memory::new(idle_secs, limits, node)))
    }

    /// A shared store. `wake` is called from other threads whenever there is something to drain; it must not
    /// block.
    ///
    /// # Errors
    /// The URL can't be used, or no thread could be started.
    pub fn redis(
        settings: RedisSettings,
        wake: impl Fn() + Send + Clone + 'static,
    ) -> Result<Self, BackendError> {
        Ok(Backend::Redis(Box::new(Redis::start(settings, wake)?)))
    }

    /// Takes a request. [`Backend::drain`] gives its answer, if it has one. If the queue is full or the store
    /// is away, the answer says so. Releases, touches and checks are kept through an outage: the latest of
    /// each session and role. A check is dropped without an answer when its hold is released or a later hold
    /// is checked.
    pub fn submit(&mut self, request: Request, now: Time) {
        match self {
            Backend::Memory(memory) => memory.submit(&request, now),
            Backend::Redis(redis) => redis.submit(request, now),
        }
    }

    /// A connection closed. If its claim was not sent yet, it is dropped without an answer. If it was sent,
    /// the answer still comes, and a granted role must be released.
    pub fn cancel(&mut self, conn: Conn) {
        match self {
            Backend::Memory(_) => {}
            Backend::Redis(redis) => redis.cancel(conn),
        }
    }

    /// The next answer. Call it until `None`: after each wake, at [`Backend::next_deadline`], and after
    /// submitting.
    pub fn drain(&mut self, now: Time) -> Option<Answer> {
        match self {
            Backend::Memory(memory) => memory.drain(),
            Backend::Redis(redis) => redis.drain(now),
        }
    }

    /// Has `write` append the next packet, of at most [`PACKET_BYTES_MAX`] bytes, to the buffer that is sent,
    /// and queues it for the channel of the node that `write` returns. Never blocks; allocates only until
    /// enough buffers go round. The packets of one turn go to Redis in few writes, in order.
    pub fn publish(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<NodeId>) -> Published {
        match self {
            Backend::Memory(_) => Published::Nothing,
            Backend::Redis(redis) => redis.publish(write),
        }
    }

    /// The oldest packet that was published to this node. Call it until `None` after each wake: packets cause
    /// no further wake before that. Give the buffer back with [`Backend::recycle`].
    pub fn poll_packet(&mut self) -> Option<Vec<u8>> {
        match self {
            Backend::Memory(_) => None,
            Backend::Redis(redis) => redis.poll_packet(),
        }
    }

    /// Takes back the buffer of a packet, for later ones.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        match self {
            Backend::Memory(_) => {}
            Backend::Redis(redis) => redis.recycle(buffer),
        }
    }

    /// Makes both connections of the bus dial again, for a node that does not hear what it publishes to
    /// itself.
    pub fn resubscribe(&mut self) {
        match self {
            Backend::Memory(_) => {}
            Backend::Redis(redis) => redis.resubscribe(),
        }
    }

    /// True if this node's subscription is confirmed, as of the last [`Backend::drain`]. Always true without
    /// a bus.
    pub fn bus_is_up(&self) -> bool {
        match self {
            Backend::Memory(_) => true,
            Backend::Redis(redis) => redis.bus_is_up(),
        }
    }

    /// The counts of the bus. All zero without a bus.
    pub fn bus_counts(&self) -> BusCounts {
        match self {
            Backend::Memory(_) => BusCounts::default(),
            Backend::Redis(redis) => redis.bus_counts(),
        }
    }

    /// How long Redis took for each batch of requests. `None` without Redis.
    pub fn round_trips(&self) -> Option<&Histogram> {
        match self {
            Backend::Memory(_) => None,
            Backend::Redis(redis) => Some(redis.round_trips()),
        }
    }

    /// When [`Backend::drain`] and [`Backend::poll_packet`] must be called even without a wake. A time in the
    /// past: answers or packets wait.
    pub fn next_deadline(&self) -> Option<Time> {
        match self {
            Backend::Memory(memory) => memory.next_deadline(),
            Backend::Redis(redis) => redis.next_deadline(),
        }
    }

    /// `"redis"` or `"memory"`.
    pub fn kind(&self) -> &'static str {
        match self {
            Backend::Memory(_) => "memory",
            Backend::Redis(_) => "redis",
        }
    }

    /// The state of the store, as of the last [`Backend::drain`]. A shared store is away until this node's
    /// subscription is confirmed for the first time. A subscription that is lost later does not make it away.
    pub fn status(&self) -> &Status {
        match self {
            Backend::Memory(_) => &Status::Available,
            Backend::Redis(redis) => redis.status(),
        }
    }

    /// How many times the store became available, the first time included. When this rises, check every hold.
    pub fn restored(&self) -> u64 {
        match self {
            Backend::Memory(_) => 1,
            Backend::Redis(redis) => redis.restored(),
        }
    }

    /// Sends and publishes what waits, then ends the threads. Blocks for at most `timeout`.
    pub fn flush_and_stop(self, now: Time, timeout: Duration) {
        match self {
            Backend::Memory(_) => {}
            Backend::Redis(redis) => redis.flush_and_stop(now, timeout),
        }
    }
}

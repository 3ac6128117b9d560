//! The store behind the relay: embedded, or a Redis that many nodes share.
//!
//! Carries requests to the store and answers back, and decides nothing else. The reactor's thread submits and drains;
//! neither call ever blocks, fails or calls back. Whatever waits for Redis waits on a thread of this module's own.

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

pub use self::memory::Memory;
pub use self::redis::{
    BusCounts, CaBundle, InvalidCaBundle, PACKET_BYTES_MAX, REDIS_BYTES_MAX, Redis, RedisSettings,
};

/// The store this process uses. An enum, as both kinds are known.
#[derive(Debug)]
pub enum Backend {
    /// Embedded: sessions live and die with this process.
    Memory(Box<Memory>),
    /// Shared: sessions outlive this process and are seen by all nodes.
    Redis(Box<Redis>),
}

/// Whether the store can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It answers.
    Available,
    /// It answers and has no room: open sessions go on, and no new one can be registered.
    Full {
        /// What is wrong, for an operator. Holds no secret.
        reason: String,
    },
    /// It can't be reached, or does not do its work.
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

/// The store could not be set up. That a Redis can't be reached is no such error: it is dialed until it can.
#[derive(Debug, Error)]
pub enum BackendError {
    /// The URL can't name a Redis.
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

    /// A shared store. `wake` is called from other threads whenever there is something to drain; it must not block.
    ///
    /// # Errors
    /// The URL can't be used, or no thread could be started.
    pub fn redis(
        settings: RedisSettings,
        wake: impl Fn() + Send + Clone + 'static,
    ) -> Result<Self, BackendError> {
        Ok(Backend::Redis(Box::new(Redis::start(settings, wake)?)))
    }

    /// Takes a request. Its answer, if it has one, comes out of [`Backend::drain`]; if there is no room or the store
    /// is away, that answer says so. Releases, touches and checks are kept through an outage instead, the latest of
    /// each session and role; a check is dropped, unanswered, when its own hold is released or a later one is checked.
    pub fn submit(&mut self, request: Request, now: Time) {
        match self {
            Backend::Memory(memory) => memory.submit(&request, now),
            Backend::Redis(redis) => redis.submit(request, now),
        }
    }

    /// A connection closed: its claim is neither sent nor answered, if it was not sent yet. If it was, the answer
    /// comes, and a granted role must be released.
    pub fn cancel(&mut self, conn: Conn) {
        match self {
            Backend::Memory(_) => {}
            Backend::Redis(redis) => redis.cancel(conn),
        }
    }

    /// The next answer, until `None`. Call it after each wake, at [`Backend::next_deadline`], and after submitting.
    pub fn drain(&mut self, now: Time) -> Option<Answer> {
        match self {
            Backend::Memory(memory) => memory.drain(),
            Backend::Redis(redis) => redis.drain(now),
        }
    }

    /// Has `write` append the next packet, of at most [`PACKET_BYTES_MAX`] bytes, to the buffer that is sent, and queues
    /// it for the channel of the node that `write` returns. Never blocks; allocates only until enough buffers go round.
    /// The packets of one turn go to Redis in few writes, in order.
    pub fn publish(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<NodeId>) -> Published {
        match self {
            Backend::Memory(_) => Published::Nothing,
            Backend::Redis(redis) => redis.publish(write),
        }
    }

    /// The oldest packet that was published to this node, until `None`. Call it after each wake: the next wake for
    /// packets comes only after it has said `None`. Give the buffer back by [`Backend::recycle`].
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

    /// Makes the bus dial again, both ways: for a node that publishes to itself and does not hear it.
    pub fn resubscribe(&mut self) {
        match self {
            Backend::Memory(_) => {}
            Backend::Redis(redis) => redis.resubscribe(),
        }
    }

    /// Whether this node's subscription is confirmed, as of the last [`Backend::drain`]. Without a bus there is nothing
    /// to miss.
    pub fn bus_is_up(&self) -> bool {
        match self {
            Backend::Memory(_) => true,
            Backend::Redis(redis) => redis.bus_is_up(),
        }
    }

    /// How the bus fared so far. Without a bus, all zero.
    pub fn bus_counts(&self) -> BusCounts {
        match self {
            Backend::Memory(_) => BusCounts::default(),
            Backend::Redis(redis) => redis.bus_counts(),
        }
    }

    /// When [`Backend::drain`] and [`Backend::poll_packet`] must be called though nothing woke the loop. A time that is
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

    /// Whether the store can be asked, as of the last [`Backend::drain`]. A shared one can't before this node's own
    /// subscription was confirmed once; one that is lost later does not make the store away.
    pub fn status(&self) -> &Status {
        match self {
            Backend::Memory(_) => &Status::Available,
            Backend::Redis(redis) => redis.status(),
        }
    }

    /// How many times the store became available, the first included. When it rises, every hold must be checked.
    pub fn restored(&self) -> u64 {
        match self {
            Backend::Memory(_) => 1,
            Backend::Redis(redis) => redis.restored(),
        }
    }

    /// Sends and publishes what waits, for at most `timeout`, then ends the threads. Blocks that long.
    pub fn flush_and_stop(self, now: Time, timeout: Duration) {
        match self {
            Backend::Memory(_) => {}
            Backend::Redis(redis) => redis.flush_and_stop(now, timeout),
        }
    }
}

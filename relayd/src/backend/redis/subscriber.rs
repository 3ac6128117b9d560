//! The thread that sits in this node's channel and hands what comes to the reactor. Decides nothing: it reads no packet.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use redis::Value;

use super::batch::PACKET_BYTES_MAX;
use super::connection::Connection;
use super::dialer::Dialer;
use super::error::Fault;
use super::inbox::{Delivered, Delivery};
use super::keys::Keys;
use super::settings::RedisSettings;
use super::tally::Tally;
use super::worker::{Stopped, Worker};

/// What the thread tells the reactor.
#[derive(Debug)]
pub(super) enum News {
    /// The subscription is confirmed.
    Subscribed,
    /// It is not, or no more, and why.
    Cut(String),
}

/// The thread's state. It ends when the reactor's ends are gone.
pub(super) struct Subscriber<W> {
    pub(super) dialer: Dialer,
    pub(super) settings: RedisSettings,
    /// This node's own.
    pub(super) channel: String,
    /// Orders to dial again.
    pub(super) redial: Receiver<()>,
    pub(super) news: Sender<News>,
    pub(super) delivery: Delivery<W>,
    pub(super) tally: Arc<Tally>,
    /// Called after every news.
    pub(super) wake: W,
    /// Dropped when the thread ends.
    pub(super) _life: Sender<Infallible>,
}

impl<W: Fn()> Worker for Subscriber<W> {
    type Ready = Connection;

    /// Dials a master, and subscribes to the one channel: what is published elsewhere reaches a replica too, but what is
    /// published there comes from nobody else.
    fn dial(&self) -> Result<Connection, Fault> {
        let mut connection = self.dialer.dial()?;
        let write =
            redis::cmd("DEL").arg(Keys::new(&self.settings.prefix).bus_probe(self.settings.node)).to_owned();
        let subscribe = redis::cmd("SUBSCRIBE").arg(&self.channel).to_owned();
        connection.write(&[write.get_packed_command(), subscribe.get_packed_command()].concat())?;
        match (connection.answer("del")?, connection.answer("subscribe")?) {
            (Value::Int(_), Value::Array(words)) if matches!(words[..], [_, _, Value::Int(1)]) => {
                Ok(connection)
            }
            _ => Err(Fault::unexpected()),
        }
    }

    /// Delivers until the connection's first fault.
    fn serve(&mut self, mut connection: Connection) -> Result<Fault, Stopped> {
        self.tally.subscribed.add(1);
        tracing::info!("subscribed to what other nodes send");
        self.tell(News::Subscribed)?;
        // When a quiet connection was asked for a sign of life.
        let mut asked = None;
        loop {
            match self.redial.try_recv() {
                Ok(()) => return Ok(Fault::new("it may be the wrong server: dialed again")),
                Err(TryRecvError::Disconnected) => return Err(Stopped),
                Err(TryRecvError::Empty) => {}
            }
            match connection.poll(if asked.is_some() { ANSWER_TIMEOUT } else { QUIET }) {
                // Whatever comes is one.
                Ok(Some(value)) => {
                    asked = None;
                    self.take(value)?;
                }
                Ok(None) => match asked.map(|at: Instant| at.elapsed()) {
                    Some(waited) if waited >= ANSWER_TIMEOUT => return Ok(Fault::silent()),
                    Some(_) => {}
                    None => {
                        if let Err(fault) = connection.write(&redis::cmd("PING").get_packed_command()) {
                            return Ok(fault);
                        }
                        asked = Some(Instant::now());
                    }
                },
                Err(fault) => return Ok(fault),
            }
        }
    }

    fn on_fault(&self, fault: &Fault, is_news: bool) -> Result<(), Stopped> {
        self.tally.faults.add(1);
        // The same reason need not wake the reactor at each try.
        if !is_news {
            return Ok(());
        }
        let reason = self.settings.redact(fault.why());
        tracing::warn!(reason, "nothing can be heard from other nodes");
        self.tell(News::Cut(reason))
    }

    /// Waits, or until a new connection is ordered.
    fn wait(&self, span: Duration) -> Result<(), Stopped> {
        match self.redial.recv_timeout(span) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }
}

impl<W: Fn()> Subscriber<W> {
    /// Delivers a message; whatever else comes is no more than a sign of life.
    fn take(&self, value: Value) -> Result<(), Stopped> {
        let Value::Array(words) = value else { return Ok(()) };
        match &words[..] {
            [Value::BulkString(kind), _, Value::BulkString(packet)] if kind == b"message" => {
                self.deliver(packet)
            }
            _ => Ok(()),
        }
    }

    fn deliver(&self, packet: &[u8]) -> Result<(), Stopped> {
        if packet.len() > PACKET_BYTES_MAX {
            self.tally.junk.add(1);
            return Ok(());
        }
        match self.delivery.deliver(packet) {
            Delivered::Taken => self.tally.received.add(1),
            Delivered::Full => self.tally.overflowed.add(1),
            Delivered::Gone => return Err(Stopped),
        }
        Ok(())
    }

    /// Blocks while the reactor does not take news; it ends when the reactor goes.
    fn tell(&self, news: News) -> Result<(), Stopped> {
        self.news.send(news).map_err(|_| Stopped)?;
        (self.wake)();
        Ok(())
    }
}

/// A node publishes to itself each second: a connection that is quiet for longer is tried. Bounds also how long an
/// order to stop or dial again may wait.
const QUIET: Duration = Duration::from_millis(1500);

/// With [`QUIET`], five seconds until a dead connection is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(3500);

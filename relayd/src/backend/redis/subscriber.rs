//! The thread that sits in this node's channel and hands what comes to the reactor. Decides nothing: it reads no packet.

use std::convert::Infallible;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use redis::{Connection, PubSub, Value};

use super::backoff::Backoff;
use super::batch::PACKET_BYTES_MAX;
use super::dialer::Dialer;
use super::inbox::{Delivered, Delivery};
use super::link::{self, Fault};
use super::settings::RedisSettings;
use super::tally::Tally;

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

/// The reactor is gone.
struct Stopped;

impl<W: Fn()> Subscriber<W> {
    /// The thread's body.
    pub(super) fn run(self) {
        let _stopped = self.run_until_stopped();
    }

    fn run_until_stopped(&self) -> Result<(), Stopped> {
        let mut backoff = Backoff::default();
        let mut reason = String::new();
        loop {
            let fault = match self.subscribe() {
                Ok(connection) => {
                    reason.clear();
                    let since = Instant::now();
                    let fault = self.serve(connection)?;
                    backoff.on_served(since.elapsed());
                    fault
                }
                Err(fault) => fault,
            };
            self.tally.faults.add(1);
            let Fault(why) = fault;
            // The same news need not wake the reactor at each try.
            if why != reason {
                let shown = self.settings.redact(&why);
                tracing::warn!(reason = shown, "nothing can be heard from other nodes");
                self.tell(News::Cut(shown))?;
                reason = why;
            }
            self.wait(backoff.next_wait(Instant::now()))?;
        }
    }

    /// Dials, and subscribes to the one channel. Not by the library's own call: that takes a refusal for success.
    fn subscribe(&self) -> Result<Connection, Fault> {
        let mut connection = self.dialer.dial()?;
        match link::ask(&mut connection, redis::cmd("SUBSCRIBE").arg(&self.channel))? {
            Value::Array(words) if matches!(words[..], [_, _, Value::Int(1)]) => {}
            _ => return Err(Fault::unexpected()),
        }
        connection.set_read_timeout(Some(QUIET))?;
        Ok(connection)
    }

    /// Delivers until the connection's first fault.
    fn serve(&self, mut connection: Connection) -> Result<Fault, Stopped> {
        self.tally.subscribed.add(1);
        tracing::info!("subscribed to what other nodes send");
        self.tell(News::Subscribed)?;
        // Its drop would unsubscribe and wait for the server, which may be silent. The connection's own drop closes it.
        let mut pubsub = ManuallyDrop::new(connection.as_pubsub());
        loop {
            match self.redial.try_recv() {
                Ok(()) => return Ok(Fault("nothing that is published comes back".to_owned())),
                Err(TryRecvError::Disconnected) => return Err(Stopped),
                Err(TryRecvError::Empty) => {}
            }
            if let Err(fault) = self.receive(&mut pubsub)? {
                return Ok(fault);
            }
        }
    }

    /// Waits for one packet, or for a sign of life where none comes.
    fn receive(&self, pubsub: &mut PubSub<'_>) -> Result<Result<(), Fault>, Stopped> {
        match pubsub.get_message() {
            Ok(message) => self.deliver(message.get_payload_bytes()).map(Ok),
            Err(error) if link::is_pause(&error) => Ok(ping(pubsub)),
            Err(error) => Ok(Err(error.into())),
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

    /// Waits before the next try, or until one is ordered.
    fn wait(&self, span: Duration) -> Result<(), Stopped> {
        match self.redial.recv_timeout(span) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }

    /// Blocks while the reactor does not take news; it ends when the reactor goes.
    fn tell(&self, news: News) -> Result<(), Stopped> {
        self.news.send(news).map_err(|_| Stopped)?;
        (self.wake)();
        Ok(())
    }
}

/// Asks a quiet connection for a sign of life. Packets that come before the answer are kept for the next read.
fn ping(pubsub: &mut PubSub<'_>) -> Result<(), Fault> {
    pubsub.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    // What is answered does not matter, and after an error the connection is given up: a late answer confuses nobody.
    pubsub.ping::<Value>()?;
    pubsub.set_read_timeout(Some(QUIET))?;
    Ok(())
}

/// A node publishes to itself each second: a connection that is quiet for longer is tried. Bounds also how long an
/// order to stop or dial again may wait.
const QUIET: Duration = Duration::from_millis(1500);

/// With [`QUIET`], five seconds until a dead connection is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(3500);

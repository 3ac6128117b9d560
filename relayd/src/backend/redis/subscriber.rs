//! The thread that listens to this node's channel and hands packets to the reactor. It does not look into
//! them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};

use super::connection::RedisConnection;
use super::dialer::Dialer;
use super::error::{Fault, ServerRefusal};
use super::inbox::{Delivered, Delivery};
use super::keys::Keys;
use super::message_head::Received;
use super::message_reader::MessageReader;
use super::rights;
use super::settings::RedisSettings;
use super::tally::Tally;
use super::worker::{Stopped, Worker};

/// What the thread tells the reactor.
#[derive(Debug)]
pub(super) enum News {
    /// The subscription is confirmed.
    Subscribed,
    /// There is no subscription, for this reason.
    Cut(String),
}

/// The thread's state. It ends when the reactor's ends of the channels are gone.
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
    /// Called after each news.
    pub(super) wake: W,
    /// Dropped when the thread ends.
    pub(super) _life: Sender<Infallible>,
}

/// A connection that has subscribed.
pub(super) struct SubscribeConnection {
    connection: RedisConnection,
    reader: MessageReader,
}

impl SubscribeConnection {
    /// Redis's next words, or `None` if nothing more comes within `wait`. `lend` gives the buffer for a
    /// packet.
    fn poll(&mut self, wait: Duration, mut lend: impl FnMut() -> Vec<u8>) -> Result<Option<Received>, Fault> {
        loop {
            if let Some(received) = self.reader.next(&mut lend)? {
                return Ok(Some(received));
            }
            match self.connection.receive(&mut self.reader.room()?, wait)? {
                Some(count) => self.reader.on_read(count),
                None => return Ok(None),
            }
        }
    }

    /// The answer to the next command, while the connection is set up.
    fn answer(&mut self, name: &'static str) -> Result<Received, Fault> {
        match self.poll(self.connection.patience(), Vec::new)?.ok_or_else(Fault::silent)? {
            Received::Error(error) => Err(ServerRefusal::while_dialing(&error, rights::named(name))),
            received => Ok(received),
        }
    }
}

impl<W: Fn()> Worker for Subscriber<W> {
    type Ready = SubscribeConnection;

    /// Dials, proves by a write that the server is a master, and subscribes to this node's channel. A
    /// subscription at a replica works only until the replica loses its master.
    fn dial(&self) -> Result<SubscribeConnection, Fault> {
        let mut dialed =
            SubscribeConnection { connection: self.dialer.dial()?, reader: MessageReader::new() };
        let write =
            redis::cmd("DEL").arg(Keys::new(&self.settings.prefix).bus_probe(self.settings.node)).to_owned();
        let subscribe = redis::cmd("SUBSCRIBE").arg(&self.channel).to_owned();
        dialed.connection.write(&[write.get_packed_command(), subscribe.get_packed_command()].concat())?;
        match (dialed.answer("del")?, dialed.answer("subscribe")?) {
            (Received::Number, Received::Subscribed) => Ok(dialed),
            _ => Err(Fault::unexpected()),
        }
    }

    /// Delivers until the connection's first fault.
    fn serve(&mut self, mut subscribed: SubscribeConnection) -> Result<Fault, Stopped> {
        self.tally.subscribed.add(1);
        tracing::info!("subscribed to the packets of other nodes");
        self.tell(News::Subscribed)?;
        // When a PING was sent on the quiet connection.
        let mut asked = None;
        loop {
            match self.redial.try_recv() {
                Ok(()) => return Ok(Fault::new("it may be the wrong server: dialing again")),
                Err(TryRecvError::Disconnected) => return Err(Stopped),
                Err(TryRecvError::Empty) => {}
            }
            let wait = if asked.is_some() { ANSWER_TIMEOUT } else { QUIET };
            match subscribed.poll(wait, || self.delivery.lend()) {
                // Any reply proves that the connection lives.
                Ok(Some(received)) => {
                    asked = None;
                    self.take(received)?;
                }
                Ok(None) => match asked.map(|at: Instant| at.elapsed()) {
                    Some(waited) if waited >= ANSWER_TIMEOUT => return Ok(Fault::silent()),
                    Some(_) => {}
                    None => {
                        let ping = redis::cmd("PING").get_packed_command();
                        if let Err(fault) = subscribed.connection.write(&ping) {
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

    /// Waits, but not longer than until a new connection is ordered.
    fn wait(&self, span: Duration) -> Result<(), Stopped> {
        match self.redial.recv_timeout(span) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }
}

impl<W: Fn()> Subscriber<W> {
    /// Delivers a packet, and ignores anything else.
    fn take(&mut self, received: Received) -> Result<(), Stopped> {
        let packet = match received {
            Received::Packet(packet) => packet,
            Received::TooLong => {
                self.tally.junk.add(1);
                return Ok(());
            }
            _ => return Ok(()),
        };
        match self.delivery.deliver(packet) {
            Delivered::Taken => self.tally.received.add(1),
            Delivered::Full => self.tally.overflowed.add(1),
            Delivered::Gone => return Err(Stopped),
        }
        Ok(())
    }

    /// Blocks while the reactor's queue of news is full.
    fn tell(&self, news: News) -> Result<(), Stopped> {
        self.news.send(news).map_err(|_| Stopped)?;
        (self.wake)();
        Ok(())
    }
}

/// A node publishes to itself each second, so a connection that is quiet for longer gets a PING. This also
/// bounds how long an order to stop or to dial again may wait.
const QUIET: Duration = Duration::from_millis(1500);

/// With [`QUIET`], a dead connection is given up after five seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(3500);

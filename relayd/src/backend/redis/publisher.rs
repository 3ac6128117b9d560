//! The thread that puts packets on the bus. It writes and never waits for an answer: what the nodes acknowledge to each
//! other is the answer. What gathers while it writes goes with the next write.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use protocol::ids::NodeId;
use redis::Value;

use super::backoff::Backoff;
use super::batch::Batch;
use super::connection::Connection;
use super::dialer::Dialer;
use super::error::{Fault, Refusal};
use super::keys::Keys;
use super::rights;
use super::settings::RedisSettings;
use super::tally::Tally;

/// What the thread is told. It ends when nobody is left to tell it anything.
pub(super) enum Order {
    /// Put this packet into that node's channel.
    Publish { to: NodeId, packet: Vec<u8> },
    /// The connection may lead nowhere: make a new one.
    Redial,
}

/// The thread's state.
pub(super) struct Publisher {
    pub(super) dialer: Dialer,
    pub(super) settings: RedisSettings,
    pub(super) orders: Receiver<Order>,
    /// Where emptied buffers go.
    pub(super) emptied: Sender<Vec<u8>>,
    pub(super) tally: Arc<Tally>,
    /// Dropped when the thread ends.
    pub(super) _life: Sender<Infallible>,
}

/// The reactor is gone.
struct Stopped;

impl Publisher {
    /// The thread's body.
    pub(super) fn run(self) {
        let _stopped = self.run_until_stopped();
    }

    fn run_until_stopped(&self) -> Result<(), Stopped> {
        let mut backoff = Backoff::default();
        let mut batch = Batch::new(&Keys::new(&self.settings.prefix));
        let mut reason = String::new();
        loop {
            let fault = match self.dial() {
                Ok(connection) => {
                    reason.clear();
                    let since = Instant::now();
                    let fault = self.serve(connection, &mut batch)?;
                    backoff.on_served(since.elapsed());
                    fault
                }
                Err(fault) => fault,
            };
            self.tally.faults.add(1);
            if fault.why() != reason {
                tracing::warn!(
                    reason = self.settings.redact(fault.why()),
                    "nothing can be sent to other nodes"
                );
                fault.why().clone_into(&mut reason);
            }
            self.wait(backoff.next_wait(Instant::now()))?;
        }
    }

    /// Dials, and proves that the server is a master, lets us publish and can be told not to answer: once it is told,
    /// errors don't show any more.
    fn dial(&self) -> Result<Link, Fault> {
        let mut connection = self.dialer.dial()?;
        let keys = Keys::new(&self.settings.prefix);
        let mut write = redis::cmd("DEL");
        write.arg(keys.bus_probe(self.settings.node));
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(keys.inbox(NodeId::from_bytes([0; 16]))).arg("");
        let reply = |word: &str| redis::cmd("CLIENT").arg("REPLY").arg(word).get_packed_command();
        // A server that obeys OFF stays silent until ON: the one answer is to that. One that does not says so first.
        let proof = [write.get_packed_command(), publish.get_packed_command(), reply("OFF"), reply("ON")];
        connection.write(&proof.concat())?;
        for name in ["del", "publish", "client|reply"] {
            match (connection.answer(name)?, name) {
                (Value::Okay, "client|reply") | (Value::Int(_), "del" | "publish") => {}
                _ => return Err(Fault::unexpected()),
            }
        }
        connection.write(&reply("OFF"))?;
        let ask = [reply("ON"), write.get_packed_command(), reply("OFF")].concat();
        Ok(Link { connection, ask, awaited: 0, asked: Instant::now(), looked: Instant::now() })
    }

    /// Publishes until the connection's first fault.
    fn serve(&self, mut link: Link, batch: &mut Batch) -> Result<Fault, Stopped> {
        loop {
            let first = self.orders.recv().map_err(|_| Stopped)?;
            let gathered = self.gather(first, batch);
            let written =
                gathered.and_then(|()| batch.write_with(|pieces| link.connection.write_pieces(pieces)));
            let packets = batch.packets();
            batch.drain().for_each(|packet| self.give_back(packet));
            if let Err(fault) = written {
                // Part of them may have arrived; the streams tell what did not.
                self.tally.lost.add(packets);
                return Ok(fault);
            }
            self.tally.published.add(packets);
            self.tally.writes.add(1);
            if let Err(fault) = link.keep_up(self.orders.is_empty()) {
                return Ok(fault);
            }
        }
    }

    /// Puts into the batch what waits, as far as one write carries it.
    fn gather(&self, first: Order, batch: &mut Batch) -> Result<(), Fault> {
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Redial => return Err(Fault::new("it may be the wrong server: dialed again")),
                Order::Publish { to, packet } => batch.push(to, packet),
            }
            next = if batch.has_room() { self.orders.try_recv().ok() } else { None };
        }
        Ok(())
    }

    /// Waits before the next try. Packets are not kept meanwhile: they would be stale when the streams repeat them.
    fn wait(&self, span: Duration) -> Result<(), Stopped> {
        let deadline = Instant::now() + span;
        loop {
            match self.orders.recv_deadline(deadline) {
                Ok(Order::Publish { packet, .. }) => {
                    self.tally.lost.add(1);
                    self.give_back(packet);
                }
                // That is under way.
                Ok(Order::Redial) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(Stopped),
            }
        }
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        // There is room for every buffer there is, unless the reactor is gone.
        let _ = self.emptied.try_send(buffer);
    }
}

/// A connection that publishes, and is asked now and then whether its server is still a master: a replica takes what is
/// published too, and passes it on to nobody.
struct Link {
    connection: Connection,
    /// Makes the server answer, deletes what is not there, and makes it silent again.
    ask: Vec<u8>,
    /// How many answers are to come.
    awaited: usize,
    asked: Instant,
    looked: Instant,
}

impl Link {
    /// A node publishes to itself each second, so this comes round. Looking takes a moment in which nothing is written, so
    /// what waits goes first, as long as that does not go on for ever.
    fn keep_up(&mut self, is_idle: bool) -> Result<(), Fault> {
        let since = self.looked.elapsed();
        if since >= LOOK_AT_LAST || (since >= LOOK_EVERY && is_idle) {
            self.look()?;
            self.looked = Instant::now();
        }
        if self.awaited == 0 && self.asked.elapsed() >= ASK_EVERY {
            self.connection.write(&self.ask)?;
            (self.awaited, self.asked) = (ANSWERS, Instant::now());
        }
        Ok(())
    }

    /// Reads what has come, which also shows whether the server has ended the connection: a thread that only writes to one
    /// of which the other half is closed may not be told for long.
    fn look(&mut self) -> Result<(), Fault> {
        while let Some(value) = self.connection.poll(LOOK)? {
            match value {
                Value::ServerError(error) => {
                    return Err(Refusal::while_dialing(&error, rights::named("del")));
                }
                Value::Okay | Value::Int(_) if self.awaited > 0 => self.awaited -= 1,
                _ => return Err(Fault::unexpected()),
            }
        }
        Ok(())
    }
}

/// To `CLIENT REPLY ON`, and to the command behind it.
const ANSWERS: usize = 2;

/// How often a server is asked whether it is a master.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How often a connection is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The same where something always waits.
const LOOK_AT_LAST: Duration = Duration::from_secs(5);

/// How long a look may take. TLS looks too where a write blocks.
const LOOK: Duration = Duration::from_millis(1);

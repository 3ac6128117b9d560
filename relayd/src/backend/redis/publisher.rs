//! The thread that puts packets on the bus. It writes and never waits for an answer: what the nodes acknowledge to each
//! other is the answer. What gathers while it writes goes with the next write.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use protocol::ids::NodeId;
use redis::Value;

use super::batch::Batch;
use super::connection::Connection;
use super::dialer::Dialer;
use super::error::{Fault, Refusal};
use super::keys::Keys;
use super::rights;
use super::settings::RedisSettings;
use super::tally::Tally;
use super::worker::{Stopped, Worker};

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
    /// The commands of one write, empty between writes.
    pub(super) batch: Batch,
    pub(super) tally: Arc<Tally>,
    /// Dropped when the thread ends.
    pub(super) _life: Sender<Infallible>,
}

impl Worker for Publisher {
    type Ready = PublishConnection;

    /// Dials, and proves that the server is a master, lets us publish and can be told not to answer: once it is told,
    /// errors don't show any more.
    fn dial(&self) -> Result<PublishConnection, Fault> {
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
        Ok(PublishConnection { connection, ask, awaited: 0, asked: Instant::now(), looked: Instant::now() })
    }

    /// Publishes until the connection's first fault.
    fn serve(&mut self, mut connection: PublishConnection) -> Result<Fault, Stopped> {
        loop {
            let first = self.orders.recv().map_err(|_| Stopped)?;
            let written = self.gather(first).and_then(|()| connection.write(&self.batch));
            let packets = self.batch.packets();
            self.batch.drain().for_each(|packet| give_back(&self.emptied, packet));
            if let Err(fault) = written {
                // Part of them may have arrived; the streams tell what did not.
                self.tally.lost.add(packets);
                return Ok(fault);
            }
            self.tally.published.add(packets);
            self.tally.writes.add(1);
            if let Err(fault) = connection.keep_up(self.orders.is_empty()) {
                return Ok(fault);
            }
        }
    }

    fn on_fault(&self, fault: &Fault, is_news: bool) -> Result<(), Stopped> {
        self.tally.faults.add(1);
        if is_news {
            let reason = self.settings.redact(fault.why());
            tracing::warn!(reason, "nothing can be sent to other nodes");
        }
        Ok(())
    }

    /// Packets are not kept meanwhile: they would be stale when the streams repeat them.
    fn wait(&self, span: Duration) -> Result<(), Stopped> {
        let deadline = Instant::now() + span;
        loop {
            match self.orders.recv_deadline(deadline) {
                Ok(Order::Publish { packet, .. }) => {
                    self.tally.lost.add(1);
                    give_back(&self.emptied, packet);
                }
                // That is under way.
                Ok(Order::Redial) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(Stopped),
            }
        }
    }
}

impl Publisher {
    /// Puts into the batch what waits, as far as one write carries it.
    fn gather(&mut self, first: Order) -> Result<(), Fault> {
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Redial => return Err(Fault::new("it may be the wrong server: dialed again")),
                Order::Publish { to, packet } => self.batch.push(to, packet),
            }
            next = if self.batch.has_room() { self.orders.try_recv().ok() } else { None };
        }
        Ok(())
    }
}

fn give_back(emptied: &Sender<Vec<u8>>, mut buffer: Vec<u8>) {
    buffer.clear();
    // There is room for every buffer there is, unless the reactor is gone.
    let _ = emptied.try_send(buffer);
}

/// A connection that publishes, and is asked now and then whether its server is still a master: a replica takes what is
/// published too, and passes it on to nobody.
pub(super) struct PublishConnection {
    connection: Connection,
    /// Makes the server answer, deletes what is not there, and makes it silent again.
    ask: Vec<u8>,
    /// How many answers are to come.
    awaited: usize,
    asked: Instant,
    looked: Instant,
}

impl PublishConnection {
    fn write(&mut self, batch: &Batch) -> Result<(), Fault> {
        batch.write_with(|pieces| self.connection.write_pieces(pieces))
    }

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

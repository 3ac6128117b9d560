//! The thread that puts packets on the bus. It never waits for Redis to answer, because nodes acknowledge
//! packets to each other. Packets that come while it writes go with the next write.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use protocol::ids::NodeId;
use redis::Value;

use super::batch::Batch;
use super::connection::RedisConnection;
use super::dialer::Dialer;
use super::error::{Fault, ServerRefusal};
use super::keys::Keys;
use super::rights;
use super::settings::RedisSettings;
use super::tally::Tally;
use super::worker::{Stopped, Worker};

/// What the thread is told to do. It ends when the reactor's end is gone.
pub(super) enum Order {
    /// Put this packet into that node's channel.
    Publish { to: NodeId, packet: Vec<u8> },
    /// Dial again: the connection may lead to the wrong server.
    Redial,
}

/// The thread's state.
pub(super) struct Publisher {
    pub(super) dialer: Dialer,
    pub(super) settings: RedisSettings,
    pub(super) orders: Receiver<Order>,
    /// Takes emptied buffers back to the reactor.
    pub(super) emptied: Sender<Vec<u8>>,
    /// The commands of one write, empty between writes.
    pub(super) batch: Batch,
    pub(super) tally: Arc<Tally>,
    /// Dropped when the thread ends.
    pub(super) _life: Sender<Infallible>,
}

impl Worker for Publisher {
    type Ready = PublishConnection;

    /// Dials, and proves that the server is a master, lets us publish, and can be told not to answer. After
    /// that, errors would not show.
    fn dial(&self) -> Result<PublishConnection, Fault> {
        let mut connection = self.dialer.dial()?;
        let keys = Keys::new(&self.settings.prefix);
        let mut write = redis::cmd("DEL");
        write.arg(keys.bus_probe(self.settings.node));
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(keys.inbox(NodeId::from_bytes([0; 16]))).arg("");
        let reply = |word: &str| redis::cmd("CLIENT").arg("REPLY").arg(word).get_packed_command();
        // A server that obeys OFF is silent until ON, so the one answer is to ON. Any other server answers
        // OFF as well.
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
        Ok(PublishConnection { connection, ask, awaited: 0, asked: Instant::now(), read_at: Instant::now() })
    }

    /// Publishes until the connection's first fault.
    fn serve(&mut self, mut connection: PublishConnection) -> Result<Fault, Stopped> {
        loop {
            let first = self.orders.recv().map_err(|_| Stopped)?;
            let written = self.gather(first).and_then(|()| connection.write(&self.batch));
            let packets = self.batch.packets();
            self.batch.drain().for_each(|packet| give_back(&self.emptied, packet));
            if let Err(fault) = written {
                // Some may have arrived; the streams between nodes repeat the others.
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

    /// Packets that come meanwhile are dropped: the streams would have repeated them before they could be
    /// sent.
    fn wait(&self, span: Duration) -> Result<(), Stopped> {
        let deadline = Instant::now() + span;
        loop {
            match self.orders.recv_deadline(deadline) {
                Ok(Order::Publish { packet, .. }) => {
                    self.tally.lost.add(1);
                    give_back(&self.emptied, packet);
                }
                // The thread is about to dial anyway.
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
                Order::Redial => return Err(Fault::new("it may be the wrong server: dialing again")),
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

/// A connection that publishes. From time to time it checks that its server is still a master: a replica
/// accepts packets too, but passes them on to no other server.
pub(super) struct PublishConnection {
    connection: RedisConnection,
    /// Makes the server answer, deletes a key that does not exist, and makes the server silent again.
    ask: Vec<u8>,
    /// Answers still to come.
    awaited: usize,
    asked: Instant,
    read_at: Instant,
}

impl PublishConnection {
    fn write(&mut self, batch: &Batch) -> Result<(), Fault> {
        batch.write_with(|pieces| self.connection.write_pieces(pieces))
    }

    /// Reads what came, and asks the server again when that is due. A node publishes to itself each second,
    /// so this is called often. Nothing is written while it reads, so packets that wait go first, for a few
    /// seconds at most.
    fn keep_up(&mut self, is_idle: bool) -> Result<(), Fault> {
        let since = self.read_at.elapsed();
        if since >= READ_AT_LAST || (since >= READ_EVERY && is_idle) {
            self.read_answers()?;
            self.read_at = Instant::now();
        }
        if self.awaited == 0 && self.asked.elapsed() >= ASK_EVERY {
            self.connection.write(&self.ask)?;
            (self.awaited, self.asked) = (ANSWERS, Instant::now());
        }
        Ok(())
    }

    /// Reads the answers that came. This also shows that the server closed the connection: a thread that only
    /// writes may not notice that for a while.
    fn read_answers(&mut self) -> Result<(), Fault> {
        while let Some(value) = self.connection.poll(READ_FOR)? {
            match value {
                Value::ServerError(error) => {
                    return Err(ServerRefusal::while_dialing(&error, rights::named("del")));
                }
                Value::Okay | Value::Int(_) if self.awaited > 0 => self.awaited -= 1,
                _ => return Err(Fault::unexpected()),
            }
        }
        Ok(())
    }
}

/// One to `CLIENT REPLY ON`, and one to the command after it.
const ANSWERS: usize = 2;

/// How often a server is asked to prove that it is a master.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How often answers are read, at most.
const READ_EVERY: Duration = Duration::from_millis(500);

/// How often answers are read while packets always wait.
const READ_AT_LAST: Duration = Duration::from_secs(5);

/// How long reading may block.
const READ_FOR: Duration = Duration::from_millis(1);

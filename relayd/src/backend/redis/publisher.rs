//! The thread that puts packets on the bus. It writes and never waits for an answer: what the nodes acknowledge to each
//! other is the answer. What gathers while it writes goes with the next write.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use protocol::ids::NodeId;
use redis::{Connection, Value};

use super::backoff::Backoff;
use super::batch::Batch;
use super::dialer::Dialer;
use super::keys::Keys;
use super::link::{self, Fault};
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
            let Fault(why) = fault;
            if why != reason {
                tracing::warn!(reason = self.settings.redact(&why), "nothing can be sent to other nodes");
                reason = why;
            }
            self.wait(backoff.next_wait(Instant::now()))?;
        }
    }

    /// Dials, and proves that the server lets us publish and can be told not to answer: once it is told, errors don't
    /// show any more.
    fn dial(&self) -> Result<Connection, Fault> {
        let mut connection = self.dialer.dial()?;
        let nobody = Keys::new(&self.settings.prefix).inbox(NodeId::from_bytes([0; 16]));
        let publish = redis::cmd("PUBLISH").arg(nobody).arg("").to_owned();
        match link::ask(&mut connection, &publish)? {
            Value::Int(_) => {}
            _ => return Err(Fault::unexpected()),
        }
        let reply = |word: &str| redis::cmd("CLIENT").arg("REPLY").arg(word).get_packed_command();
        // A server that obeys OFF stays silent until ON: the one answer is to that. One that does not says so first.
        connection.send_packed_command(&[reply("OFF"), reply("ON")].concat())?;
        match connection.recv_response()? {
            Value::Okay => {}
            Value::ServerError(error) => return Err(Fault::server(&error)),
            _ => return Err(Fault::unexpected()),
        }
        connection.send_packed_command(&reply("OFF"))?;
        // Where a write blocks, TLS looks whether there is something to read. There is not; that must not take its time.
        connection.set_read_timeout(Some(LOOK))?;
        Ok(connection)
    }

    /// Publishes until the connection's first fault.
    fn serve(&self, mut connection: Connection, batch: &mut Batch) -> Result<Fault, Stopped> {
        let mut looked_at = Instant::now();
        loop {
            let first = self.orders.recv().map_err(|_| Stopped)?;
            let written = self.gather(first, batch).and_then(|()| {
                let written = connection.send_packed_command(batch.bytes());
                written.map_err(Fault::from)
            });
            let packets = batch.clear();
            if let Err(fault) = written {
                // Part of them may have arrived; the streams tell what did not.
                self.tally.lost.add(packets);
                return Ok(fault);
            }
            self.tally.published.add(packets);
            self.tally.writes.add(1);
            // A node publishes to itself each second, so this comes round. Looking takes a moment in which nothing is
            // written, so what waits goes first, as long as that does not go on for ever.
            let since = looked_at.elapsed();
            if since >= LOOK_AT_LAST || (since >= LOOK_EVERY && self.orders.is_empty()) {
                if let Err(fault) = look(&mut connection) {
                    return Ok(fault);
                }
                looked_at = Instant::now();
            }
        }
    }

    /// Puts into the batch what waits, as far as one write carries it.
    fn gather(&self, first: Order, batch: &mut Batch) -> Result<(), Fault> {
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Redial => return Err(Fault("nothing that is published comes back".to_owned())),
                Order::Publish { to, packet } => {
                    batch.push(to, &packet);
                    self.give_back(packet);
                }
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

/// Looks whether the server has ended the connection: who only writes to one of which the other half is closed may not be
/// told for long. There is nothing else to read.
fn look(connection: &mut Connection) -> Result<(), Fault> {
    match connection.recv_response() {
        Ok(_) => Err(Fault::unexpected()),
        Err(error) if link::is_pause(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// How often at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The same where something always waits.
const LOOK_AT_LAST: Duration = Duration::from_secs(5);

/// How long a read on this connection may take.
const LOOK: Duration = Duration::from_millis(1);

//! The thread that asks Redis and waits for its answers. Decides nothing: it carries batches, one at a time, and
//! says when the connection comes and goes.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use relayd_core::store::Request;

use super::dialer::Dialer;
use super::error::Fault;
use super::request_connection::{Exchanged, RequestConnection, Room};
use super::settings::RedisSettings;
use super::worker::{Stopped, Worker};

/// What the thread tells the reactor.
#[derive(Debug)]
pub(super) enum Report {
    /// Connected, and the server takes writes.
    Up(Room),
    /// Whether there is room has changed.
    Room(Room),
    /// Not connected, and why. The second: the server is a replica.
    Down(String, bool),
    /// What came of the batch; there is never more than one.
    Done(Exchanged),
}

/// The thread's state. It ends when either channel's other end is gone.
pub(super) struct Commands<W> {
    pub(super) dialer: Dialer,
    pub(super) settings: RedisSettings,
    pub(super) batches: Receiver<Vec<Request>>,
    pub(super) reports: Sender<Report>,
    /// Called after every report.
    pub(super) wake: W,
}

impl<W: Fn()> Worker for Commands<W> {
    type Ready = (RequestConnection, Room);

    fn dial(&self) -> Result<Self::Ready, Fault> {
        RequestConnection::dial(&self.dialer, &self.settings)
    }

    /// Carries batches until the connection's first fault, and probes the server each second meanwhile: behind a batch, or
    /// by itself where none comes, so that a batch need not wait for a probe's answer from far away.
    fn serve(&mut self, (mut connection, mut room): Self::Ready) -> Result<Fault, Stopped> {
        self.report(Report::Up(room))?;
        let mut probed = Instant::now();
        loop {
            let probed_now = match self.batches.recv_timeout(PROBE_EVERY) {
                Ok(batch) => {
                    let done = connection.exchange(batch, probed.elapsed() >= PROBE_EVERY);
                    let (fault, probed_now) = (done.fault.clone(), done.room);
                    self.report(Report::Done(done))?;
                    if let Some(fault) = fault {
                        return Ok(fault);
                    }
                    probed_now
                }
                Err(RecvTimeoutError::Timeout) => match connection.probe() {
                    Ok(now) => Some(now),
                    Err(fault) => return Ok(fault),
                },
                Err(RecvTimeoutError::Disconnected) => return Err(Stopped),
            };
            let Some(now) = probed_now else { continue };
            probed = Instant::now();
            if now != room {
                room = now;
                self.report(Report::Room(room))?;
            }
        }
    }

    /// The same reason need not wake the reactor at each try.
    fn on_fault(&self, fault: &Fault, is_news: bool) -> Result<(), Stopped> {
        if !is_news {
            return Ok(());
        }
        self.report(Report::Down(self.settings.redact(fault.why()), fault.is_replica))
    }

    /// A batch that was sent before the reactor knew comes back at once.
    fn wait(&self, span: Duration) -> Result<(), Stopped> {
        let deadline = Instant::now() + span;
        loop {
            match self.batches.recv_deadline(deadline) {
                Ok(batch) => self.report(Report::Done(Exchanged::not_sent(batch)))?,
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(Stopped),
            }
        }
    }
}

impl<W: Fn()> Commands<W> {
    /// Blocks while the reactor does not take reports; it ends when the reactor goes.
    fn report(&self, report: Report) -> Result<(), Stopped> {
        self.reports.send(report).map_err(|_| Stopped)?;
        (self.wake)();
        Ok(())
    }
}

/// A silent server, a replica, a missing right and a lack of memory show within this time, though nobody asks.
const PROBE_EVERY: Duration = Duration::from_secs(1);

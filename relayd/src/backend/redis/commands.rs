//! The thread that sends requests to Redis and waits for the answers. It decides nothing: it carries one
//! batch at a time, and reports when the connection comes and goes.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use relayd_core::store::Request;

use super::dialer::Dialer;
use super::error::Fault;
use super::request_connection::{Exchanged, RequestConnection, SessionRoom};
use super::settings::RedisSettings;
use super::worker::{Stopped, Worker};

/// What the thread tells the reactor.
#[derive(Debug)]
pub(super) enum Report {
    /// Connected, and the server accepts writes.
    Up(SessionRoom),
    /// Redis ran out of memory, or has some again.
    Room(SessionRoom),
    /// Not connected, for this reason. The second: the server is a replica.
    Down(String, bool),
    /// The outcome of the batch. There is never more than one.
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
    type Ready = (RequestConnection, SessionRoom);

    fn dial(&self) -> Result<Self::Ready, Fault> {
        RequestConnection::dial(&self.dialer, &self.settings)
    }

    /// Carries batches until the connection's first fault, and probes the server each second. The probe goes
    /// behind a batch if there is one, so that no batch waits for the answer to a probe.
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

    /// Reports each new reason once, so that retries do not wake the reactor.
    fn on_fault(&self, fault: &Fault, is_news: bool) -> Result<(), Stopped> {
        if !is_news {
            return Ok(());
        }
        self.report(Report::Down(self.settings.redact(fault.why()), fault.is_replica))
    }

    /// Returns a batch that the reactor sent before it knew of the fault.
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
    /// Blocks while the reactor's queue of reports is full.
    fn report(&self, report: Report) -> Result<(), Stopped> {
        self.reports.send(report).map_err(|_| Stopped)?;
        (self.wake)();
        Ok(())
    }
}

/// A silent server, a replica, a missing right and a lack of memory show within this time, even without
/// requests.
const PROBE_EVERY: Duration = Duration::from_secs(1);

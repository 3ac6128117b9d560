//! The store that many nodes share. This file is the reactor's side: requests that wait to be sent, and
//! answers that came back. Only the threads of this module talk to Redis. They share nothing with the reactor
//! but bounded channels.

mod backoff;
mod batch;
mod bus;
mod commands;
mod connection;
mod dialer;
mod dirty;
mod error;
mod inbox;
mod keys;
mod message_head;
mod message_reader;
mod password;
mod publisher;
mod reply;
mod request_connection;
mod request_queue;
mod rights;
mod scripts;
mod sentinel_url;
mod server;
mod settings;
mod subscriber;
mod survey;
mod tally;
mod tls;
mod trouble;
mod worker;

use std::collections::VecDeque;
use std::fmt;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use protocol::ids::NodeId;
use relayd_core::store::{Answer, Conn, Request};
use relayd_core::time::Time;

pub use self::batch::PACKET_BYTES_MAX;
use self::bus::{Bus, Subscription};
use self::commands::{Commands, Report};
use self::dialer::Dialer;
use self::error::Fault;
pub use self::password::RedisPassword;
use self::request_connection::{Exchanged, SessionRoom};
use self::request_queue::RequestQueue;
pub use self::settings::RedisSettings;
pub use self::survey::{Survey, survey};
pub use self::tally::BusCounts;
use super::{BackendError, Published, Status};
use crate::metrics::Histogram;

/// Sessions in Redis. Only [`Redis::flush_and_stop`] blocks.
pub struct Redis {
    requests: RequestQueue,
    /// Answers not fetched yet. At most one for each request that a client waits for.
    answers: VecDeque<Answer>,
    /// When the batch under way was sent.
    in_flight: Option<Time>,
    status: Status,
    /// Why no request can be sent. `None` while one can.
    commands_fault: Option<String>,
    room: SessionRoom,
    restored: u64,
    /// How long each batch took.
    round_trips: Histogram,
    bus: Bus,
    batches: Sender<Vec<Request>>,
    reports: Receiver<Report>,
    thread: JoinHandle<()>,
}

impl Redis {
    /// Starts the threads. They dial until Redis accepts them, and call `wake` when there is something to
    /// drain.
    ///
    /// # Errors
    /// The URL can't be used, or no thread could be started.
    pub fn start(
        settings: RedisSettings,
        wake: impl Fn() + Send + Clone + 'static,
    ) -> Result<Self, BackendError> {
        let bus = Bus::start(&settings, wake.clone())?;
        let dialer = Dialer::for_requests(&settings)?;
        let (batches, to_send) = bounded(1);
        let (told, reports) = bounded(REPORTS_MAX);
        let commands = Commands { dialer, settings, batches: to_send, reports: told, wake };
        let thread = worker::spawn("redis-commands", commands)?;
        Ok(Redis {
            requests: RequestQueue::default(),
            answers: VecDeque::new(),
            in_flight: None,
            status: Status::Away { reason: NOT_YET.to_owned() },
            commands_fault: Some(NOT_YET.to_owned()),
            room: SessionRoom::Enough,
            restored: 0,
            round_trips: Histogram::of_round_trips(),
            bus,
            batches,
            reports,
            thread,
        })
    }

    /// Takes a request; see [`Backend::submit`](super::Backend::submit).
    pub fn submit(&mut self, request: Request, now: Time) {
        if !self.requests.try_put(request, self.is_available(), now) {
            self.answers.extend(reply::away(&request));
        }
        self.send_batch(now);
    }

    /// Drops the claim of a connection that closed, if it was not sent.
    pub fn cancel(&mut self, closed: Conn) {
        self.requests.cancel_claim_of(closed);
    }

    /// The next answer, or `None` for now.
    pub fn drain(&mut self, now: Time) -> Option<Answer> {
        if self.answers.is_empty() {
            self.take_reports(now);
            self.refuse_stale(now);
            self.send_batch(now);
        }
        self.answers.pop_front()
    }

    /// How long each batch of requests took.
    pub fn round_trips(&self) -> &Histogram {
        &self.round_trips
    }

    /// A time in the past while answers or packets wait, otherwise when the oldest queued request has waited
    /// too long.
    pub fn next_deadline(&self) -> Option<Time> {
        if !self.answers.is_empty() || self.bus.has_packets() {
            return Some(Time::from_ms(0));
        }
        self.requests.next_deadline()
    }

    /// The state of Redis, as of the last drain.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// How many times Redis became available.
    pub fn restored(&self) -> u64 {
        self.restored
    }

    /// Queues the next packet; see [`Backend::publish`](super::Backend::publish).
    pub fn publish(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Option<NodeId>) -> Published {
        self.bus.publish(write)
    }

    /// The oldest packet that came, or `None` for now.
    pub fn poll_packet(&mut self) -> Option<Vec<u8>> {
        self.bus.poll_packet()
    }

    /// Takes back the buffer of a packet.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.bus.recycle(buffer);
    }

    /// Dials both connections of the bus again.
    pub fn resubscribe(&mut self) {
        self.bus.redial();
    }

    /// True if this node hears what is published to it, as of the last drain.
    pub fn bus_is_up(&self) -> bool {
        *self.bus.subscription() == Subscription::Up
    }

    /// The counts of the bus so far.
    pub fn bus_counts(&self) -> BusCounts {
        self.bus.counts()
    }

    /// Sends what is dirty, publishes what is queued and ends the threads, within about `timeout`. Claims
    /// that still wait are not sent. If Redis hangs, the threads end later, by their own timeouts.
    pub fn flush_and_stop(mut self, now: Time, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        self.requests.cancel_claims();
        self.send_batch(now);
        while self.in_flight.is_some()
            && let Ok(report) = self.reports.recv_deadline(deadline)
        {
            self.on_report(report, now);
            self.update_status();
            self.send_batch(now);
        }
        let Redis { batches, reports, thread, bus, .. } = self;
        drop(batches);
        bus.stop(deadline);
        while reports.recv_deadline(deadline).is_ok() {}
        let has_ended = matches!(reports.try_recv(), Err(TryRecvError::Disconnected));
        if has_ended && thread.join().is_err() {
            tracing::error!("the Redis thread panicked");
        }
    }

    fn is_available(&self) -> bool {
        matches!(self.status, Status::Available | Status::Full { .. })
    }

    fn take_reports(&mut self, now: Time) {
        loop {
            match self.reports.try_recv() {
                Ok(report) => self.on_report(report, now),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.commands_fault = Some("its thread has ended; restart this process".to_owned());
                    break;
                }
            }
            self.update_status();
        }
        self.bus.take_news();
        self.update_status();
    }

    fn on_report(&mut self, report: Report, now: Time) {
        match report {
            Report::Up(room) => (self.commands_fault, self.room) = (None, room),
            Report::Room(room) => self.room = room,
            Report::Down(reason, is_replica) => {
                self.commands_fault = Some(reason);
                if is_replica {
                    // Packets published at a replica reach no other node. Both threads dial until they find a
                    // master.
                    self.bus.redial();
                }
            }
            Report::Done(done) => self.on_done(done, now),
        }
    }

    /// Derives the status. A node must not claim a role before it can hear that it lost the role, so the
    /// store is not available before the first subscription. If a subscription is lost later, the node's own
    /// probe shows it.
    fn update_status(&mut self) {
        let fault = match (&self.commands_fault, self.bus.subscription()) {
            (Some(reason), _) => Some(reason),
            (None, Subscription::Never(reason)) => Some(reason),
            (None, Subscription::Lost | Subscription::Up) => None,
        };
        let status = match (fault, self.room) {
            (Some(reason), _) => Status::Away { reason: reason.clone() },
            (None, SessionRoom::None) => Status::Full { reason: Fault::full().why().to_owned() },
            (None, SessionRoom::Enough) => Status::Available,
        };
        let was_available = self.is_available();
        self.status = status;
        match (was_available, self.is_available()) {
            (false, true) => self.restored += 1,
            (true, false) => self.refuse_all(),
            _ => {}
        }
    }

    /// Clients that wait are refused at once, so that they can retry elsewhere or later.
    fn refuse_all(&mut self) {
        let refused = self.requests.drain();
        self.answers.extend(refused.filter_map(|request| reply::away(&request)));
    }

    fn on_done(&mut self, done: Exchanged, now: Time) {
        let sent = self.in_flight.take().unwrap_or(now);
        done.took.into_iter().for_each(|took| self.round_trips.observe_time(took));
        self.answers.extend(done.answers);
        self.take_back(&done.unanswered, sent);
    }

    /// Takes back requests that failed. What was dirty stays dirty as of when it was sent; the others are
    /// answered.
    fn take_back(&mut self, requests: &[Request], sent: Time) {
        for request in requests {
            if !self.requests.try_note(request, sent) {
                self.answers.extend(reply::away(request));
            }
        }
    }

    fn refuse_stale(&mut self, now: Time) {
        while let Some(request) = self.requests.take_stale(now) {
            self.answers.extend(reply::away(&request));
        }
    }

    /// Sends the next batch unless one is under way. Requests that come meanwhile wait for the batch after
    /// it.
    fn send_batch(&mut self, now: Time) {
        if self.in_flight.is_some() || !self.is_available() {
            return;
        }
        let batch = self.requests.next_batch(now);
        if batch.is_empty() {
            return;
        }
        match self.batches.try_send(batch) {
            Ok(()) => self.in_flight = Some(now),
            Err(unsent) => self.take_back(&unsent.into_inner(), now),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("status", &self.status)
            .field("queued", &self.requests.len())
            .finish_non_exhaustive()
    }
}

const NOT_YET: &str = "not connected yet";

/// The most that data on its way to and from Redis takes, in bytes, with the buffers of the connections that
/// read.
pub const REDIS_BYTES_MAX: usize = 24 << 20;

const _: () = {
    let buffers = 2 * 4 * PACKET_BYTES_MAX;
    assert!(inbox::HELD_MAX + bus::OUTBOX_HELD_MAX + request_queue::HELD_MAX + buffers <= REDIS_BYTES_MAX);
};

/// One batch, and news of the connection.
const REPORTS_MAX: usize = 4;

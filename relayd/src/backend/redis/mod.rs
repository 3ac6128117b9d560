//! The store that many nodes share. This file is the reactor's side of it: what waits to be sent, and what came back.
//! Only the threads of this module talk to Redis; they and the reactor share nothing but bounded channels.

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
mod message_reader;
mod publisher;
mod reply;
mod request_connection;
mod rights;
mod scripts;
mod sentinel_url;
mod server;
mod settings;
mod subscriber;
mod tally;
mod tls;
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
use self::dirty::{Dirty, TAKEN_AT_ONCE};
use self::error::Fault;
use self::request_connection::{Exchanged, Room};
pub use self::settings::RedisSettings;
pub use self::tally::BusCounts;
pub use self::tls::{CaBundle, InvalidCaBundle};
use super::{BackendError, Published, Status};

/// Sessions in Redis. Never blocks but in [`Redis::flush_and_stop`].
pub struct Redis {
    /// Requests that someone waits for, oldest first. `queue.len() <= QUEUE_MAX`.
    queue: VecDeque<Queued>,
    dirty: Dirty,
    /// Answers not fetched yet. One at most per request that someone waits for.
    answers: VecDeque<Answer>,
    /// When the batch that is under way was sent.
    in_flight: Option<Time>,
    status: Status,
    /// Why commands can't be sent, if they can't.
    commands_fault: Option<String>,
    room: Room,
    restored: u64,
    bus: Bus,
    batches: Sender<Vec<Request>>,
    reports: Receiver<Report>,
    thread: JoinHandle<()>,
}

struct Queued {
    request: Request,
    since: Time,
}

impl Redis {
    /// Starts the threads, which dial until they are let in. They call `wake` when there is something to drain.
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
            queue: VecDeque::new(),
            dirty: Dirty::default(),
            answers: VecDeque::new(),
            in_flight: None,
            status: Status::Away { reason: NOT_YET.to_owned() },
            commands_fault: Some(NOT_YET.to_owned()),
            room: Room::Enough,
            restored: 0,
            bus,
            batches,
            reports,
            thread,
        })
    }

    /// Takes a request; see [`Backend::submit`](super::Backend::submit).
    pub fn submit(&mut self, request: Request, now: Time) {
        if !self.dirty.try_note(&request, now) {
            if self.is_available() && self.queue.len() < QUEUE_MAX {
                self.queue.push_back(Queued { request, since: now });
            } else {
                self.answers.extend(reply::away(&request));
            }
        }
        self.send_batch(now);
    }

    /// Forgets the claim of a connection that closed, if it was not sent.
    pub fn cancel(&mut self, closed: Conn) {
        self.queue.retain(|queued| !matches!(queued.request, Request::Claim { conn, .. } if conn == closed));
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

    /// The past while answers or packets wait, else when the oldest queued request has waited too long.
    pub fn next_deadline(&self) -> Option<Time> {
        if !self.answers.is_empty() || self.bus.has_packets() {
            return Some(Time::from_ms(0));
        }
        self.queue.front().map(|queued| queued.since + QUEUED_FOR_MAX)
    }

    /// Whether Redis can be asked, as of the last drain.
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

    /// Whether this node hears what is published to it, as of the last drain.
    pub fn bus_is_up(&self) -> bool {
        *self.bus.subscription() == Subscription::Up
    }

    /// How the bus fared so far.
    pub fn bus_counts(&self) -> BusCounts {
        self.bus.counts()
    }

    /// Sends what is dirty and published and ends the threads, within about `timeout`. Claims that still wait are not sent. If Redis
    /// hangs, the threads are left to end by their own timeouts.
    pub fn flush_and_stop(mut self, now: Time, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        self.queue.retain(|queued| !matches!(queued.request, Request::Claim { .. }));
        self.send_batch(now);
        while self.in_flight.is_some()
            && let Ok(report) = self.reports.recv_deadline(deadline)
        {
            self.on_report(report, now);
            self.judge();
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
            self.judge();
        }
        self.bus.take_news();
        self.judge();
    }

    fn on_report(&mut self, report: Report, now: Time) {
        match report {
            Report::Up(room) => (self.commands_fault, self.room) = (None, room),
            Report::Room(room) => self.room = room,
            Report::Down(reason, is_replica) => {
                self.commands_fault = Some(reason);
                if is_replica {
                    // What is published there reaches nobody else. Both dial until a master takes their writes.
                    self.bus.redial();
                }
            }
            Report::Done(done) => self.on_done(done, now),
        }
    }

    /// Whether the store is there. Nothing is claimed before this node could be told what becomes of its claim, so
    /// the first time that takes a subscription. One that is lost later is judged by who misses its packets.
    fn judge(&mut self) {
        let fault = match (&self.commands_fault, self.bus.subscription()) {
            (Some(reason), _) => Some(reason),
            (None, Subscription::Never(reason)) => Some(reason),
            (None, Subscription::Lost | Subscription::Up) => None,
        };
        let status = match (fault, self.room) {
            (Some(reason), _) => Status::Away { reason: reason.clone() },
            (None, Room::None) => Status::Full { reason: Fault::full().why().to_owned() },
            (None, Room::Enough) => Status::Available,
        };
        let was_available = self.is_available();
        self.status = status;
        match (was_available, self.is_available()) {
            (false, true) => self.restored += 1,
            (true, false) => self.refuse_all(),
            _ => {}
        }
    }

    /// Whoever waits is told now: trying elsewhere or later beats waiting for an outage to end.
    fn refuse_all(&mut self) {
        let refused = self.queue.drain(..).filter_map(|queued| reply::away(&queued.request));
        self.answers.extend(refused);
    }

    fn on_done(&mut self, done: Exchanged, now: Time) {
        let sent = self.in_flight.take().unwrap_or(now);
        self.answers.extend(done.answers);
        self.take_back(&done.unanswered, sent);
    }

    /// Requests that failed: what is dirty stays so, as of when it was sent; the others are answered.
    fn take_back(&mut self, requests: &[Request], sent: Time) {
        for request in requests {
            if !self.dirty.try_note(request, sent) {
                self.answers.extend(reply::away(request));
            }
        }
    }

    fn refuse_stale(&mut self, now: Time) {
        while let Some(queued) = self.queue.front()
            && queued.since + QUEUED_FOR_MAX <= now
        {
            self.answers.extend(reply::away(&queued.request));
            self.queue.pop_front();
        }
    }

    /// Sends the next batch unless one is under way. What comes meanwhile gathers behind it.
    fn send_batch(&mut self, now: Time) {
        if self.in_flight.is_some() || !self.is_available() {
            return;
        }
        let batch = self.next_batch(now);
        if batch.is_empty() {
            return;
        }
        match self.batches.try_send(batch) {
            Ok(()) => self.in_flight = Some(now),
            Err(unsent) => self.take_back(&unsent.into_inner(), now),
        }
    }

    fn next_batch(&mut self, now: Time) -> Vec<Request> {
        let mut batch = Vec::new();
        let reserved = if self.dirty.is_empty() { 0 } else { RESERVED_FOR_DIRTY };
        while batch.len() < BATCH_MAX - reserved
            && let Some(queued) = self.queue.pop_front()
        {
            self.dirty.take_before(queued.request.session(), now, &mut batch);
            batch.push(queued.request);
        }
        while batch.len() + TAKEN_AT_ONCE <= BATCH_MAX && self.dirty.take_next(now, &mut batch) {}
        batch
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("status", &self.status)
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}

const NOT_YET: &str = "not connected yet";

/// Requests that may wait for a batch. More than this is answered that the store is away.
const QUEUE_MAX: usize = 4096;

/// What waits on its way to and from Redis takes this at most, in bytes, and the buffers of the connections that read.
pub const REDIS_BYTES_MAX: usize = 24 << 20;

const _: () = {
    let requests = QUEUE_MAX * size_of::<Queued>();
    let buffers = 2 * 4 * PACKET_BYTES_MAX;
    assert!(inbox::HELD_MAX + bus::OUTBOX_HELD_MAX + requests + buffers <= REDIS_BYTES_MAX);
};

/// About how many requests one batch carries; it may be a few more.
const BATCH_MAX: usize = 256;

/// Part of a batch that a flood of claims can't take.
const RESERVED_FOR_DIRTY: usize = 64;

/// Whoever waits longer than this for its turn has likely given up.
const QUEUED_FOR_MAX: Duration = Duration::from_secs(3);

/// One batch, and news of the connection.
const REPORTS_MAX: usize = 4;

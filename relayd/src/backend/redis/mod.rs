//! The store that many nodes share. This file is the reactor's side of it: what waits to be sent, and what came back.
//! Only the threads of this module talk to Redis; they and the reactor share nothing but bounded channels.

mod backoff;
mod commands;
mod dirty;
mod keys;
mod link;
mod reply;
mod scripts;
mod settings;

use std::collections::VecDeque;
use std::fmt;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use relayd_core::store::{Answer, Conn, Request};
use relayd_core::time::Time;

use self::commands::{Commands, Report};
use self::dirty::{Dirty, TAKEN_AT_ONCE};
use self::link::Exchanged;
pub use self::settings::RedisSettings;
use super::{BackendError, Status};

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
    restored: u64,
    batches: Sender<Vec<Request>>,
    reports: Receiver<Report>,
    thread: JoinHandle<()>,
}

struct Queued {
    request: Request,
    since: Time,
}

impl Redis {
    /// Starts the thread, which dials until it is let in. `wake` is called from it when there is something to drain.
    ///
    /// # Errors
    /// The URL can't be used, or no thread could be started.
    pub fn start(settings: RedisSettings, wake: impl Fn() + Send + 'static) -> Result<Self, BackendError> {
        let client = settings.client()?;
        let (batches, to_send) = bounded(1);
        let (told, reports) = bounded(REPORTS_MAX);
        let commands = Commands { client, settings, batches: to_send, reports: told, wake };
        let thread = thread::Builder::new().name("redis-commands".to_owned());
        let thread = thread.spawn(|| commands.run()).map_err(BackendError::Thread)?;
        Ok(Redis {
            queue: VecDeque::new(),
            dirty: Dirty::default(),
            answers: VecDeque::new(),
            in_flight: None,
            status: Status::Away { reason: "not connected yet".to_owned() },
            restored: 0,
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

    /// The past while answers wait, else when the oldest queued request has waited too long.
    pub fn next_deadline(&self) -> Option<Time> {
        if !self.answers.is_empty() {
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

    /// Sends what is dirty and ends the thread, within about `timeout`. Claims that still wait are not sent. If Redis
    /// hangs, the thread is left to end by its own timeouts.
    pub fn flush_and_stop(mut self, now: Time, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        self.queue.retain(|queued| !matches!(queued.request, Request::Claim { .. }));
        self.send_batch(now);
        while self.in_flight.is_some()
            && let Ok(report) = self.reports.recv_deadline(deadline)
        {
            self.on_report(report, now);
            self.send_batch(now);
        }
        let Redis { batches, reports, thread, .. } = self;
        drop(batches);
        while reports.recv_deadline(deadline).is_ok() {}
        let has_ended = matches!(reports.try_recv(), Err(TryRecvError::Disconnected));
        if has_ended && thread.join().is_err() {
            tracing::error!("the Redis thread panicked");
        }
    }

    fn is_available(&self) -> bool {
        self.status == Status::Available
    }

    fn take_reports(&mut self, now: Time) {
        loop {
            match self.reports.try_recv() {
                Ok(report) => self.on_report(report, now),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.on_down("its thread has ended; restart this process".to_owned());
                    return;
                }
            }
        }
    }

    fn on_report(&mut self, report: Report, now: Time) {
        match report {
            Report::Up => {
                self.status = Status::Available;
                self.restored += 1;
            }
            Report::Down(reason) => self.on_down(reason),
            Report::Done(done) => self.on_done(done, now),
        }
    }

    /// Whoever waits is told now: trying elsewhere or later beats waiting for an outage to end.
    fn on_down(&mut self, reason: String) {
        self.status = Status::Away { reason };
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

fn age_ms(then: Time, now: Time) -> u64 {
    u64::try_from(now.since(then).as_millis()).unwrap_or(u64::MAX)
}

/// Requests that may wait for a batch. More than this is answered that the store is away.
const QUEUE_MAX: usize = 4096;

/// About how many requests one batch carries; it may be a few more.
const BATCH_MAX: usize = 256;

/// Part of a batch that a flood of claims can't take.
const RESERVED_FOR_DIRTY: usize = 64;

/// Whoever waits longer than this for its turn has likely given up.
const QUEUED_FOR_MAX: Duration = Duration::from_secs(3);

/// One batch, and news of the connection.
const REPORTS_MAX: usize = 4;

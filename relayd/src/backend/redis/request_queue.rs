//! The requests that wait for a batch: those of clients, in their order, and changes that Redis must hear of.

use std::collections::VecDeque;
use std::time::Duration;

use relayd_core::store::{Conn, Request};
use relayd_core::time::Time;

use super::dirty::{Dirty, TAKEN_AT_ONCE};

/// Waiting requests. Changes of sessions outlast an outage; requests of clients wait for a few seconds.
#[derive(Debug, Default)]
pub(super) struct RequestQueue {
    /// Requests that a client waits for, oldest first. `queue.len() <= QUEUE_MAX`
    queue: VecDeque<QueuedRequest>,
    dirty: Dirty,
}

#[derive(Debug)]
struct QueuedRequest {
    request: Request,
    since: Time,
}

impl RequestQueue {
    /// Takes a request. Returns false, without keeping it, if a client waits for it and the queue is full or
    /// the store not available.
    pub(super) fn try_put(&mut self, request: Request, is_available: bool, now: Time) -> bool {
        if self.try_note(&request, now) {
            return true;
        }
        let is_kept = is_available && self.queue.len() < QUEUE_MAX;
        if is_kept {
            self.queue.push_back(QueuedRequest { request, since: now });
        }
        is_kept
    }

    /// Keeps a change of a session, as of `now`. Returns false for other requests.
    pub(super) fn try_note(&mut self, request: &Request, now: Time) -> bool {
        self.dirty.try_note(request, now)
    }

    /// Drops the claim of a connection.
    pub(super) fn cancel_claim_of(&mut self, closed: Conn) {
        self.queue.retain(|queued| !matches!(queued.request, Request::Claim { conn, .. } if conn == closed));
    }

    /// Drops all claims.
    pub(super) fn cancel_claims(&mut self) {
        self.queue.retain(|queued| !matches!(queued.request, Request::Claim { .. }));
    }

    /// Takes out all requests that a client waits for.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Request> {
        self.queue.drain(..).map(|queued| queued.request)
    }

    /// Takes out the oldest request if it has waited too long.
    pub(super) fn take_stale(&mut self, now: Time) -> Option<Request> {
        let is_stale = self.next_deadline().is_some_and(|due| due <= now);
        is_stale.then(|| self.queue.pop_front()).flatten().map(|queued| queued.request)
    }

    /// When the oldest request has waited too long.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.queue.front().map(|queued| queued.since + QUEUED_FOR_MAX)
    }

    /// The number of requests that a client waits for.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Takes out the requests of the next batch. Empty if nothing waits.
    pub(super) fn next_batch(&mut self, now: Time) -> Vec<Request> {
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

/// Requests that may wait for a batch. Further ones are answered that the store is away.
const QUEUE_MAX: usize = 4096;

/// The most that they take, in bytes.
pub(super) const HELD_MAX: usize = QUEUE_MAX * size_of::<QueuedRequest>();

/// Requests in one batch, give or take a few.
const BATCH_MAX: usize = 256;

/// Requests of each batch that a flood of claims can't take.
const RESERVED_FOR_DIRTY: usize = 64;

/// A client whose request waits longer than this has likely given up.
const QUEUED_FOR_MAX: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use protocol::ids::{Role, SessionId, TokenDigest};

    use super::*;

    const NOW: Time = Time::from_ms(1_000_000);

    fn session(id: u16) -> SessionId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        SessionId::from_bytes(bytes)
    }

    fn sessions(requests: impl IntoIterator<Item = Request>) -> Vec<SessionId> {
        requests.into_iter().map(|request| request.session()).collect()
    }

    fn claim(id: u16) -> Request {
        let (conn, token) = (Conn { slot: 0, name: id.into() }, TokenDigest::from_bytes([0; 32]));
        Request::Claim { conn, session: session(id), token, role: Role::Phone, instance: None }
    }

    fn release(id: u16) -> Request {
        Request::Release { session: session(id), role: Role::Phone, generation: 1 }
    }

    #[test]
    fn a_full_queue_and_an_outage_refuse_requests_but_keep_changes() {
        let mut requests = RequestQueue::default();
        assert!(!requests.try_put(claim(0), false, NOW));
        for id in 0..4096 {
            assert!(requests.try_put(claim(id), true, NOW));
        }
        assert!(!requests.try_put(claim(4096), true, NOW));
        assert!(requests.try_put(release(4096), true, NOW) && requests.try_put(release(4097), false, NOW));
        assert_eq!(requests.len(), 4096);
        assert_eq!(requests.drain().count(), 4096);
        assert_eq!(sessions(requests.next_batch(NOW)), [session(4096), session(4097)]);
    }

    #[test]
    fn a_batch_has_room_for_changes_however_many_requests_wait() {
        let mut requests = RequestQueue::default();
        for id in 0..1000 {
            requests.try_put(claim(id), true, NOW);
        }
        assert_eq!(requests.next_batch(NOW).len(), BATCH_MAX);
        for id in 1000..2000 {
            requests.try_put(release(id), true, NOW);
        }
        let batch = requests.next_batch(NOW);
        let releases = batch.iter().filter(|request| matches!(request, Request::Release { .. })).count();
        assert_eq!((batch.len() - releases, releases), (BATCH_MAX - RESERVED_FOR_DIRTY, 60));
    }

    #[test]
    fn only_requests_that_waited_too_long_are_stale() {
        let mut requests = RequestQueue::default();
        let later = NOW + Duration::from_secs(1);
        requests.try_put(claim(1), true, NOW);
        requests.try_put(claim(2), true, later);
        let due = NOW + QUEUED_FOR_MAX;
        assert_eq!(requests.next_deadline(), Some(due));
        assert!(requests.take_stale(due - Duration::from_millis(1)).is_none());
        assert_eq!(sessions(requests.take_stale(due)), [session(1)]);
        assert!(requests.take_stale(due).is_none());
        assert_eq!(requests.next_deadline(), Some(later + QUEUED_FOR_MAX));
    }

    #[test]
    fn only_the_claims_of_a_closed_connection_are_dropped() {
        let mut requests = RequestQueue::default();
        let expire = Request::Expire { session: session(3) };
        for request in [claim(1), expire, claim(2)] {
            requests.try_put(request, true, NOW);
        }
        requests.cancel_claim_of(Conn { slot: 0, name: 1 });
        assert_eq!(requests.len(), 2);
        requests.cancel_claims();
        assert_eq!(sessions(requests.next_batch(NOW)), [session(3)]);
    }
}

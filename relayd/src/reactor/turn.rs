//! The steps of a turn that concern no single connection: events, the store's answers, timers, and the stop.

use std::time::Duration;

use mio::Token;
use relayd_core::event::Input;
use relayd_core::time::Time;

use super::acceptor::Acceptor;
use super::wake::WAKER;
use super::{EVENTS_PER_TURN, LISTENER, Reactor, admin};

/// Answers of the store that one turn takes at most, so that sockets are served in between.
const ANSWERS_PER_TURN: usize = 1024;

/// Turns in a row that may put timers off because more events wait.
const DEFERRALS_MAX: u32 = 64;

impl Reactor {
    /// Notes what each event says. The work comes after, in one order for all.
    ///
    /// Returns true if no more events can be waiting behind these.
    pub(super) fn dispatch(&mut self) -> bool {
        let mut count = 0;
        for event in &self.events {
            count += 1;
            match event.token() {
                LISTENER => {
                    if let Some(acceptor) = &mut self.acceptor {
                        acceptor.is_ready = true;
                    }
                }
                WAKER => {}
                Token(token) if token >= admin::FIRST_TOKEN => self.admin.note_event(token, event),
                Token(slot) => self.conns.note_event(slot, event),
            }
        }
        count < EVENTS_PER_TURN
    }

    /// Each connection that has something to read, or must look again, gets a turn of bounded length. What it
    /// sent is written at once, while it is in the processor's cache: no other connection sends to the same
    /// peer.
    pub(super) fn serve_ready(&mut self) {
        let mut ready = self.conns.take_ready();
        for conn in ready.drain(..) {
            self.serve(conn);
            self.flush_dirty();
        }
        self.conns.return_emptied(ready);
    }

    pub(super) fn drain_backend(&mut self) {
        let (now, mut budget) = (self.clock.now(), ANSWERS_PER_TURN);
        self.watch.has_more_answers = loop {
            let Some(answer) = self.backend.drain(now) else { break false };
            self.handle(Input::Answered(answer));
            budget -= 1;
            if budget == 0 {
                break true;
            }
        };
        self.watch.log_status(self.backend.status());
        if self.watch.note_restored(self.backend.restored()) {
            self.handle(Input::StoreBack);
        }
    }

    /// Hands requests to the store whose turn has come.
    pub(super) fn look_up(&mut self) {
        let now = self.clock.now();
        while let Some(request) = self.client_limits.poll_lookup(now) {
            self.backend.submit(request, now);
        }
    }

    /// Timers fire after all connections were read: after a long stop, what came meanwhile counts first.
    pub(super) fn on_due(&mut self, has_heard_all: bool) {
        let now = self.clock.now();
        if !has_heard_all && self.deferred_due < DEFERRALS_MAX {
            self.deferred_due += 1;
            return;
        }
        self.deferred_due = 0;
        if self.relay.poll_timeout().is_some_and(|due| due <= now) {
            self.handle(Input::Due);
        }
        self.on_exchanges_due();
    }

    /// How long the poll may wait: not at all while work is left.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let acceptor = self.acceptor.as_ref();
        let has_more = self.watch.has_more() || self.admin.has_more();
        if has_more || self.conns.has_work() || acceptor.is_some_and(Acceptor::has_more) {
            return Some(Duration::ZERO);
        }
        let now = self.clock.now();
        let due = [
            self.relay.poll_timeout(),
            self.exchanges.next_due(),
            self.backend.next_deadline(),
            self.client_limits.next_due(),
            self.stop.next_due(),
            self.large.next_look(),
            self.admin.next_due(),
            acceptor.and_then(|acceptor| acceptor.next_due(self.conns.len(), now)),
        ];
        due.into_iter().flatten().min().map(|due| due.since(now))
    }

    /// Takes the next step of a stop once it is asked for, or due.
    pub(super) fn follow_stop(&mut self) {
        let now = self.clock.now();
        if let Some(until) = self.stop.step(now) {
            self.begin_drain(until, now);
        }
        if self.stop.is_over(now) && self.relay.has_untold() {
            // The drain was cut short. All hear of it, and a word that needs no wait arrives.
            self.handle(Input::Drain { told_by: now, until: now });
            self.flush_dirty();
        }
    }

    fn begin_drain(&mut self, until: Time, now: Time) {
        tracing::info!(
            connections = self.conns.len(),
            "stopping: no new connections, the open ones are told"
        );
        let acceptor = self.acceptor.take();
        // The second half of the time is for the last ones, to read what waits for them.
        let told_by = now + until.since(now) / 2;
        self.handle(Input::Drain { told_by, until });
        // Only deletes still wait for their turn, and there is no time for turns.
        for request in self.client_limits.take_lookups() {
            self.backend.submit(request, now);
        }
        for conn in acceptor.into_iter().flat_map(|acceptor| acceptor.waiting.into_waiting()) {
            self.conns.schedule(conn);
        }
        self.exchanges.drain(&mut self.conns, now);
    }
}

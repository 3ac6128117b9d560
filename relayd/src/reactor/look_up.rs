//! Hellos and deletes of addresses past the limit of failed ones: each is looked up in its turn, the right ones pass.
//!
//! What waits is a request of fixed size, in [`Lookups`](crate::admission::Lookups); its connection is not read meanwhile.
//! What is wrong then is told "too many" instead of "unknown", and not counted once more: the rate bounds it already.

use relayd_core::event::{HelloOutcome, Input};
use relayd_core::store::{Answer, Claimed, Conn, Request};

use super::Reactor;
use super::connection::Pending;
use super::exchange::exchange_of;
use crate::admission::{Address, Key};
use crate::http::Reply;
use crate::metrics::Refused;

impl Reactor {
    /// What came of a hello counts for its address.
    pub(super) fn on_hello_done(&mut self, conn: Conn, outcome: HelloOutcome) {
        match outcome {
            HelloOutcome::Joined { session, role } => {
                self.count_early(conn);
                tracing::debug!(session = %session.log_tag(), %role, name = conn.name, "joined");
            }
            HelloOutcome::Wrong => self.admission.note_failed_hello(conn.slot, self.clock.now()),
            HelloOutcome::TurnedAway => {
                self.note_refused(Refused::Hello, self.admission.address_of(conn.slot));
            }
        }
    }

    /// True if a connection waits for its hello to be looked up in turn, or for the answer, and has ended its stream.
    /// Then it must not take a turn from the others, or a role from a client that came back elsewhere.
    pub(super) fn has_left_its_line(&self, conn: Conn) -> bool {
        let has_left = self.conns.of(conn).is_some_and(|connection| connection.flags.read_closed);
        has_left && self.relay.is_doubted(conn)
    }

    /// True if too many sessions that this address named are none.
    pub(super) fn is_delete_doubted(&self, limited: Option<Address>) -> bool {
        self.admission.wait_for_trust(limited, self.clock.now()).is_some()
    }

    /// A delete that named no session, or found no room to wait: 429.
    pub(super) fn refuse_delete(&mut self, conn: Conn, limited: Option<Address>, reply: Reply) {
        let secs = self.admission.wait_for_trust(limited, self.clock.now()).unwrap_or(1);
        self.refuse_for_a_while(conn, secs, (Refused::Hello, limited), reply);
    }

    /// Hands a request to the store, or lets it wait for its turn.
    pub(super) fn submit(&mut self, request: Request) {
        let now = self.clock.now();
        let Some(address) = self.address_of_doubted(&request) else {
            return self.backend.submit(request, now);
        };
        let crowded_out = self.lookups.try_put(address, key_of(&request), request, now).err();
        self.crowded_out.extend(crowded_out);
    }

    /// Refuses what found no room to wait. Called where the core takes inputs.
    pub(super) fn refuse_crowded_out(&mut self, request: &Request) {
        match *request {
            Request::Claim { conn, session, role, .. } => {
                let answer = Answer::Claimed { conn, session, role, outcome: Claimed::TooMany };
                self.relay.handle(Input::Answered(answer), self.clock.now());
            }
            Request::Delete { ticket, .. } => {
                if let Some(Pending { reply, limited, .. }) = self.take_pending(ticket) {
                    self.refuse_delete(ticket, limited, reply);
                }
            }
            _ => {}
        }
    }

    /// Whose request this is, if it has to wait for its turn. What names a session that is here by its token is right, so it
    /// need not be looked up slowly.
    fn address_of_doubted(&mut self, request: &Request) -> Option<Address> {
        match *request {
            Request::Claim { conn, session, token, .. } => {
                let waits = self.relay.is_doubted(conn) && !self.relay.knows(session, &token);
                if waits { self.admission.address_of(conn.slot) } else { None }
            }
            Request::Delete { ticket, session, token } => {
                let pending = exchange_of(&mut self.conns, ticket)?.pending.as_ref()?;
                let limited = pending.limited.filter(|_| pending.is_doubted);
                limited.filter(|_| token.is_none_or(|token| !self.relay.knows(session, &token)))
            }
            _ => None,
        }
    }

    /// A connection that goes has no use for the answer to its hello. A delete is carried out all the same.
    pub(super) fn forget_lookup(&mut self, conn: Conn) {
        let Some(address) = self.admission.address_of(conn.slot) else { return };
        let is_its = |request: &Request| matches!(request, Request::Claim { conn: of, .. } if *of == conn);
        self.lookups.forget(address, is_its);
    }

    /// Hands on whose turn it is.
    pub(super) fn look_up(&mut self) {
        let now = self.clock.now();
        while let Some(request) = self.lookups.poll(now) {
            self.backend.submit(request, now);
        }
    }

    /// The node stops: what still waits is a delete, and there is no time for turns.
    pub(super) fn look_up_all(&mut self) {
        let now = self.clock.now();
        for request in self.lookups.take_all() {
            self.backend.submit(request, now);
        }
    }
}

/// What tells the clients of one address apart: their token, or what they name.
fn key_of(request: &Request) -> Key {
    match request {
        Request::Claim { token, .. } | Request::Delete { token: Some(token), .. } => *token.as_bytes(),
        other => {
            let mut key = [0; 32];
            key[..16].copy_from_slice(other.session().as_bytes());
            key
        }
    }
}

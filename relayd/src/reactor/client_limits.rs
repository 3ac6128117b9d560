//! Applies the limits of an address: which clients are turned away, and which look-ups wait.
//!
//! The reactor asks at accept, at a PROXY header, an upgrade, a register, a delete and a hello, never on the way of
//! a frame, and answers the client.
//!
//! Hellos and deletes of an address past its limit of failed ones wait in [`Lookups`]. So those with valid
//! credentials still pass, at a rate that costs the store little. A request that waits has a fixed size, and its
//! connection is not read meanwhile. A wrong one is answered "too many" instead of "unknown". It does not count as
//! failed again, as the rate bounds it already.

use std::net::IpAddr;

use relayd_core::store::{Conn, Request};
use relayd_core::time::Time;

use super::refusal_log::RefusalLog;
use crate::admission::{Address, Admission, AdmissionLimits, Caller, Key, Lookups, TrustedProxies};
use crate::metrics::Refused;

/// The counts of all addresses, and the requests that wait.
#[derive(Debug)]
pub(super) struct ClientLimits {
    admission: Admission,
    trusted_proxies: TrustedProxies,
    /// Claims and deletes that wait for their turn.
    lookups: Lookups<Request>,
    /// Requests that found no room there, and are about to be refused.
    crowded_out: Vec<Request>,
    refusals: RefusalLog,
    /// The log has said that a proxy on this machine is not trusted.
    has_warned_of_proxy: bool,
}

impl ClientLimits {
    pub fn new(limits: &AdmissionLimits, trusted_proxies: TrustedProxies) -> Self {
        ClientLimits {
            admission: Admission::new(limits),
            trusted_proxies,
            lookups: Lookups::default(),
            crowded_out: Vec::new(),
            refusals: RefusalLog::default(),
            has_warned_of_proxy: false,
        }
    }

    /// When [`ClientLimits::poll_lookup`] or [`ClientLimits::log_refusals`] must be called.
    pub fn next_due(&self) -> Option<Time> {
        self.lookups.next_due().into_iter().chain(self.refusals.next_due()).min()
    }

    /// The address to count a new connection of this peer for; `None` if it is not limited, or not known yet.
    ///
    /// # Errors
    /// This address has too many connections.
    pub fn check_accept(&self, peer: IpAddr) -> Result<Option<Address>, Address> {
        match self.trusted_proxies.at_accept(peer) {
            Some(address) if !self.admission.has_room(address) => Err(address),
            limited => Ok(limited),
        }
    }

    /// Counts a new connection.
    pub fn enter(&mut self, conn: Conn, limited: Option<Address>) {
        limited.into_iter().for_each(|address| self.admission.enter(conn.slot, address));
    }

    /// Counts a connection for the client that a trusted proxy names in a PROXY header.
    ///
    /// # Errors
    /// This address has too many connections.
    pub fn try_enter_client(&mut self, conn: Conn, client: IpAddr) -> Result<(), Address> {
        match self.trusted_proxies.at_accept(client) {
            Some(address) if !self.admission.try_enter(conn.slot, address) => Err(address),
            _ => Ok(()),
        }
    }

    /// Counts a connection that is about to speak WebSocket for its caller.
    ///
    /// # Errors
    /// This address has too many connections.
    pub fn try_upgrade(&mut self, conn: Conn, caller: &Caller) -> Result<(), Address> {
        self.warn_of_proxy(caller);
        match caller.limited() {
            // An earlier request of this connection may have been counted for another caller.
            None => self.admission.leave(conn.slot),
            Some(address) if self.admission.try_enter(conn.slot, address) => {}
            Some(address) => return Err(address),
        }
        Ok(())
    }

    /// Counts a register.
    ///
    /// # Errors
    /// There were too many: after how many seconds to try again.
    pub fn try_register(&mut self, caller: &Caller, now: Time) -> Result<(), u64> {
        self.warn_of_proxy(caller);
        self.admission.try_register(caller.limited(), now)
    }

    /// The connection ended. A hello of it that waits is dropped; a delete is carried out all the same.
    pub fn leave(&mut self, conn: Conn) {
        self.drop_claim(conn);
        self.admission.leave(conn.slot);
    }

    /// The address that a connection is counted for; `None` where it is not limited.
    pub fn address_of(&self, conn: Conn) -> Option<Address> {
        self.admission.address_of(conn.slot)
    }

    /// True if too many hellos of this connection's address have failed.
    pub fn is_hello_doubted(&self, conn: Conn, now: Time) -> bool {
        self.secs_of_doubt(self.address_of(conn), now).is_some()
    }

    /// For how many seconds an address is past its limit of failed hellos and deletes; `None` if it is not.
    pub fn secs_of_doubt(&self, limited: Option<Address>, now: Time) -> Option<u64> {
        self.admission.secs_of_doubt(limited, now)
    }

    /// This address named an unknown session, or a wrong token.
    pub fn note_failed(&mut self, limited: Option<Address>, now: Time) {
        self.admission.note_failed(limited, now);
    }

    /// Puts a request into the queue of its address. One that finds no room is refused, see
    /// [`ClientLimits::pop_crowded_out`].
    pub fn queue_lookup(&mut self, address: Address, request: Request, now: Time) {
        let crowded_out = self.lookups.try_put(address, key_of(&request), request, now).err();
        self.crowded_out.extend(crowded_out);
    }

    /// The next request whose turn has come.
    pub fn poll_lookup(&mut self, now: Time) -> Option<Request> {
        self.lookups.poll(now)
    }

    /// All requests that wait, as the node stops.
    pub fn take_lookups(&mut self) -> Vec<Request> {
        self.lookups.take_all()
    }

    /// A request that found no room to wait, and must be refused now.
    pub fn pop_crowded_out(&mut self) -> Option<Request> {
        self.crowded_out.pop()
    }

    /// Drops a hello that waits to be looked up: its answer has no use any more.
    pub fn drop_claim(&mut self, conn: Conn) {
        let Some(address) = self.address_of(conn) else { return };
        let is_its = |request: &Request| matches!(request, Request::Claim { conn: of, .. } if *of == conn);
        self.lookups.forget(address, is_its);
    }

    /// A limit turned a client away.
    pub fn note_refused(&mut self, what: Refused, address: Option<Address>, now: Time) {
        self.refusals.note(what, address, now);
    }

    /// Logs what limits turned away, if a line is due.
    pub fn log_refusals(&mut self, now: Time) {
        if self.refusals.next_due().is_some_and(|due| due <= now) {
            self.refusals.log(now);
        }
    }

    /// Logs it now, before the end.
    pub fn log_last_refusals(&mut self, now: Time) {
        self.refusals.log(now);
    }

    /// Behind a proxy on this machine that is not trusted all clients share one limit. Logged once.
    pub fn warn_of_proxy(&mut self, caller: &Caller) {
        let is_untrusted = caller.is_forwarded
            && caller.address.to_canonical().is_loopback()
            && !self.trusted_proxies.contains(caller.address);
        if is_untrusted && !std::mem::replace(&mut self.has_warned_of_proxy, true) {
            tracing::warn!(
                proxy = %caller.address,
                "a proxy on this machine passes requests on and is not trusted, so all its clients share the limits of \
                 one address; set --trusted-proxy {} if it writes X-Forwarded-For itself",
                caller.address
            );
        }
    }
}

/// Tells the clients of one address apart by their token, or by the session that they name.
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

//! Applies the limits of an address: which clients are turned away, and which look-ups wait.
//!
//! The reactor asks at accept, at a PROXY header, an upgrade, a register, a delete and a hello, never on the
//! way of a frame, and answers the client.
//!
//! Hellos and deletes of an address past its limit of failed ones wait in [`Lookups`]. So those with valid
//! credentials still pass, at a rate that costs the store little. A request that waits has a fixed size, and
//! its connection is not read meanwhile. A wrong one is answered "too many" instead of "unknown". It does not
//! count as failed again, as the rate bounds it already.

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

    /// Takes over other limits. Connections stay counted. The counts of a rate that changed start again.
    pub fn change(&mut self, limits: &AdmissionLimits, trusted_proxies: TrustedProxies) {
        self.admission.change(limits);
        self.trusted_proxies = trusted_proxies;
        self.has_warned_of_proxy = false;
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

    /// Counts a TLS handshake. False if this address had too many.
    pub fn try_handshake(&mut self, limited: Option<Address>, now: Time) -> bool {
        self.admission.try_handshake(limited, now)
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use protocol::ids::{Role, SessionId, TokenDigest};

    use super::*;

    const CONN: Conn = Conn { slot: 1, name: 9 };
    const NOW: Time = Time::from_ms(1 << 40);
    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn limits() -> ClientLimits {
        let limits = AdmissionLimits { connections_per_address: 1, ..AdmissionLimits::default() };
        let mut limits = ClientLimits::new(&limits, TrustedProxies::default());
        let limited = limits.check_accept(PEER).expect("it is the first");
        limits.enter(CONN, limited);
        limits
    }

    fn claim(token: u8) -> Request {
        let (session, token) = (SessionId::from_bytes([1; 16]), TokenDigest::from_bytes([token; 32]));
        Request::Claim { conn: CONN, session, token, role: Role::Phone, instance: None }
    }

    #[test]
    fn an_address_has_as_many_connections_as_allowed() {
        let mut limits = limits();
        let (address, other) = (Address::of(PEER), Conn { slot: 2, name: 10 });
        assert_eq!(limits.check_accept(PEER), Err(address));
        let caller = Caller { address: PEER, is_forwarded: false, may_be_page: false };
        assert_eq!(limits.try_upgrade(CONN, &caller), Ok(()), "it is counted already");
        assert_eq!(limits.try_upgrade(other, &caller), Err(address));
        assert_eq!(limits.try_enter_client(other, PEER), Err(address));
        limits.leave(CONN);
        assert_eq!(limits.try_enter_client(other, PEER), Ok(()));
    }

    #[test]
    fn a_connection_that_leaves_drops_its_hello_and_not_its_delete() {
        let (mut limits, address) = (limits(), Address::of(PEER));
        let session = SessionId::from_bytes([1; 16]);
        limits.queue_lookup(address, claim(1), NOW);
        limits.queue_lookup(address, Request::Delete { ticket: CONN, session, token: None }, NOW);
        limits.leave(CONN);
        assert!(matches!(limits.poll_lookup(NOW), Some(Request::Delete { .. })));
        assert!(limits.poll_lookup(NOW + Duration::from_secs(60)).is_none());
    }

    #[test]
    fn a_request_that_finds_no_room_to_wait_is_refused() {
        let (mut limits, address) = (limits(), Address::of(PEER));
        let mut queued = 0;
        while limits.pop_crowded_out().is_none() {
            limits.queue_lookup(address, claim(u8::try_from(queued % 251).unwrap()), NOW);
            queued += 1;
        }
        assert_eq!(queued, 501, "500 wait for one address");
        assert_eq!(limits.take_lookups().len(), 500);
    }

    #[test]
    fn an_address_is_doubted_once_too_many_of_its_hellos_failed() {
        let mut limits = limits();
        let address = limits.address_of(CONN);
        for failed in 0..AdmissionLimits::default().failed_hellos_per_minute {
            assert!(!limits.is_hello_doubted(CONN, NOW), "{failed} failed");
            limits.note_failed(address, NOW);
        }
        assert!(limits.is_hello_doubted(CONN, NOW) && limits.secs_of_doubt(address, NOW) == Some(1));
    }
}

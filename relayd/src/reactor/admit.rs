//! Where admission is asked: at a PROXY header, an upgrade and a register; see [`super::look_up`] for hellos and deletes. Never
//! on the way of a frame.

use std::net::IpAddr;

use relayd_core::store::Conn;

use super::Reactor;
use super::exchange::{Parsing, context_of, exchange_of};
use crate::admission::proxy_header::{self, ProxyHeader, SIGNATURE};
use crate::admission::{Address, Caller};
use crate::http::{self, Reply};
use crate::metrics::Refused;

impl Reactor {
    /// What a balancer says of its client before the first request. Gives the bytes it took and why parsing stops, if it
    /// does; `None`: a request may follow right here.
    pub(super) fn take_proxy_header(
        &mut self,
        conn: Conn,
        at: usize,
        len: usize,
    ) -> Option<(usize, Option<Parsing>)> {
        let exchange = exchange_of(&mut self.conns, conn).filter(|exchange| exchange.is_first)?;
        let input = &self.read_buffer[at..len];
        let policy = &self.settings.policy;
        let is_trusted = policy.trusted_proxies.contains(exchange.address);
        let refuse = match proxy_header::read(input) {
            ProxyHeader::Absent => {
                exchange.is_first = false;
                return None;
            }
            _ if !is_trusted && input.starts_with(SIGNATURE) => http::untrusted_proxy_header,
            ProxyHeader::NeedMore => {
                self.on_part(conn, at < len);
                return Some((0, Some(Parsing::NeedMore)));
            }
            ProxyHeader::Whole { len: header, client } => {
                exchange.is_first = false;
                // This machine, as the proxy sees it, is the proxy's: its word makes nobody a program of ours.
                let client = client.filter(|client| !client.to_canonical().is_loopback());
                let is_in = client.is_none_or(|client| self.try_enter_client(conn, client));
                return Some((header, (!is_in).then_some(Parsing::Wait)));
            }
            ProxyHeader::Malformed => http::bad_proxy_header,
        };
        let answered = refuse(&context_of(&self.settings, &self.clock), &mut self.answer);
        self.queue_answer(conn, answered);
        Some((len - at, Some(Parsing::Wait)))
    }

    /// A trusted peer says that this client is behind the connection. False: it has too many, and was told.
    fn try_enter_client(&mut self, conn: Conn, client: IpAddr) -> bool {
        if let Some(exchange) = exchange_of(&mut self.conns, conn) {
            exchange.address = client;
        }
        let policy = &self.settings.policy;
        let limited = policy.trusted_proxies.at_accept(client);
        if limited.is_none_or(|address| self.admission.try_enter(conn.slot, address)) {
            return true;
        }
        self.note_refused(Refused::Connection, limited);
        let context = context_of(&self.settings, &self.clock);
        let answered = http::too_many_connections(&context, &mut self.answer);
        self.queue_answer(conn, answered);
        false
    }

    /// Counts a connection that is about to be a WebSocket for whom it is. False: it has too many, and was told.
    pub(super) fn try_admit(&mut self, conn: Conn, caller: &Caller, reply: Reply) -> bool {
        self.warn_of_proxy(caller);
        match caller.limited() {
            // What was counted for an earlier request of this connection is of somebody else.
            None => self.admission.leave(conn.slot),
            Some(address) if self.admission.try_enter(conn.slot, address) => {}
            Some(address) => {
                self.note_refused(Refused::Connection, Some(address));
                self.answer.clear();
                let context = context_of(&self.settings, &self.clock);
                let answered = reply.too_many_connections(&context, &mut self.answer);
                self.queue_answer(conn, answered);
                return false;
            }
        }
        true
    }

    /// False: this address registers too often, and was told.
    pub(super) fn try_count_register(&mut self, conn: Conn, caller: &Caller, reply: Reply) -> bool {
        self.warn_of_proxy(caller);
        let asked = self.admission.try_register(caller.limited(), self.clock.now());
        let Err(retry_after_secs) = asked else { return true };
        self.refuse_for_a_while(conn, retry_after_secs, (Refused::Register, caller.limited()), reply);
        false
    }

    /// Answers 429.
    pub(super) fn refuse_for_a_while(
        &mut self,
        conn: Conn,
        secs: u64,
        (limit, address): (Refused, Option<Address>),
        reply: Reply,
    ) {
        self.note_refused(limit, address);
        self.answer.clear();
        let context = context_of(&self.settings, &self.clock);
        let answered = reply.too_many(&context, secs, &mut self.answer);
        self.queue_answer(conn, answered);
    }

    /// Behind a proxy on this machine that is not trusted all clients share one limit. Said once.
    pub(super) fn warn_of_proxy(&mut self, caller: &Caller) {
        let is_untrusted = caller.is_forwarded
            && caller.address.to_canonical().is_loopback()
            && !self.settings.policy.trusted_proxies.contains(caller.address);
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

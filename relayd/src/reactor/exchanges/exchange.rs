//! One HTTP connection: how far its request is, and what it waits for.

use std::net::IpAddr;

use protocol::qr::Pairing;
use relayd_core::time::Time;

use crate::admission::Address;
use crate::admission::proxy_header::{self, ProxyHeader, SIGNATURE};
use crate::http::{self, Answered, Context, Parsed, Progress, Reply};

/// One HTTP connection.
#[derive(Debug)]
pub struct Exchange {
    /// With the slot, the name of its connection.
    pub name: u64,
    /// The peer's; or the client's, where a trusted peer named it in a PROXY header.
    address: IpAddr,
    /// Nothing of a request was looked at yet: a PROXY header may come.
    is_first: bool,
    /// TLS must begin before the first request.
    pub expects_tls: bool,
    progress: Progress,
    pub awaits: Awaits,
    /// Its deadline. `None` once it has passed.
    pub due: Option<Time>,
}

/// What an HTTP connection waits for.
#[derive(Debug)]
pub enum Awaits {
    /// The next request.
    Request,
    /// A whole request: one is under way, or it is the first.
    WholeRequest,
    /// The store's answer. Nothing is parsed meanwhile.
    Store(PendingRequest),
    /// Its socket's end. Its last answer is queued.
    End,
}

/// What answers the request that waits for the store.
#[derive(Debug)]
pub struct PendingRequest {
    pub reply: Reply,
    /// For a register: the session to make.
    pub pairing: Option<Pairing>,
    /// The address to count it for: a delete of an unknown session, a register without room.
    pub limited: Option<Address>,
    /// For a delete: that address is past its limit of failed hellos and deletes.
    pub is_doubted: bool,
}

/// What an HTTP connection said.
#[derive(Debug)]
pub enum Heard {
    /// A PROXY header of a trusted peer, in so many bytes. It may name the client.
    Client { consumed: usize, client: Option<IpAddr> },
    /// All of it is the begin of a TLS handshake.
    Tls,
    /// A request, or a part of one.
    Request(Parsed),
}

impl Exchange {
    /// Of a new connection.
    pub fn new(name: u64, address: IpAddr, expects_tls: bool) -> Self {
        let (progress, awaits) = (Progress::default(), Awaits::WholeRequest);
        Exchange { name, address, is_first: true, expects_tls, progress, awaits, due: None }
    }

    /// Reads what `input` begins with, and writes the answer if it can be given here.
    pub fn read(&mut self, input: &[u8], context: &Context<'_>, answer: &mut Vec<u8>) -> Heard {
        match self.read_proxy_header(input, context) {
            ProxyRead::Absent => {}
            ProxyRead::NeedMore => return Heard::Request(Parsed::NeedMore),
            ProxyRead::Client { consumed, client } => return Heard::Client { consumed, client },
            ProxyRead::Refused(refuse) => {
                let answered = refuse(context, answer);
                return Heard::Request(Parsed::Answered { consumed: input.len(), answered });
            }
        }
        if let Some(heard) = self.read_first_byte(input, context, answer) {
            return heard;
        }
        Heard::Request(http::parse(input, self.address, &mut self.progress, context, answer))
    }

    /// Where TLS must begin: looks if it does. Anything else is answered in plain words.
    fn read_first_byte(
        &mut self,
        input: &[u8],
        context: &Context<'_>,
        answer: &mut Vec<u8>,
    ) -> Option<Heard> {
        if !self.expects_tls {
            return None;
        }
        match *input.first()? {
            HANDSHAKE => {
                self.expects_tls = false;
                Some(Heard::Tls)
            }
            _ => {
                let answered = http::plain_on_tls_port(context, answer);
                Some(Heard::Request(Parsed::Answered { consumed: input.len(), answered }))
            }
        }
    }

    /// Reads what may stand before the first request.
    fn read_proxy_header(&mut self, input: &[u8], context: &Context<'_>) -> ProxyRead {
        if !self.is_first {
            return ProxyRead::Absent;
        }
        let is_trusted = context.policy.trusted_proxies.contains(self.address);
        match proxy_header::read(input) {
            ProxyHeader::Absent => {
                self.is_first = false;
                ProxyRead::Absent
            }
            _ if !is_trusted && input.starts_with(SIGNATURE) => {
                ProxyRead::Refused(http::untrusted_proxy_header)
            }
            ProxyHeader::NeedMore => ProxyRead::NeedMore,
            ProxyHeader::Malformed => ProxyRead::Refused(http::bad_proxy_header),
            ProxyHeader::Whole { len, client } => {
                self.is_first = false;
                // A proxy that names its own machine does not make its client a program of this machine.
                let client = client.filter(|client| !client.to_canonical().is_loopback());
                self.address = client.unwrap_or(self.address);
                ProxyRead::Client { consumed: len, client }
            }
        }
    }
}

/// RFC 8446 §5.1: the type of a record that begins a connection. No HTTP request begins with it.
const HANDSHAKE: u8 = 22;

/// What stands before the first request.
enum ProxyRead {
    Absent,
    NeedMore,
    /// A whole PROXY header.
    Client {
        consumed: usize,
        client: Option<IpAddr>,
    },
    /// A PROXY header that is not accepted.
    Refused(fn(&Context<'_>, &mut Vec<u8>) -> Answered),
}

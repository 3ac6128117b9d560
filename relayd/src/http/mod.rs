//! The HTTP endpoints: request bytes in, answer bytes out.
//!
//! Owns the form of a request and every byte of an answer. There is no socket, clock or store here. A request
//! that needs the store leaves as a [`ApiCall`], with the [`Reply`] that writes its answer later. The reactor
//! calls this module, one request at a time.

pub mod admin;
mod auth;
mod chunked;
mod date;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod head;
mod origin;
mod page;
pub mod qr_picture;
mod refusal;
mod register;
mod reply;
mod response;
mod route;
mod scan;
mod site;
mod upgrade;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use protocol::ids::{SessionId, Token};

use crate::admission::{Caller, TrustedProxies};

pub use auth::{InvalidRegisterKey, RegisterKeys};
pub use date::HttpDate;
pub use origin::{AllowedOrigins, InvalidOrigin};
pub use reply::{
    Reply, bad_proxy_header, overloaded, plain_on_tls_port, timed_out, too_many_connections,
    untrusted_proxy_header,
};
pub use response::Answered;
pub use scan::Progress;

/// The rules of the endpoints, the same for every request. Made once from the configuration.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Which web pages may talk to this relay.
    pub origins: AllowedOrigins,
    /// If set, registering needs one of these keys.
    pub register_keys: Option<RegisterKeys>,
    /// Deleting a session needs its token.
    pub delete_needs_token: bool,
    /// The page for phones is served.
    pub serves_page: bool,
    /// The address of the page, without a fragment, where clients are told the host that serves it.
    pub page_url: Option<String>,
    /// `/metrics` is for all clients, not for this machine alone.
    pub metrics_public: bool,
    /// There is no `/metrics` at all here.
    pub metrics_hidden: bool,
    /// Proxies trusted to report the client's address.
    pub trusted_proxies: TrustedProxies,
}

/// What every answer needs besides its request.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The rules.
    pub policy: &'a Policy,
    /// Now.
    pub date: &'a HttpDate,
}

/// The outcome of the bytes so far.
#[derive(Debug)]
pub enum Parsed {
    /// The request is not whole. Call again with more bytes, from the same start. An interim `100 Continue`
    /// may have been appended, to be sent now.
    NeedMore,
    /// A complete answer was appended.
    Answered {
        /// How many bytes the request took; the next one starts behind them.
        consumed: usize,
        /// The answer.
        answered: Answered,
    },
    /// The connection speaks WebSocket from here on; the 101 was appended. Frames follow behind `consumed`.
    Upgraded {
        /// How many bytes the request took.
        consumed: usize,
        /// The client asked for raw mode.
        raw: bool,
        /// Writes an answer in place of the 101, to refuse it after all.
        reply: Reply,
        /// The client.
        caller: Caller,
    },
    /// Nothing was appended: `reply` writes the answer once the reactor knows it. Until then nothing more is
    /// parsed.
    Call {
        /// How many bytes the request took.
        consumed: usize,
        /// The request.
        call: ApiCall,
        /// Writes the answer.
        reply: Reply,
        /// The client.
        caller: Caller,
    },
}

/// A request that the endpoints can't answer by themselves.
#[derive(Clone, Copy, Debug)]
pub enum ApiCall {
    /// Make a session; answer with [`Reply::registered`].
    Register {
        /// The ids of a session that is to come back; `None` for a new one.
        again: Option<(SessionId, Token)>,
    },
    /// End a session; answer with [`Reply::deleted`].
    Delete {
        /// The session.
        session: SessionId,
        /// Must match where given.
        token: Option<Token>,
    },
    /// Ask whether the store answers; answer with [`Reply::ready`].
    Ready,
    /// The metrics; answer with [`Reply::metrics`].
    Metrics,
}

/// Reads one request from the start of `input`, which the caller keeps until it is consumed. `peer` is
/// where the connection comes from.
///
/// `progress` belongs to the connection: it remembers which bytes were read, so a request that comes byte by
/// byte costs no more than one that comes whole. At most [`protocol::limits::HEAD_BYTES_MAX`] +
/// [`protocol::limits::CHUNKED_BYTES_MAX`] bytes need to be kept. Never panics, whatever the bytes are.
pub fn parse(
    input: &[u8],
    peer: IpAddr,
    progress: &mut Progress,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Parsed {
    let parsed = route::parse(input, peer, progress, context, out);
    if !matches!(parsed, Parsed::NeedMore) {
        *progress = Progress::default();
    }
    parsed
}

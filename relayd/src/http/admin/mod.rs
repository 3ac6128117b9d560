//! The endpoints for operators: a route table of its own, beside that of clients.
//!
//! Two doors lead to it. The address of `--admin-listen` only shows. The Unix socket of `--admin-socket` also
//! kills sessions and drains the node. What needs the reactor leaves as an [`AdminCall`].

mod hosts;

use protocol::ids::SessionHash;

pub use self::hosts::{AdminHosts, InvalidHosts};
use super::head::{Framing, Head, Method};
use super::refusal::Refusal;
use super::reply::Reply;
use super::response::{self, Answered, Response};
use super::scan::{Progress, Scan};
use super::{AllowedOrigins, Context, Policy};

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The address: everything that reaches it may look.
    Address,
    /// The Unix socket, which only its owner and root may open.
    Socket,
}

/// The form of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For browsers.
    Html,
    /// For terminals.
    Text,
    /// For scripts.
    Json,
}

/// What a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Everything in short.
    Overview,
    /// The sessions with most bytes.
    Sessions,
    /// The connections with most bytes.
    Connections,
    /// The other nodes.
    Nodes,
}

/// The beginning of a session's hash, in at most 64 lower-case hex digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashDigits(String);

/// A request that the endpoints can't answer by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminCall {
    /// Answer with [`Reply::ready`].
    Ready,
    /// Answer with [`Reply::metrics`].
    Metrics,
    /// Answer with [`page`].
    Look {
        /// About what.
        topic: Topic,
        /// In which form.
        format: Format,
        /// Only sessions whose hash begins so.
        digits: HashDigits,
    },
    /// End this session; answer with [`killed`] or [`refuse`].
    Kill(SessionHash),
    /// Drain as at SIGTERM; answer with [`told_to_drain`].
    Drain,
}

/// The outcome of the bytes so far.
#[derive(Debug)]
pub enum AdminParsed {
    /// The request is not whole.
    NeedMore,
    /// A complete answer was appended. The request took so many bytes.
    Answered(usize, Answered),
    /// The reactor has the answer. The request took so many bytes.
    Call(usize, AdminCall, Reply),
}

/// Why the reactor can't do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKilled {
    /// No session held here has this hash.
    Unknown,
    /// The store does not answer.
    StoreAway,
}

impl HashDigits {
    /// The digits. Empty: every session is meant.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads them. `None` for anything but at most 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() <= 64 && text.bytes().all(is_hex)).then(|| HashDigits(text.to_owned()))
    }
}

/// The rules for answers to operators: no page of another origin may read them.
pub fn policy() -> Policy {
    Policy { origins: AllowedOrigins::Listed(Vec::new()), ..Policy::default() }
}

/// Reads one request from the start of `input`, as [`http::parse`](super::parse) does for clients. Never
/// panics, whatever the bytes are.
pub fn parse(
    input: &[u8],
    door: Door,
    hosts: &AdminHosts,
    progress: &mut Progress,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> AdminParsed {
    let last = Reply::last(context.policy);
    let refuse = |reply: Reply, refusal: &Refusal, taken, out: &mut Vec<u8>| {
        AdminParsed::Answered(taken, reply.refused(context, refusal, out))
    };
    let len = match progress.advance(input) {
        Scan::NeedMore => return AdminParsed::NeedMore,
        Scan::Refused(refusal) => return refuse(last, &refusal, input.len(), out),
        Scan::Head(len) => len,
    };
    *progress = Progress::default();
    let head = match Head::read(&input[..len], None) {
        Ok(head) => head,
        Err(refusal) => return refuse(last, &refusal, input.len(), out),
    };
    let reply = Reply::to(&head, context.policy);
    match judge(&head, door, hosts) {
        Ok(None) => AdminParsed::Answered(len, reply.healthy(context, out)),
        Ok(Some(call)) => AdminParsed::Call(len, call, reply),
        Err(refusal) => refuse(reply, &refusal, if refusal.closes { input.len() } else { len }, out),
    }
}

/// What a request asks for; `None`: whether the process lives.
fn judge(head: &Head<'_>, door: Door, hosts: &AdminHosts) -> Result<Option<AdminCall>, Refusal> {
    if let Some(fault) = head.fault {
        return Err(fault);
    }
    if head.framing != Framing::Sized(0) {
        return Err(Refusal::ADMIN_BODY);
    }
    if door == Door::Address {
        if head.origin.is_some() {
            return Err(Refusal::ADMIN_ORIGIN);
        }
        if !hosts.may_be(head.host) {
            return Err(Refusal::ADMIN_HOST);
        }
    }
    match head.path {
        "/drain" => acting(head, door).map(|()| Some(AdminCall::Drain)),
        path => match path.strip_prefix("/kill/") {
            Some(hash) => {
                acting(head, door)?;
                SessionHash::parse(hash).map(AdminCall::Kill).map(Some).ok_or(Refusal::ADMIN_HASH)
            }
            None => looking(head),
        },
    }
}

fn looking(head: &Head<'_>) -> Result<Option<AdminCall>, Refusal> {
    let topic = match head.path {
        "/" | "/debug" => Topic::Overview,
        "/debug/sessions" => Topic::Sessions,
        "/debug/connections" => Topic::Connections,
        "/debug/nodes" => Topic::Nodes,
        "/health" | "/ready" | "/metrics" => Topic::Overview,
        _ => return Err(Refusal::ADMIN_NOT_FOUND),
    };
    if !matches!(head.method, Method::Get | Method::Head) {
        return Err(Refusal::ADMIN_READ_ONLY);
    }
    let digits = head.query.and_then(|query| query.strip_prefix("hash=")).unwrap_or_default();
    let digits = HashDigits::parse(digits).ok_or(Refusal::ADMIN_HASH)?;
    Ok(match head.path {
        "/health" => None,
        "/ready" => Some(AdminCall::Ready),
        "/metrics" => Some(AdminCall::Metrics),
        _ => Some(AdminCall::Look { topic, format: format_of(head.accept), digits }),
    })
}

/// What changes something comes through the socket alone.
fn acting(head: &Head<'_>, door: Door) -> Result<(), Refusal> {
    match (door, head.method) {
        (Door::Address, _) => Err(Refusal::ADMIN_SOCKET_ONLY),
        (Door::Socket, Method::Post) => Ok(()),
        (Door::Socket, _) => Err(Refusal::method_not_allowed("Allow: POST\r\n")),
    }
}

/// A browser names HTML, `relayctl --json` names JSON, and curl takes anything.
fn format_of(accept: Option<&[u8]>) -> Format {
    let names = |word: &[u8]| accept.is_some_and(|accept| memchr::memmem::find(accept, word).is_some());
    match () {
        () if names(b"text/html") => Format::Html,
        () if names(b"application/json") => Format::Json,
        () => Format::Text,
    }
}

/// Answers with a page.
pub fn page(reply: Reply, context: &Context<'_>, format: Format, body: &str, out: &mut Vec<u8>) -> Answered {
    let content_type = match format {
        Format::Html => "text/html; charset=utf-8",
        Format::Text => "text/plain; charset=utf-8",
        Format::Json => response::JSON,
    };
    let response = Response { status: 200, headers: HEADERS, content_type, body: body.as_bytes() };
    response::write(reply.form(), context, &response, out)
}

/// Answers that a session has ended.
pub fn killed(reply: Reply, context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    done(reply, context, "the session has ended, and its connections are closed with 4410", out)
}

/// Answers that the drain begins.
pub fn told_to_drain(reply: Reply, context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    done(reply, context, "the node stops, as at SIGTERM", out)
}

/// Answers why a session was not ended.
pub fn refuse(reply: Reply, context: &Context<'_>, why: NotKilled, out: &mut Vec<u8>) -> Answered {
    let refusal = match why {
        NotKilled::Unknown => Refusal::ADMIN_NO_SESSION,
        NotKilled::StoreAway => Refusal::STORE_AWAY,
    };
    reply.refused(context, &refusal, out)
}

fn done(reply: Reply, context: &Context<'_>, what: &str, out: &mut Vec<u8>) -> Answered {
    let body = format!("{{\"ok\":true,\"message\":\"{what}\"}}");
    let response =
        Response { status: 200, headers: HEADERS, content_type: response::JSON, body: body.as_bytes() };
    response::write(reply.form(), context, &response, out)
}

/// Pages have no script, load nothing, and are shown in no frame.
const HEADERS: &str = "Cache-Control: no-store\r\n\
    Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'\r\n\
    Referrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n";

#[cfg(test)]
mod tests;

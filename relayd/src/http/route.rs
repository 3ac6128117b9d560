//! From a whole request to its answer, or to the call that finds it.

use std::borrow::Cow;
use std::net::IpAddr;

use protocol::ids::{SessionId, Token};

use super::auth::bearer;
use super::chunked::Progressed;
use super::head::{Framing, Head, Method};
use super::origin::Origin;
use super::refusal::Refusal;
use super::reply::Reply;
use super::scan::{Progress, Scan};
use super::upgrade::Accepted;
use super::{ApiCall, Context, Parsed, Policy, chunked, register, site};
use crate::admission::Caller;

/// What to do with a request that is not refused.
enum Outcome {
    Healthy,
    Address,
    Preflight,
    Page(site::Found),
    Upgrade { accepted: Accepted, awaits_continue: bool },
    Call(ApiCall),
}

pub(super) fn parse(
    input: &[u8],
    peer: IpAddr,
    progress: &mut Progress,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Parsed {
    let policy = context.policy;
    let head_len = match progress.advance(input) {
        Scan::NeedMore => return Parsed::NeedMore,
        Scan::Refused(refusal) => return refused(input.len(), Reply::last(policy), &refusal, context, out),
        Scan::Head(len) => len,
    };
    let trusted = Some(&policy.trusted_proxies).filter(|trusted| trusted.contains(peer));
    let head = match Head::read(&input[..head_len], trusted) {
        Ok(head) => head,
        Err(refusal) => return refused(input.len(), Reply::last(policy), &refusal, context, out),
    };
    let reply = Reply::to(&head, policy);
    if let Some(fault) = head.fault {
        return refused(input.len(), reply, &fault, context, out);
    }
    let (consumed, body) = match find_body(&head, head_len, input, progress) {
        Body::Whole(consumed, body) => (consumed, body),
        Body::Refused(refusal) => return refused(input.len(), reply, &refusal, context, out),
        Body::NeedMore { is_new } => {
            if is_new && head.awaits_continue {
                out.extend_from_slice(CONTINUE);
            }
            return Parsed::NeedMore;
        }
    };
    let address = head.forwarded_for.unwrap_or(peer);
    let caller = Caller { address, is_forwarded: head.forwarded, may_be_page: head.may_be_page };
    match judge(&head, &body, policy, &caller, reply.origin()) {
        Err(refusal) => refused(consumed, reply, &refusal, context, out),
        Ok(outcome) => carry_out(outcome, Request { head: &head, consumed, reply, caller }, context, out),
    }
}

/// The body of a request whose head is there.
enum Body<'a> {
    /// Head and body take so many bytes; its content.
    Whole(usize, Cow<'a, [u8]>),
    /// It is not whole yet. `is_new`: the head was read just now.
    NeedMore { is_new: bool },
    /// Its end can't be found, or it is too large.
    Refused(Refusal),
}

fn find_body<'a>(head: &Head<'_>, head_len: usize, input: &'a [u8], progress: &mut Progress) -> Body<'a> {
    let rest = &input[head_len..];
    match head.framing {
        Framing::Sized(len) => match rest.get(..len) {
            Some(body) => Body::Whole(head_len + len, Cow::Borrowed(body)),
            None => Body::NeedMore { is_new: progress.await_body(head_len + len) },
        },
        Framing::Chunked => {
            let is_new = progress.is_before_chunks();
            match progress.advance_chunks(rest) {
                Progressed::Whole(len) => {
                    Body::Whole(head_len + len, Cow::Owned(chunked::content(&rest[..len])))
                }
                Progressed::NeedMore => Body::NeedMore { is_new },
                Progressed::Refused(refusal) => Body::Refused(refusal),
            }
        }
    }
}

/// A request that is not refused.
#[derive(Clone, Copy)]
struct Request<'a> {
    head: &'a Head<'a>,
    consumed: usize,
    reply: Reply,
    caller: Caller,
}

fn refused(
    consumed: usize,
    reply: Reply,
    refusal: &Refusal,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Parsed {
    Parsed::Answered { consumed, answered: reply.refused(context, refusal, out) }
}

fn carry_out(outcome: Outcome, request: Request<'_>, context: &Context<'_>, out: &mut Vec<u8>) -> Parsed {
    let Request { head, consumed, reply, caller } = request;
    let answered = match outcome {
        Outcome::Call(call) => return Parsed::Call { consumed, call, reply, caller },
        Outcome::Upgrade { accepted: Accepted { accept, raw }, awaits_continue } => {
            // RFC 9110 §7.8: a client that waits for 100 gets it before the 101.
            if awaits_continue {
                out.extend_from_slice(CONTINUE);
            }
            reply.switching(context, &accept, raw, out);
            return Parsed::Upgraded { consumed, raw, reply, caller };
        }
        Outcome::Healthy => reply.healthy(context, out),
        Outcome::Address => reply.address(caller, context, out),
        Outcome::Page(site::Found::File(file)) => site::answer_file(file, reply, head, context, out),
        Outcome::Page(site::Found::OtherBuild { tries }) => {
            site::answer_other_build(tries, reply, head, context, out)
        }
        Outcome::Preflight => reply.no_content(context, PREFLIGHT_FIELDS, out),
    };
    Parsed::Answered { consumed, answered }
}

fn judge(
    head: &Head<'_>,
    body: &[u8],
    policy: &Policy,
    caller: &Caller,
    origin: Origin,
) -> Result<Outcome, Refusal> {
    // Before the rest of the request is looked at, so that a foreign page learns nothing.
    if origin == Origin::Foreign && (head.path == "/ws" || head.path.starts_with("/api/")) {
        return Err(Refusal::FOREIGN_ORIGIN);
    }
    if head.method == Method::Options {
        return Ok(Outcome::Preflight);
    }
    match head.path {
        "/health" => readable(head).map(|()| Outcome::Healthy),
        "/ready" => readable(head).map(|()| Outcome::Call(ApiCall::Ready)),
        "/metrics" if !policy.metrics_hidden && (policy.metrics_public || caller.is_local_program()) => {
            readable(head).map(|()| Outcome::Call(ApiCall::Metrics))
        }
        "/ws" => upgrade(head),
        "/api/address" => readable(head).map(|()| Outcome::Address),
        "/api/register" => register(head, body, policy),
        path => match path.strip_prefix("/api/session/") {
            Some(id) if !id.is_empty() && !id.contains('/') => delete(head, id, policy),
            _ => page(head, policy),
        },
    }
}

/// Any other path: the page, if it is served. A request for a WebSocket there has the wrong path.
fn page(head: &Head<'_>, policy: &Policy) -> Result<Outcome, Refusal> {
    let is_served = policy.serves_page && !head.upgrade.websocket;
    let found = site::find(head).filter(|_| is_served).ok_or(Refusal::NOT_FOUND)?;
    readable(head).map(|()| Outcome::Page(found))
}

fn readable(head: &Head<'_>) -> Result<(), Refusal> {
    match head.method {
        Method::Get | Method::Head => Ok(()),
        _ => Err(Refusal::method_not_allowed("Allow: GET, HEAD, OPTIONS\r\n")),
    }
}

fn upgrade(head: &Head<'_>) -> Result<Outcome, Refusal> {
    // A client that wanted to upgrade may have sent frames behind its request; they must not be read as HTTP.
    let closing = |refusal: Refusal| Refusal { closes: refusal.closes || head.upgrade.wanted, ..refusal };
    readable(head).map_err(closing)?;
    // RFC 6455 §4.2.1: a GET. HEAD is answered like a GET that does not upgrade.
    if head.method != Method::Get {
        return Err(closing(Refusal::UPGRADE_REQUIRED));
    }
    let has_body = head.framing != Framing::Sized(0);
    let accepted = head.upgrade.judge(has_body).map_err(closing)?;
    Ok(Outcome::Upgrade { accepted, awaits_continue: head.awaits_continue })
}

fn register(head: &Head<'_>, body: &[u8], policy: &Policy) -> Result<Outcome, Refusal> {
    if head.method != Method::Post {
        return Err(Refusal::method_not_allowed("Allow: POST, OPTIONS\r\n"));
    }
    if let Some(keys) = &policy.register_keys {
        let presented = bearer(head.authorization).unwrap_or_default();
        if !keys.matches(presented) {
            return Err(Refusal::NEEDS_KEY);
        }
    }
    let again = register::read_body(body)?;
    Ok(Outcome::Call(ApiCall::Register { again }))
}

fn delete(head: &Head<'_>, id: &str, policy: &Policy) -> Result<Outcome, Refusal> {
    if head.method != Method::Delete {
        return Err(Refusal::method_not_allowed("Allow: DELETE, OPTIONS\r\n"));
    }
    let presented = bearer(head.authorization);
    if policy.delete_needs_token && presented.is_none() {
        return Err(Refusal::NEEDS_TOKEN);
    }
    // A malformed id or token is answered like an unknown one, without asking the store.
    let session = SessionId::parse(id).map_err(|_| Refusal::NO_SESSION)?;
    let token = presented.map(parse_token).transpose()?;
    Ok(Outcome::Call(ApiCall::Delete { session, token }))
}

fn parse_token(presented: &[u8]) -> Result<Token, Refusal> {
    let text = std::str::from_utf8(presented).map_err(|_| Refusal::NO_SESSION)?;
    Token::parse(text).map_err(|_| Refusal::NO_SESSION)
}

/// The answer to a browser that asks before it sends a request of another page, and for how many seconds it
/// need not ask again. No browser remembers it for longer than a day. Fetch standard, CORS-preflight.
const PREFLIGHT_FIELDS: &str = "Access-Control-Allow-Methods: GET, POST, DELETE\r\n\
    Access-Control-Allow-Headers: Authorization, Content-Type\r\n\
    Access-Control-Max-Age: 7200\r\n";

/// The interim answer to a client that waits before it sends its body, or its frames. RFC 9110 §15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

//! From a whole request to its answer, or to the call that finds it.

use protocol::ids::{SessionId, Token};

use super::auth::bearer;
use super::head::{Head, Method};
use super::origin::Origin;
use super::refusal::Refusal;
use super::reply::Reply;
use super::scan::{Progress, Scan};
use super::upgrade::Accepted;
use super::{Call, Context, Parsed, Policy, answer, register};
use crate::admission::Caller;

/// What is to be done with a request that is not refused.
enum Outcome {
    Healthy,
    Preflight,
    Upgrade(Accepted),
    Call(Call),
}

pub(super) fn parse(
    input: &[u8],
    progress: &mut Progress,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Parsed {
    let policy = context.policy;
    let head_len = match progress.advance(input) {
        Scan::NeedMore => return Parsed::NeedMore,
        Scan::Refused(refusal) => return refused(input.len(), Reply::last(policy), &refusal, policy, out),
        Scan::Head(len) => len,
    };
    let trusted = Some(&policy.trusted_proxies).filter(|trusted| trusted.contains(context.peer));
    let head = match Head::read(&input[..head_len], trusted) {
        Ok(head) => head,
        Err(refusal) => return refused(input.len(), Reply::last(policy), &refusal, policy, out),
    };
    let reply = Reply::to(&head, policy);
    if let Some(fault) = head.fault {
        return refused(input.len(), reply, &fault, policy, out);
    }
    let consumed = head_len + head.body_len;
    let Some(body) = input.get(head_len..consumed) else {
        let first = progress.await_body(consumed);
        if first && head.awaits_continue {
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        return Parsed::NeedMore;
    };
    match judge(&head, body, context, reply.origin) {
        Err(refusal) => refused(consumed, reply, &refusal, policy, out),
        Ok(outcome) => {
            let address = head.forwarded_for.unwrap_or(context.peer);
            let caller = Caller { address, is_forwarded: head.forwarded };
            carry_out(outcome, Request { consumed, reply, caller }, policy, out)
        }
    }
}

/// What is known of a request that is not refused.
#[derive(Clone, Copy)]
struct Request {
    consumed: usize,
    reply: Reply,
    caller: Caller,
}

fn refused(consumed: usize, reply: Reply, refusal: &Refusal, policy: &Policy, out: &mut Vec<u8>) -> Parsed {
    Parsed::Answered { consumed, answered: reply.refused(policy, refusal, out) }
}

fn carry_out(outcome: Outcome, request: Request, policy: &Policy, out: &mut Vec<u8>) -> Parsed {
    let Request { consumed, reply, caller } = request;
    let answered = match outcome {
        Outcome::Call(call) => return Parsed::Call { consumed, call, reply, caller },
        Outcome::Upgrade(Accepted { accept, raw }) => {
            answer::write_switching(reply, policy, &accept, raw, out);
            return Parsed::Upgraded { consumed, raw, reply, caller };
        }
        Outcome::Healthy => reply.healthy(policy, out),
        Outcome::Preflight => reply.no_content(policy, PREFLIGHT_FIELDS, out),
    };
    Parsed::Answered { consumed, answered }
}

fn judge(head: &Head<'_>, body: &[u8], context: &Context<'_>, origin: Origin) -> Result<Outcome, Refusal> {
    // Before anything else of the request is looked at, so that a foreign page learns nothing.
    if origin == Origin::Foreign && (head.path == "/ws" || head.path.starts_with("/api/")) {
        return Err(Refusal::FOREIGN_ORIGIN);
    }
    if head.method == Method::Options {
        return Ok(Outcome::Preflight);
    }
    match head.path {
        "/health" => readable(head).map(|()| Outcome::Healthy),
        "/ready" => readable(head).map(|()| Outcome::Call(Call::Ready)),
        "/metrics" if may_see_metrics(head, context) => readable(head).map(|()| Outcome::Call(Call::Metrics)),
        "/ws" => upgrade(head),
        "/api/register" => register(head, body, context.policy),
        path => match path.strip_prefix("/api/session/") {
            Some(id) if !id.is_empty() && !id.contains('/') => delete(head, id, context.policy),
            _ => Err(Refusal::NOT_FOUND),
        },
    }
}

fn readable(head: &Head<'_>) -> Result<(), Refusal> {
    match head.method {
        Method::Get | Method::Head => Ok(()),
        _ => Err(Refusal::method_not_allowed("Allow: GET, HEAD, OPTIONS\r\n")),
    }
}

/// An IPv4 client of a dual-stack listener comes as `::ffff:127.0.0.1`, and a proxy on this machine is no reader.
fn may_see_metrics(head: &Head<'_>, context: &Context<'_>) -> bool {
    context.policy.metrics_public || (context.peer.to_canonical().is_loopback() && !head.forwarded)
}

fn upgrade(head: &Head<'_>) -> Result<Outcome, Refusal> {
    // A client that wanted to upgrade may have sent frames behind its request; they must not be read as HTTP.
    let closing = |refusal: Refusal| Refusal { closes: refusal.closes || head.upgrade.wanted, ..refusal };
    readable(head).map_err(closing)?;
    // RFC 6455 §4.2.1: a GET. HEAD is answered like a GET that does not upgrade.
    if head.method != Method::Get {
        return Err(closing(Refusal::UPGRADE_REQUIRED));
    }
    head.upgrade.judge(head.body_len).map(Outcome::Upgrade).map_err(closing)
}

fn register(head: &Head<'_>, body: &[u8], policy: &Policy) -> Result<Outcome, Refusal> {
    if head.method != Method::Post {
        return Err(Refusal::method_not_allowed("Allow: POST, OPTIONS\r\n"));
    }
    if let Some(key) = &policy.register_key {
        let presented = bearer(head.authorization).unwrap_or_default();
        if !key.matches(presented) {
            return Err(Refusal::NEEDS_KEY);
        }
    }
    let again = register::read_body(body)?;
    Ok(Outcome::Call(Call::Register { again }))
}

fn delete(head: &Head<'_>, id: &str, policy: &Policy) -> Result<Outcome, Refusal> {
    if head.method != Method::Delete {
        return Err(Refusal::method_not_allowed("Allow: DELETE, OPTIONS\r\n"));
    }
    let presented = bearer(head.authorization);
    if policy.delete_needs_token && presented.is_none() {
        return Err(Refusal::NEEDS_TOKEN);
    }
    // What can't be an id or a token is answered like one that nobody has, and goes no further.
    let session = SessionId::parse(id).map_err(|_| Refusal::NO_SESSION)?;
    let token = presented.map(parse_token).transpose()?;
    Ok(Outcome::Call(Call::Delete { session, token }))
}

fn parse_token(presented: &[u8]) -> Result<Token, Refusal> {
    let text = std::str::from_utf8(presented).map_err(|_| Refusal::NO_SESSION)?;
    Token::parse(text).map_err(|_| Refusal::NO_SESSION)
}

/// What a browser asks for before it sends a request from another page. Fetch standard, CORS-preflight.
const PREFLIGHT_FIELDS: &str = "Access-Control-Allow-Methods: GET, POST, DELETE\r\n\
    Access-Control-Allow-Headers: Authorization, Content-Type\r\n";

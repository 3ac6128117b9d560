//! How an answer is written, and the answers that belong to no request.

use super::Context;
use super::origin::Origin;
use super::refusal::Refusal;
use super::reply::Reply;

/// An answer was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Answered {
    /// Its status code.
    pub status: u16,
    /// The connection ends once it is sent.
    pub close: bool,
}

/// The head or body did not arrive whole in time: 408.
pub fn timed_out(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).refused(context, &Refusal::TIMED_OUT, out)
}

/// The connection can't be kept, whatever it was to ask: 503.
pub fn overloaded(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).refused(context, &Refusal::OVERLOADED, out)
}

/// The connection begins with a PROXY header that can't be read: 400.
pub fn bad_proxy_header(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).refused(context, &Refusal::BAD_PROXY_HEADER, out)
}

/// The connection begins with a PROXY header, and its peer may not send one: 400.
pub fn untrusted_proxy_header(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).refused(context, &Refusal::UNTRUSTED_PROXY_HEADER, out)
}

/// The client that a proxy named has too many connections, whatever it was to ask: 429.
pub fn too_many_connections(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).too_many_connections(context, out)
}

/// One answer, before it is bytes.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// Lines of their own, each with its line end.
    pub(super) headers: &'a str,
    pub(super) content_type: &'a str,
    pub(super) body: &'a [u8],
}

pub(super) const JSON: &str = "application/json";

pub(super) fn write(reply: Reply, context: &Context<'_>, answer: &Answer<'_>, out: &mut Vec<u8>) -> Answered {
    let status = answer.status;
    line(out, &["HTTP/1.1 ", &status.to_string(), " ", reason_phrase(status)]);
    write_date(context, out);
    if write_origin(reply.origin, context, out) {
        // Of the fields that a page may want, the only one that the Fetch standard hides from it.
        line(out, &["Access-Control-Expose-Headers: Retry-After"]);
    }
    out.extend_from_slice(answer.headers.as_bytes());
    // RFC 9110 §7.8: who sends Upgrade names it in Connection.
    match (status == 426, reply.close) {
        (true, true) => line(out, &["Connection: Upgrade, close"]),
        (true, false) => line(out, &["Connection: Upgrade"]),
        (false, true) => line(out, &["Connection: close"]),
        (false, false) => {}
    }
    // RFC 9110 §8.6: no Content-Length in a 204.
    if status != 204 {
        line(out, &["Content-Type: ", answer.content_type]);
        line(out, &["Content-Length: ", &answer.body.len().to_string()]);
    }
    line(out, &[]);
    // RFC 9110 §9.3.2: the answer to HEAD says how long the body would be, and has none.
    if !reply.head_only {
        out.extend_from_slice(answer.body);
    }
    Answered { status, close: reply.close }
}

/// The 101. RFC 6455 §4.2.2.
pub(super) fn write_switching(
    reply: Reply,
    context: &Context<'_>,
    accept: &str,
    raw: bool,
    out: &mut Vec<u8>,
) {
    line(out, &["HTTP/1.1 101 Switching Protocols"]);
    write_date(context, out);
    line(out, &["Upgrade: websocket"]);
    line(out, &["Connection: Upgrade"]);
    line(out, &["Sec-WebSocket-Accept: ", accept]);
    if raw {
        line(out, &["Sec-WebSocket-Protocol: ", protocol::ws::upgrade::RAW_SUBPROTOCOL]);
    }
    write_origin(reply.origin, context, out);
    line(out, &[]);
}

/// RFC 9110 §6.6.1: a server with a clock says when it answers.
fn write_date(context: &Context<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Date: ");
    out.extend_from_slice(context.date.as_bytes());
    line(out, &[]);
}

/// True if the page that asks may read the answer.
fn write_origin(origin: Origin, context: &Context<'_>, out: &mut Vec<u8>) -> bool {
    let allowed = context.policy.origins.header_value(origin);
    if let Some(value) = allowed {
        line(out, &["Access-Control-Allow-Origin: ", value]);
    }
    // The answer depends on who asked, which a cache has to know.
    if origin != Origin::Any {
        line(out, &["Vary: Origin"]);
    }
    allowed.is_some()
}

fn line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        // RFC 9112 §4: the phrase may be empty.
        _ => "",
    }
}

//! How a response is written.

use super::Context;
use super::origin::Origin;

/// A response was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Answered {
    /// Its status code.
    pub status: u16,
    /// The connection ends once it is sent.
    pub close: bool,
    /// Bytes of the program itself that follow what was appended.
    pub body: &'static [u8],
}

/// What a response must know of its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseForm {
    pub(super) close: bool,
    pub(super) head_only: bool,
    pub(super) origin: Origin,
}

/// One response, before it is bytes.
pub(super) struct Response<'a> {
    pub(super) status: u16,
    /// Lines of their own, each with its line end.
    pub(super) headers: &'a str,
    pub(super) content_type: &'a str,
    pub(super) body: &'a [u8],
}

pub(super) const JSON: &str = "application/json";

/// Appends a response.
pub(super) fn write(
    form: ResponseForm,
    context: &Context<'_>,
    response: &Response<'_>,
    out: &mut Vec<u8>,
) -> Answered {
    let status = response.status;
    line(out, &["HTTP/1.1 ", &status.to_string(), " ", reason_phrase(status)]);
    write_date(context, out);
    if write_origin(form.origin, context, out) {
        // Of the fields that a page may want, the only one that the Fetch standard hides from it.
        line(out, &["Access-Control-Expose-Headers: Retry-After"]);
    }
    out.extend_from_slice(response.headers.as_bytes());
    // RFC 9110 §7.8: a sender of Upgrade also names it in Connection.
    match (status == 426, form.close) {
        (true, true) => line(out, &["Connection: Upgrade, close"]),
        (true, false) => line(out, &["Connection: Upgrade"]),
        (false, true) => line(out, &["Connection: close"]),
        (false, false) => {}
    }
    // RFC 9110 §8.6: no Content-Length in a 204.
    if status != 204 {
        line(out, &["Content-Type: ", response.content_type]);
        line(out, &["Content-Length: ", &response.body.len().to_string()]);
    }
    line(out, &[]);
    // RFC 9110 §9.3.2: the response to HEAD says how long the body would be, without sending it.
    if !form.head_only {
        out.extend_from_slice(response.body);
    }
    Answered { status, close: form.close, body: &[] }
}

/// Appends the head of a response whose body is part of the program. Its headers are for the page itself, so
/// no other origin may read it.
pub(super) fn write_fixed(
    form: ResponseForm,
    context: &Context<'_>,
    status: u16,
    headers: &str,
    content_type: &str,
    body: &'static [u8],
    out: &mut Vec<u8>,
) -> Answered {
    line(out, &["HTTP/1.1 ", &status.to_string(), " ", reason_phrase(status)]);
    write_date(context, out);
    out.extend_from_slice(headers.as_bytes());
    if form.close {
        line(out, &["Connection: close"]);
    }
    // RFC 9110 §15.4.5: a 304 has no body, and need not say how long it would be.
    if status != 304 {
        line(out, &["Content-Type: ", content_type]);
        line(out, &["Content-Length: ", &body.len().to_string()]);
    }
    line(out, &[]);
    Answered { status, close: form.close, body: if form.head_only { &[] } else { body } }
}

/// The 101. RFC 6455 §4.2.2.
pub(super) fn write_switching(
    form: ResponseForm,
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
    write_origin(form.origin, context, out);
    line(out, &[]);
}

/// RFC 9110 §6.6.1: a server with a clock says when it answers.
fn write_date(context: &Context<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Date: ");
    out.extend_from_slice(context.date.as_bytes());
    line(out, &[]);
}

/// True if the page that asks may read the response.
fn write_origin(origin: Origin, context: &Context<'_>, out: &mut Vec<u8>) -> bool {
    let allowed = context.policy.origins.header_value(origin);
    if let Some(value) = allowed {
        line(out, &["Access-Control-Allow-Origin: ", value]);
    }
    // The response depends on the Origin, and a cache has to know that.
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
        304 => "Not Modified",
        307 => "Temporary Redirect",
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

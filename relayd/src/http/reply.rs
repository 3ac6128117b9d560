//! Answers to requests, at once or once the store or the reactor knows them. And answers that need no
//! request, such as to a timeout.

use protocol::json;
use protocol::qr::Pairing;
use relayd_core::store::{Deleted, Registered};

use super::head::{Head, Method};
use super::origin::Origin;
use super::refusal::Refusal;
use super::response::{self, Answered, JSON, Response, ResponseForm};
use super::{Context, Policy, qr_picture};
use crate::admission::Caller;

/// Writes the answer to one request. The connection keeps it until then.
#[derive(Clone, Copy, Debug)]
pub struct Reply(ResponseForm);

impl Reply {
    pub(super) fn to(head: &Head<'_>, policy: &Policy) -> Self {
        let origin = policy.origins.judge(head.origin);
        Reply(ResponseForm { close: head.closes, head_only: head.method == Method::Head, origin })
    }

    /// To something that is not a request. The connection ends after it.
    pub(super) fn last(policy: &Policy) -> Self {
        Reply(ResponseForm { close: true, head_only: false, origin: policy.origins.judge(None) })
    }

    /// The connection ends with this answer, whatever the client asked for: the node is draining.
    #[must_use]
    pub fn closing(self) -> Self {
        Reply(ResponseForm { close: true, ..self.0 })
    }

    /// Answers a register of `pairing`, which lives for `ttl_secs` when idle.
    pub fn registered(
        self,
        context: &Context<'_>,
        outcome: Registered,
        pairing: &Pairing,
        ttl_secs: u64,
        out: &mut Vec<u8>,
    ) -> Answered {
        match outcome {
            Registered::Made => self.made(context, pairing, ttl_secs, out),
            Registered::Exists => self.refused(context, &Refusal::SESSION_EXISTS, out),
            Registered::WasDeleted => self.refused(context, &Refusal::SESSION_DELETED, out),
            Registered::Full => self.refused(context, &Refusal::STORE_FULL, out),
            Registered::Away => self.refused(context, &Refusal::STORE_AWAY, out),
        }
    }

    /// Answers a delete.
    pub fn deleted(self, context: &Context<'_>, outcome: &Deleted, out: &mut Vec<u8>) -> Answered {
        match outcome {
            Deleted::Gone { .. } => self.no_content(context, "", out),
            Deleted::Before { .. } | Deleted::Missing => self.refused(context, &Refusal::NO_SESSION, out),
            Deleted::Away => self.refused(context, &Refusal::STORE_AWAY, out),
        }
    }

    /// Answers whether this node is ready: which store answers (`redis` or `memory`), or why it is not.
    pub fn ready(self, context: &Context<'_>, state: Result<&str, &str>, out: &mut Vec<u8>) -> Answered {
        let mut body = Vec::with_capacity(128);
        let (status, headers) = match state {
            Ok(store) => {
                body.extend_from_slice(b"{\"store\":");
                json::write_quoted(&mut body, store);
                (200, "")
            }
            Err(reason) => {
                body.extend_from_slice(b"{\"error\":\"not_ready\",\"message\":");
                json::write_quoted(&mut body, reason);
                (503, "Retry-After: 2\r\n")
            }
        };
        body.push(b'}');
        let response = Response { status, headers, content_type: JSON, body: &body };
        response::write(self.0, context, &response, out)
    }

    /// Answers with the metrics, in the format whose name is `content_type`.
    pub fn metrics(
        self,
        context: &Context<'_>,
        content_type: &str,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Answered {
        let response = Response { status: 200, headers: "", content_type, body: text.as_bytes() };
        response::write(self.0, context, &response, out)
    }

    /// Answers that this address sends too many requests: 429.
    pub fn too_many(self, context: &Context<'_>, retry_after_secs: u64, out: &mut Vec<u8>) -> Answered {
        let headers = format!("Retry-After: {}\r\n", retry_after_secs.max(1));
        let body = br#"{"error":"too_many_requests","message":"wait for the seconds in Retry-After, then try again"}"#;
        let response = Response { status: 429, headers: &headers, content_type: JSON, body };
        response::write(self.0, context, &response, out)
    }

    /// Answers that this address has too many connections, and ends this one: 429.
    pub fn too_many_connections(self, context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
        self.refused(context, &Refusal::TOO_MANY_CONNECTIONS, out)
    }

    pub(super) fn form(self) -> ResponseForm {
        self.0
    }

    /// The page that asks, as the policy judges it.
    pub(super) fn origin(self) -> Origin {
        self.0.origin
    }

    /// The 101, with the value of `Sec-WebSocket-Accept`.
    pub(super) fn switching(self, context: &Context<'_>, accept: &str, raw: bool, out: &mut Vec<u8>) {
        response::write_switching(self.0, context, accept, raw, out);
    }

    pub(super) fn refused(self, context: &Context<'_>, refusal: &Refusal, out: &mut Vec<u8>) -> Answered {
        let Refusal { status, code, message, headers, closes } = refusal;
        let body = format!(r#"{{"error":"{code}","message":"{message}"}}"#);
        let response = Response { status: *status, headers, content_type: JSON, body: body.as_bytes() };
        let form = ResponseForm { close: self.0.close || *closes, ..self.0 };
        response::write(form, context, &response, out)
    }

    pub(super) fn no_content(self, context: &Context<'_>, headers: &str, out: &mut Vec<u8>) -> Answered {
        let response = Response { status: 204, headers, content_type: JSON, body: b"" };
        response::write(self.0, context, &response, out)
    }

    pub(super) fn healthy(self, context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
        let response = Response { status: 200, headers: "", content_type: JSON, body: br#"{"ok":true}"# };
        response::write(self.0, context, &response, out)
    }

    /// Tells the client its own address, as the limits count it.
    pub(super) fn address(self, caller: Caller, context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
        let (address, is_limited) = (caller.address.to_canonical(), caller.limited().is_some());
        let body = format!("{{\"address\":\"{address}\",\"limited\":{is_limited}}}");
        let headers = "Cache-Control: no-store\r\n";
        let response = Response { status: 200, headers, content_type: JSON, body: body.as_bytes() };
        response::write(self.0, context, &response, out)
    }

    fn made(self, context: &Context<'_>, pairing: &Pairing, ttl_secs: u64, out: &mut Vec<u8>) -> Answered {
        let payload = pairing.to_json();
        // The URL's length was bounded when it was configured, so a picture always fits. A client can still
        // draw its own from the payload.
        let picture = qr_picture::data_url(&payload);
        debug_assert!(picture.is_ok(), "{picture:?}");
        let mut body = Vec::with_capacity(4096);
        body.extend_from_slice(b"{\"sessionId\":\"");
        body.extend_from_slice(&pairing.session.hex());
        body.extend_from_slice(b"\",\"token\":\"");
        body.extend_from_slice(pairing.token.reveal().as_bytes());
        body.extend_from_slice(b"\",\"ws\":");
        json::write_quoted(&mut body, &pairing.ws);
        body.extend_from_slice(format!(",\"ttl\":{ttl_secs},\"qrDataUrl\":\"").as_bytes());
        body.extend_from_slice(picture.unwrap_or_default().as_bytes());
        body.extend_from_slice(b"\",\"qrPayload\":");
        body.extend_from_slice(payload.as_bytes());
        if let Some(page) = &context.policy.page_url {
            body.extend_from_slice(b",\"page\":");
            json::write_quoted(&mut body, page);
        }
        body.push(b'}');
        let response =
            Response { status: 200, headers: "Cache-Control: no-store\r\n", content_type: JSON, body: &body };
        response::write(self.0, context, &response, out)
    }
}

/// The head or body did not arrive whole in time: 408.
pub fn timed_out(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).refused(context, &Refusal::TIMED_OUT, out)
}

/// The connection can't be kept, whatever it would ask: 503.
pub fn overloaded(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).refused(context, &Refusal::OVERLOADED, out)
}

/// The connection begins with a PROXY header that can't be read: 400.
pub fn bad_proxy_header(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).refused(context, &Refusal::BAD_PROXY_HEADER, out)
}

/// The connection does not begin with TLS, and must: 400, in plain words.
pub fn plain_on_tls_port(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).refused(context, &Refusal::NEEDS_TLS, out)
}

/// The connection begins with a PROXY header, and its peer may not send one: 400.
pub fn untrusted_proxy_header(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).refused(context, &Refusal::UNTRUSTED_PROXY_HEADER, out)
}

/// The client that a proxy named has too many connections, whatever it would ask: 429.
pub fn too_many_connections(context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
    Reply::last(context.policy).too_many_connections(context, out)
}

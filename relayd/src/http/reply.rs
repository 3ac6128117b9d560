//! The answers that come later, when the store or the reactor has spoken.

use protocol::json;
use protocol::qr::Pairing;
use relayd_core::store::{Deleted, Registered};

use super::answer::{self, Answer, Answered, JSON};
use super::head::{Head, Method};
use super::origin::Origin;
use super::refusal::Refusal;
use super::{Context, Policy, qr_picture};

/// What an answer must know of its request. Held by the connection until the answer is written, once.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub(super) close: bool,
    pub(super) head_only: bool,
    pub(super) origin: Origin,
}

impl Reply {
    pub(super) fn to(head: &Head<'_>, policy: &Policy) -> Self {
        let origin = policy.origins.judge(head.origin);
        Reply { close: head.closes, head_only: head.method == Method::Head, origin }
    }

    /// To something that is no request, after which the connection ends.
    pub(super) fn last(policy: &Policy) -> Self {
        Reply { close: true, head_only: false, origin: policy.origins.judge(None) }
    }

    /// The connection ends with this answer, whatever the client asked for: the node is draining.
    #[must_use]
    pub fn closing(self) -> Self {
        Reply { close: true, ..self }
    }

    /// Answers a register. `pairing` is what was to be made, `ttl_secs` how long it lives when idle.
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
        let answer = Answer { status, headers, content_type: JSON, body: &body };
        answer::write(self, context, &answer, out)
    }

    /// Answers with the metrics, in the format whose name is `content_type`.
    pub fn metrics(
        self,
        context: &Context<'_>,
        content_type: &str,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Answered {
        let answer = Answer { status: 200, headers: "", content_type, body: text.as_bytes() };
        answer::write(self, context, &answer, out)
    }

    /// Answers that this address asks too often: 429.
    pub fn too_many(self, context: &Context<'_>, retry_after_secs: u64, out: &mut Vec<u8>) -> Answered {
        let headers = format!("Retry-After: {}\r\n", retry_after_secs.max(1));
        let body = br#"{"error":"too_many_requests","message":"wait for the seconds in Retry-After, then try again"}"#;
        answer::write(
            self,
            context,
            &Answer { status: 429, headers: &headers, content_type: JSON, body },
            out,
        )
    }

    /// Answers that this address has too many connections, and ends this one: 429.
    pub fn too_many_connections(self, context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
        self.refused(context, &Refusal::TOO_MANY_CONNECTIONS, out)
    }

    pub(super) fn refused(self, context: &Context<'_>, refusal: &Refusal, out: &mut Vec<u8>) -> Answered {
        let Refusal { status, code, message, headers, closes } = refusal;
        let body = format!(r#"{{"error":"{code}","message":"{message}"}}"#);
        let answer = Answer { status: *status, headers, content_type: JSON, body: body.as_bytes() };
        answer::write(Reply { close: self.close || *closes, ..self }, context, &answer, out)
    }

    pub(super) fn no_content(self, context: &Context<'_>, headers: &str, out: &mut Vec<u8>) -> Answered {
        answer::write(self, context, &Answer { status: 204, headers, content_type: JSON, body: b"" }, out)
    }

    pub(super) fn healthy(self, context: &Context<'_>, out: &mut Vec<u8>) -> Answered {
        let answer = Answer { status: 200, headers: "", content_type: JSON, body: br#"{"ok":true}"# };
        answer::write(self, context, &answer, out)
    }

    fn made(self, context: &Context<'_>, pairing: &Pairing, ttl_secs: u64, out: &mut Vec<u8>) -> Answered {
        let payload = pairing.to_json();
        // The URL's length was bounded when it was configured, so a picture always fits. A client can still draw its
        // own from the payload.
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
        body.push(b'}');
        let answer =
            Answer { status: 200, headers: "Cache-Control: no-store\r\n", content_type: JSON, body: &body };
        answer::write(self, context, &answer, out)
    }
}

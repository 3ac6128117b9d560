//! Fuzz bodies for the endpoints: what must hold of any request. No part of the library but in tests and for `fuzz/`.

#[path = "../../../fuzz/support.rs"]
mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use protocol::limits::{BODY_BYTES_MAX, HEAD_BYTES_MAX};

use self::support::Input;
use super::register::read_body;
use super::{AllowedOrigins, Context, Parsed, Policy, Progress, parse};

/// Requests on one connection: whole, in pieces and byte by byte they are taken for the same ones with the same answers,
/// no answer is malformed, and no more waits than a head and a body.
pub fn http_requests(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let peer = if choice & 1 == 0 { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(192, 0, 2, 7) };
    let context = Context { policy: &POLICIES[usize::from(choice >> 1 & 1)], peer: IpAddr::V4(peer) };
    let (all, pieces) = input.cut_rest();
    let whole = serve(&[all], &context);
    assert_eq!(serve(&pieces, &context), whole, "in pieces, and whole");
    if all.len() <= BYTE_BY_BYTE_MAX {
        let single: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!(serve(&single, &context), whole, "byte by byte, and whole");
    }
}

/// The body of a register: what is taken for ids reads back.
pub fn http_register(bytes: &[u8]) {
    if let Ok(Some((session, token))) = read_body(bytes) {
        let written = format!(r#"{{"sessionId":"{session}","token":"{}"}}"#, token.reveal());
        let (again, token_again) = read_body(written.as_bytes()).ok().flatten().expect("it reads back");
        assert_eq!((session, token.reveal()), (again, token_again.reveal()));
    }
}

/// Longer inputs are not tried byte by byte.
const BYTE_BY_BYTE_MAX: usize = 600;

/// What anybody may do, and what a relay that is set up strictly allows.
static POLICIES: LazyLock<[Policy; 2]> = LazyLock::new(|| {
    let origins: AllowedOrigins = "https://app.example".parse().unwrap_or_default();
    let strict = Policy {
        origins,
        register_key: "k".repeat(32).parse().ok(),
        delete_needs_token: true,
        metrics_public: true,
        trusted_proxies: "127.0.0.0/8, 10.0.0.0/8".parse().unwrap_or_default(),
    };
    [Policy::default(), strict]
});

/// What came of a request, and what was answered.
type Served = (String, String);

/// Serves `pieces` as the reactor does: what is not taken waits, in front of what comes next.
fn serve(pieces: &[&[u8]], context: &Context<'_>) -> Vec<Served> {
    let (mut served, mut waiting, mut progress) = (Vec::new(), Vec::new(), Progress::default());
    let mut out = Vec::new();
    for piece in pieces {
        waiting.extend_from_slice(piece);
        loop {
            let parsed = parse(&waiting, &mut progress, context, &mut out);
            let (what, consumed, is_last) = match parsed {
                Parsed::NeedMore => break,
                Parsed::Answered { consumed, answered } => {
                    (format!("{answered:?}"), consumed, answered.close)
                }
                Parsed::Upgraded { consumed, raw, caller, .. } => {
                    (format!("upgraded, raw: {raw}, by {caller:?}"), consumed, true)
                }
                Parsed::Call { consumed, call, .. } => (format!("{call:?}"), consumed, false),
            };
            assert_eq!(progress, Progress::default(), "the next request starts over");
            assert!(0 < consumed && consumed <= waiting.len(), "{consumed} of {} bytes", waiting.len());
            served.push((what, answer(&mut out)));
            waiting.drain(..consumed);
            if is_last {
                return served;
            }
        }
        assert!(waiting.len() < HEAD_BYTES_MAX + BODY_BYTES_MAX, "{} bytes wait", waiting.len());
    }
    served
}

/// Takes what was written. Whether a client was told to go on depends on when its body came.
fn answer(out: &mut Vec<u8>) -> String {
    let text = String::from_utf8(std::mem::take(out)).expect("an answer is text");
    let answer = text.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    let head = answer.split_once("\r\n\r\n").map(|(head, _)| head);
    assert!(answer.is_empty() || head.is_some_and(|head| head.starts_with("HTTP/1.1 ")), "{answer:?}");
    for line in head.unwrap_or_default().split("\r\n") {
        let is_clean = line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        assert!(is_clean, "a client's bytes in a head: {line:?}");
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        support::drive("http_requests", 15_000, http_requests);
    }

    #[test]
    fn bodies_of_registers() {
        support::drive("http_register", 40_000, http_register);
    }
}

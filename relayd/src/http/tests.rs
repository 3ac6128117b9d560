//! Bytes in, bytes out: tables for the whole of [`parse`].

mod endpoints;
mod framing;
mod handshake;
mod site;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use super::*;

/// Somewhere else than this machine.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

const ID: &str = "00112233445566778899aabbccddeeff";

static DATE: LazyLock<HttpDate> = LazyLock::new(|| HttpDate::at(784_111_777));

fn context(policy: &Policy) -> Context<'_> {
    Context { policy, date: &DATE }
}

/// The outcome of `input`, given whole, and the answer.
fn ask(policy: &Policy, input: &[u8]) -> (Parsed, String) {
    ask_from(policy, ELSEWHERE, input)
}

fn ask_from(policy: &Policy, peer: IpAddr, input: &[u8]) -> (Parsed, String) {
    let mut out = Vec::new();
    let parsed = parse(input, peer, &mut Progress::default(), &context(policy), &mut out);
    (parsed, String::from_utf8(out).unwrap())
}

/// The same, byte by byte: the answer comes with the last byte that it needs.
fn ask_in_bytes(policy: &Policy, input: &[u8]) -> (Parsed, String) {
    let (mut out, mut progress) = (Vec::new(), Progress::default());
    for len in 0..=input.len() {
        let parsed = parse(&input[..len], ELSEWHERE, &mut progress, &context(policy), &mut out);
        if !matches!(parsed, Parsed::NeedMore) {
            return (parsed, String::from_utf8(out).unwrap());
        }
    }
    (Parsed::NeedMore, String::from_utf8(out).unwrap())
}

/// Status and whether the connection ends, of an answer that is there.
fn status(policy: &Policy, request: &str) -> (u16, bool) {
    let (parsed, out) = ask(policy, request.as_bytes());
    let Parsed::Answered { answered, .. } = parsed else { panic!("{request:?}: {parsed:?}") };
    check_answer(answered, &out);
    (answered.status, answered.close)
}

/// What every answer has to be, whatever it says.
fn check_answer(answered: Answered, out: &str) {
    let (head, body) = out.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", answered.status)), "{out}");
    let closes = head.contains("\r\nConnection: close") || head.contains("\r\nConnection: Upgrade, close");
    assert_eq!(closes, answered.close, "{out}");
    assert_eq!(field(out, "Date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"), "{out}");
    let readable = field(out, "Access-Control-Allow-Origin").map(|_| "Retry-After");
    assert_eq!(field(out, "Access-Control-Expose-Headers"), readable, "{out}");
    match answered.status {
        204 | 304 => assert!(!head.contains("Content-Length") && body.is_empty(), "{out}"),
        _ => assert!(head.contains("\r\nContent-Length: "), "{out}"),
    }
    if let Some(length) =
        field(out, "Content-Length").filter(|_| !body.is_empty() || !answered.body.is_empty())
    {
        assert_eq!(length, (body.len() + answered.body.len()).to_string(), "{out}");
    }
    if answered.status >= 400 && !body.is_empty() {
        let error: Error = sonic_rs::from_str(body).unwrap();
        assert!(error.error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{out}");
        assert!(error.message.len() > 10, "{out}");
    }
}

#[derive(serde::Deserialize)]
struct Error {
    error: String,
    message: String,
}

/// The value of a field of an answer.
fn field<'a>(out: &'a str, name: &str) -> Option<&'a str> {
    let lines = out.split("\r\n\r\n").next()?.split("\r\n");
    lines.filter_map(|line| line.split_once(": ")).find(|(found, _)| *found == name).map(|(_, value)| value)
}

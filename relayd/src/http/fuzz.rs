//! Fuzz bodies for the endpoints: what must hold for any request. Only part of tests and of `fuzz/`.

#[path = "../../../fuzz/support.rs"]
mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use protocol::limits::{BODY_BYTES_MAX, CHUNKED_BYTES_MAX, HEAD_BYTES_MAX};

use self::support::Input;
use super::chunked::{self, Chunked, Progressed};
use super::register::read_body;
use super::{AllowedOrigins, Context, HttpDate, Parsed, Policy, Progress, parse};

/// Requests on one connection: whole, in pieces and byte by byte they are taken for the same ones with the
/// same answers, no answer is malformed, and no more waits than a head and a body.
pub fn http_requests(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let peer = if choice & 1 == 0 { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(192, 0, 2, 7) };
    let policy = &POLICIES[usize::from(choice >> 1 & 1)];
    let (all, pieces) = input.cut_rest();
    let whole = serve(&[all], peer.into(), policy);
    assert_eq!(serve(&pieces, peer.into(), policy), whole, "in pieces, and whole");
    if all.len() <= BYTE_BY_BYTE_MAX {
        let single: Vec<&[u8]> = all.chunks(1).collect();
        assert_eq!(serve(&single, peer.into(), policy), whole, "byte by byte, and whole");
    }
}

/// The body of a register: ids that are accepted read back the same.
pub fn http_register(bytes: &[u8]) {
    if let Ok(Some((session, token))) = read_body(bytes) {
        let written = format!(r#"{{"sessionId":"{session}","token":"{}"}}"#, token.reveal());
        let (again, token_again) = read_body(written.as_bytes()).ok().flatten().expect("it reads back");
        assert_eq!((session, token.reveal()), (again, token_again.reveal()));
    }
}

/// A chunked body: cut anywhere it reads as its whole, a plain reader that sees it at once finds the same
/// end and content, and content that is sent in chunks of any size reads back.
pub fn http_chunked(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let sizes = [input.byte(), input.byte()].map(|size| 1 + usize::from(size));
    let (all, pieces) = input.cut_rest();
    let whole = Chunked::default().advance(all);
    let (mut chunked, mut read, mut len) = (Chunked::default(), Progressed::NeedMore, 0);
    for piece in pieces {
        len += piece.len();
        if read == Progressed::NeedMore {
            read = chunked.advance(&all[..len]);
        }
    }
    assert_eq!(read, whole, "in pieces, and whole");
    match (whole, read_at_once(all)) {
        (Progressed::Whole(len), Some((end, content))) => {
            assert!(len == end && chunked::content(&all[..len]) == content, "{len} bytes and {end}");
        }
        (Progressed::Whole(_), None) => panic!("taken, and malformed"),
        (_, at_once) => assert!(at_once.is_none(), "not taken, and well formed: {whole:?}"),
    }
    let content = &all[..all.len().min(BODY_BYTES_MAX)];
    let written = in_chunks(content, sizes);
    if written.len() <= CHUNKED_BYTES_MAX {
        assert_eq!(Chunked::default().advance(&written), Progressed::Whole(written.len()));
        assert_eq!(chunked::content(&written), content, "it reads back");
    }
}

/// `content` in chunks of two sizes in turns: those of one have an extension, those of the other large
/// digits.
fn in_chunks(content: &[u8], sizes: [usize; 2]) -> Vec<u8> {
    let (mut written, mut rest, mut is_odd) = (Vec::new(), content, false);
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(sizes[usize::from(is_odd)].min(rest.len()));
        let len = chunk.len();
        let size = if is_odd { format!("{len:X}\r\n") } else { format!("{len:x};e=1\r\n") };
        written.extend_from_slice(&[size.as_bytes(), chunk, b"\r\n"].concat());
        (rest, is_odd) = (after, !is_odd);
    }
    written.extend_from_slice(b"0\r\nT: x\r\n\r\n");
    written
}

/// The grammar of RFC 9112 §7.1, line by line: where the body ends, and its content. `None` if it is
/// malformed, not whole, or over a limit.
fn read_at_once(encoded: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (mut rest, mut content) = (encoded, Vec::new());
    loop {
        let line = take_line(&mut rest)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        let is_extension = extension.is_empty() || extension.trim_ascii_start().starts_with(b";");
        let significant = digits.iter().position(|digit| *digit != b'0').map_or(&[][..], |at| &digits[at..]);
        if digits.is_empty() || !is_extension || significant.len() > 3 {
            return None;
        }
        let size = significant.iter().try_fold(0, |size, digit| {
            Some(size * 16 + usize::try_from(char::from(*digit).to_digit(16)?).ok()?)
        })?;
        if size == 0 {
            break;
        }
        let (chunk, after) = rest.split_at_checked(size)?;
        content.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
    }
    loop {
        let line = take_line(&mut rest)?;
        if line.is_empty() {
            break;
        }
        let name = &line[..line.iter().position(|byte| *byte == b':')?];
        let is_token = |byte: &u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte);
        if name.is_empty() || !name.iter().all(is_token) {
            return None;
        }
    }
    let len = encoded.len() - rest.len();
    (content.len() <= BODY_BYTES_MAX && len <= CHUNKED_BYTES_MAX).then_some((len, content))
}

/// Takes a line and its CR LF. A line has no other control characters than tabs.
fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    line.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control()).then_some(line)
}

/// Longer inputs are not tried byte by byte.
const BYTE_BY_BYTE_MAX: usize = 600;

/// The default policy, and a strict one.
static POLICIES: LazyLock<[Policy; 2]> = LazyLock::new(|| {
    let origins: AllowedOrigins = "https://app.example".parse().unwrap_or_default();
    let strict = Policy {
        origins,
        register_keys: "k".repeat(32).parse().ok(),
        delete_needs_token: true,
        serves_page: true,
        page_url: None,
        metrics_public: true,
        metrics_hidden: false,
        trusted_proxies: "127.0.0.0/8, 10.0.0.0/8".parse().unwrap_or_default(),
    };
    [Policy::default(), strict]
});

/// The outcome of a request, and its answer.
type Served = (String, String);

/// Serves `pieces` as the reactor does: bytes that are not taken stay in front of the next piece.
fn serve(pieces: &[&[u8]], peer: IpAddr, policy: &Policy) -> Vec<Served> {
    let context = Context { policy, date: &HttpDate::at(784_111_777) };
    let (mut served, mut waiting, mut progress) = (Vec::new(), Vec::new(), Progress::default());
    let mut out = Vec::new();
    for piece in pieces {
        waiting.extend_from_slice(piece);
        loop {
            let parsed = parse(&waiting, peer, &mut progress, &context, &mut out);
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
        assert!(waiting.len() < HEAD_BYTES_MAX + CHUNKED_BYTES_MAX, "{} bytes wait", waiting.len());
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
    fn chunked_bodies() {
        support::drive("http_chunked", 40_000, http_chunked);
    }

    #[test]
    fn bodies_of_registers() {
        support::drive("http_register", 40_000, http_register);
    }
}

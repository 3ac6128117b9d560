//! Where a request begins and ends, and what is not a request.

use proptest::prelude::*;

use super::*;

#[test]
fn a_malformed_head_is_refused_and_the_connection_ends() {
    let policy = Policy::default();
    for (expected, request) in [
        (400, "GET /health HTTP/1.1\r\nHost : h\r\n\r\n"),
        (400, "GET /health HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"),
        (400, "GET /health HTTP/1.1\r\n Host: h\r\n\r\n"),
        (400, "GET /health HTTP/1.1\nHost: h\n\n"),
        (400, "GET /health HTTP/1.1\r\nHost: h\n\r\n"),
        (400, "GET /health HTTP/1.1\r\nHost: h\rX: y\r\n\r\n"),
        (400, "GET /health HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"),
        (400, "GET /health HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n"),
        (400, "GET /health HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n"),
        (400, "GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        (400, "GET /health HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        (400, "GET /health HTTP/1.1\r\n\r\n"),
        (400, "GET /health\r\n\r\n"),
        (400, "GET  /health HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET /hea lth HTTP/1.1\r\nHost: h\r\n\r\n"),
        (400, "GET /health HTTP/2.0\r\nHost: h\r\n\r\n"),
        (400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (400, "\r\n\r\n\r\n\r\n"),
        (400, "\x16\x03\x01\x02"),
        (400, "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
        (400, "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 2, 2\r\n\r\n{}"),
        (400, "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: +2\r\n\r\n{}"),
        (400, "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: -2\r\n\r\n{}"),
        (400, "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 0x2\r\n\r\n{}"),
        (400, "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n"),
        (
            400,
            "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        ),
        (400, "POST /api/register HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, "GET /health HTTP/1.1\r\nHost: h\r\ntransfer-encoding: identity\r\n\r\n"),
        (413, "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 1025\r\n\r\n"),
        (413, "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
    ] {
        assert_eq!(status(&policy, request), (expected, true), "{request:?}");
        let (_, whole) = ask(&policy, request.as_bytes());
        assert_eq!(ask_in_bytes(&policy, request.as_bytes()).1, whole, "{request:?}");
    }
}

#[test]
fn a_request_cut_anywhere_is_answered_like_a_whole_one() {
    let policy = Policy::default();
    for request in [
        "GET /health HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "\r\nHEAD /health?x=1 HTTP/1.1\r\nHost:h\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /health HTTP/1.0\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET /nope HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n[1]".to_owned(),
        chunked("3;x\r\n[1]\r\n0\r\nT: u\r\n\r\n"),
        handshake::request(""),
    ] {
        let (_, whole) = ask(&policy, request.as_bytes());
        assert!(!whole.is_empty());
        for cut in 0..request.len() {
            let (mut out, mut progress) = (Vec::new(), Progress::default());
            let context = context(&policy);
            let first = parse(&request.as_bytes()[..cut], ELSEWHERE, &mut progress, &context, &mut out);
            assert!(matches!(first, Parsed::NeedMore) && out.is_empty(), "{request:?} at {cut}: {first:?}");
            let rest = parse(request.as_bytes(), ELSEWHERE, &mut progress, &context, &mut out);
            assert!(!matches!(rest, Parsed::NeedMore), "{request:?} at {cut}");
            assert_eq!(String::from_utf8(out).unwrap(), whole, "{request:?} at {cut}");
            assert_eq!(progress, Progress::default());
        }
        assert_eq!(ask_in_bytes(&policy, request.as_bytes()).1, whole);
    }
}

#[test]
fn a_request_ends_with_its_body_and_the_next_begins_there() {
    let policy = Policy::default();
    let first = "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";
    let hidden = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    let (parsed, out) = ask(&policy, format!("{first}{hidden}").as_bytes());
    let Parsed::Call { consumed, call: ApiCall::Register { again: None }, .. } = parsed else {
        panic!("{parsed:?}");
    };
    assert_eq!((consumed, out.as_str()), (first.len(), ""));
    // A body is never read as a request.
    let body = format!("GET /nope HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len());
    let (parsed, out) = ask(&policy, body.as_bytes());
    let Parsed::Answered { consumed, answered } = parsed else { panic!("{parsed:?}") };
    assert_eq!((consumed, answered.status, answered.close), (body.len(), 404, false), "{out}");
}

/// A register whose body is `encoded`.
fn chunked(encoded: &str) -> String {
    format!("POST /api/register HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{encoded}")
}

#[test]
fn a_chunked_body_reads_like_a_sized_one_and_the_next_request_begins_behind_it() {
    let policy = Policy::default();
    let next = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    let ids = format!(r#"{{"sessionId":"{ID}","token":"{ID}"}}"#);
    let (start, end) = ids.split_at(20);
    let in_two = format!("{:x}\r\n{start}\r\n{:X};x=y\r\n{end}\r\n0\r\nT: u\r\n\r\n", start.len(), end.len());
    for (encoded, has_ids) in [
        ("0\r\n\r\n".to_owned(), false),
        ("2\r\n{}\r\n0\r\n\r\n".to_owned(), false),
        (in_two, true),
        (format!("400\r\n{{}}{}\r\n0\r\n\r\n", " ".repeat(1022)), false),
    ] {
        let request = chunked(&encoded);
        let (parsed, out) = ask(&policy, format!("{request}{next}").as_bytes());
        let Parsed::Call { consumed, call: ApiCall::Register { again }, .. } = parsed else {
            panic!("{request:?}: {parsed:?} {out}");
        };
        assert_eq!((consumed, again.is_some(), out.as_str()), (request.len(), has_ids, ""), "{request:?}");
        let (parsed, out) = ask_in_bytes(&policy, request.as_bytes());
        assert!(matches!(parsed, Parsed::Call { consumed, .. } if consumed == request.len()), "{request:?}");
        assert_eq!(out, "");
    }
    // Where no body is looked at it is read past all the same.
    let request = chunked("5\r\nGET /\r\n0\r\n\r\n");
    let request = request.replace("POST /api/register", "GET /nope");
    let (parsed, _) = ask(&policy, format!("{request}{next}").as_bytes());
    let Parsed::Answered { consumed, answered } = parsed else { panic!("{parsed:?}") };
    assert_eq!((consumed, answered.status, answered.close), (request.len(), 404, false));
}

#[test]
fn a_chunked_body_that_has_no_certain_end_is_refused_and_the_connection_ends() {
    let policy = Policy::default();
    let hidden = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    for (expected, encoded) in [
        (400, "2\n{}\n0\n\n".to_owned()),
        (400, "3\r\n{}\r\n0\r\n\r\n".to_owned()),
        (400, "2 \r\n{}\r\n0\r\n\r\n".to_owned()),
        (400, "x\r\n".to_owned()),
        (400, "0\r\n folded\r\n\r\n".to_owned()),
        (413, "401\r\n".to_owned()),
        (413, "F".repeat(9000)),
        (413, format!("0;{}", "x".repeat(9000))),
    ] {
        let request = chunked(&(encoded + hidden));
        assert_eq!(status(&policy, &request), (expected, true), "{request:?}");
        assert_eq!(ask_in_bytes(&policy, request.as_bytes()).1, ask(&policy, request.as_bytes()).1);
    }
    let sized = "Content-Length: 5\r\nTransfer-Encoding: chunked";
    for (expected, coding) in [
        (400, sized),
        (400, "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        (400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        (400, "Transfer-Encoding: chunked, chunked"),
        (400, "Transfer-Encoding: chunked, gzip"),
        (400, "Transfer-Encoding: chunked;q=1"),
        (400, "Transfer-Encoding: chunked,"),
        (400, "Transfer-Encoding: \"chunked\""),
        (400, "Transfer-Encoding: xchunked"),
        (400, "Transfer-Encoding: identity"),
        (400, "Transfer-Encoding: gzip"),
        (400, "Transfer-Encoding:"),
        (400, "Transfer-Encoding : chunked"),
        (400, "Transfer-Encoding: \u{b}chunked"),
        (400, "Transfer-Encoding:\r\n chunked"),
        (501, "Transfer-Encoding: gzip, chunked"),
        (501, "Transfer-Encoding: identity,Chunked"),
    ] {
        let request = chunked("0\r\n\r\n");
        let request = request.replace("Transfer-Encoding: chunked", coding);
        assert_eq!(status(&policy, &(request + hidden)), (expected, true), "{coding:?}");
    }
    let request = chunked("0\r\n\r\n");
    for good in
        ["transfer-encoding:chunked", "Transfer-Encoding: \t Chunked \t", "TRANSFER-ENCODING: CHUNKED"]
    {
        let request = request.replace("Transfer-Encoding: chunked", good);
        assert!(matches!(ask(&policy, request.as_bytes()).0, Parsed::Call { .. }), "{good}");
    }
}

#[test]
fn a_head_over_its_limit_is_refused_at_the_limit() {
    let policy = Policy::default();
    let max = protocol::limits::HEAD_BYTES_MAX;
    let start = "GET /health HTTP/1.1\r\nHost: h\r\nX: ";
    let fits = format!("{start}{}\r\n\r\n", "y".repeat(max - start.len() - 4));
    assert_eq!(fits.len(), max);
    assert_eq!(status(&policy, &fits), (200, false));
    assert_eq!(ask_in_bytes(&policy, fits.as_bytes()).1, ask(&policy, fits.as_bytes()).1);
    for (expected, request) in [
        (431, fits.replace("X: ", "X: y")),
        (431, format!("{start}{}", "y".repeat(256 * 1024))),
        (431, format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(10_000))),
        (431, format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(64))),
        (414, format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "y".repeat(max))),
        (414, format!("GET /{}", "y".repeat(20 * 1024 * 1024))),
        (414, "G".repeat(max)),
        (431, format!("{}\r", "GET / HTTP/1.1\r\nHost: h\r\nX:".to_owned() + &"y".repeat(max - 28))),
    ] {
        assert_eq!(status(&policy, &request), (expected, true), "{request:.60}");
        let cut = &request.as_bytes()[..request.len().min(max + 1)];
        assert_eq!(ask_in_bytes(&policy, cut).1, ask(&policy, request.as_bytes()).1, "{request:.60}");
    }
}

#[test]
fn a_client_that_waits_for_100_gets_it_once() {
    let policy = Policy::default();
    let head = "POST /api/register HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 9\r\n\r\n";
    let request = format!("{head}{{\"a\":\"b\"}}");
    let (parsed, out) = ask_in_bytes(&policy, request.as_bytes());
    assert!(matches!(parsed, Parsed::Call { .. }));
    assert_eq!(out, "HTTP/1.1 100 Continue\r\n\r\n");
    // RFC 9110 §10.1.1: it may be left out once the body is there, and is not sent to HTTP/1.0.
    assert_eq!(ask(&policy, request.as_bytes()).1, "");
    assert_eq!(ask_in_bytes(&policy, request.replace("1.1", "1.0").as_bytes()).1, "");
    let chunked = chunked("2\r\n{}\r\n0\r\n\r\n");
    let chunked = chunked.replace("Host: h", "Host: h\r\nExpect: 100-continue");
    assert_eq!(ask_in_bytes(&policy, chunked.as_bytes()).1, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(ask(&policy, chunked.as_bytes()).1, "");
}

#[test]
fn the_connection_stays_unless_one_side_ends_it() {
    let policy = Policy::default();
    for (close, request) in [
        (false, "GET /health HTTP/1.1\r\nHost: h\r\n\r\n"),
        (false, "GET /health HTTP/1.1\r\nHost:\r\nConnection: keep-alive\r\n\r\n"),
        (true, "GET /health HTTP/1.1\r\nHost: h\r\nconnection: keep-alive , CLOSE\r\n\r\n"),
        (true, "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        (true, "GET /health HTTP/1.0\r\n\r\n"),
    ] {
        assert_eq!(status(&policy, request), (200, close), "{request:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, cut: prop::sample::Index) {
        check_any(&bytes, cut.index(bytes.len() + 1))?;
    }

    #[test]
    fn no_mutation_of_a_request_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        which in 0..4usize,
        cut: prop::sample::Index,
    ) {
        let register = "POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\n{\"token\":\"\"}";
        let delete = format!("DELETE /api/session/{ID} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {ID}\r\n\r\n");
        let chunked = chunked("1;a\r\n{\r\n1\r\n}\r\n0\r\nT: u\r\n\r\n");
        let mut bytes = [register.into(), delete, chunked, handshake::request("")][which].clone().into_bytes();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        check_any(&bytes, cut.index(bytes.len() + 1))?;
    }
}

/// Whole, in two pieces and byte by byte come to the same.
fn check_any(bytes: &[u8], cut: usize) -> Result<(), TestCaseError> {
    let policy = Policy { origins: "https://app.example".parse().unwrap(), ..Policy::default() };
    let context = context(&policy);
    let (parsed, whole) = ask(&policy, bytes);
    if let Parsed::Answered { answered, consumed } = parsed {
        check_answer(answered, &whole);
        prop_assert!(consumed <= bytes.len());
    }
    let (mut out, mut progress) = (Vec::new(), Progress::default());
    if matches!(parse(&bytes[..cut], ELSEWHERE, &mut progress, &context, &mut out), Parsed::NeedMore) {
        let _ = parse(bytes, ELSEWHERE, &mut progress, &context, &mut out);
    }
    let without_100 = |text: &str| text.replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    prop_assert_eq!(without_100(std::str::from_utf8(&out).unwrap()), whole.clone());
    prop_assert_eq!(without_100(&ask_in_bytes(&policy, bytes).1), whole);
    Ok(())
}

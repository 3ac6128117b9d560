//! Chunked bodies, whole and byte by byte.

use super::*;

/// What `encoded` amounts to, the same whole and byte by byte.
fn read(encoded: &[u8]) -> Progressed {
    let whole = Chunked::default().advance(encoded);
    let mut single = Chunked::default();
    let bytes = (0..=encoded.len()).map(|len| single.advance(&encoded[..len]));
    let first = bytes.into_iter().find(|read| *read != Progressed::NeedMore);
    assert_eq!(first.unwrap_or(Progressed::NeedMore), whole, "{:?}", encoded.escape_ascii().to_string());
    whole
}

#[test]
fn a_body_is_its_chunks_together() {
    let full = format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(1024));
    let single = "1\r\nx\r\n".repeat(1024) + "0\r\n\r\n";
    let zeros = format!("{}2\r\n{{}}\r\n{}\r\n\r\n", "0".repeat(2000), "0".repeat(2000));
    let extension = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(4000));
    let trailer = format!("2\r\n{{}}\r\n0\r\nA: {}\r\n\r\n", "x".repeat(4000));
    for (encoded, expected) in [
        ("0\r\n\r\n", ""),
        ("2\r\n{}\r\n0\r\n\r\n", "{}"),
        ("1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "{}"),
        ("a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n", "01234567890123456789"),
        // Content may look like the end, or like anything.
        ("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"),
        ("2;a=b;c\r\n{}\r\n0;last\r\n\r\n", "{}"),
        ("2 ; a = \"b;\\\" c\" \t\r\n{}\r\n0\t;x\r\n\r\n", "{}"),
        ("2;\r\n{}\r\n0\r\n\r\n", "{}"),
        ("2;\u{e9}\r\n{}\r\n0\r\n\r\n", "{}"),
        ("2\r\n{}\r\n0\r\nExpires: now\r\nX-1:\r\nContent-Length: 7\r\n\r\n", "{}"),
        (&full, &"x".repeat(1024)),
        (&single, &"x".repeat(1024)),
        (&zeros, "{}"),
        (&extension, "{}"),
        (&trailer, "{}"),
    ] {
        let len = encoded.len();
        assert_eq!(read(encoded.as_bytes()), Progressed::Whole(len), "{encoded:?}");
        assert_eq!(content(encoded.as_bytes()), expected.as_bytes(), "{encoded:?}");
        // What follows belongs to the next request.
        let followed = format!("{encoded}GET / HTTP/1.1\r\n");
        assert_eq!(read(followed.as_bytes()), Progressed::Whole(len), "{encoded:?}");
        for cut in 0..len {
            let part = Chunked::default().advance(&encoded.as_bytes()[..cut]);
            assert_eq!(part, Progressed::NeedMore, "{encoded:?} at {cut}");
        }
    }
}

#[test]
fn every_other_form_is_malformed() {
    for encoded in [
        "\r\n",
        "\r\n0\r\n\r\n",
        "x",
        "g\r\n",
        "-1\r\n",
        "+1\r\n",
        " 2\r\n{}\r\n",
        "\t2\r\n{}\r\n",
        "0x2\r\n{}\r\n",
        "2_0\r\n",
        "2.\r\n",
        ";a\r\n",
        "\u{ff12}\r\n",
        // Blanks without an extension, and bytes that are not blanks.
        "2 \r\n{}\r\n",
        "2\t\r\n{}\r\n",
        "2 2\r\n{}\r\n",
        "2\u{b};a\r\n{}\r\n",
        // Line ends.
        "2\n{}\r\n0\r\n\r\n",
        "2\r{}\r\n0\r\n\r\n",
        "2\r\r\n{}\r\n",
        "2;a\n{}\r\n0\r\n\r\n",
        "2;a\r{}\r\n",
        "2;\"\n\"\r\n{}\r\n",
        "2;a\0\r\n{}\r\n",
        "2;a\x7f\r\n{}\r\n",
        // Content of another length than said.
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}\r0\r\n\r\n",
        "2\r\n{}\r\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "3\r\n{}\r\n0\r\n\r\n",
        // The end.
        "0\n\n",
        "0\r\n\n",
        "0\r\n\r\r\n",
        "0\r\nX",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n: y\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX: y\rz\r\n\r\n",
        "0\r\nX: a\0\r\n\r\n",
        "0\r\nX: y\r\n folded\r\n\r\n",
        "0\r\nX\u{e9}: y\r\n\r\n",
    ] {
        let followed = format!("{encoded}{}", "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(read(followed.as_bytes()), Progressed::Refused(Refusal::BAD_CHUNK), "{encoded:?}");
    }
}

#[test]
fn content_over_the_limit_is_refused_from_its_size() {
    for encoded in [
        "401\r\n".to_owned(),
        "0401\r\n".to_owned(),
        "4000".to_owned(),
        "ffffffff".to_owned(),
        "F".repeat(4000),
        format!("400\r\n{}\r\n1", "x".repeat(1024)),
        "1\r\nx\r\n".repeat(1024) + "1\r\n",
    ] {
        let refused = Progressed::Refused(Refusal::BODY_TOO_LARGE);
        assert_eq!(read(encoded.as_bytes()), refused, "{encoded:.20}");
    }
}

#[test]
fn what_stands_around_the_content_is_bounded() {
    let filler = "x".repeat(CHUNKED_BYTES_MAX);
    for encoded in [
        "0".repeat(CHUNKED_BYTES_MAX),
        format!("2;{filler}"),
        format!("2\r\n{{}}\r\n0;{filler}"),
        format!("0\r\n{filler}"),
        format!("0\r\nX: {filler}"),
        "0\r\n".to_owned() + &"X: y\r\n".repeat(CHUNKED_BYTES_MAX / 6),
        "1;yz\r\nx\r\n".repeat(1024),
    ] {
        let bytes = encoded.as_bytes();
        assert_eq!(read(bytes), Progressed::Refused(Refusal::CHUNKS_TOO_LONG), "{encoded:.20}");
        let before = Chunked::default().advance(&bytes[..CHUNKED_BYTES_MAX - 1]);
        assert_eq!(before, Progressed::NeedMore, "{encoded:.20}");
    }
}

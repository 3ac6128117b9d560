//! Byte tables for the reader, and the rule that split input reads as whole input does.

use proptest::prelude::*;

use super::*;
use crate::limits::READ_BYTES;

const ALLOWED: Allowance = Allowance { message_bytes_max: 100_000, room: usize::MAX };

/// What came out, in owned form.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(PeerClose),
    Breach(CloseCode),
}

/// Reads `pieces` one after the other, as a connection would: what a piece leaves comes again before the
/// next.
fn read(pieces: &[&[u8]], allowed: Allowance) -> Vec<Seen> {
    let (mut inbound, mut pool, mut seen, mut parked) = (Inbound::default(), Pool::new(), vec![], vec![]);
    for piece in pieces {
        parked.extend_from_slice(piece);
        let mut bytes = std::mem::take(&mut parked);
        let mut cursor = Cursor::new(&mut bytes);
        loop {
            let found = match inbound.step(&mut cursor, allowed, &mut pool) {
                Step::Text(text) => Seen::Text(String::from_utf8(text.to_vec()).unwrap()),
                Step::Binary(bytes) => Seen::Binary(bytes.to_owned()),
                Step::Gathered(kind) => {
                    let message = inbound.take_message();
                    let copy = message.clone();
                    pool.give_back(message);
                    match kind {
                        Kind::Text => Seen::Text(String::from_utf8(copy).unwrap()),
                        Kind::Binary => Seen::Binary(copy),
                    }
                }
                Step::Ping(payload) => Seen::Ping(payload.to_owned()),
                Step::Pong => Seen::Pong,
                Step::Close(close) => Seen::Close(close),
                Step::NeedMore => break,
                Step::Held => panic!("held without a bound"),
                Step::Breach(code) => Seen::Breach(code),
            };
            let last = matches!(found, Seen::Breach(_) | Seen::Close(_));
            seen.push(found);
            if last {
                inbound.release(&mut pool);
                assert_eq!(pool.lent(), 0);
                return seen;
            }
        }
        let taken = cursor.taken();
        parked = bytes.split_off(taken);
        assert!(parked.len() < header::HEADER_BYTES_MAX + CONTROL_BYTES_MAX, "{} bytes parked", parked.len());
    }
    inbound.release(&mut pool);
    assert_eq!(pool.lent(), 0);
    seen
}

fn frame(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let key = [0x12, 0x34, 0x56, 0x78];
    let mut out = Vec::new();
    header::write(&mut out, fin, opcode, payload.len(), Some(key));
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], key, 0);
    out
}

#[test]
fn messages_fragments_and_controls_between_them() {
    let stream = [
        frame(true, OpCode::Text, "é".as_bytes()),
        frame(true, OpCode::Binary, b""),
        frame(false, OpCode::Text, &"é".as_bytes()[..1]),
        frame(true, OpCode::Ping, b"p"),
        frame(false, OpCode::Continuation, b""),
        frame(true, OpCode::Pong, b""),
        frame(true, OpCode::Continuation, &"é".as_bytes()[1..]),
        frame(true, OpCode::Close, &[0x03, 0xE8]),
        b"whatever follows a close".to_vec(),
    ]
    .concat();
    let expected = [
        Seen::Text("é".into()),
        Seen::Binary(vec![]),
        Seen::Ping(b"p".to_vec()),
        Seen::Pong,
        Seen::Text("é".into()),
        Seen::Close(PeerClose::Code(1000)),
    ];
    assert_eq!(read(&[&stream], ALLOWED), expected);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read(&bytes, ALLOWED), expected);
}

#[test]
fn breaches_have_their_codes() {
    for (stream, code) in [
        (frame(true, OpCode::Continuation, b"x"), CloseCode::Protocol),
        ([frame(false, OpCode::Text, b"x"), frame(true, OpCode::Text, b"y")].concat(), CloseCode::Protocol),
        (frame(true, OpCode::Text, &[0xFF]), CloseCode::InvalidUtf8),
        (
            [frame(false, OpCode::Text, &[0xC3]), frame(true, OpCode::Continuation, b"x")].concat(),
            CloseCode::InvalidUtf8,
        ),
        (vec![0x81, 0x05, 1, 2, 3, 4, 5], CloseCode::Protocol),
        (vec![0xC1], CloseCode::Protocol),
    ] {
        assert_eq!(read(&[&stream], ALLOWED).last(), Some(&Seen::Breach(code)), "{stream:x?}");
    }
}

/// The bytes of `stream` that are taken, 64 KiB in each read, before it is a breach with this code.
fn taken_before(code: CloseCode, stream: &[u8]) -> usize {
    let (mut inbound, mut pool, mut taken) = (Inbound::default(), Pool::new(), 0);
    let allowed = Allowance { message_bytes_max: stream.len(), room: usize::MAX };
    for read in stream.chunks(READ_BYTES) {
        let mut bytes = read.to_vec();
        let mut cursor = Cursor::new(&mut bytes);
        let is_breach = match inbound.step(&mut cursor, allowed, &mut pool) {
            Step::NeedMore => false,
            step => step == Step::Breach(code),
        };
        taken += cursor.taken();
        if is_breach {
            return taken;
        }
    }
    panic!("no breach in {} bytes", stream.len());
}

#[test]
fn a_text_fails_with_the_read_that_brings_a_bad_byte() {
    let whole = frame(true, OpCode::Text, &vec![0xFF; 16 << 20]);
    assert_eq!(taken_before(CloseCode::InvalidUtf8, &whole), READ_BYTES);
    let mut late = vec![b'x'; 16 << 20];
    late[READ_BYTES * 3] = 0xFF;
    assert_eq!(taken_before(CloseCode::InvalidUtf8, &frame(true, OpCode::Text, &late)), READ_BYTES * 4);
}

#[test]
fn a_text_fails_with_the_fragment_that_makes_it_impossible() {
    let begin = |bytes: &[u8]| frame(false, OpCode::Text, bytes);
    let go_on = |bytes: &[u8]| frame(false, OpCode::Continuation, bytes);
    for (before, bad) in [
        (vec![], begin(b"\xFF")),
        (vec![], begin(b"abc\xF4\x90")),
        (vec![begin("é".as_bytes())], go_on(b"\xC0")),
        (vec![begin(b"\xE2"), go_on(b""), go_on(b"\x82")], go_on(b"a")),
        (vec![begin(b"\xF0\x9F")], go_on(b"\x98\x80\x80")),
    ] {
        let before = before.concat();
        assert_eq!(read(&[&before], ALLOWED), [], "{before:x?} may still become a text");
        assert_eq!(read(&[&before, &bad], ALLOWED), [Seen::Breach(CloseCode::InvalidUtf8)], "{bad:x?}");
    }
}

#[test]
fn bytes_that_are_no_text_pass_as_binary_in_fragments() {
    let stream = [frame(false, OpCode::Binary, &[0xFF, 0xE2]), frame(true, OpCode::Continuation, &[0xC0])];
    assert_eq!(read(&[&stream.concat()], ALLOWED), [Seen::Binary(vec![0xFF, 0xE2, 0xC0])]);
}

#[test]
fn a_text_after_another_is_checked_from_its_own_start() {
    let halves = |head: &[u8], tail: &[u8]| {
        [frame(false, OpCode::Text, head), frame(true, OpCode::Continuation, tail)].concat()
    };
    let good = [halves(b"abc", b"def"), halves(b"\xC3", b"\xA9"), halves(b"", b"")].concat();
    let texts = ["abcdef", "é", ""].map(|text| Seen::Text(text.into()));
    assert_eq!(read(&[&good], ALLOWED), texts);
    let bad = [halves(b"abc", b"def"), halves(b"\xFF", b"def")].concat();
    assert_eq!(read(&[&bad], ALLOWED)[1], Seen::Breach(CloseCode::InvalidUtf8));
}

#[test]
fn a_message_over_the_limit_is_refused_from_its_header_alone() {
    let allowed = Allowance { message_bytes_max: 10, room: usize::MAX };
    assert_eq!(read(&[&frame(true, OpCode::Binary, &[7; 10])], allowed), [Seen::Binary(vec![7; 10])]);
    let header = &frame(true, OpCode::Binary, &[7; 11])[..6];
    assert_eq!(read(&[header], allowed), [Seen::Breach(CloseCode::TooBig)]);
    let mut huge = Vec::new();
    header::write(&mut huge, true, OpCode::Binary, 1 << 62, Some([0; 4]));
    assert_eq!(read(&[&huge], allowed), [Seen::Breach(CloseCode::TooBig)]);
    let sum = [frame(false, OpCode::Binary, &[7; 6]), frame(true, OpCode::Continuation, &[7; 5])].concat();
    assert_eq!(read(&[&sum], allowed), [Seen::Breach(CloseCode::TooBig)]);
}

#[test]
fn no_memory_is_reserved_by_a_claim_and_a_flood_of_empty_fragments_holds_none() {
    let (mut inbound, mut pool) = (Inbound::default(), Pool::new());
    let mut stream = Vec::new();
    header::write(&mut stream, false, OpCode::Binary, 90_000, Some([0; 4]));
    let mut cursor = Cursor::new(&mut stream);
    assert_eq!(inbound.step(&mut cursor, ALLOWED, &mut pool), Step::NeedMore);
    assert_eq!(pool.lent(), 0);

    let (mut inbound, mut pool) = (Inbound::default(), Pool::new());
    let mut flood = frame(false, OpCode::Text, b"");
    for _ in 0..10_000 {
        flood.extend_from_slice(&frame(false, OpCode::Continuation, b""));
    }
    let mut cursor = Cursor::new(&mut flood);
    assert_eq!(inbound.step(&mut cursor, ALLOWED, &mut pool), Step::NeedMore);
    assert_eq!(pool.lent(), 0);
}

#[test]
fn a_large_message_waits_for_leave_and_then_goes_on() {
    let (mut inbound, mut pool) = (Inbound::default(), Pool::new());
    let payload = vec![9; LARGE_MESSAGE + 10];
    let mut stream = [
        frame(false, OpCode::Binary, &payload[..LARGE_MESSAGE]),
        frame(true, OpCode::Continuation, &[9; 10]),
    ]
    .concat();
    let mut cursor = Cursor::new(&mut stream);
    let small = Allowance { room: 0, ..ALLOWED };
    assert_eq!(inbound.step(&mut cursor, small, &mut pool), Step::Held);
    assert_eq!(inbound.step(&mut cursor, small, &mut pool), Step::Held);
    assert_eq!(inbound.step(&mut cursor, ALLOWED, &mut pool), Step::Gathered(Kind::Binary));
    assert!(inbound.take_message() == payload);
}

#[test]
fn a_message_of_just_the_size_that_is_not_large_needs_no_leave() {
    for (len, is_held) in [(LARGE_MESSAGE, false), (LARGE_MESSAGE + 1, true)] {
        let (mut inbound, mut pool) = (Inbound::default(), Pool::new());
        let (first, rest) = (frame(false, OpCode::Binary, &[9; 10]), vec![9; len - 10]);
        let mut stream = [first, frame(true, OpCode::Continuation, &rest)].concat();
        let allowed = Allowance { room: 0, ..ALLOWED };
        let mut cursor = Cursor::new(&mut stream);
        let step = inbound.step(&mut cursor, allowed, &mut pool);
        assert_eq!(step, if is_held { Step::Held } else { Step::Gathered(Kind::Binary) }, "{len}");
        assert_eq!(inbound.held(), pool.lent());
        assert!(!inbound.is_idle(), "its bytes are not taken");
        inbound.release(&mut pool);
        assert!(inbound.is_idle() && inbound.held() == 0);
    }
}

#[test]
fn a_large_message_needs_leave_for_as_much_as_it_grows() {
    let mut chunk = Pool::new().lend(LARGE_MESSAGE);
    chunk.resize(LARGE_MESSAGE, 9);
    let needed = Pool::growth(&chunk, 10);
    for (room, expected) in [(needed - 1, Step::Held), (needed, Step::Gathered(Kind::Binary))] {
        let (mut inbound, mut pool) = (Inbound::default(), Pool::new());
        let first = frame(false, OpCode::Binary, &chunk);
        let mut stream = [first, frame(true, OpCode::Continuation, &[9; 10])].concat();
        let allowed = Allowance { room, ..ALLOWED };
        assert_eq!(inbound.step(&mut Cursor::new(&mut stream), allowed, &mut pool), expected, "{room}");
    }
}

/// What is known of a message of which this has come: whether one is under way, and how far its memory may
/// grow.
fn growth(stream: &[u8], came: usize) -> (bool, usize) {
    let (mut inbound, mut pool) = (Inbound::default(), Pool::new());
    let mut bytes = stream[..came].to_vec();
    assert_eq!(inbound.step(&mut Cursor::new(&mut bytes), ALLOWED, &mut pool), Step::NeedMore);
    (inbound.is_idle(), inbound.growth_max(ALLOWED.message_bytes_max))
}

#[test]
fn the_last_frame_says_how_far_a_message_grows_and_others_leave_it_open() {
    let grown = |len: usize, more: usize| {
        let mut chunk = Pool::new().lend(len);
        chunk.resize(len, 0);
        Pool::growth(&chunk, more)
    };
    let (header, max) = (8, ALLOWED.message_bytes_max);
    let last = frame(true, OpCode::Binary, &[7; 20_000]);
    assert_eq!(growth(&last, header), (false, Pool::growth(&Vec::new(), 20_000)));
    assert_eq!(growth(&last, header + 10), (false, grown(10, 19_990)));
    let small = frame(true, OpCode::Binary, &[7; 4000]);
    assert_eq!(growth(&small, header + 3000), (false, 0), "its chunk has room for the rest");
    let open = frame(false, OpCode::Binary, &[7; 20_000]);
    assert_eq!(growth(&open, header + 10), (false, grown(10, max - 10)));
    assert_eq!(growth(&open, header + 20_000), (false, grown(20_000, max - 20_000)));
    assert_eq!(growth(&last, 1), (true, Pool::growth(&Vec::new(), max)), "nothing is known yet");
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop::sample::select(vec![
        OpCode::Continuation,
        OpCode::Text,
        OpCode::Binary,
        OpCode::Ping,
        OpCode::Pong,
        OpCode::Close,
    ]);
    let payload =
        prop_oneof!["[a-zé]{0,40}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..300)];
    (any::<bool>(), opcode, payload).prop_map(|(fin, opcode, payload)| {
        let (fin, len) =
            if opcode.is_control() { (true, payload.len().min(125)) } else { (fin, payload.len()) };
        frame(fin, opcode, &payload[..len])
    })
}

proptest! {
    #[test]
    fn split_input_reads_as_whole_input(
        frames in prop::collection::vec(any_frame(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = frames.concat();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&pieces, ALLOWED), read(&[&stream], ALLOWED));
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        read(&[&bytes], ALLOWED);
    }
}

//! Byte tables for the writer, read back by an independent implementation.

use proptest::prelude::*;
use protocol::ids::Role;
use protocol::ids::SessionId;
use tungstenite::protocol::{Role as WsRole, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use super::*;

#[path = "outbound_room_tests.rs"]
mod room;

/// A socket that takes a few bytes at a time, then says it would block.
#[derive(Default)]
struct Trickle {
    taken: Vec<u8>,
    /// Bytes it takes before it blocks once.
    appetite: usize,
}

impl io::Write for Trickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.appetite == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = bytes.len().min(self.appetite);
        self.appetite -= taken;
        self.taken.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn head() -> Head {
    let at = UnixMs::new(1_700_000_000_000);
    Head::new(b"0123456789abcdef0123456789abcdef", Role::Phone, at.as_bytes())
}

fn envelope_of(frame: &str, b64: bool) -> String {
    format!(
        r#"{{"type":"frame","sid":"0123456789abcdef0123456789abcdef","fromRole":"phone","at":1700000000000,"frame":"{frame}","b64":{b64}}}"#
    )
}

fn drain(outbound: &mut Outbound, pool: &mut Pool, appetite: usize) -> Vec<u8> {
    let mut socket = Trickle::default();
    while !outbound.is_empty() {
        socket.appetite = appetite;
        outbound.flush(&mut socket, pool).unwrap();
    }
    socket.taken
}

/// What tungstenite makes of the bytes.
fn read_back(bytes: Vec<u8>) -> Vec<Message> {
    let mut config = WebSocketConfig::default();
    config.max_message_size = None;
    config.max_frame_size = None;
    let stream = ReadOnly(io::Cursor::new(bytes));
    let mut socket = WebSocket::from_raw_socket(stream, WsRole::Client, Some(config));
    let mut messages = vec![];
    while let Ok(message) = socket.read() {
        messages.push(message);
    }
    messages
}

struct ReadOnly(io::Cursor<Vec<u8>>);

impl io::Read for ReadOnly {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl io::Write for ReadOnly {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn bytes_of_the_program_itself_go_out_behind_all_others_and_hold_no_memory() {
    static BODY: [u8; 100_000] = [7; 100_000];
    let (mut pool, mut outbound) = (Pool::new(), Outbound::new());
    outbound.bytes(b"head", &mut pool);
    outbound.fixed(&BODY, &mut pool);
    assert!(!outbound.is_under_low() && !outbound.is_empty());
    assert!(outbound.held() < BODY.len(), "{}", outbound.held());
    let mut socket = Trickle { appetite: 1004, ..Trickle::default() };
    let flushed = outbound.flush(&mut socket, &mut pool).unwrap();
    assert_eq!(flushed, Flushed { taken: 1004, left: 99_000, wants_more: false });
    outbound.bytes(b"next", &mut pool);
    socket.taken.extend(drain(&mut outbound, &mut pool, 7777));
    assert!(socket.taken == [&b"head"[..], &BODY, b"next"].concat());
    assert!(outbound.is_under_low() && outbound.held() == 0);
}

#[test]
fn frames_notices_and_controls_go_out_in_order() {
    let (mut out, mut pool) = (Outbound::default(), Pool::new());
    out.notice(&Notice::HbAck, &mut pool).unwrap();
    out.text(&head(), b"a\"b", Room::ToMark, &mut pool);
    out.binary(&head(), &[0, 255], false, Room::ToMark, &mut pool);
    out.binary(&head(), &[0, 255], true, Room::ToMark, &mut pool);
    out.pong(b"p", &mut pool);
    let (code, reason) = close_words(CloseCode::Replaced);
    out.close(code, reason, true, &mut pool);
    let whole = drain(&mut out, &mut pool, usize::MAX);
    assert_eq!(pool.lent(), 0);
    let messages = read_back(whole);
    assert_eq!(messages[0].to_text().unwrap(), r#"{"type":"hb-ack"}"#);
    assert_eq!(messages[1].to_text().unwrap(), envelope_of("a\\\"b", false));
    assert_eq!(messages[2].to_text().unwrap(), envelope_of("AP8=", true));
    assert_eq!(messages[3], Message::binary(vec![0, 255]));
    assert_eq!(messages[4], Message::Pong(b"p".to_vec().into()));
    let Message::Close(Some(close)) = &messages[5] else { panic!("{messages:?}") };
    assert_eq!(u16::from(close.code), 4409);
}

#[test]
fn writes_may_be_cut_within_a_header_a_frame_or_a_close() {
    let queued = |pool: &mut Pool| {
        let mut out = Outbound::default();
        out.notice(&Notice::HbAck, pool).unwrap();
        // A length of each kind: in 7, 16 and 64 bits.
        out.binary(&head(), &[1; 10], true, Room::ToMark, pool);
        out.binary(&head(), &[2; 200], true, Room::ToMark, pool);
        out.text(&head(), "e\n".repeat(35_000).as_bytes(), Room::ToMark, pool);
        out.pong(b"p", pool);
        let (code, reason) = close_words(CloseCode::Replaced);
        out.close(code, reason, false, pool);
        out
    };
    let mut pool = Pool::new();
    let whole = drain(&mut queued(&mut pool), &mut pool, usize::MAX);
    assert_eq!(read_back(whole.clone()).len(), 6);
    for appetite in 1..=16 {
        assert!(drain(&mut queued(&mut pool), &mut pool, appetite) == whole, "{appetite} bytes at a time");
        assert_eq!(pool.lent(), 0);
    }
}

/// How many frames the bytes are.
fn frames_in(mut bytes: &[u8]) -> usize {
    let mut frames = 0;
    while let [_, len, rest @ ..] = bytes {
        let (header, len) = match len {
            126 => (2, usize::from(u16::from_be_bytes([rest[0], rest[1]]))),
            127 => (8, u64::from_be_bytes(*rest.first_chunk().unwrap()) as usize),
            len => (0, usize::from(*len)),
        };
        bytes = &rest[header + len..];
        frames += 1;
    }
    frames
}

#[test]
fn a_text_is_fragmented_by_what_its_escape_really_takes() {
    // What fits for sure: the header, the envelope, and room for one character of six bytes for each of its
    // four.
    let room = HIGH_MARK - HEADER_BYTES_MAX - OVERHEAD_MAX - 24;
    for (text, frames) in [
        ("x".repeat(44_000), 1),
        ("x".repeat(room), 1),
        ("é".repeat(room / 2), 1),
        ("\n".repeat(room / 2), 1),
        ("\u{1}".repeat(room / 6), 1),
        // Pieces of 8 KiB, as it is longer than the room before it is escaped.
        ("x".repeat(HIGH_MARK), HIGH_MARK / 8192),
        // As much as there is room for, and then the rest.
        ("\u{1}".repeat(HIGH_MARK / 6), 2),
        ("\n".repeat(HIGH_MARK / 2 + 8192), 3),
        ("😀\n".repeat(45_000), 2),
    ] {
        for gathered in [false, true] {
            let (mut out, mut pool) = (Outbound::default(), Pool::new());
            if gathered {
                let message = pool.lend_copy(text.as_bytes());
                out.gathered(&head(), Kind::Text, message, false, Room::ToMark, &mut pool);
            } else {
                out.text(&head(), text.as_bytes(), Room::ToMark, &mut pool);
            }
            let bytes = drain(&mut out, &mut pool, usize::MAX);
            assert_eq!(frames_in(&bytes), frames, "{} bytes of {:?}", text.len(), text.chars().next());
            let messages = read_back(bytes);
            let envelope = protocol::message::ServerMessage::parse(messages[0].to_text().unwrap()).unwrap();
            let expected =
                protocol::message::ServerMessage::Frame(protocol::message::Frame::Text(text.clone()));
            assert!(envelope == expected);
            assert_eq!(pool.lent(), 0);
        }
    }
}

#[test]
fn a_text_is_whole_however_little_room_it_finds() {
    // The last bytes of room are wanted by texts that may need more than there is, up to six times as much.
    let (text, room_end) = ("x\u{1}é".repeat(100), HIGH_MARK + OVERSHOOT);
    for left in 0..2000 {
        let (mut out, mut pool) = (Outbound::default(), Pool::new());
        out.bytes(&vec![0; room_end - left], &mut pool);
        out.text(&head(), text.as_bytes(), Room::ToMark, &mut pool);
        assert!(out.queued() <= room_end, "{left} bytes left");
        let held_max = Pool::capacity_max(room_end) + Pool::capacity_max(text.len());
        assert!(out.held() <= held_max, "{left} bytes left");
        let bytes = drain(&mut out, &mut pool, usize::MAX).split_off(room_end - left);
        let messages = read_back(bytes);
        assert!(messages[0].to_text().unwrap() == envelope_of(&"x\\u0001é".repeat(100), false), "{left}");
        assert_eq!(pool.lent(), 0);
    }
}

#[test]
fn a_text_of_another_node_is_written_whole_whatever_waits() {
    let (mut out, mut pool) = (Outbound::default(), Pool::new());
    let text = "\u{1}".repeat(64 << 10);
    for _ in 0..4 {
        out.text(&head(), text.as_bytes(), Room::Granted, &mut pool);
    }
    assert_eq!(frames_in(&drain(&mut out, &mut pool, usize::MAX)), 4);
    assert_eq!(pool.lent(), 0);
}

#[test]
fn a_large_message_is_fragmented_and_only_controls_come_between() {
    let (mut out, mut pool) = (Outbound::default(), Pool::new());
    let text = "é\n".repeat(300_000);
    out.text(&head(), text.as_bytes(), Room::ToMark, &mut pool);
    assert!(out.is_over_high());
    out.pong(b"between", &mut pool);
    out.notice(&Notice::PeerLeft { role: Role::Phone }, &mut pool).unwrap();
    out.close(Some(1001), "", false, &mut pool);
    assert!(out.queued() <= HIGH_MARK + OVERSHOOT + CONTROL_ROOM);
    let messages = read_back(drain(&mut out, &mut pool, 10_000));
    assert_eq!(messages[0], Message::Pong(b"between".to_vec().into()));
    assert!(messages[1].to_text().unwrap() == envelope_of(&"é\\n".repeat(300_000), false));
    assert_eq!(messages[2].to_text().unwrap(), r#"{"type":"peer-left","role":"phone"}"#);
    assert!(matches!(messages[3], Message::Close(_)));
    assert_eq!(pool.lent(), 0);
}

#[test]
fn a_close_that_cant_wait_cuts_the_large_message_off() {
    let (mut out, mut pool) = (Outbound::default(), Pool::new());
    out.binary(&head(), &vec![1; 2_000_000], true, Room::ToMark, &mut pool);
    out.notice(&Notice::PeerLeft { role: Role::Phone }, &mut pool).unwrap();
    out.close(Some(4409), "", true, &mut pool);
    let messages = read_back(drain(&mut out, &mut pool, 99_999));
    assert!(matches!(&messages[..], [Message::Close(_)]), "{} messages", messages.len());
    assert_eq!(pool.lent(), 0);
}

#[test]
fn a_close_without_room_behind_a_large_message_is_still_the_last() {
    // The longest there is, so that however many short ones came before it, some leave no room for a Close
    // frame.
    let longest = Notice::HelloAck {
        session: SessionId::from_bytes([0xFF; 16]),
        peer: false,
        ttl_secs: u64::MAX,
        heartbeat_secs: u64::MAX,
        message_bytes_max: u64::MAX,
        paused_ping_secs: Some(u64::MAX),
    };
    for short in 0..20 {
        let (mut out, mut pool) = (Outbound::default(), Pool::new());
        out.binary(&head(), &vec![1; 400_000], true, Room::ToMark, &mut pool);
        (0..short).for_each(|_| out.notice(&Notice::HbAck, &mut pool).unwrap());
        while out.notice(&longest, &mut pool).is_ok() {}
        out.close(Some(1001), "", false, &mut pool);
        let whole = drain(&mut out, &mut pool, 99_999);
        assert!(
            whole.ends_with(&[0x88, 2, 0x03, 0xE9]),
            "RFC 6455 §5.5.1: nothing is sent after a Close frame"
        );
        assert!(matches!(read_back(whole).last(), Some(Message::Close(_))));
        assert_eq!(pool.lent(), 0);
    }
}

#[test]
fn notices_without_end_overflow_and_the_close_still_fits() {
    let (mut out, mut pool) = (Outbound::default(), Pool::new());
    while !out.is_over_high() {
        out.text(&head(), "x".repeat(1000).as_bytes(), Room::ToMark, &mut pool);
    }
    let queued = out.queued();
    let mut notices = 0;
    while out.notice(&Notice::PeerLeft { role: Role::Phone }, &mut pool).is_ok() {
        notices += 1;
    }
    assert!(notices > 10 && out.queued() - queued < OVERSHOOT + CONTROL_ROOM);
    out.close(Some(4408), CloseCode::TimedOut.reason(), true, &mut pool);
    assert!(out.queued() <= crate::limits::QUEUE_BYTES_MAX);
}

#[test]
fn unix_ms_are_plain_digits() {
    for ms in [0, 9, 10, 1_700_000_000_000, u64::MAX] {
        assert_eq!(UnixMs::new(ms).as_bytes(), ms.to_string().as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_message_in_any_mode_comes_out_whole(
        len in prop_oneof![0usize..300, 60_000usize..70_000, 200_000usize..600_000],
        fill: u8, bare: bool, gathered: bool, appetite in 1000usize..100_000,
    ) {
        let (mut out, mut pool) = (Outbound::default(), Pool::new());
        let bytes: Vec<u8> = (0..len).map(|i| fill.wrapping_add(i as u8)).collect();
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        if gathered {
            let message = pool.lend_copy(text.as_bytes());
            out.gathered(&head(), Kind::Text, message, bare, Room::ToMark, &mut pool);
        } else {
            out.text(&head(), text.as_bytes(), Room::ToMark, &mut pool);
        }
        let first = drain(&mut out, &mut pool, appetite);
        if gathered {
            let message = pool.lend_copy(&bytes);
            out.gathered(&head(), Kind::Binary, message, bare, Room::ToMark, &mut pool);
        } else {
            out.binary(&head(), &bytes, bare, Room::ToMark, &mut pool);
        }
        let second = drain(&mut out, &mut pool, appetite);
        prop_assert_eq!(pool.lent(), 0);
        use protocol::message::{Frame, ServerMessage};
        let messages = read_back([first, second].concat());
        prop_assert_eq!(messages.len(), 2);
        let parsed = ServerMessage::parse(messages[0].to_text().unwrap()).unwrap();
        prop_assert!(parsed == ServerMessage::Frame(Frame::Text(text)));
        if bare {
            prop_assert!(messages[1] == Message::binary(bytes));
        } else {
            let parsed = ServerMessage::parse(messages[1].to_text().unwrap()).unwrap();
            prop_assert!(parsed == ServerMessage::Frame(Frame::Binary(bytes)));
        }
    }
}

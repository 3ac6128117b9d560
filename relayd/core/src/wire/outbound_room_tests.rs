//! How much a queue takes, when its source must wait, and what a flush does with a socket of any mood.

use super::*;
use crate::limits::QUEUE_BYTES_MAX;

/// A queue in which exactly so much waits.
fn filled(bytes: usize, pool: &mut Pool) -> Outbound {
    let mut out = Outbound::new();
    out.bytes(&vec![0; bytes], pool);
    assert_eq!(out.queued(), bytes);
    out
}

/// True if a large message is being written piece by piece.
fn has_bulk(out: &Outbound) -> bool {
    out.is_over(usize::MAX)
}

#[test]
fn the_marks_are_exact() {
    let mut pool = Pool::new();
    for (bytes, is_over_high, is_under_low) in [
        (0, false, true),
        (LOW_MARK - 1, false, true),
        (LOW_MARK, false, false),
        (HIGH_MARK, false, false),
        (HIGH_MARK + 1, true, false),
    ] {
        let out = filled(bytes, &mut pool);
        assert_eq!((out.is_over_high(), out.is_under_low()), (is_over_high, is_under_low), "{bytes}");
        assert_eq!((out.is_over(LOW_MARK), out.is_empty()), (bytes > LOW_MARK, bytes == 0), "{bytes}");
    }
}

#[test]
fn a_message_goes_out_in_one_piece_while_it_may_fit() {
    let small = OVERSHOOT - HEADER_BYTES_MAX;
    let granted = HIGH_MARK + OVERSHOOT + GRANTED_BYTES_MAX;
    for (queued, len, room, is_whole) in [
        (HIGH_MARK, small, Room::ToMark, true),
        (HIGH_MARK + 1, small, Room::ToMark, false),
        (HIGH_MARK - OVERSHOOT - 1, small + 1, Room::ToMark, true),
        (HIGH_MARK - OVERSHOOT, small + 1, Room::ToMark, false),
        (0, HIGH_MARK - HEADER_BYTES_MAX, Room::ToMark, true),
        (1, HIGH_MARK - HEADER_BYTES_MAX, Room::ToMark, false),
        (granted - OVERSHOOT, small, Room::Granted, true),
        (granted - OVERSHOOT + 1, small, Room::Granted, false),
    ] {
        let mut pool = Pool::new();
        let mut out = filled(queued, &mut pool);
        out.binary(&head(), &vec![7; len], true, room, &mut pool);
        assert_eq!(!has_bulk(&out), is_whole, "{len} behind {queued}");
        assert_eq!(out.held(), pool.lent());
        out.release(&mut pool);
        assert_eq!((out.held(), pool.lent()), (0, 0));
    }
}

#[test]
fn a_small_message_is_whole_in_any_form_up_to_the_mark() {
    let (text, mut pool) = ("x".repeat(1000), Pool::new());
    let mut out = filled(HIGH_MARK, &mut pool);
    out.text(&head(), text.as_bytes(), Room::ToMark, &mut pool);
    assert!(!has_bulk(&out) && out.is_over_high());
    for kind in [Kind::Text, Kind::Binary] {
        let mut out = filled(HIGH_MARK, &mut pool);
        let message = pool.lend_copy(text.as_bytes());
        out.gathered(&head(), kind, message, false, Room::ToMark, &mut pool);
        assert!(!has_bulk(&out), "{kind:?}");
    }
    let mut out = filled(HIGH_MARK, &mut pool);
    out.binary(&head(), text.as_bytes(), false, Room::ToMark, &mut pool);
    assert!(!has_bulk(&out));
}

#[test]
fn answers_over_the_high_mark_fill_half_of_their_room() {
    let mut pool = Pool::new();
    let mut out = filled(HIGH_MARK - 2, &mut pool);
    out.pong(&[], &mut pool);
    let mut pongs = 0;
    while out.has_answer_room() {
        out.pong(&[], &mut pool);
        pongs += 1;
    }
    assert_eq!(pongs, CONTROL_ROOM / 2 / 2, "two bytes each, and the first was under the mark");
    let queued = out.queued();
    out.ping(&mut pool);
    assert_eq!(out.queued(), queued, "there is no room for it");
    let mut socket = Trickle { appetite: queued - HIGH_MARK - 1, ..Trickle::default() };
    out.flush(&mut socket, &mut pool).unwrap();
    assert!(!out.has_answer_room(), "still one byte over the mark");
    socket.appetite = 1;
    out.flush(&mut socket, &mut pool).unwrap();
    assert!(out.has_answer_room());
    out.ping(&mut pool);
    assert_eq!(out.queued(), HIGH_MARK + 2);
}

#[test]
fn answers_behind_a_large_message_fill_half_of_its_room() {
    let (mut ack, mut pool) = (Outbound::new(), Pool::new());
    ack.notice(&Notice::HbAck, &mut pool).unwrap();
    let len = ack.queued();
    let mut out = Outbound::new();
    out.binary(&head(), &vec![1; 400_000], true, Room::ToMark, &mut pool);
    let mut notices = 0;
    while out.has_answer_room() {
        out.notice(&Notice::HbAck, &mut pool).unwrap();
        notices += 1;
    }
    assert_eq!(notices, (CONTROL_ROOM / 2).div_ceil(len));
    assert!(out.held() >= pool.lent() - ack.held() + notices * len, "what waits is counted");
    ack.binary(&head(), &vec![1; 400_000], true, Room::ToMark, &mut pool);
    ack.release(&mut pool);
    assert_eq!(ack.held(), 0);
}

#[test]
fn answers_behind_a_large_message_stop_at_just_half_of_its_room() {
    let mut pool = Pool::new();
    let mut out = Outbound::new();
    out.binary(&head(), &vec![1; 400_000], true, Room::ToMark, &mut pool);
    // 19 bytes each, and 37 each: 100 * 19 + 4 * 37 = 2048.
    for _ in 0..100 {
        out.notice(&Notice::HbAck, &mut pool).unwrap();
    }
    let left = Notice::PeerLeft { role: Role::Phone };
    for _ in 0..3 {
        out.notice(&left, &mut pool).unwrap();
    }
    assert!(out.has_answer_room());
    out.notice(&left, &mut pool).unwrap();
    assert!(!out.has_answer_room(), "{} bytes wait", CONTROL_ROOM / 2);
}

#[test]
fn notices_leave_room_for_a_close_frame() {
    let most = CONTROL_ROOM - CLOSE_FRAME_BYTES_MAX - NOTICE_BYTES_MAX - 4;
    for (control, fits) in [(most, true), (most + 1, false)] {
        let mut pool = Pool::new();
        let mut out = filled(HIGH_MARK + 1, &mut pool);
        let mut left = control;
        while left > 0 {
            let len = left.min(127);
            let len = if left - len == 1 { len - 1 } else { len };
            out.pong(&vec![0; len - 2], &mut pool);
            left -= len;
        }
        assert_eq!(out.queued(), HIGH_MARK + 1 + control);
        assert_eq!(out.notice(&Notice::HbAck, &mut pool).is_ok(), fits, "{control}");
    }
    const { assert!(QUEUE_BYTES_MAX >= HIGH_MARK + OVERSHOOT + CONTROL_ROOM) };
}

#[test]
fn a_chunk_is_as_large_as_what_comes_first_and_is_used_again_from_its_start() {
    for (len, held) in [(512, 4 << 10), (513, READ_BYTES), (READ_BYTES + 1, 72 << 10)] {
        let mut pool = Pool::new();
        assert_eq!(filled(len, &mut pool).held(), held, "{len}");
    }
    let (mut out, mut pool) = (Outbound::new(), Pool::new());
    out.binary(&head(), &[7; 300], true, Room::ToMark, &mut pool);
    assert_eq!(out.held(), 4 << 10, "its header and its bytes");
    let mut pool = Pool::new();
    let mut out = filled(500, &mut pool);
    out.bytes(&[1; 3500], &mut pool);
    let mut socket = Trickle { appetite: 3000, ..Trickle::default() };
    out.flush(&mut socket, &mut pool).unwrap();
    out.bytes(&[2; 3000], &mut pool);
    assert_eq!((out.queued(), out.held()), (4000, 4 << 10), "what the socket took makes room");
    assert_eq!(drain(&mut out, &mut pool, 999), [vec![1; 1000], vec![2; 3000]].concat());
}

#[test]
fn a_control_frame_finds_room_where_the_chunk_is_full() {
    for len in [0, 1, 125] {
        let mut pool = Pool::new();
        let mut out = filled(4, &mut pool);
        out.bytes(&[0; 4092], &mut pool);
        out.pong(&vec![0; len], &mut pool);
        assert_eq!(out.held(), pool.lent(), "{len}");
    }
}

/// Says this to each write, and takes what it says that it takes.
struct Moody(Vec<io::Result<usize>>);

impl io::Write for Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.remove(0).map(|taken| taken.min(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_flush_goes_on_until_the_socket_is_full_and_says_what_broke() {
    let error = |kind: io::ErrorKind| Err(io::Error::from(kind));
    let flushed = |taken, left| Ok(Flushed { taken, left, wants_more: false });
    for (mood, expected) in [
        (vec![Ok(usize::MAX)], flushed(1000, 0)),
        (vec![Ok(400)], flushed(400, 600)),
        (vec![error(io::ErrorKind::WouldBlock)], flushed(0, 1000)),
        (vec![error(io::ErrorKind::Interrupted), Ok(usize::MAX)], flushed(1000, 0)),
        (vec![Ok(0)], Err(io::ErrorKind::WriteZero)),
        (vec![error(io::ErrorKind::ConnectionReset)], Err(io::ErrorKind::ConnectionReset)),
    ] {
        let mut pool = Pool::new();
        let mut out = filled(1000, &mut pool);
        let said = format!("{mood:?}");
        let outcome = out.flush(&mut Moody(mood), &mut pool).map_err(|error| error.kind());
        assert_eq!(outcome, expected, "{said}");
    }
}

#[test]
fn one_flush_writes_a_bounded_part_of_a_large_message_and_wants_more() {
    let (mut out, mut pool) = (Outbound::new(), Pool::new());
    out.binary(&head(), &vec![1; 3_000_000], true, Room::ToMark, &mut pool);
    assert!(out.is_over_high() && !out.is_under_low());
    let mut socket = Trickle { appetite: usize::MAX, ..Trickle::default() };
    let first = out.flush(&mut socket, &mut pool).unwrap();
    assert_eq!(first.taken, socket.taken.len());
    assert!((FLUSH_BYTES_MAX..FLUSH_BYTES_MAX + QUEUE_BYTES_MAX).contains(&first.taken), "{first:?}");
    assert!(first.wants_more && first.left > 1_500_000, "{first:?}");
    // And what the headers of the pieces took.
    assert!((3_000_000..3_001_000).contains(&(first.taken + first.left)), "{first:?}");
    assert_eq!(out.queued(), 0);
    assert!(out.is_over_high() && !out.is_under_low() && !out.is_empty(), "more of it follows");
    let second = out.flush(&mut socket, &mut pool).unwrap();
    let third = out.flush(&mut socket, &mut pool).unwrap();
    assert_eq!((second.wants_more, third.wants_more, third.left, pool.lent()), (true, false, 0, 0));
}

#[test]
fn a_flush_that_has_used_up_its_budget_to_the_byte_stops() {
    let mut pool = Pool::new();
    let mut out = filled(FLUSH_BYTES_MAX, &mut pool);
    out.binary(&head(), &[1; 1000], true, Room::ToMark, &mut pool);
    let mut socket = Trickle { appetite: usize::MAX, ..Trickle::default() };
    let flushed = out.flush(&mut socket, &mut pool).unwrap();
    assert_eq!(flushed, Flushed { taken: FLUSH_BYTES_MAX, left: 1000, wants_more: true });
}

#[test]
fn a_piece_that_just_fits_under_the_mark_is_written_at_once() {
    let piece_max = 24 * 1024 + HEADER_BYTES_MAX;
    for (queued, is_written) in [(HIGH_MARK - piece_max, true), (HIGH_MARK - piece_max + 1, false)] {
        let mut pool = Pool::new();
        let mut out = filled(queued, &mut pool);
        out.binary(&head(), &vec![1; 400_000], true, Room::ToMark, &mut pool);
        assert_eq!(out.queued() > queued, is_written, "{queued}");
    }
}

#[test]
fn a_text_that_fills_its_room_takes_no_byte_that_was_not_lent() {
    let (room_end, left) = (HIGH_MARK + OVERSHOOT, 10_000);
    // What the socket has taken leaves about as much of the chunk as there is room.
    let taken = QUEUE_BYTES_MAX + 4096 - room_end;
    for taken in (taken - 200..taken + 200).step_by(20) {
        let mut pool = Pool::new();
        let mut out = filled(room_end - left + taken, &mut pool);
        out.flush(&mut Trickle { appetite: taken, ..Trickle::default() }, &mut pool).unwrap();
        out.text(&head(), "\u{1}".repeat(9000).as_bytes(), Room::ToMark, &mut pool);
        assert!((room_end - 60..=room_end).contains(&out.queued()), "{} bytes wait", out.queued());
        assert_eq!(out.held(), pool.lent(), "{taken}");
    }
}

/// The payloads of the server's frames.
fn payloads(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let [_, len, rest @ ..] = bytes {
        let (extra, len) = match len {
            126 => (2, usize::from(u16::from_be_bytes([rest[0], rest[1]]))),
            127 => (8, u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize),
            &len => (0, usize::from(len)),
        };
        let (payload, behind) = rest[extra..].split_at(len);
        all.push(payload);
        bytes = behind;
    }
    all
}

#[test]
fn no_piece_of_a_large_text_ends_within_a_character_or_is_longer_than_the_others() {
    let (mut out, mut pool) = (Outbound::new(), Pool::new());
    let text = format!("a{}", "é".repeat(400_000));
    out.text(&head(), text.as_bytes(), Room::ToMark, &mut pool);
    let bytes = drain(&mut out, &mut pool, usize::MAX);
    let pieces = payloads(&bytes);
    assert!(pieces.len() > 10 && pieces.iter().all(|piece| std::str::from_utf8(piece).is_ok()));
    let begin = pieces[0].iter().position(|&byte| byte == 0xC3).unwrap() - 1;
    assert!(pieces[0].len() - begin <= pieces[1].len(), "{} and {}", pieces[0].len(), pieces[1].len());
}

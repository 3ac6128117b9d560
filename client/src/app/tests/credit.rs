//! Credit in bytes: what may be sent, and when it comes back.

use super::*;

/// Sends messages of `len` bytes until there is no credit; gives their number.
fn fill(end: &mut AppEnd, ch: ChannelId, len: usize) -> usize {
    let sent = std::iter::from_fn(|| end.send(ch, &vec![7; len]).ok()).count();
    assert_eq!(end.send(ch, &vec![7; len]), Err(ChannelError::Full(ch)));
    sent
}

#[test]
fn no_more_is_sent_than_the_reader_has_room_for() {
    for len in [0, 1, 1000, limits::PAYLOAD_BYTES_MAX] {
        let mut pair = Pair::ready();
        let (at_phone, at_desk) = pair.opened(Kind::Chat);
        let sent = fill(&mut pair.phone, at_phone, len);
        assert_eq!(sent, limits::CREDIT_DEFAULT / (len + limits::MESSAGE_COST), "{len}");
        pair.carry();
        assert_eq!(
            pair.phone.send(at_phone, &vec![7; len]),
            Err(ChannelError::Full(at_phone)),
            "not read yet"
        );
        assert_eq!(events(&mut pair.desk).len(), sent);
        assert_eq!(pair.desk.buffered().1, sent * len);
        pair.desk.consumed(at_desk, sent * len);
        pair.carry();
        assert_eq!(pair.desk.buffered(), (0, 0));
        assert_eq!(events(&mut pair.phone), [AppEvent::Writable { ch: at_phone }], "{len}");
        assert_eq!(fill(&mut pair.phone, at_phone, len), sent, "all of it came back");
    }
}

#[test]
fn credit_comes_back_in_quarters_and_bulk_at_once() {
    for (kind, quantum) in [(Kind::Chat, limits::CREDIT_DEFAULT / 4), (Kind::File, 1)] {
        let mut pair = Pair::ready();
        let (at_phone, at_desk) = pair.opened(kind);
        let len = 1000;
        let due = quantum.div_ceil(len + limits::MESSAGE_COST);
        for message in 1..=due {
            pair.phone.send(at_phone, &vec![7; len]).unwrap();
            pass(&mut pair.phone, &mut pair.desk);
            // In parts, as a file is written.
            pair.desk.consumed(at_desk, len / 2);
            assert_eq!(said(&mut pair.desk).len(), 0, "{kind:?} {message}");
            pair.desk.consumed(at_desk, len / 2);
            let credit = said(&mut pair.desk);
            assert_eq!(credit.len(), usize::from(message == due), "{kind:?} {message}");
        }
    }
}

#[test]
fn empty_messages_come_back_too() {
    let mut pair = Pair::ready();
    let (at_phone, at_desk) = pair.opened(Kind::Chat);
    let sent = fill(&mut pair.phone, at_phone, 0);
    pair.carry();
    for event in events(&mut pair.desk) {
        assert_eq!(event, data(at_desk, b""));
        pair.desk.consumed(at_desk, 0);
    }
    pair.carry();
    assert_eq!(fill(&mut pair.phone, at_phone, 0), sent);
}

#[test]
fn a_reader_that_stops_holds_up_its_own_channel_alone() {
    let mut pair = Pair::ready();
    let (slow, _) = pair.opened(Kind::File);
    let (quick, at_desk) = pair.opened(Kind::File);
    fill(&mut pair.phone, slow, 8000);
    for round in 0..200 {
        assert_eq!(pair.phone.send(quick, &[round; 8000]), Ok(()), "{round}");
        pair.carry();
        for event in events(&mut pair.desk) {
            if let AppEvent::Data { ch, bytes } = event
                && ch == at_desk
            {
                pair.desk.consumed(ch, bytes.len());
            }
        }
    }
}

#[test]
fn consumed_beyond_what_came_gives_nothing() {
    let mut pair = Pair::ready();
    let (at_phone, at_desk) = pair.opened(Kind::Chat);
    pair.desk.consumed(at_desk, 1 << 20);
    pair.carry();
    let sent = fill(&mut pair.phone, at_phone, 1000);
    assert_eq!(sent, limits::CREDIT_DEFAULT / (1000 + limits::MESSAGE_COST));
    pair.carry();
    assert_eq!(pair.desk.ignored(), Ignored::default());
    assert_eq!(pair.desk.buffered().1, sent * 1000);
    let too_long = vec![0; limits::PAYLOAD_BYTES_MAX + 1];
    assert_eq!(pair.phone.send(at_phone, &too_long), Err(ChannelError::TooLong { len: too_long.len() }));
}

#[test]
fn the_bytes_of_a_message_with_room_are_taken_only_if_it_is_accepted() {
    let mut pair = Pair::ready();
    let (at_phone, at_desk) = pair.opened(Kind::File);
    let mut message = [&[0; limits::DATA_HEADER_BYTES][..], b"abc"].concat();
    assert_eq!(pair.phone.send_owned(at_phone, &mut message), Ok(()));
    assert!(message.is_empty());
    pair.carry();
    assert_eq!(events(&mut pair.desk), [data(at_desk, b"abc")]);
    fill(&mut pair.phone, at_phone, 8000);
    let mut message = vec![7; limits::DATA_HEADER_BYTES + 8000];
    assert_eq!(pair.phone.send_owned(at_phone, &mut message), Err(ChannelError::Full(at_phone)));
    assert_eq!(message.len(), limits::DATA_HEADER_BYTES + 8000);
}

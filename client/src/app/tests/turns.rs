//! Interactive before bulk, and fair turns within each.

use super::*;

/// The channels of the data messages that an end has to say, in order.
fn order(end: &mut AppEnd) -> Vec<u32> {
    let messages = std::iter::from_fn(|| end.poll_message(NOW));
    messages.filter(|message| message[0] == 1).map(|message| u32::from(message[4])).collect()
}

#[test]
fn what_is_typed_goes_before_a_file_that_waits() {
    let mut pair = Pair::ready();
    let (file, _) = pair.opened(Kind::File);
    let (terminal, _) = pair.opened(Kind::Terminal);
    for _ in 0..7 {
        pair.phone.send(file, &[1; 2000]).unwrap();
    }
    assert_eq!(order(&mut pair.phone).len(), 7);
    pair.phone.send(file, &[1; 1000]).unwrap();
    pair.phone.send(terminal, b"k").unwrap();
    let chat = pair.phone.open(Kind::Chat, "{}").unwrap();
    let first = pair.phone.poll_message(NOW).unwrap();
    assert!(first.starts_with(format!(r#"{{"t":"open","ch":{chat}"#).as_bytes()), "control is first");
    assert_eq!(order(&mut pair.phone), [terminal, file].map(ChannelId::number));
}

#[test]
fn channels_of_a_class_take_turns() {
    let mut pair = Pair::ready();
    let channels: Vec<ChannelId> = (0..3).map(|_| pair.opened(Kind::Terminal).0).collect();
    for ch in &channels {
        for _ in 0..3 {
            pair.phone.send(*ch, b"x").unwrap();
        }
    }
    pair.phone.end(channels[0]).unwrap();
    let numbers: Vec<u32> = channels.iter().map(|ch| ch.number()).collect();
    assert_eq!(order(&mut pair.phone), numbers.repeat(3));
}

#[test]
fn a_bounded_amount_of_each_file_is_under_way() {
    let mut pair = Pair::ready();
    let (file, at_desk) = pair.opened(Kind::File);
    while pair.phone.send(file, &[1; 8000]).is_ok() {}
    let cost = 8000 + limits::MESSAGE_COST;
    let first = pass(&mut pair.phone, &mut pair.desk);
    assert_eq!(first, 16 * 1024 / cost);
    assert!(pair.phone.buffered().0 > 0, "the rest waits here");
    events(&mut pair.desk);
    pair.desk.consumed(at_desk, 8000);
    pass(&mut pair.desk, &mut pair.phone);
    assert_eq!(pass(&mut pair.phone, &mut pair.desk), 1 + 1, "as much as came back, and as much more");
}

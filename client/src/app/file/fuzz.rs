//! Fuzz body for the kind *file*: any messages, at both ends.

use std::collections::BTreeMap;
use std::time::Duration;

use super::limits::{INLINE_BYTES_MAX, NAME_BYTES_MAX, SIZE_MAX, UNSETTLED_MAX};
use super::record::{ReceiverRecord, SenderRecord};
use super::*;
use crate::app::Reason;
use crate::app::limits::PAYLOAD_BYTES_MAX;
use crate::fuzz::support::Input;

/// Messages at a receiver and at a sender: no panic, what is kept is bounded, no file gets more or other
/// bytes than it has, and what was read is written so that it reads back.
pub fn file_messages(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut receiver, mut files) = (FileReceiver::new(NOW), BTreeMap::new());
    let mut sender = FileSender::new(NOW);
    let mut has_failed = [false; 2];
    while !input.is_empty() {
        let (choice, message) = (input.byte(), input.piece());
        check_records(message);
        if choice & 1 == 0 && !has_failed[0] {
            has_failed[0] = !hear(&mut receiver, &mut files, message, choice);
            assert!(receiver.unsettled() <= UNSETTLED_MAX && receiver.unsettled() == files.len());
        } else if !has_failed[1] {
            say(&mut sender, choice);
            has_failed[1] = sender.on_message(message, NOW).is_err();
            assert!(sender.unsettled() <= UNSETTLED_MAX);
        }
        let said = std::iter::from_fn(|| receiver.poll_message(NOW));
        let said = said.chain(std::iter::from_fn(|| sender.poll_message(true, NOW)));
        said.for_each(|message| assert!((1..=PAYLOAD_BYTES_MAX).contains(&message.len())));
    }
}

const NOW: Duration = Duration::from_secs(1);

fn check_records(message: &[u8]) {
    let mut rest = message;
    while let Ok(Some(record)) = SenderRecord::take(&mut rest) {
        let mut written = Vec::new();
        record.put(&mut written);
        assert_eq!(SenderRecord::take(&mut &written[..]), Ok(Some(record)));
    }
    let mut rest = message;
    while let Ok(Some(record)) = ReceiverRecord::take(&mut rest) {
        let mut written = Vec::new();
        record.put(&mut written);
        let again = ReceiverRecord::take(&mut &written[..]);
        assert!(again == Ok(Some(record.clone())) || is_cut(&record), "{record:?} {again:?}");
    }
}

/// A longer name than this end writes.
fn is_cut(record: &ReceiverRecord) -> bool {
    matches!(record, ReceiverRecord::Done(_, name) if name.len() > NAME_BYTES_MAX)
}

/// What an app knows of a file: its size, and how much of it came.
type Known = BTreeMap<u32, (u64, u64)>;

/// An app that takes, refuses or fails. False after an error.
fn hear(receiver: &mut FileReceiver, files: &mut Known, message: &[u8], choice: u8) -> bool {
    receiver.on_message(NOW);
    let mut rest = message;
    while !rest.is_empty() {
        match receiver.take_record(&mut rest) {
            Err(_) => return false,
            Ok(None) => {}
            Ok(Some(incoming)) => act(receiver, files, incoming, choice),
        }
    }
    true
}

fn act(receiver: &mut FileReceiver, files: &mut Known, incoming: Incoming<'_>, choice: u8) {
    match incoming {
        Incoming::Offered { number, offer } => {
            assert!(offer.size <= SIZE_MAX && offer.name.len() <= NAME_BYTES_MAX);
            assert!(!offer.is_inline || offer.size <= INLINE_BYTES_MAX);
            let offset = if offer.is_inline || choice & 4 == 0 { 0 } else { offer.size / 2 };
            files.insert(number, (offer.size, offset));
            match choice & 0x18 {
                0 if !offer.is_inline => {}
                8 => {
                    receiver.failed(number, Reason::new(Reason::OTHER, "no"));
                    files.remove(&number);
                }
                _ => receiver.accept(number, offset, [7; 32]),
            }
        }
        Incoming::Data { number, bytes } => grow(receiver, files, number, bytes.len() as u64),
        Incoming::Hole { number, len } => grow(receiver, files, number, len),
        Incoming::Again { number } => files.get_mut(&number).expect("it was offered").1 = 0,
        Incoming::Ended { number, .. } => {
            let (size, came) = files.remove(&number).expect("it was offered");
            assert_eq!(size, came, "the end comes behind all data");
            if choice & 2 == 0 {
                receiver.done(number, "name");
            } else {
                receiver.failed(number, Reason::new(reason::HASH, ""));
            }
        }
        Incoming::Dropped { number, .. } => drop(files.remove(&number).expect("it was offered")),
    }
}

fn grow(receiver: &mut FileReceiver, files: &mut Known, number: u32, len: u64) {
    let (size, came) = files.get_mut(&number).expect("it was offered");
    *came += len;
    assert!(came <= size, "more than the file has");
    receiver.written(number, *came);
}

/// A sender that offers and sends what it may.
fn say(sender: &mut FileSender, choice: u8) {
    let (size, is_inline) = (u64::from(choice), choice & 2 == 0);
    let offer =
        Offer { id: FileId([1; 16]), name: "n".into(), size, mtime_ms: 1, mode: None, hash: None, is_inline };
    if let Some(number) = sender.offer(offer)
        && is_inline
    {
        sender.data(number, &vec![0; usize::from(choice)]);
        sender.end(number, [0; 32]);
    }
    if choice & 0x40 != 0 {
        sender.fail(u32::from(choice & 7), Reason::new(Reason::CANCELLED, ""));
    }
    if choice == 0xFE {
        sender.total();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_runs_take_files() {
        let run = |bytes: &[u8]| {
            let mut input = Input::new(bytes);
            let (mut receiver, mut files) = (FileReceiver::new(NOW), BTreeMap::new());
            while !input.is_empty() {
                let (choice, message) = (input.byte(), input.piece());
                assert!(hear(&mut receiver, &mut files, message, choice), "an honest sender");
            }
            receiver.taken()
        };
        assert_eq!(run(include_bytes!("../../../../fuzz/corpus/file_messages/set")), (2, 1, 9));
    }
}

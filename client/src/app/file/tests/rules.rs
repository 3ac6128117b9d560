//! What may be said when, how much is kept, and when an end is given up.

use super::super::limits::{OFFERS_MAX, SILENCE_MAX, UNSETTLED_MAX, WAIT_EVERY, WRITTEN_EVERY};
use super::*;

fn ends() -> (FileSender, FileReceiver) {
    (FileSender::new(NOW), FileReceiver::new(NOW))
}

#[test]
fn a_set_is_settled_at_both_ends() {
    let (mut sender, mut receiver) = ends();
    assert_eq!(sender.offer(offer("a", 3, true)), Some(0));
    sender.data(0, b"abc");
    sender.end(0, [1; 32]);
    assert_eq!(sender.offer(offer("b", 20_000, false)), Some(1));
    sender.total();
    assert_eq!(hear(&mut sender, &mut receiver).unwrap().len(), 4);
    receiver.done(0, "a (1)");
    receiver.accept(1, 19_999, [2; 32]);
    let accepted = Answer::Accepted { number: 1, offset: 19_999, prefix: Some([2; 32]) };
    let done = Answer::Done { number: 0, kept_as: "a (1)".into() };
    assert_eq!(answer(&mut receiver, &mut sender), Ok(vec![done, accepted]));
    sender.again(1);
    sender.hole(1, 19_990);
    sender.data(1, &[0; 10]);
    sender.end(1, [3; 32]);
    assert_eq!(hear(&mut sender, &mut receiver).unwrap().len(), 4);
    receiver.written(1, 20_000);
    assert!(!receiver.is_over());
    receiver.failed(1, Reason::new(reason::HASH, "other bytes"));
    let answers = answer(&mut receiver, &mut sender).unwrap();
    assert_eq!(answers.last(), Some(&Answer::Taken { done: 1, failed: 1, bytes: 3 }));
    assert!(receiver.is_over() && receiver.taken() == (1, 1, 3));
    assert_eq!((sender.unsettled(), receiver.unsettled()), (0, 0));
}

#[test]
fn what_is_late_about_a_settled_file_is_ignored() {
    let (mut sender, mut receiver) = ends();
    sender.offer(offer("a", 20_000, false));
    hear(&mut sender, &mut receiver).unwrap();
    receiver.accept(0, 0, [0; 32]);
    answer(&mut receiver, &mut sender).unwrap();
    sender.data(0, &[0; 10_000]);
    receiver.failed(0, Reason::new(reason::NO_SPACE, ""));
    assert_eq!(hear(&mut sender, &mut receiver), Ok(vec![]));
    sender.data(0, &[0; 10_000]);
    sender.fail(0, Reason::new(reason::CHANGED, ""));
    assert_eq!(hear(&mut sender, &mut receiver), Ok(vec![]));
    assert_eq!(answer(&mut receiver, &mut sender), Ok(vec![]));
    assert_eq!(receiver.taken(), (0, 1, 0), "failed once");
}

#[test]
fn both_ends_keep_a_bounded_number_of_files() {
    let (mut sender, mut receiver) = ends();
    let large = std::iter::from_fn(|| sender.offer(offer("a", 20_000, false))).count();
    let small = std::iter::from_fn(|| sender.offer(offer("a", 0, true))).count();
    assert_eq!((large, large + small), (OFFERS_MAX, UNSETTLED_MAX));
    assert_eq!(hear(&mut sender, &mut receiver).unwrap().len(), UNSETTLED_MAX);
    // An end without these bounds offers one more.
    for is_inline in [true, false] {
        let mut other = FileSender::new(NOW);
        (0..UNSETTLED_MAX).for_each(|_| {
            let number = other.offer(offer("a", 0, true)).unwrap();
            other.fail(number, Reason::new(Reason::OTHER, ""));
        });
        while other.poll_message(true, NOW).is_some() {}
        other.offer(offer("a", 0, is_inline)).unwrap();
        assert_eq!(
            hear(&mut other, &mut receiver),
            Err(Malformed::OutOfStep("more offers than may be open"))
        );
    }
}

#[test]
fn a_million_files_leave_nothing_behind() {
    let (mut sender, mut receiver) = ends();
    for number in 0..1_000_000 {
        assert_eq!(sender.offer(offer("a", 0, true)), Some(number));
        if number % 500 == 499 {
            hear(&mut sender, &mut receiver).unwrap();
            (number - 499..=number)
                .for_each(|number| receiver.failed(number, Reason::new(Reason::OTHER, "")));
            answer(&mut receiver, &mut sender).unwrap();
        }
    }
    assert_eq!((receiver.unsettled(), receiver.offered()), (0, 1_000_000));
}

/// A receiver with an accepted file 0 of 20,000 bytes, of which it has 5, and an inline file 1 of 2 bytes.
fn with_files() -> FileReceiver {
    let (mut sender, mut receiver) = ends();
    sender.offer(offer("a", 20_000, false));
    sender.offer(offer("b", 2, true));
    hear(&mut sender, &mut receiver).unwrap();
    receiver.accept(0, 5, [1; 32]);
    receiver
}

#[test]
fn what_a_sender_may_not_say_is_named() {
    let mut end = vec![4, 33, 0];
    end.extend([0; 32]);
    let cases: [(&[u8], Malformed); 9] = [
        (&[2, 2, 2, 9], Malformed::OutOfStep("a file that was not offered")),
        (&[2, 4, 1, 9, 9, 9], Malformed::OutOfStep("more data than the file has")),
        (&[3, 4, 0, 0x80, 0xC0, 1], Malformed::OutOfStep("more data than the file has")),
        (&end, Malformed::OutOfStep("an end before all data")),
        (&[5, 1, 1], Malformed::OutOfStep("a file that begins again")),
        (&[2, 2, 0, 9, 5, 1, 0], Malformed::OutOfStep("a file that begins again")),
        (&[7, 1, 3], Malformed::OutOfStep("another total than was offered")),
        (&[7, 1, 2, 7, 1, 2], Malformed::OutOfStep("another total than was offered")),
        (&[2, 9], Malformed::Short),
    ];
    for (message, expected) in cases {
        let (mut receiver, mut rest) = (with_files(), message);
        let mut last = Ok(None);
        while last.is_ok() && !rest.is_empty() {
            last = receiver.take_record(&mut rest);
        }
        assert_eq!(last, Err(expected), "{message:?}");
    }
}

#[test]
fn what_a_receiver_may_not_say_is_named() {
    let hash = [0; 32];
    let accept = |offset: u8| [&[1, 34, 0, offset], &hash[..]].concat();
    let cases: [(Vec<u8>, Malformed); 7] = [
        (vec![1, 2, 5, 0], Malformed::OutOfStep("a file that was not offered")),
        ([accept(1), accept(1)].concat(), Malformed::OutOfStep("accept twice")),
        (vec![1, 2, 1, 0], Malformed::OutOfStep("accept twice")),
        (vec![2, 4, 0, 0xFF, 0xFF, 0x7F], Malformed::Value("written")),
        (vec![3, 2, 0, 0], Malformed::OutOfStep("done before the end")),
        (vec![5, 3, 0, 0, 0], Malformed::OutOfStep("taken before all is settled")),
        ([&[1, 36, 0, 0xFF, 0xFF, 0x7F], &hash[..]].concat(), Malformed::Value("offset")),
    ];
    for (message, expected) in cases {
        let mut sender = FileSender::new(NOW);
        sender.offer(offer("a", 20_000, false));
        sender.offer(offer("b", 2, true));
        assert_eq!(sender.on_message(&message, NOW), Err(expected), "{message:?}");
    }
}

#[test]
fn what_is_written_is_told_in_steps_and_after_a_while() {
    let mut receiver = with_files();
    let mut now = NOW;
    while receiver.poll_message(now).is_some() {}
    receiver.written(0, 1000);
    assert!(receiver.poll_message(now).is_some(), "the first at once");
    receiver.written(0, 2000);
    assert!(receiver.poll_message(now).is_none());
    assert_eq!(receiver.next_deadline(), now + WRITTEN_EVERY);
    now += WRITTEN_EVERY;
    assert_eq!(receiver.poll_message(now), Some(vec![2, 3, 0, 0xD0, 0x0F]));
    assert_eq!(receiver.next_deadline(), now + WAIT_EVERY);
}

#[test]
fn an_end_that_waits_says_so_and_one_that_is_silent_is_given_up() {
    let (mut sender, mut receiver) = ends();
    let mut now = NOW;
    for _ in 0..100 {
        now += WAIT_EVERY;
        let message = sender.poll_message(false, now).expect("a word");
        assert_eq!((&message[..], receiver.take_record(&mut &message[..])), (&[8, 0][..], Ok(None)));
        receiver.on_message(now);
        let message = receiver.poll_message(now).expect("a word");
        sender.on_message(&message, now).unwrap();
        assert!(!sender.is_silent(now) && !receiver.is_silent(now));
    }
    sender.on_link(false, now);
    now += SILENCE_MAX * 100;
    assert!(receiver.is_silent(now) && !sender.is_silent(now), "it is away");
    sender.on_link(true, now);
    assert!(!sender.is_silent(now) && sender.next_deadline() <= now, "its own word is due");
    assert!(sender.is_silent(now + SILENCE_MAX));
}

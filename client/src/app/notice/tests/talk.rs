use super::*;
use limits::{TEXT_BYTES_MAX, WAIT_MAX, WAITING_MAX};

#[test]
fn a_notice_is_shown_once_and_confirmed() {
    let (mut desk, mut phone) = (NoticeDesk::default(), NoticePhone::default());
    desk.raise(notice("1"), secs(0));
    assert_eq!(desk.next_part(), None, "there is no channel");
    desk.on_opened();
    assert_eq!(to_phone(&mut desk, &mut phone), [PhoneNews::Notice(notice("1"))]);
    assert_eq!(phone.next_part(), None, "it was not shown yet");
    phone.shown("1");
    to_desk(&mut phone, &mut desk);
    assert_eq!(news(&mut desk), [DeskNews::Shown("1".into())]);
    assert_eq!((desk.next_part(), desk.due_at()), (None, None));
}

#[test]
fn a_notice_that_was_not_confirmed_comes_again_and_is_told_once() {
    let (mut desk, mut phone) = (NoticeDesk::default(), NoticePhone::default());
    desk.on_opened();
    desk.raise(notice("1"), secs(0));
    desk.raise(notice("2"), secs(0));
    assert_eq!(to_phone(&mut desk, &mut phone).len(), 2);
    phone.shown("1");
    // The channel goes with the confirmation.
    phone.part_sent();
    desk.on_closed();
    assert_eq!(desk.next_part(), None);
    desk.on_opened();
    phone.reopened();
    assert_eq!(to_phone(&mut desk, &mut phone), []);
    to_desk(&mut phone, &mut desk);
    assert_eq!(news(&mut desk), [DeskNews::Shown("1".into())], "said again, as it was shown");
    phone.shown("2");
    to_desk(&mut phone, &mut desk);
    assert_eq!(news(&mut desk), [DeskNews::Shown("2".into())]);
}

#[test]
fn what_a_push_has_shown_is_not_told_by_the_channel() {
    let (mut desk, mut phone) = (NoticeDesk::default(), NoticePhone::default());
    desk.raise(notice("1"), secs(0));
    phone.shown("1");
    desk.on_opened();
    assert_eq!(to_phone(&mut desk, &mut phone), []);
    to_desk(&mut phone, &mut desk);
    assert_eq!(news(&mut desk), [DeskNews::Shown("1".into())]);
}

#[test]
fn what_waits_is_bounded_in_number_and_in_time() {
    let mut desk = NoticeDesk::default();
    for number in 0..=WAITING_MAX {
        desk.raise(notice(&number.to_string()), secs(number as u64));
    }
    assert_eq!(news(&mut desk), [DeskNews::Dropped("0".into())], "the oldest gives way");
    assert_eq!(desk.due_at(), Some(secs(1) + WAIT_MAX));
    desk.on_time(secs(3) + WAIT_MAX);
    assert_eq!(news(&mut desk), ["1", "2", "3"].map(|id| DeskNews::Dropped(id.into())));
}

#[test]
fn a_phone_that_confirms_anything_ends_nothing_else() {
    let mut desk = NoticeDesk::default();
    desk.on_opened();
    desk.raise(notice("1"), secs(0));
    desk.part_sent();
    for id in ["2", "1", "1"] {
        desk.on_data(&FromPhone::Shown(id.into()).to_bytes()).unwrap();
    }
    assert_eq!(news(&mut desk), [DeskNews::Shown("1".into())]);
    desk.raise(notice("3"), secs(0));
    assert!(desk.next_part().is_some(), "the count of what was sent is right");
    for bad in ["", "{}", "[]", r#"{"t":"shown"}"#, "{\"t\":\"shown\",\"id\":\"\u{0}", &"[".repeat(9999)] {
        assert!(desk.on_data(bad.as_bytes()).is_err(), "{bad}");
    }
    assert_eq!(desk.on_data(br#"{"t":"later","x":[1]}"#), Ok(()));
}

#[test]
fn words_are_made_harmless_and_cut() {
    let notice = Notice::new("1", 0, "a\u{1b}[2J\tb", "one\n\n  two\r\nthree\u{202e}\u{7}").unwrap();
    assert_eq!(notice.title, r"a\u{1b}[2J b");
    assert_eq!(notice.text, r"one · two · three\u{202e}\u{7}");
    let long = Notice::new("1", 0, &"ä".repeat(999), &"\u{1}".repeat(99_999)).unwrap();
    assert_eq!((long.title.len(), long.text.len()), (128, TEXT_BYTES_MAX));
    assert_eq!(Notice::new("1", 0, "t", " \n "), Err(NoticeError::BadText));
    assert_eq!(Notice::new("", 0, "t", "x"), Err(NoticeError::BadId));
    let forged = format!(r#"{{"t":"notice","id":"1","at":1,"text":"{}"}}"#, "x".repeat(TEXT_BYTES_MAX + 1));
    assert_eq!(FromDesk::parse(forged.as_bytes()), Err(NoticeError::BadText));
    assert!(!format!("{notice:?}").contains("three"));
}

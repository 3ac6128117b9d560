use super::*;
use limits::{BACK_OFF, PUSH_WITHIN, RETRY_AFTER_MAX};

fn desk() -> NoticeDesk {
    let mut desk = NoticeDesk::new(Some(subscription(1)));
    desk.on_opened();
    desk
}

fn pushed_id(desk: &mut NoticeDesk, now: Duration) -> Option<String> {
    desk.next_push(now).map(|job| job.notice.id)
}

#[test]
fn a_notice_that_nobody_confirms_is_posted_after_five_seconds() {
    let mut desk = desk();
    desk.raise(notice("1"), secs(10));
    assert_eq!((pushed_id(&mut desk, secs(14)), desk.due_at()), (None, Some(secs(15))));
    assert_eq!(pushed_id(&mut desk, secs(15)), Some("1".into()));
    assert_eq!(pushed_id(&mut desk, secs(15)), None, "one at a time");
    desk.on_push(PushOutcome::Accepted, secs(16));
    assert_eq!(news(&mut desk), [DeskNews::Pushed("1".into())]);
    assert_eq!(pushed_id(&mut desk, secs(99)), None, "and once");
    assert!(desk.next_part().is_some(), "the phone still gets it when it is there");
}

#[test]
fn a_phone_that_shows_it_in_time_gets_no_push() {
    let mut desk = desk();
    desk.raise(notice("1"), secs(0));
    desk.on_data(&FromPhone::Shown("1".into()).to_bytes()).unwrap();
    assert_eq!(pushed_id(&mut desk, secs(60)), None);
    assert_eq!(news(&mut desk), [DeskNews::Shown("1".into())]);
}

#[test]
fn a_hidden_page_gets_a_push_at_once_and_a_phone_that_is_away_may_come() {
    let mut desk = desk();
    desk.set_hidden(true);
    desk.raise(notice("1"), secs(0));
    assert_eq!(pushed_id(&mut desk, secs(0)), Some("1".into()));
    desk.on_push(PushOutcome::Accepted, secs(0));
    desk.set_hidden(false);
    desk.on_closed();
    desk.raise(notice("2"), secs(1));
    assert_eq!(pushed_id(&mut desk, secs(1)), None);
    assert_eq!(pushed_id(&mut desk, secs(6)), Some("2".into()));
}

#[test]
fn one_that_was_shown_during_its_post_is_told_once() {
    let mut desk = desk();
    desk.raise(notice("1"), secs(0));
    assert!(desk.next_push(secs(5)).is_some());
    desk.on_data(&FromPhone::Shown("1".into()).to_bytes()).unwrap();
    desk.on_push(PushOutcome::Accepted, secs(6));
    assert_eq!(news(&mut desk), [DeskNews::Shown("1".into())]);
    assert!(!desk.is_busy(secs(6), secs(30)));
}

#[test]
fn a_service_that_fails_is_left_alone_longer_each_time_and_given_up() {
    let mut desk = desk();
    desk.raise(notice("1"), secs(0));
    let (mut now, mut waits) = (secs(5), Vec::new());
    while desk.next_push(now).is_some() {
        desk.on_push(PushOutcome::Later(None), now);
        let Some(due) = desk.due_at().filter(|due| *due < secs(3600)) else { break };
        waits.push((due - now).as_secs());
        now = due;
        assert!(now <= secs(5) + PUSH_WITHIN + BACK_OFF.1, "{waits:?}");
    }
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    let why = "the push service did not take it in time".to_owned();
    assert_eq!(news(&mut desk), [DeskNews::NotPushed("1".into(), why)]);
    // The next one is tried.
    desk.raise(notice("2"), now);
    assert_eq!(pushed_id(&mut desk, now + secs(120)), Some("2".into()));
    desk.on_push(PushOutcome::Accepted, now + secs(120));
    assert_eq!(news(&mut desk), [DeskNews::Pushed("2".into())]);
}

#[test]
fn a_service_is_left_alone_as_long_as_it_asks_and_no_longer_than_an_hour() {
    let mut desk = desk();
    desk.raise(notice("1"), secs(0));
    assert!(desk.next_push(secs(5)).is_some());
    desk.on_push(PushOutcome::Later(Some(secs(120))), secs(5));
    assert_eq!((pushed_id(&mut desk, secs(124)), desk.due_at()), (None, Some(secs(125))));
    assert_eq!(pushed_id(&mut desk, secs(125)), Some("1".into()));
    desk.on_push(PushOutcome::Later(Some(Duration::MAX)), secs(125));
    assert!(matches!(news(&mut desk)[..], [DeskNews::NotPushed(..)]));
    desk.raise(notice("2"), secs(126));
    assert_eq!(pushed_id(&mut desk, secs(124) + RETRY_AFTER_MAX), None);
    assert_eq!(pushed_id(&mut desk, secs(125) + RETRY_AFTER_MAX), Some("2".into()));
}

#[test]
fn a_subscription_that_is_gone_is_forgotten_and_the_phone_hears_of_it() {
    let (mut desk, mut phone) = (desk(), NoticePhone::default());
    desk.raise(notice("1"), secs(0));
    assert!(desk.next_push(secs(5)).is_some());
    desk.on_push(PushOutcome::Gone, secs(5));
    assert_eq!(news(&mut desk), [DeskNews::Unsubscribed]);
    assert!(!desk.has_subscription() && desk.next_push(secs(9)).is_none());
    let told = to_phone(&mut desk, &mut phone);
    assert_eq!(told[0], PhoneNews::Push(PushState::Gone, String::new()));
    // The phone subscribes again, and the notice that was not taken goes out.
    phone.subscribe(Some(subscription(2)));
    to_desk(&mut phone, &mut desk);
    let subscribed = news(&mut desk);
    assert_eq!(subscribed, [DeskNews::Subscribed(Some(Box::new(subscription(2))))]);
    desk.set_subscription(Ok(Some(subscription(2))));
    assert_eq!(to_phone(&mut desk, &mut phone), [PhoneNews::Push(PushState::On, String::new())]);
    assert_eq!(desk.next_push(secs(9)).map(|job| job.subscription), Some(subscription(2)));
}

#[test]
fn what_comes_of_an_old_subscription_harms_no_newer_one() {
    for outcome in [PushOutcome::Gone, PushOutcome::Refused("no".into()), PushOutcome::Later(None)] {
        let mut desk = desk();
        desk.raise(notice("1"), secs(0));
        assert!(desk.next_push(secs(5)).is_some());
        desk.set_subscription(Ok(Some(subscription(2))));
        desk.on_push(outcome, secs(6));
        assert_eq!(news(&mut desk), []);
        assert_eq!(desk.next_push(secs(6)).map(|job| job.subscription), Some(subscription(2)));
        desk.set_subscription(Ok(None));
        desk.on_push(PushOutcome::Gone, secs(7));
        assert_eq!(news(&mut desk), [], "it was taken back before");
    }
}

#[test]
fn the_newest_word_on_the_subscription_counts_and_is_said_on_each_channel() {
    let (mut desk, mut phone) = (NoticeDesk::default(), NoticePhone::default());
    phone.subscribe(Some(subscription(1)));
    phone.subscribe(None);
    to_desk(&mut phone, &mut desk);
    for _ in 0..100 {
        phone.reopened();
        to_desk(&mut phone, &mut desk);
    }
    assert_eq!(news(&mut desk), [DeskNews::Subscribed(None)], "a loop makes no queue");
}

#[test]
fn a_bad_subscription_is_answered_and_harms_nothing_else() {
    let mut desk = NoticeDesk::default();
    desk.on_opened();
    let good = String::from_utf8(FromPhone::Subscribe(Box::new(subscription(1))).to_bytes()).unwrap();
    for (from, to) in [
        ("https://push", "ftp://push"),
        ("https://push", "https://a\\nb"),
        ("https://relay.example.org", "http://relay.example.org"),
        ("https://relay.example.org", "https://@"),
        ("\"auth\":\"Ag", "\"auth\":\""),
        ("\"p256dh\":\"BA", "\"p256dh\":\"Aw"),
        ("\"private\":\"", "\"private\":\"==="),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{from}");
        assert_eq!(desk.on_data(bad.as_bytes()), Ok(()), "{from}");
        let told = FromDesk::parse(&desk.next_part().unwrap()).unwrap();
        assert!(matches!(told, Some(FromDesk::Push { state: PushState::Refused, .. })), "{told:?}");
        desk.part_sent();
    }
    assert!(news(&mut desk).is_empty() && !desk.has_subscription());
    let kept = subscription(1);
    assert_eq!(Subscription::parse(&kept.to_json()), Ok(kept.clone()));
    assert_eq!(kept.origin(), "https://relay.example.org");
    assert!(Subscription::parse("{}").is_err());
    assert_eq!(format!("{kept:?} {:?}", kept.vapid), "Subscription(redacted) VapidKey(redacted)");
}

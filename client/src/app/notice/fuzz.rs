//! Fuzz body for the kind *notice*: any messages at both ends.

use std::time::Duration;

use super::limits::{KNOWN_MAX, WAITING_MAX};
use super::*;
use crate::fuzz::support::Input;

/// Messages at a desk and at a phone, and what their apps do meanwhile: no panic, bounded queues, a notice is
/// told once, and what was read is written so that it reads back.
pub fn notice_messages(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut desk, mut phone) = (NoticeDesk::default(), NoticePhone::default());
    let (mut now, mut raised, mut told) = (Duration::ZERO, 0, Vec::new());
    while !input.is_empty() {
        match input.byte() % 12 {
            0 => check_bytes(input.piece()),
            1 => {
                let bytes = input.rest();
                check_bytes(bytes);
                let _ = desk.on_data(bytes);
            }
            2 => {
                if let Ok(Some(PhoneNews::Notice(notice))) = phone.on_data(input.piece()) {
                    told.push(notice.id);
                }
            }
            3 => {
                let _ = desk.on_data(input.piece());
            }
            4 => {
                raised += 1;
                let text = String::from_utf8_lossy(input.piece()).into_owned();
                if let Ok(notice) = Notice::new(&format!("n{raised}"), 0, &text, &text) {
                    desk.raise(notice, now);
                }
            }
            5 => now += Duration::from_millis(input.short() as u64),
            6 => desk.on_opened(),
            7 => {
                desk.on_closed();
                phone.reopened();
            }
            8 => desk.set_hidden(input.byte().is_multiple_of(2)),
            9 => post(&mut desk, &mut input, now),
            10 => {
                if let Some(part) = desk.next_part() {
                    desk.part_sent();
                    let news = phone.on_data(&part).expect("a desk's message is read");
                    if let Some(PhoneNews::Notice(notice)) = news {
                        phone.shown(&notice.id);
                        told.push(notice.id);
                    }
                }
            }
            _ => {
                if let Some(part) = phone.next_part() {
                    phone.part_sent();
                    desk.on_data(&part).expect("a phone's message is read");
                }
            }
        }
        settle(&mut desk, now);
        // The oldest ids are forgotten.
        let newest = &told[told.len().saturating_sub(KNOWN_MAX)..];
        assert!((1..newest.len()).all(|at| !newest[..at].contains(&newest[at])), "told twice: {newest:?}");
    }
}

fn check_bytes(bytes: &[u8]) {
    if let Ok(Some(message)) = FromDesk::parse(bytes) {
        assert_eq!(FromDesk::parse(&message.to_bytes()), Ok(Some(message)));
    }
    if let Ok(Some(message)) = FromPhone::parse(bytes) {
        assert_eq!(FromPhone::parse(&message.to_bytes()), Ok(Some(message)));
    }
}

fn post(desk: &mut NoticeDesk, input: &mut Input<'_>, now: Duration) {
    if desk.next_push(now).is_none() {
        return;
    }
    let outcome = match input.byte() % 4 {
        0 => PushOutcome::Accepted,
        1 => PushOutcome::Gone,
        2 => PushOutcome::Refused("no".into()),
        _ => PushOutcome::Later(
            (input.byte().is_multiple_of(2)).then(|| Duration::from_secs(input.short() as u64)),
        ),
    };
    desk.on_push(outcome, now);
}

fn settle(desk: &mut NoticeDesk, now: Duration) {
    desk.on_time(now);
    let mut count = 0;
    while let Some(news) = desk.poll_news() {
        count += 1;
        assert!(count <= 2 * WAITING_MAX, "{news:?} is one of many for one input");
        if let DeskNews::Subscribed(subscription) = news {
            desk.set_subscription(Ok(subscription.map(|subscription| *subscription)));
        }
    }
    assert!(desk.due_at().is_none_or(|due| due > Duration::ZERO || now == Duration::ZERO));
}

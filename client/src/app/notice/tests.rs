//! Whole conversations about notices, their time, and the vectors.

mod pushing;
mod talk;
mod vectors;

use std::time::Duration;

use zeroize::Zeroizing;

use super::*;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn notice(id: &str) -> Notice {
    Notice::new(id, 1_795_928_829_000, "build", &format!("done {id}")).unwrap()
}

fn subscription(number: u8) -> Subscription {
    let point = |fill: u8| {
        let mut point = [fill; 65];
        point[0] = 4;
        point
    };
    Subscription {
        endpoint: format!("https://push.example.org/wpush/{number}?token=a%2Fb"),
        p256dh: point(1),
        auth: [2; 16],
        vapid: VapidKey { private: Zeroizing::new([3; 32]), public: point(5) },
        page: "https://relay.example.org/p#desk=1".into(),
    }
}

/// Everything that the desk tells.
fn news(desk: &mut NoticeDesk) -> Vec<DeskNews> {
    std::iter::from_fn(|| desk.poll_news()).collect()
}

/// What one end says reaches the other: the notices that it is told.
fn to_phone(desk: &mut NoticeDesk, phone: &mut NoticePhone) -> Vec<PhoneNews> {
    let mut told = Vec::new();
    while let Some(part) = desk.next_part() {
        desk.part_sent();
        told.extend(phone.on_data(&part).unwrap());
    }
    told
}

fn to_desk(phone: &mut NoticePhone, desk: &mut NoticeDesk) {
    while let Some(part) = phone.next_part() {
        phone.part_sent();
        desk.on_data(&part).unwrap();
    }
}

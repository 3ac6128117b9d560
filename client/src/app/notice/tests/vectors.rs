//! The project's own vectors, for every other implementation to check itself against.
//!
//! `client/vectors/notice-1.json` is what this computes from fixed values. It was written once, by
//! `RELAY_APP_WRITE_VECTORS=1 cargo test -p relay-client vectors`, and changes only with the version of the
//! kind.

use serde::{Deserialize, Serialize};

use super::*;

/// Compare messages as JSON values.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vectors {
    about: String,
    desk: Vec<Said>,
    phone: Vec<Said>,
    conversation: Vec<Step>,
    refused: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    what: String,
    message: String,
}

/// A message, and what the phone's app is told of it: the id of a notice, or the state of Web Push.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Step {
    from: String,
    message: String,
    told: Option<String>,
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn said(what: &str, bytes: Vec<u8>) -> Said {
    Said { what: what.into(), message: text(bytes) }
}

fn from_desk() -> Vec<Said> {
    let target = Some(Target::Terminal("build".into()));
    let build = Notice { urgency: Urgency::High, target, ..notice("d-1") };
    let chat = Notice { urgency: Urgency::Low, target: Some(Target::Chat), ..notice("d-2") };
    let odd = Notice { title: String::new(), text: r#"a\u{1b}[2J "b" \\ 漢"#.into(), ..notice("d-3") };
    let push = |state| FromDesk::Push { state, words: String::new() }.to_bytes();
    let words = "this desk does not send to push.example.org".to_owned();
    vec![
        said("a notice that opens a terminal", FromDesk::Notice(build).to_bytes()),
        said("a notice that opens the chat", FromDesk::Notice(chat).to_bytes()),
        said("a notice without a target", FromDesk::Notice(odd).to_bytes()),
        said("the subscription is used", push(PushState::On)),
        said("there is no subscription", push(PushState::Off)),
        said("the subscription is gone", push(PushState::Gone)),
        said("the subscription is refused", FromDesk::Push { state: PushState::Refused, words }.to_bytes()),
    ]
}

fn from_phone() -> Vec<Said> {
    vec![
        said("a notice was shown", FromPhone::Shown("d-1".into()).to_bytes()),
        said("subscribe", FromPhone::Subscribe(Box::new(subscription(1))).to_bytes()),
        said("unsubscribe", FromPhone::Unsubscribe.to_bytes()),
    ]
}

/// A channel that breaks before the phone has confirmed.
fn conversation() -> Vec<Step> {
    let (mut desk, mut phone, mut steps) = (NoticeDesk::default(), NoticePhone::default(), Vec::new());
    phone.subscribe(Some(subscription(1)));
    desk.on_opened();
    desk.raise(notice("d-1"), secs(0));
    talk(&mut desk, &mut phone, &mut steps);
    desk.on_closed();
    steps.push(Step { from: "line".into(), message: "the channel is opened again".into(), told: None });
    desk.on_opened();
    phone.reopened();
    phone.shown("d-1");
    talk(&mut desk, &mut phone, &mut steps);
    steps
}

fn talk(desk: &mut NoticeDesk, phone: &mut NoticePhone, steps: &mut Vec<Step>) {
    loop {
        if let Some(part) = phone.next_part() {
            phone.part_sent();
            desk.on_data(&part).unwrap();
            for news in news(desk) {
                if let DeskNews::Subscribed(subscription) = news {
                    desk.set_subscription(Ok(subscription.map(|subscription| *subscription)));
                }
            }
            steps.push(Step { from: "phone".into(), message: text(part), told: None });
        } else if let Some(part) = desk.next_part() {
            desk.part_sent();
            let told = phone.on_data(&part).unwrap().map(|news| match news {
                PhoneNews::Notice(notice) => notice.id,
                PhoneNews::Push(state, _) => state.as_str().to_owned(),
            });
            steps.push(Step { from: "desk".into(), message: text(part), told });
        } else {
            return;
        }
    }
}

fn refused() -> Vec<String> {
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let texts = [
        "{}",
        "[]",
        r#"{"t":"notice","at":1,"text":"x"}"#,
        r#"{"t":"notice","id":"1","at":1,"text":""}"#,
        r#"{"t":"notice","id":"1","at":-1,"text":"x"}"#,
        &format!(r#"{{"t":"notice","id":"1","at":1,"text":"{long}"}}"#),
    ];
    texts.map(str::to_owned).to_vec()
}

fn computed() -> Vectors {
    Vectors {
        about:
            "The kind notice, version 1: see docs/app-notices.md. Compare messages as JSON values. A phone \
                refuses each of the last list."
                .into(),
        desk: from_desk(),
        phone: from_phone(),
        conversation: conversation(),
        refused: refused(),
    }
}

#[test]
fn the_vectors_are_met() {
    let file = format!("{}/vectors/notice-1.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("RELAY_APP_WRITE_VECTORS").is_some() {
        std::fs::write(&file, sonic_rs::to_string_pretty(&computed()).unwrap() + "\n").unwrap();
    }
    let written: Vectors = sonic_rs::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written, computed());
}

#[test]
fn what_the_vectors_show_is_read_as_it_was_written() {
    for Said { what, message } in from_desk() {
        let read = FromDesk::parse(message.as_bytes()).unwrap().expect("known");
        assert_eq!(text(read.to_bytes()), message, "{what}");
    }
    for Said { what, message } in from_phone() {
        let read = FromPhone::parse(message.as_bytes()).unwrap().expect("known");
        assert_eq!(text(read.to_bytes()), message, "{what}");
    }
    for message in refused() {
        assert!(FromDesk::parse(message.as_bytes()).is_err(), "{message}");
    }
}

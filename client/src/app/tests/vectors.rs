//! The project's own vectors, for every other implementation to check itself against: one conversation
//! message by message, what an end answers to faults, and texts of a chat.
//!
//! `client/vectors/app-1.json` is what this computes from fixed inputs. It was written once, by
//! `RELAY_APP_WRITE_VECTORS=1 cargo test -p relay-client vector`, and changes only with the version of the
//! protocol.

use serde::{Deserialize, Serialize};

use super::*;
use crate::app::chat::{ChatMessage, ChatPart};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vector {
    about: String,
    /// What two honest ends say, in an order in which they may say it.
    conversation: Vec<Said>,
    /// Each at a desk with which a phone has said hello, and which then accepts every channel.
    answers: Vec<Answer>,
    chat: Vec<Text>,
}

/// A control message as text, a data message in hex.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    from: String,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    what: String,
    heard: Vec<String>,
    said: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Text {
    payload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A message as the vector shows it: text, or hex for data.
fn as_text(message: &[u8]) -> Option<String> {
    (message[0] == b'{').then(|| String::from_utf8(message.to_vec()).unwrap())
}

/// Moves the next message of one end, and writes it down.
fn next(pair: &mut Pair, from: Role, what: &str, said: &mut Vec<Said>) {
    let (speaker, hearer) = match from {
        Role::Phone => (&mut pair.phone, &mut pair.desk),
        Role::Workstation => (&mut pair.desk, &mut pair.phone),
    };
    let message = speaker.poll_message(NOW).unwrap_or_else(|| panic!("{what}: nothing to say"));
    hearer.on_message(message.clone(), NOW);
    let text = as_text(&message);
    let hex = text.is_none().then(|| hex(&message));
    said.push(Said { from: from.to_string(), what: what.to_owned(), text, hex });
}

fn conversation() -> Vec<Said> {
    use Role::{Phone, Workstation};
    let (mut pair, mut said) = (Pair::new(), Vec::new());
    let mut next = |pair: &mut Pair, from, what: &str| next(pair, from, what, &mut said);
    next(&mut pair, Phone, "hello");
    next(&mut pair, Workstation, "hello");
    next(&mut pair, Workstation, "desk");
    let chat = pair.phone.open(Kind::Chat, "{}").unwrap();
    next(&mut pair, Phone, "open");
    let at_desk = opened(&mut pair.desk);
    pair.desk.accept(at_desk, "{}").unwrap();
    next(&mut pair, Workstation, "accept");
    let hello = ChatMessage { id: "p-1".into(), at_ms: 1_795_928_829_000, text: "grüß dich".into() };
    pair.phone.send(chat, &ChatPart::Message(hello).to_bytes().unwrap()).unwrap();
    next(&mut pair, Phone, "data");
    pair.desk.send(at_desk, &ChatPart::Got("p-1".into()).to_bytes().unwrap()).unwrap();
    next(&mut pair, Workstation, "data");
    pair.phone.send(chat, &[b'x'; 20_000]).unwrap();
    assert!(pair.phone.poll_message(NOW).is_some(), "too long to be shown here");
    pair.desk.on_message(wire::data(chat.number(), &[b'x'; 20_000]), NOW);
    pair.desk.consumed(at_desk, 30_000);
    next(&mut pair, Workstation, "credit");
    let notice = pair.desk.open(Kind::Notice, r#"{"title":"done"}"#).unwrap();
    next(&mut pair, Workstation, "open");
    let at_phone = opened(&mut pair.phone);
    assert_eq!(at_phone.number(), notice.number());
    pair.phone.refuse(at_phone, Reason::new(Reason::UNAVAILABLE, "not now")).unwrap();
    next(&mut pair, Phone, "refuse");
    pair.phone.set_hidden(true);
    next(&mut pair, Phone, "hidden");
    pair.phone.end(chat).unwrap();
    next(&mut pair, Phone, "end");
    pair.desk.end(at_desk).unwrap();
    next(&mut pair, Workstation, "end");
    let terminal = pair.phone.open(Kind::Terminal, r#"{"name":"build"}"#).unwrap();
    next(&mut pair, Phone, "open");
    let at_desk = opened(&mut pair.desk);
    pair.desk.accept(at_desk, "{}").unwrap();
    next(&mut pair, Workstation, "accept");
    pair.phone.reset(terminal, Reason::new(Reason::CANCELLED, "")).unwrap();
    next(&mut pair, Phone, "reset");
    said
}

/// The channel of the last `Opened`.
fn opened(end: &mut AppEnd) -> ChannelId {
    let opened = |event| if let AppEvent::Opened { ch, .. } = event { Some(ch) } else { None };
    events(end).into_iter().filter_map(opened).next_back().expect("a channel was opened")
}

fn answer(what: &str, heard: &[&str]) -> Answer {
    let mut desk = Pair::ready().desk;
    let mut said = Vec::new();
    for message in heard {
        let bytes = unhex(message).unwrap_or_else(|| message.as_bytes().to_vec());
        desk.on_message(bytes.clone(), NOW);
        for event in events(&mut desk) {
            if let AppEvent::Opened { ch, .. } = event {
                desk.accept(ch, "{}").unwrap();
            }
        }
        said.extend(std::iter::from_fn(|| desk.poll_message(NOW)).map(|message| as_text(&message).unwrap()));
    }
    let heard = heard.iter().map(ToString::to_string).collect();
    Answer { what: what.to_owned(), heard, said }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let is_hex = digits.starts_with("01") && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    is_hex.then(|| (0..digits.len()).step_by(2).map(pair).collect())
}

fn answers() -> Vec<Answer> {
    let open = r#"{"t":"open","ch":1,"kind":"chat","credit":65536,"p":{}}"#;
    let end = r#"{"t":"end","ch":1}"#;
    vec![
        answer("a type of a later version is ignored", &[r#"{"t":"dance","ch":1}"#]),
        answer(
            "a member of a later version is ignored",
            &[r#"{"t":"open","ch":1,"kind":"chat","credit":65536,"later":[{}]}"#],
        ),
        answer(
            "a kind of a later version is refused",
            &[r#"{"t":"open","ch":1,"kind":"hologram","credit":65536}"#],
        ),
        answer(
            "a number of the other end is ignored",
            &[r#"{"t":"open","ch":2,"kind":"chat","credit":65536}"#],
        ),
        answer("too little credit", &[r#"{"t":"open","ch":1,"kind":"chat","credit":65535}"#]),
        answer("a number that was opened before", &[open, open]),
        answer("too much credit", &[open, r#"{"t":"credit","ch":1,"n":4294967295}"#]),
        answer("data behind the end", &[open, end, "010000000178"]),
        answer("the end twice", &[open, end, end]),
        answer("data of a channel that was never opened", &["010000000978"]),
        answer(
            "data of a channel that is gone",
            &[open, r#"{"t":"reset","ch":1,"reason":"cancelled"}"#, "010000000178"],
        ),
        answer("hello again", &[open, r#"{"t":"hello","v":1,"id":"x"}"#, open]),
        answer("not JSON", &["{"]),
    ]
}

fn texts() -> Vec<Text> {
    let texts = ["", "grüß dich", "a\u{1b}[2Jb\r\n\u{202e}\u{200b}\"\\"];
    let messages = texts.into_iter().zip(1..).map(|(text, number)| {
        let message = ChatMessage { id: format!("p-{number}"), at_ms: 1_795_928_829_000, text: text.into() };
        Text { payload: payload(&ChatPart::Message(message)), shown: Some(chat::shown(text)) }
    });
    let got = Text { payload: payload(&ChatPart::Got("p-1".into())), shown: None };
    messages.chain([got]).collect()
}

fn payload(part: &ChatPart) -> String {
    String::from_utf8(part.to_bytes().unwrap()).unwrap()
}

fn computed() -> Vector {
    let about =
        "The app protocol, version 1: see docs/app.md. Compare control messages and chat payloads as JSON \
                 values. Data messages are in hex."
            .to_owned();
    Vector { about, conversation: conversation(), answers: answers(), chat: texts() }
}

#[test]
fn the_vectors_are_met() {
    let file = format!("{}/vectors/app-1.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("RELAY_APP_WRITE_VECTORS").is_some() {
        std::fs::write(&file, sonic_rs::to_string_pretty(&computed()).unwrap() + "\n").unwrap();
    }
    let written: Vector = sonic_rs::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written, computed());
}

#[test]
fn what_the_vectors_show_is_read_as_it_was_written() {
    for Said { what, text, hex, .. } in conversation() {
        let message = text.map_or_else(|| unhex(&hex.unwrap()).unwrap(), String::into_bytes);
        match wire::parse(&message).unwrap() {
            wire::Incoming::Control(control) => assert_eq!(control.to_bytes(), message, "{what}"),
            wire::Incoming::Data { ch, payload } => assert_eq!(wire::data(ch, payload), message),
            wire::Incoming::Unknown => panic!("{what} is not known"),
        }
    }
}

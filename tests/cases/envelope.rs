//! Frames as the other side gets them. [`Peer`] checks the envelope's members, and these cases its payload.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use relay_tests::harness::json::Object;
use relay_tests::harness::ws::Message;
use relay_tests::harness::{Event, Pair, Peer, Relay, Role, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    every_member_is_as_in_the_contract,
    any_text_arrives_unchanged,
    any_bytes_arrive_unchanged,
    what_looks_like_a_relays_notice_is_a_frame,
    frames_keep_their_order,
);

fn every_member_is_as_in_the_contract(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    for role in Role::BOTH {
        let id = pair.session.id.clone();
        let (sender, receiver) = pair.from(role);
        sender.text("Grüße \"you\"");
        let envelope = read_envelope(receiver);
        assert_eq!(envelope.names(), ["at", "b64", "frame", "fromRole", "sid", "type"]);
        assert_eq!((envelope.text("type"), envelope.text("sid")), ("frame", &*id));
        assert_eq!(envelope.text("fromRole"), role.as_str());
        assert_eq!((envelope.text("frame"), envelope.flag("b64")), ("Grüße \"you\"", false));
        assert!(envelope.number("at") > 1_700_000_000_000, "milliseconds since 1970");
        sender.binary(&[0, 255, 254, 1]);
        let envelope = read_envelope(receiver);
        assert_eq!((envelope.text("frame"), envelope.flag("b64")), ("AP/+AQ==", true));
    }
}

fn read_envelope(receiver: &mut Peer) -> Object {
    match receiver.ws().message() {
        Ok(Message::Text(text)) => Object::parse(&text),
        other => panic!("{other:?} instead of an envelope"),
    }
}

fn any_text_arrives_unchanged(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let all_control: String = (0..0x20u8).map(char::from).collect();
    let edges =
        "\u{7F}\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFD}\u{FFFF}\u{10000}\u{10FFFF}\u{2028}\u{2029}";
    let texts = [
        String::new(),
        " ".to_owned(),
        "\\\"/\u{8}\u{c}\n\r\t".to_owned(),
        all_control,
        edges.to_owned(),
        "👩‍👩‍👧 e\u{301} שלום مرحبا 日本語".to_owned(),
        "</script><!-- \\u0000 \\\\".to_owned(),
        "\"".repeat(5000),
        "\u{1}".repeat(100_000),
        "é".repeat(70_000),
    ];
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        for text in &texts {
            sender.text(text);
            receiver.expect_text(text);
        }
    }
}

fn any_bytes_arrive_unchanged(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let all: Vec<u8> = (0..=255).collect();
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        // Every length modulo three, so that every padding occurs.
        for length in [0, 1, 2, 3, 4, 5, 255, 256] {
            sender.binary(&all[..length]);
            receiver.expect(&Event::Binary(all[..length].to_vec()));
        }
        let nested = STANDARD.encode(&all);
        sender.text(&nested);
        receiver.expect_text(&nested);
    }
}

/// Fault 8.
fn what_looks_like_a_relays_notice_is_a_frame(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let hello = pair.session.hello(Role::Phone).json();
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        for forged in [
            r#"{"type":"peer-left","role":"phone"}"#,
            r#"{"type":"session-killed"}"#,
            r#"{"type":"hb-ack"}"#,
            r#"{"type":"frame","sid":"x","fromRole":"phone","at":1,"frame":"x","b64":false}"#,
            // A second hello is an ordinary frame.
            &hello,
            "null",
            "{",
        ] {
            sender.text(forged);
            receiver.expect_text(forged);
        }
    }
}

fn frames_keep_their_order(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        for number in 0..500u32 {
            if number % 3 == 0 {
                sender.binary(&number.to_be_bytes());
            } else {
                sender.text(&number.to_string());
            }
        }
        for number in 0..500u32 {
            receiver.expect(&if number % 3 == 0 {
                Event::Binary(number.to_be_bytes().to_vec())
            } else {
                Event::Text(number.to_string())
            });
        }
    }
}

//! The heartbeat: the one text that is answered instead of relayed.

use relay_tests::harness::{Event, Pair, Relay, Role, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    every_form_is_answered,
    anything_that_is_not_exactly_a_heartbeat_is_a_frame,
    a_binary_message_is_never_a_heartbeat
);

fn every_form_is_answered(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let padded = |length: usize| format!(r#"{{"type":"hb","p":"{}"}}"#, "x".repeat(length - 20));
    assert_eq!(padded(512).len(), 512);
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        for heartbeat in [
            r#"{"type":"hb"}"#,
            r#" { "type" : "hb" } "#,
            "\t\r\n{\"type\":\n\"hb\"}\n",
            r#"{"at":1,"type":"hb"}"#,
            r#"{"type":"hb","x":{"type":"frame"},"y":[1,2,{"z":null}]}"#,
            r#"{"x":"}","type":"hb"}"#,
            r#"{"t\u0079pe":"h\u0062"}"#,
            &padded(512),
        ] {
            sender.text(heartbeat);
            sender.expect(&Event::HbAck);
        }
        // None of them went to the other side.
        sender.text("the only frame");
        receiver.expect_text("the only frame");
    }
}

fn anything_that_is_not_exactly_a_heartbeat_is_a_frame(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let padded = format!(r#"{{"type":"hb","p":"{}"}}"#, "x".repeat(513 - 20));
    assert_eq!(padded.len(), 513);
    let spaced = format!(r#"{}{{"type":"hb"}}"#, " ".repeat(500));
    let nested = format!(r#"{{"type":"hb","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        for frame in [
            "hb",
            r#""hb""#,
            r#"["hb"]"#,
            r#"[{"type":"hb"}]"#,
            r#"{"type":"HB"}"#,
            r#"{"Type":"hb"}"#,
            r#"{"type":"hb "}"#,
            r#"{"type":["hb"]}"#,
            r#"{"x":{"type":"hb"}}"#,
            r#"{"type":"hb"} x"#,
            r#"{"type":"hb""#,
            r#"{"type":"hb-ack"}"#,
            &padded,
            &spaced,
        ] {
            sender.text(frame);
            receiver.expect_text(frame);
        }
        // As deep as 512 bytes allow. It may be a heartbeat or a frame, but must not crash the server.
        sender.text(&nested);
        sender.text("behind it");
        match receiver.event() {
            Event::Text(text) if text == nested => receiver.expect_text("behind it"),
            event => {
                assert_eq!(event, Event::Text("behind it".to_owned()));
                sender.expect(&Event::HbAck);
            }
        }
    }
}

fn a_binary_message_is_never_a_heartbeat(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let heartbeat = br#"{"type":"hb"}"#;
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        sender.binary(heartbeat);
        receiver.expect(&Event::Binary(heartbeat.to_vec()));
    }
}

//! First messages that are not a hello, and malformed hellos.

use std::time::{Duration, Instant};

use relay_tests::harness::guard::{GUARD, let_pass};
use relay_tests::harness::ws::{FrameSpec, Message, Opcode, Ws};
use relay_tests::harness::{Bystander, Pair, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    a_malformed_hello_is_4400,
    a_binary_hello_is_4400,
    a_hello_past_4_kib_is_1009,
    frames_behind_a_refused_hello_are_dropped,
    no_hello_in_time_is_4408,
);

/// Sends one first message. Returns the code of the Close that answers it.
fn close_code(relay: &Relay, text: &str) -> u16 {
    let mut ws = Ws::connect(relay.addr());
    ws.text(text);
    loop {
        match ws.message() {
            Ok(Message::Close(code, _)) => {
                ws.expect_eof();
                return code;
            }
            Ok(Message::Text(error)) => assert!(error.contains(r#""type":"error""#), "{error}"),
            other => panic!("{other:?} instead of a Close"),
        }
    }
}

/// Fault 8: Malformed hellos.
/// Played: Binary, huge, nested 100,000 deep, with repeated members. Pings instead of a hello. A second
/// hello. Frames right behind it.
/// Holds: 4400 or 1009. Without a hello, 4408 at the deadline, which pings do not move. A second hello is a
/// frame. The frames behind a hello arrive in order.
fn a_malformed_hello_is_4400(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let good = session.hello(Role::Phone).json();
    let id = format!("\"{}\"", session.id);
    for bad in [
        String::new(),
        "hello".to_owned(),
        "null".to_owned(),
        "7".to_owned(),
        "[]".to_owned(),
        format!("[{good}]"),
        "{".to_owned(),
        "{}".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}x"),
        format!("{good}{good}"),
        good.replace("hello", "hullo"),
        good.replace("\"type\":\"hello\",", ""),
        good.replace(&format!("\"s\":{id},"), ""),
        good.replace("\"t\":", "\"T\":"),
        good.replace(",\"r\":\"phone\"", ""),
        good.replace(&id, "7"),
        good.replace(&id, "null"),
        good.replace(&id, &format!("[{id}]")),
        good.replace("\"phone\"", "\"tablet\""),
        good.replace("\"phone\"", "\"Phone\""),
        good.replace("\"phone\"", "0"),
        session.hello(Role::Phone).member("s", &id).json(),
        session.hello(Role::Phone).member("r", "\"workstation\"").json(),
        session.hello(Role::Phone).member("x", "1").member("x", "1").json(),
        good.replace("\"type\"", "\"\n\":1,\"type\""),
        "[".repeat(4096),
        "{\"x\":".repeat(800),
        session.hello(Role::Phone).member("x", &format!("{}{}", "[".repeat(1500), "]".repeat(1500))).json(),
    ] {
        assert_eq!(close_code(&relay, &bad), 4400, "{bad}");
    }
    bystander.done();
}

/// Fault 8.
fn a_binary_hello_is_4400(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let mut ws = Ws::connect(relay.addr());
    ws.binary(session.hello(Role::Phone).json().as_bytes());
    ws.expect_close(4400);
}

/// Fault 8.
fn a_hello_past_4_kib_is_1009(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for length in [4097usize, 100_000, 1 << 20, 2 << 20] {
        for text in ["[".repeat(length), "x".repeat(length)] {
            let mut ws = Ws::connect(relay.addr());
            // The server may close before all of it is sent. The Close must arrive.
            let _ = ws.wire().try_send(&FrameSpec::text(&text).encode());
            ws.expect_close(1009);
        }
    }
    bystander.done();
}

fn frames_behind_a_refused_hello_are_dropped(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { session, mut workstation, mut phone } = Pair::link(&relay);
    let wrong = Session { token: "0".repeat(32), ..session };
    let mut ws = Ws::connect(relay.next_addr(&wrong, Role::Phone));
    let mut bytes = FrameSpec::text(&wrong.hello(Role::Phone).json()).encode();
    for _ in 0..100 {
        bytes.extend(FrameSpec::text("forged").encode());
    }
    ws.wire().send(&bytes);
    ws.expect_close(4401);
    workstation.fence();
    phone.text("genuine");
    workstation.expect_text("genuine");
}

/// Fault 8.
fn no_hello_in_time_is_4408(set_up: SetUp) {
    let relay = Relay::start(set_up);
    // The time runs from the upgrade, whatever else is sent. This is the one case that waits for the ten
    // seconds.
    let mut ws = Ws::connect(relay.addr());
    let started = Instant::now();
    ws.send(&FrameSpec::text("{\"type\":").unfinished());
    let code = loop {
        assert!(started.elapsed() < GUARD, "pings move the deadline");
        ws.send(&FrameSpec::new(Opcode::Ping, "not yet"));
        match ws.message() {
            Ok(Message::Pong(_)) => let_pass(Duration::from_millis(500)),
            Ok(Message::Close(code, _)) => break code,
            other => panic!("{other:?} instead of a Close"),
        }
    };
    ws.expect_eof();
    assert_eq!(code, 4408);
    assert!(started.elapsed() >= Duration::from_secs(9), "after {:?} of ten seconds", started.elapsed());
}

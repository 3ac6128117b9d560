//! Shared terminals as phones see them through the agent.

use relay_client::LinkEvent;
use relay_client::Stop;
use relay_client::app::{AppEvent, Kind};
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::Desk;
use relay_tests::harness::window::Window;
use relay_tests::harness::{Relay, SetUp};

fn place() -> (Relay, Desk) {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    (relay, desk)
}

pub(super) fn window(desk: &Desk, args: &[&str]) -> Window {
    let mut command = desk.command(args);
    command.env("TERM", "xterm").env("SHELL", "/bin/sh");
    Window::open(&command, 80, 24)
}

/// Waits until the desk offers a terminal of this name.
pub(super) fn until_offered(phone: &mut AppPhone, name: &str) {
    phone.until_desk(|desk| desk.terminals.iter().any(|terminal| terminal.name == name).then_some(()));
}

#[test]
fn a_terminal_is_offered_opened_and_ends_with_its_command() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let mut run =
        window(&desk, &["run", "--name", "work", "--", "sh", "-c", "echo shown; read line; exit 4"]);
    run.until("shown");
    until_offered(&mut phone, "work");
    let ch = phone.open(Kind::Terminal, r#"{"name":"work"}"#).unwrap();
    phone.until("a screen", |event| match event {
        LinkEvent::App(AppEvent::Data { ch: of, bytes }) => (*of == ch && !bytes.is_empty()).then_some(()),
        _ => None,
    });
    run.type_text("\n");
    assert_eq!(run.finish().0, Some(4));
    phone.until("the end of the channel", |event| match event {
        LinkEvent::App(AppEvent::Ended { ch: of }) => (*of == ch).then_some(()),
        _ => None,
    });
    phone.until_desk(|desk| desk.terminals.is_empty().then_some(()));
}

#[test]
fn a_terminal_for_one_phone_is_not_shown_to_another() {
    let (_relay, desk) = place();
    let (mut one, mut other) = (desk.pair("one"), desk.pair("other"));
    let mut run =
        window(&desk, &["run", "--name", "mine", "--to", "one", "--", "sh", "-c", "echo shown; read line"]);
    run.until("shown");
    until_offered(&mut one, "mine");
    one.open(Kind::Terminal, r#"{"name":"mine"}"#).unwrap();
    let refused = other.open(Kind::Terminal, r#"{"name":"mine"}"#).unwrap_err();
    assert_eq!(refused.token(), "not-found");
    for (params, token) in [("{}", "malformed"), (r#"{"name":"../x"}"#, "not-found")] {
        assert_eq!(one.open(Kind::Terminal, params).unwrap_err().token(), token, "{params}");
    }
    // The right belongs to the phone, not to its name.
    desk.run(&["rename", "one", "first"]);
    desk.run(&["rename", "other", "one"]);
    assert_eq!(other.open(Kind::Terminal, r#"{"name":"mine"}"#).unwrap_err().token(), "not-found");
    one.open(Kind::Terminal, r#"{"name":"mine"}"#).unwrap();
    let listed = desk.run(&["terminals", "--json"]);
    assert!(listed.contains(r#""to":["first"]"#), "{listed}");
    run.type_text("\n");
    assert_eq!(run.finish().0, Some(0));
    let (code, words) = desk.try_run(&["run", "--to", "nobody", "--", "true"]);
    assert!(code == Some(125) && words.contains("no phone is called \"nobody\""), "{words}");
}

#[test]
fn a_phone_has_a_few_viewers_and_leaves_places_for_others() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let mut run = window(&desk, &["run", "--name", "work", "--", "sh", "-c", "echo shown; read line"]);
    run.until("shown");
    until_offered(&mut phone, "work");
    for _ in 0..4 {
        phone.open(Kind::Terminal, r#"{"name":"work"}"#).unwrap();
    }
    let refused = phone.open(Kind::Terminal, r#"{"name":"work"}"#).unwrap_err();
    assert_eq!(refused.token(), "too-many");
    run.type_text("\n");
    assert_eq!(run.finish().0, Some(0));
}

#[test]
fn an_opening_is_told_in_the_chat_and_a_revoked_viewer_is_gone() {
    let (_relay, desk) = place();
    let (mut one, mut two) = (desk.pair("one"), desk.pair("two"));
    let chat = desk.start(&["chat"]);
    chat.until("encrypted with \"two\"");
    let mut run = window(&desk, &["run", "--name", "work", "--", "sh", "-c", "echo shown; read line"]);
    run.until("shown");
    for phone in [&mut one, &mut two] {
        until_offered(phone, "work");
        phone.open(Kind::Terminal, r#"{"name":"work"}"#).unwrap();
    }
    chat.until("\"two\" looks at the terminal \"work\"");
    desk.run(&["revoke", "two"]);
    assert!(matches!(two.until_stopped(), Stop::Removed { is_proven: true, .. }));
    let viewers = desk.run(&["terminals", "--json"]);
    assert!(viewers.contains("one") && !viewers.contains("two"), "{viewers}");
    run.type_text("\n");
    assert_eq!(run.finish().0, Some(0));
}

#[test]
fn a_terminal_outlives_the_agent_and_is_offered_by_the_next_one() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let mut run =
        window(&desk, &["run", "--name", "work", "--", "sh", "-c", "echo shown; read line; exit 6"]);
    run.until("shown");
    until_offered(&mut phone, "work");
    desk.kill_agent();
    desk.run(&["devices"]);
    phone.until_ready();
    until_offered(&mut phone, "work");
    phone.open(Kind::Terminal, r#"{"name":"work"}"#).unwrap();
    run.type_text("\n");
    assert_eq!(run.finish().0, Some(6));
}

//! What a phone may do changes at once, also while it is connected.

use relay_client::LinkEvent;
use relay_client::app::{AppEvent, ChannelId, Right};
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::Desk;
use relay_tests::harness::{Relay, SetUp};

use super::terminals::{until_offered, window};
use super::viewing::Viewing;

fn place() -> (Relay, Desk) {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    (relay, desk)
}

fn until_reset(phone: &mut AppPhone, of: ChannelId) {
    let reason = phone.until("reset", |event| match event {
        LinkEvent::App(AppEvent::Reset { ch, reason }) if *ch == of => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.token(), "rights");
}

#[test]
fn rights_are_shown_changed_kept_and_refused_in_words() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    assert!(desk.run(&["rights", "Pixel"]).contains("chat files view type"));
    let said = desk.run(&["rights", "Pixel", "+shell", "-files"]);
    assert!(said.contains("\"Pixel\" now has: chat view type shell"), "{said}");
    phone.until_desk(|desk| desk.rights.has(Right::Shell).then_some(()));
    assert!(desk.run(&["devices"]).contains("chat view type shell"));
    desk.kill_agent();
    let said = desk.run(&["rights", "Pixel", "--json"]);
    assert!(said.contains(r#""rights":["chat","view","type","shell"]"#), "they are kept: {said}");
    assert!(desk.run(&["rights", "Pixel", "default"]).contains("now has: chat files view type"));
    for (args, code, words) in [
        (&["rights", "Nexus", "+shell"][..], 1, "no phone is called \"Nexus\""),
        (&["rights", "Pixel", "+root"], 2, "\"root\" is not a right"),
        (&["rights"], 2, "<NAME>"),
    ] {
        let (found, text) = desk.try_run(args);
        assert!(found == Some(code) && text.contains(words), "{args:?}: {found:?} {text}");
    }
}

#[test]
fn a_chat_ends_with_its_right_whichever_end_opened_it() {
    let (_relay, desk) = place();
    let (mut one, mut two) = (desk.pair("one"), desk.pair("two"));
    let mut chat = desk.start(&["chat"]);
    let own = one.open_chat();
    chat.type_line("to all");
    let theirs = two.accept_chat();
    assert_eq!([one.hear(), two.hear()], ["to all", "to all"]);
    for name in ["one", "two"] {
        desk.run(&["rights", name, "-chat"]);
    }
    until_reset(&mut one, own);
    until_reset(&mut two, theirs);
    chat.type_line("to nobody");
    chat.until("line 2 was not sent: there is no phone that may chat");
    desk.run(&["rights", "two", "+chat"]);
    chat.type_line("to two");
    two.accept_chat();
    assert_eq!(two.hear(), "to two");
}

#[test]
fn typing_ends_and_comes_back_while_the_terminal_is_open() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let script = "while read line; do echo got $line; done";
    let mut run = window(&desk, &["run", "--name", "work", "--", "sh", "-c", script]);
    until_offered(&mut phone, "work");
    let mut viewing = Viewing::open(&mut phone, r#"{"name":"work"}"#).unwrap();
    assert!(viewing.until_owner(&mut phone).1);
    viewing.type_line(&phone, "one");
    viewing.until_line(&mut phone, "got one");
    desk.run(&["rights", "Pixel", "-type"]);
    assert!(!viewing.until_owner(&mut phone).1, "it is told that it may not type");
    viewing.type_line(&phone, "two");
    run.type_text("three\n");
    viewing.until_line(&mut phone, "got three");
    desk.run(&["rights", "Pixel", "+type"]);
    assert!(viewing.until_owner(&mut phone).1);
    viewing.type_line(&phone, "four");
    viewing.until_line(&mut phone, "got four");
    run.type_text("\x04");
    let (code, shown) = run.finish();
    assert!(code == Some(0) && !shown.contains("two"), "what was typed without the right is lost: {shown:?}");
}

#[test]
fn a_phone_that_may_not_see_is_shown_nothing_from_now_on() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let mut run = window(&desk, &["run", "--name", "work", "--", "sh", "-c", "echo shown; read line"]);
    until_offered(&mut phone, "work");
    let mut viewing = Viewing::open(&mut phone, r#"{"name":"work"}"#).unwrap();
    viewing.until_line(&mut phone, "shown");
    // With the right to a shell of its own, it may still open channels of this kind.
    desk.run(&["rights", "Pixel", "-view", "+shell"]);
    assert_eq!(viewing.until_reset(&mut phone).token(), "rights");
    phone.until_desk(|desk| (desk.terminals.is_empty() && !desk.rights.has(Right::View)).then_some(()));
    let refused = Viewing::open(&mut phone, r#"{"name":"work"}"#).err().unwrap();
    assert_eq!(refused.token(), "rights");
    desk.run(&["rights", "Pixel", "+view"]);
    until_offered(&mut phone, "work");
    Viewing::open(&mut phone, r#"{"name":"work"}"#).unwrap().until_line(&mut phone, "shown");
    run.type_text("\n");
    assert_eq!(run.finish().0, Some(0));
}

//! The chat: lines both ways with every phone, from a pipe and in a window.

use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::{Desk, code_of};
use relay_tests::harness::window::Window;
use relay_tests::harness::{Relay, SetUp};

fn place() -> (Relay, Desk) {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    (relay, desk)
}

#[test]
fn piped_lines_reach_every_phone_and_then_the_command_ends() {
    let (_relay, desk) = place();
    let (mut one, mut two) = (desk.pair("one"), desk.pair("two"));
    one.open_chat();
    let mut chat = desk.start(&["chat"]);
    for number in 0..200 {
        chat.type_line(&format!("line {number}"));
    }
    chat.end_input();
    // The second one opens no chat, so the desk does.
    two.accept_chat();
    for number in 0..200 {
        assert_eq!(one.hear(), format!("line {number}"));
        assert_eq!(two.hear(), format!("line {number}"));
    }
    assert_eq!(chat.exit_code(), Some(0));
}

#[test]
fn to_names_the_phones_that_are_meant() {
    let (_relay, desk) = place();
    let (mut one, mut two) = (desk.pair("one"), desk.pair("two"));
    let (_, of_two) = (one.open_chat(), two.open_chat());
    let mut chat = desk.start(&["chat", "--to", "one"]);
    chat.until("encrypted with \"one\"");
    chat.type_line("for one");
    assert_eq!(one.hear(), "for one");
    two.say(of_two, "2", "not shown here");
    let mut all = desk.start(&["chat"]);
    all.until("not shown here");
    two.until_confirmed("2");
    all.process().signal("INT");
    chat.end_input();
    let (status, rest) = chat.finish();
    assert!(status.success() && !rest.contains("not shown here"), "{rest}");
    let (code, words) = desk.try_run(&["chat", "--to", "nobody"]);
    assert!(code == Some(1) && words.contains("no phone is called \"nobody\""), "{words}");
}

#[test]
fn lines_that_no_phone_confirms_change_the_exit_code() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    phone.open_chat();
    let mut chat = desk.start(&["chat", "--json"]);
    chat.type_line("one");
    chat.type_line("two");
    assert_eq!(phone.hear(), "one");
    phone.hear_unconfirmed();
    chat.until(r#"{"event":"delivered","number":1}"#);
    chat.process().signal("INT");
    let (status, words) = chat.finish();
    assert_eq!(status.code(), Some(3));
    assert!(words.ends_with("1 of the lines were not confirmed by every phone"), "{words}");
}

#[test]
fn without_a_phone_it_pairs_first_and_the_piped_lines_wait() {
    let (relay, desk) = place();
    let mut chat = desk.start(&["--yes"]);
    chat.type_line("first words");
    let mut phone = AppPhone::pair(code_of(&chat), relay.addr(), "Pixel");
    phone.until_ready();
    phone.open_chat();
    assert_eq!(phone.hear(), "first words");
    chat.end_input();
    assert_eq!(chat.exit_code(), Some(0));
}

/// What a phone says while no chat is open waits at the phone, and is not confirmed.
#[test]
fn what_is_said_while_nobody_listens_comes_with_the_next_chat() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let channel = phone.open_chat();
    phone.say(channel, "1", "is anybody there?");
    phone.flush();
    let chat = desk.start(&["chat"]);
    chat.until("is anybody there?");
    phone.until_confirmed("1");
    // Said again after a restart, it is not shown again.
    let mut phone = phone.again();
    phone.until_ready();
    let channel = phone.open_chat();
    phone.say(channel, "1", "is anybody there?");
    phone.say(channel, "2", "yes");
    assert_eq!(chat.line(), "\"Pixel\" is away");
    chat.until("encrypted with \"Pixel\"");
    assert_eq!(chat.line(), "yes");
    phone.until_confirmed("1");
    phone.until_confirmed("2");
}

#[test]
fn what_a_chat_had_and_did_not_print_comes_with_the_next_one() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let channel = phone.open_chat();
    let mut stopped = desk.start(&["chat"]);
    stopped.until("encrypted with \"Pixel\"");
    stopped.process().signal("STOP");
    phone.say(channel, "1", "is it lost?");
    phone.flush();
    // The agent has handled it when it answers what came later.
    desk.run(&["devices"]);
    stopped.process().signal("KILL");
    stopped.exit_code();
    let chat = desk.start(&["chat"]);
    chat.until("is it lost?");
    phone.until_confirmed("1");
}

#[test]
fn a_line_survives_the_agent_and_is_confirmed_once() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    phone.open_chat();
    let mut chat = desk.start(&["chat"]);
    chat.type_line("twice?");
    let (_, message) = phone.hear_unconfirmed();
    desk.kill_agent();
    phone.until_ready();
    phone.open_chat();
    let (channel, again) = phone.hear_unconfirmed();
    assert_eq!(
        (&again.id, again.text.as_str()),
        (&message.id, "twice?"),
        "the phone can tell that it is the same"
    );
    let got = relay_client::app::chat::ChatPart::Got(again.id).to_bytes().unwrap();
    phone.link.send(channel, &got, relay_tests::harness::guard::GUARD).unwrap();
    chat.end_input();
    assert_eq!(chat.exit_code(), Some(0));
}

#[test]
fn scripts_read_events_as_json() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let channel = phone.open_chat();
    let mut chat = desk.start(&["chat", "--json"]);
    assert_eq!(chat.line(), r#"{"event":"phone","phone":"Pixel","state":"encrypted"}"#);
    phone.say(channel, "1", "hi \"you\"");
    assert_eq!(chat.line(), r#"{"event":"message","phone":"Pixel","text":"hi \"you\"","at_ms":1}"#);
    chat.type_line("and you");
    assert_eq!(phone.hear(), "and you");
    assert_eq!(chat.line(), r#"{"event":"delivered","number":1}"#);
    chat.end_input();
    assert_eq!(chat.exit_code(), Some(0));
}

#[test]
fn in_a_window_what_comes_in_does_not_land_in_what_is_typed() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    let channel = phone.open_chat();
    let mut command = desk.command(&["chat"]);
    command.env("TERM", "xterm");
    let mut window = Window::open(&command, 80, 24);
    let modes = window.modes();
    window.until("encrypted with \"Pixel\"");
    window.until_other_modes(&modes);
    window.type_text("half a li");
    window.until("half a li");
    phone.say(channel, "1", "am I in the way?");
    window.until("Pixel: am I in the way?\r\n");
    // The line that is being typed is drawn again below it.
    window.until("> half a li");
    window.type_text("ne\r");
    assert_eq!(phone.hear(), "half a line");
    window.type_text("//quit\r");
    assert_eq!(phone.hear(), "/quit");
    window.type_text("/devices\r");
    window.until("Pixel  online");
    window.type_text("/unknown\r");
    window.until("begins with / is a command");
    window.type_text("/run printf '%s%s' fin ished\r");
    window.until("finished");
    window.until("> ");
    window.type_text("/quit\r");
    let (code, rest) = window.finish();
    assert_eq!(code, Some(0));
    assert_eq!(window.modes(), modes, "left as it was found: {rest}");
}

#[test]
fn in_a_window_it_pairs_first_and_ctrl_d_and_ctrl_c_end_it() {
    let (relay, desk) = place();
    let mut command = desk.command(&[]);
    command.env("TERM", "xterm");
    let mut window = Window::open(&command, 120, 50);
    let modes = window.modes();
    window.until("or paste this: ");
    let text = window.until("\r\n");
    let code = relay_client::tunnel::parse_pairing(text.trim()).unwrap();
    let mut phone = AppPhone::pair(code, relay.addr(), "Pixel");
    window.until("allow it? [y/n]");
    window.type_text("y\r");
    window.until("paired with \"Pixel\"");
    phone.until_ready();
    phone.open_chat();
    window.until("> ");
    window.type_text("hello\r");
    assert_eq!(phone.hear(), "hello");
    window.type_text("\u{4}");
    let (code, rest) = window.finish();
    assert_eq!(code, Some(0), "{rest}");
    assert_eq!(window.modes(), modes, "left as it was found");

    let mut window = Window::open(&command, 120, 50);
    window.until("> ");
    window.type_text("not sent\u{3}");
    let (code, rest) = window.finish();
    assert_eq!(code, Some(0), "{rest}");
    assert_eq!(window.modes(), modes, "left as it was found");
}

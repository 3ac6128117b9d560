//! Pairs that are kept, and lines both ways.

use relay_client::app::Kind;
use relay_client::app::chat::ChatPart;
use relay_tests::harness::{Relay, SetUp};

use super::{Desk, Pocket};

#[test]
fn lines_go_both_ways_and_the_pair_is_kept() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let desk = Desk::paired(&relay, &pocket);
    let (code, listed) = pocket.run(&["desks"]);
    assert!(code == Some(0) && listed.ends_with("  desk"), "{listed}");
    desk.share(&["build", "logs"]);
    let mut phone = pocket.phone(&["--desk", "desk"]);
    let (ch, _) = desk.accept(Kind::Chat);
    phone.until("desk office shares build, logs; /open NAME shows one");
    phone.type_line("hello");
    assert_eq!(desk.heard_text(ch), "hello");
    phone.type_line("//slash");
    assert_eq!(desk.heard_text(ch), "/slash");
    desk.say(ch, "1", "hi \u{1b}[2Jthere");
    assert_eq!(phone.line(), r"office: hi \u{1b}[2Jthere");
    assert_eq!(desk.heard(ch), ChatPart::Got("1".into()));
    // What is said again was heard before.
    desk.say(ch, "1", "hi");
    desk.say(ch, "2", "new");
    assert_eq!(phone.line(), "office: new");
    phone.type_line("/terminals");
    assert_eq!(phone.line(), "build  20x3  ");
    phone.until("logs");
    phone.type_line("/nonsense");
    phone.until("there is no \"/nonsense\" here, but /send FILE…, /clip TEXT");
    phone.type_line("/open build");
    phone.until("a shared terminal is shown in a terminal only; pass --watch NAME --dump");
    phone.type_line("/quit");
    phone.until("closed");
    assert_eq!(phone.exit_code(), Some(1), "two lines were not sent");
    assert!(pocket.run(&["desks"]).1.ends_with("  office"), "the desk has another name now");
}

#[test]
fn what_was_not_confirmed_is_said_again_to_a_desk_that_starts_over() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let mut desk = Desk::paired(&relay, &pocket);
    let mut phone = pocket.phone(&["--desk", "desk"]);
    let (ch, _) = desk.accept(Kind::Chat);
    phone.type_line("one");
    assert!(matches!(desk.heard(ch), ChatPart::Message(message) if message.text == "one"));
    desk.restart();
    phone.type_line("two");
    let (ch, _) = desk.accept(Kind::Chat);
    assert_eq!(desk.heard_text(ch), "one");
    assert_eq!(desk.heard_text(ch), "two");
    phone.end_input();
    phone.until("closed");
    assert_eq!(phone.exit_code(), Some(0));
}

#[test]
fn a_pair_is_ended_from_either_end() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let desk = Desk::paired(&relay, &pocket);
    let (code, said) = pocket.run(&["forget", "desk"]);
    assert_eq!((code, said.as_str()), (Some(0), "desk is forgotten"));
    let stop = desk.until_stopped();
    assert!(stop.to_string().starts_with("removed at the phone"), "{stop}");
    let desk = Desk::paired(&relay, &pocket);
    let phone = pocket.phone(&["--desk", "desk"]);
    desk.accept(Kind::Chat);
    desk.end.link.engine().forget().unwrap();
    phone.until("stopped: removed at the workstation");
    let (status, _) = phone.finish();
    assert_eq!(status.code(), Some(1));
    // The relay may have been quicker than the desk; then the pair is kept until its user forgets it.
    if pocket.run(&["desks"]).1.contains("desk") && !pocket.run(&["desks"]).1.starts_with("no desks") {
        let said = pocket.run(&["forget", "desk"]).1;
        assert!(said.starts_with("desk is forgotten"), "{said}");
    }
    assert_eq!(
        pocket.run(&["desks"]).1,
        "no desks yet: start `workstation` at a desk, and give its code to `phone`"
    );
    for (args, words) in [
        (&["--desk", "desk"][..], "error: there is no desk \"desk\": `phone desks` lists them"),
        (&["forget", "x"], "error: there is no desk \"x\""),
    ] {
        let (code, said) = pocket.run(args);
        assert!(code == Some(1) && said.starts_with(words), "{said}");
    }
    assert_eq!(pocket.run(&["--nonsense"]).0, Some(2));
}

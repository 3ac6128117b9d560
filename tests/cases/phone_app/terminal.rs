//! A shared terminal as text, for scripts.

use relay_client::LinkEvent;
use relay_client::app::terminal::{DeskMessage, Exit, Key, Modifiers, ViewerMessage};
use relay_client::app::{AppEvent, Kind, Reason};
use relay_tests::harness::{Relay, SetUp};

use super::{Desk, Pocket, Shared};

const WATCH: [&str; 5] = ["--desk", "desk", "--watch", "build", "--dump"];

#[test]
fn the_screen_is_printed_and_named_keys_are_typed() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let mut desk = Desk::paired(&relay, &pocket);
    let mut phone = pocket.phone(&[&WATCH[..], &["--send-keys", "ls{Enter}"]].concat());
    let mut shared = Shared::accept(&desk);
    shared.show(&desk, &["$ ", "漢字 wide"]);
    phone.until("screen 20x3 cursor 0,0 title \"\"");
    assert_eq!([phone.line(), phone.line(), phone.line()], ["$", "漢字 wide", ""]);
    assert_eq!(shared.next(&desk), ViewerMessage::Text("ls".into()));
    assert_eq!(shared.next(&desk), ViewerMessage::Key(Key::Enter, Modifiers::NONE));
    phone.type_line("{Ctrl-C}{Paste a b}");
    assert_eq!(shared.next(&desk), ViewerMessage::Key(Key::Char('c'), Modifiers::CTRL));
    assert_eq!(shared.next(&desk), ViewerMessage::Paste("a b".into()));
    phone.type_line("{Nonsense}");
    phone.until("{Nonsense}: there is no such key");
    // A desk that starts over shows the whole screen again.
    desk.restart();
    let mut shared = Shared::accept(&desk);
    shared.show(&desk, &["again"]);
    phone.until("again");
    shared.tell(&desk, &DeskMessage::Ended(Exit::Code(7)));
    phone.until("build has ended with exit code 7");
    phone.until("closed");
    assert_eq!(phone.exit_code(), Some(1), "a line was not sent");
}

#[test]
fn one_screen_is_enough_if_asked_so_and_a_refusal_is_told() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let desk = Desk::paired(&relay, &pocket);
    let phone = pocket.phone(&[&WATCH[..], &["--once"]].concat());
    let mut shared = Shared::accept(&desk);
    shared.show(&desk, &["once"]);
    let (status, said) = phone.finish();
    assert!(status.success() && said.contains("\nonce\n"), "{said}");
    // An agent that has just started does not know its terminals yet.
    let phone = pocket.phone(&WATCH);
    refuse(&desk, Reason::NOT_FOUND);
    let mut shared = Shared::accept(&desk);
    shared.show(&desk, &["found"]);
    phone.until("found");
    drop(phone);
    let phone = pocket.phone(&WATCH);
    refuse(&desk, Reason::RIGHTS);
    phone.until("build can't be shown: not for you");
    assert_eq!(phone.finish().0.code(), Some(1));
}

fn refuse(desk: &Desk, token: &'static str) {
    let opened = desk.end.until("channel", |event| match event {
        LinkEvent::App(AppEvent::Opened { ch, kind: Kind::Terminal, .. }) => Some(*ch),
        _ => None,
    });
    desk.end.link.refuse(opened, Reason::new(token, "not for you")).unwrap();
}

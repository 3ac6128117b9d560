//! A shared terminal in a window of its own.

use relay_client::app::Kind;
use relay_client::app::terminal::{
    DeskMessage, History, Key, Modifiers, ScrollbackRows, Size, SizeOwner, ViewerMessage,
};
use relay_tests::harness::window::Window;
use relay_tests::harness::{Relay, SetUp};

use super::{Desk, Pocket, Shared, row};

/// A phone in a window that shows the desk's terminal.
fn opened(relay: &Relay, pocket: &Pocket) -> (Desk, Window, String, Shared) {
    let desk = Desk::paired(relay, pocket);
    desk.share(&["build"]);
    let mut window = Window::open(&pocket.command(&["--desk", "desk"]), 80, 5);
    let modes = window.modes();
    desk.accept(Kind::Chat);
    window.until("/open NAME shows one");
    window.type_text("/open build\n");
    let shared = Shared::accept(&desk);
    window.until_other_modes(&modes);
    (desk, window, modes, shared)
}

#[test]
fn keys_text_and_pastes_go_to_the_desk_and_the_window_is_left_as_it_was_found() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let (desk, mut window, modes, mut shared) = opened(&relay, &pocket);
    shared.show(&desk, &["hello", "漢字x"]);
    // The cell behind a wide one is put at the desk's column.
    window.until("\u{1b}[1G漢\u{1b}[3G字");
    window.until("\u{1b}[5Gx");
    for (typed, expected) in [
        ("äb", ViewerMessage::Text("äb".into())),
        ("\x03", ViewerMessage::Key(Key::Char('c'), Modifiers::CTRL)),
        ("\x1b[1;5A", ViewerMessage::Key(Key::Up, Modifiers::CTRL)),
        ("\x1b", ViewerMessage::Key(Key::Escape, Modifiers::NONE)),
        ("\x1b[200~a\nb\x1b[201~", ViewerMessage::Paste("a\nb".into())),
        ("\x1b[I", ViewerMessage::Focus(true)),
        // The last line of the window is the phone's own.
        ("\x1b[24~", ViewerMessage::TakeSize(Size::new(80, 4).unwrap())),
    ] {
        window.type_text(typed);
        assert_eq!(shared.next(&desk), expected, "{typed:?}");
    }
    shared.tell(&desk, &DeskMessage::SizeOwner { owner: SizeOwner::You, may_type: true });
    window.until("F12 gives the size back");
    window.resize(50, 9);
    assert_eq!(shared.next(&desk), ViewerMessage::TakeSize(Size::new(50, 8).unwrap()));
    window.type_text("\x1b[24~");
    assert_eq!(shared.next(&desk), ViewerMessage::GiveBack);
    shared.tell(&desk, &DeskMessage::SizeOwner { owner: SizeOwner::Desk, may_type: false });
    window.until("watching only");
    window.type_text("ignored\x1d");
    window.until("\u{1b}[?1049l");
    window.until_modes(&modes);
    window.type_text("/quit\n");
    window.until("closed");
    assert_eq!(window.exit_code(), Some(0));
}

#[test]
fn lines_above_the_screen_are_fetched_when_they_are_seen() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let (mut desk, mut window, _, mut shared) = opened(&relay, &pocket);
    shared.screen.history = History { generation: 1, end: 100, lines: 100 };
    shared.show(&desk, &["now"]);
    window.until("now");
    window.type_text("\x1b[5;2~");
    window.until("3 lines up");
    let ViewerMessage::Scrollback { request, first, count } = shared.next(&desk) else { panic!("a request") };
    assert!(first <= 97 && first + u64::from(count) == 100, "{first} {count}");
    let rows = (first..100).map(|number| row(&format!("line {number}"))).collect();
    shared.tell(&desk, &DeskMessage::Scrollback(ScrollbackRows { request, generation: 1, first, rows }));
    window.until("line 97");
    window.until("line 99");
    // A request that is lost with the desk's process is made again.
    window.type_text("\x1b[5;2~\x1b[5;2~\x1b[5;2~");
    assert!(matches!(shared.next(&desk), ViewerMessage::Scrollback { .. }));
    desk.restart();
    let mut shared = Shared::accept(&desk);
    shared.screen.history = History { generation: 1, end: 100, lines: 100 };
    shared.show(&desk, &["now"]);
    assert!(matches!(shared.next(&desk), ViewerMessage::Scrollback { .. }));
    // A key goes to the desk, and the screen is seen again.
    window.type_text("x");
    assert_eq!(shared.next(&desk), ViewerMessage::Text("x".into()));
    window.until("now");
}

#[test]
fn a_signal_and_a_desk_that_goes_leave_the_window_as_it_was_found() {
    let relay = Relay::start(SetUp::Memory);
    let pocket = Pocket::new();
    let (mut desk, mut window, modes, mut shared) = opened(&relay, &pocket);
    shared.show(&desk, &["here"]);
    window.until("here");
    desk.end.link.close();
    window.until("workstation left");
    desk.restart();
    let mut shared = Shared::accept(&desk);
    shared.show(&desk, &["back again"]);
    window.until("back again");
    window.process().signal("TERM");
    window.until("\u{1b}[?1049l");
    let end = window.exit_code();
    assert_eq!(window.modes(), modes);
    assert_eq!(end, Some(0));
}

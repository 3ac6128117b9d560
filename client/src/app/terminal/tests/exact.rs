//! Messages that are not of this kind: refused, and the screen stays as it was.

use std::time::Duration;

use super::super::*;

fn drawn() -> (ScreenSender, ScreenReceiver, Screen) {
    let mut screen = Screen::new(Size::new(10, 2).unwrap());
    screen.set_title("t");
    let (mut sender, mut receiver) = (ScreenSender::new(), ScreenReceiver::new());
    for message in sender.poll_update(&screen, Duration::ZERO).unwrap() {
        assert_eq!(receiver.on_message(&message), Ok(Received::Updated { seq: 1 }));
    }
    (sender, receiver, screen)
}

#[test]
fn what_is_outside_the_limits_is_refused() {
    let head = [0x01, 0x02, 0x01]; // kind, seq 2, based on 1
    let refused: [(&str, &[u8]); 14] = [
        ("empty", &[]),
        ("cut in a number", &[0x01, 0x80]),
        ("a number of 70 bits", &[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        ("based on another update", &[0x01, 0x03, 0x02, 0x00]),
        ("bytes behind the end", &[0x01, 0x02, 0x01, 0x00, 0x00]),
        ("one column", &[0x01, 0x02, 0x01, 0x01, 0x01, 0x01]),
        ("1001 columns", &[0x01, 0x02, 0x01, 0x01, 0xE9, 0x07, 0x01]),
        ("the cursor below the screen", &[0x01, 0x02, 0x01, 0x02, 0x02, 0x00, 0x00]),
        ("an unknown shape", &[0x01, 0x02, 0x01, 0x02, 0x00, 0x00, 0x03]),
        ("a long title", &[0x01, 0x02, 0x01, 0x08, 0x81, 0x02]),
        ("a scroll by everything", &[0x01, 0x02, 0x01, 0x40, 0x00, 0x02, 0x02]),
        ("row 2", &[0x01, 0x02, 0x01, 0x80, 0x00, 0x00, 0x01, 0x02, 0x00]),
        (
            "a style that is not there",
            &[0x01, 0x02, 0x01, 0x80, 0x00, 0x00, 0x01, 0x00, 0x02, 0x00, 0x01, 0x08, b'x'],
        ),
        (
            "a control character",
            &[0x01, 0x02, 0x01, 0x80, 0x00, 0x00, 0x01, 0x00, 0x02, 0x00, 0x00, 0x08, 0x1B],
        ),
    ];
    for (what, message) in refused {
        let (_, mut receiver, screen) = drawn();
        assert!(receiver.on_message(message).is_err(), "{what}");
        assert_eq!(receiver.screen(), &screen, "{what}");
        // What comes next is read all the same.
        let plain = [head.as_slice(), &[0x00]].concat();
        assert_eq!(receiver.on_message(&plain), Ok(Received::Updated { seq: 2 }), "{what}");
    }
}

#[test]
fn a_run_never_passes_the_edge() {
    let (_, mut receiver, _) = drawn();
    let run = |len: u8, kind: u8| [0x01, 0x02, 0x01, 0x80, 0, 0, 1, 0, 2, 0, 0, len << 3 | 4 | kind, b'x'];
    assert!(receiver.on_message(&run(11, 0)).is_err());
    assert!(receiver.on_message(&run(6, 1)).is_err());
    assert_eq!(receiver.on_message(&run(5, 1)), Ok(Received::Updated { seq: 2 }));
    assert_eq!(receiver.screen().rows()[0].runs()[0].columns(), 10);
}

#[test]
fn unknown_kinds_are_skipped() {
    let (_, mut receiver, _) = drawn();
    assert_eq!(receiver.on_message(&[0x7F, 1, 2, 3]), Ok(Received::Unknown));
    assert_eq!(ViewerInput::new().on_message(&[0x7F, 1, 2, 3]), Ok(None));
}

#[test]
fn messages_of_both_sides_read_back() {
    let row = Row::default();
    for message in [
        DeskMessage::Notice(Notice { title: "t".into(), text: "x".into() }),
        DeskMessage::Scrollback(ScrollbackRows { request: 1, generation: 2, first: 3, rows: vec![row; 200] }),
        DeskMessage::SizeOwner { owner: SizeOwner::Other("Pixel".into()), may_type: true },
        DeskMessage::SizeOwner { owner: SizeOwner::Nobody, may_type: false },
        DeskMessage::Ended(Exit::Code(7)),
        DeskMessage::Ended(Exit::Signal(9)),
    ] {
        let mut receiver = ScreenReceiver::new();
        let messages = encode_desk_message(&message);
        let read = messages.iter().fold(None, |_, bytes| Some(receiver.on_message(bytes)));
        assert_eq!(read, Some(Ok(Received::Message(message))));
    }
    let mouse = Mouse {
        action: MouseAction::Move,
        button: MouseButton::Left,
        modifiers: Modifiers::CTRL,
        column: 300,
        row: 2,
    };
    for message in [
        ViewerMessage::Ack { seq: 1 << 40 },
        ViewerMessage::Text("ä\n".into()),
        ViewerMessage::Key(Key::Char('€'), Modifiers::ALT),
        ViewerMessage::Key(Key::Function(20), Modifiers::SHIFT),
        ViewerMessage::Key(Key::PageDown, Modifiers::NONE),
        ViewerMessage::Paste("x".repeat(100_000)),
        ViewerMessage::Mouse(mouse),
        ViewerMessage::TakeSize(Size::new(40, 20).unwrap()),
        ViewerMessage::GiveBack,
        ViewerMessage::Scrollback { request: 9, first: 100, count: 50 },
        ViewerMessage::Focus(true),
    ] {
        let mut input = ViewerInput::new();
        let messages = encode_viewer_message(&message);
        let read = messages.iter().fold(None, |_, bytes| Some(input.on_message(bytes)));
        assert_eq!(read, Some(Ok(Some(message))));
    }
}

#[test]
fn what_was_typed_is_not_shown_in_logs() {
    for message in [
        ViewerMessage::Text("secret".into()),
        ViewerMessage::Paste("secret".into()),
        ViewerMessage::Key(Key::Char('s'), Modifiers::NONE),
    ] {
        let shown = format!("{message:?}");
        assert!(!shown.contains("secret") && !shown.contains('\''), "{shown}");
    }
}

//! Fuzz body for the kind *terminal*: any messages, at both ends.

use super::limits::{CELLS_MAX, MESSAGE_BYTES_MAX, TITLE_BYTES_MAX};
use super::*;
use crate::fuzz::support::Input;

/// Messages at a viewer and at a desk: no panic, a screen within its bounds, and what was read is written so
/// that it reads back. A paste never leaves its markers.
pub fn terminal_messages(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut receiver, mut desk) = (ScreenReceiver::new(), ViewerInput::new());
    while !input.is_empty() {
        let message = input.piece();
        match receiver.on_message(message) {
            Ok(Received::Updated { .. }) => check_screen(receiver.screen()),
            Ok(Received::Message(message)) => check_desk_message(message),
            Ok(Received::Part | Received::Unknown) | Err(_) => {}
        }
        if let Ok(Some(message)) = desk.on_message(message) {
            check_viewer_message(&message, receiver.screen());
        }
    }
}

/// The screen is within its bounds, and another viewer gets the same one.
fn check_screen(screen: &Screen) {
    let (columns, rows) = (screen.size().columns(), screen.size().rows());
    assert!(u32::from(columns) * u32::from(rows) <= CELLS_MAX);
    assert_eq!(screen.rows().len(), usize::from(rows));
    assert!(screen.cursor.row < rows && screen.cursor.column < columns);
    assert!(screen.title().len() <= TITLE_BYTES_MAX);
    for row in screen.rows() {
        let mut column = 0;
        for run in row.runs() {
            assert!(usize::from(run.column) >= column && run.end() <= usize::from(columns), "{run:?}");
            assert!(!run.text.is_empty() && !run.text.chars().any(char::is_control), "{run:?}");
            column = run.end();
        }
    }
    let messages = ScreenSender::new().poll_update(screen, std::time::Duration::ZERO);
    let mut other = ScreenReceiver::new();
    for message in messages.expect("a first update") {
        assert!(message.len() <= MESSAGE_BYTES_MAX);
        assert!(other.on_message(&message).is_ok());
    }
    assert_eq!(other.screen(), screen);
}

fn check_desk_message(message: DeskMessage) {
    let (mut receiver, mut read) = (ScreenReceiver::new(), None);
    for bytes in encode_desk_message(&message) {
        read = Some(receiver.on_message(&bytes));
    }
    assert_eq!(read, Some(Ok(Received::Message(message))));
}

fn check_viewer_message(message: &ViewerMessage, screen: &Screen) {
    let (mut input, mut read) = (ViewerInput::new(), None);
    for bytes in encode_viewer_message(message) {
        read = Some(input.on_message(&bytes));
    }
    assert_eq!(read, Some(Ok(Some(message.clone()))));
    match message {
        ViewerMessage::Key(key, modifiers) => drop(key.bytes(*modifiers, &screen.modes)),
        ViewerMessage::Mouse(mouse) => drop(mouse.bytes(&screen.modes)),
        ViewerMessage::Paste(text) => {
            let modes = Modes { has_bracketed_paste: true, ..screen.modes };
            let bytes = String::from_utf8(paste_bytes(text, &modes)).expect("text");
            assert_eq!(bytes.matches("\x1b[201~").count(), 1);
            assert!(bytes.ends_with("\x1b[201~"));
        }
        _ => {}
    }
}

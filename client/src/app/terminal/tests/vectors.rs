//! The project's own vectors, for every other implementation to check itself against.
//!
//! `client/vectors/terminal-1.json` is what this computes from fixed values. It was written once, by
//! `RELAY_APP_WRITE_VECTORS=1 cargo test -p relay-client vector`, and changes only with the version of the
//! kind.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::*;

/// Messages are in hex. Rows are what a viewer draws.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vectors {
    about: String,
    updates: Vec<Step>,
    desk: Vec<Named>,
    viewer: Vec<Named>,
    keys: Vec<Pressed>,
}

/// One update after the other, for one viewer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Step {
    what: String,
    messages: Vec<String>,
    columns: u16,
    rows: u16,
    title: String,
    /// Row, column, shape (0 block, 1 underline, 2 bar), 1 if it blinks, 1 if it is shown.
    cursor: [u16; 5],
    bells: u32,
    /// Generation, end, lines.
    history: [u64; 3],
    /// The switches in the order of the page, then the mouse's reports and their encoding.
    modes: [u8; 9],
    drawn: Vec<Vec<Drawn>>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Drawn {
    column: u16,
    columns: usize,
    text: String,
    style: Look,
}

/// A color is empty for the default, an index of the palette, or `#rrggbb`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Look {
    text: String,
    background: String,
    attributes: u8,
    underline: u8,
    underline_color: String,
    link: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    what: String,
    messages: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pressed {
    key: String,
    bytes: String,
    /// With the mode application cursor.
    bytes_application_cursor: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn color(color: Color) -> String {
    match color {
        Color::Default => String::new(),
        Color::Indexed(index) => index.to_string(),
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}

fn look(style: &Style) -> Look {
    Look {
        text: color(style.text),
        background: color(style.background),
        attributes: style.attributes.bits(),
        underline: style.underline as u8,
        underline_color: color(style.underline_color),
        link: style.link.as_ref().map_or("", Link::as_str).to_owned(),
    }
}

fn cursor(cursor: Cursor) -> [u16; 5] {
    let [blinks, is_shown] = [cursor.is_blinking, cursor.is_visible].map(u16::from);
    [cursor.row, cursor.column, cursor.shape as u16, blinks, is_shown]
}

fn modes(modes: Modes) -> [u8; 9] {
    [
        modes.is_alternate.into(),
        modes.has_bracketed_paste.into(),
        modes.has_application_cursor.into(),
        modes.has_application_keypad.into(),
        modes.has_focus_reports.into(),
        modes.has_alternate_scroll.into(),
        modes.has_newline.into(),
        modes.mouse as u8,
        modes.mouse_encoding as u8,
    ]
}

fn hexes(messages: &[Vec<u8>]) -> Vec<String> {
    messages.iter().map(|message| hex(message)).collect()
}

fn row(pieces: &[(&str, bool, Style)]) -> Row {
    let mut builder = RowBuilder::new();
    for (text, is_wide, style) in pieces {
        if text.chars().count() > 1 && text.contains('\u{301}') {
            builder.push(text, *is_wide, style);
            continue;
        }
        text.chars().for_each(|char| builder.push(char.encode_utf8(&mut [0; 4]), *is_wide, style));
    }
    builder.finish(false)
}

/// The screens that the vectors show, one after the other.
fn screens() -> Vec<(&'static str, Screen)> {
    let plain = Style::default;
    let red = Style { text: Color::Indexed(1), attributes: Attributes::BOLD, ..plain() };
    let link = Style {
        background: Color::Rgb(1, 2, 3),
        underline: Underline::Curly,
        underline_color: Color::Indexed(200),
        link: Link::new("https://example.org/"),
        ..plain()
    };
    let mut screen = Screen::new(Size::new(20, 4).unwrap());
    screen.set_row(
        0,
        row(&[("$ ls", false, plain()), ("          ", false, plain()), ("end", false, red.clone())]),
    );
    screen.set_row(
        1,
        row(&[("日本", true, plain()), ("e\u{301}", false, plain()), ("----------", false, link)]),
    );
    screen.set_title("shell");
    screen.cursor =
        Cursor { row: 2, column: 5, shape: CursorShape::Bar, is_blinking: true, is_visible: true };
    let mut all = vec![("the whole screen", screen.clone())];
    for (at, text) in ["one", "two", "three", "four"].iter().enumerate() {
        screen.set_row(at, row(&[(text, false, plain())]));
    }
    screen.bells = 1;
    all.push(("other rows and a bell", screen.clone()));
    for (at, text) in ["two", "three", "four", "five"].iter().enumerate() {
        screen.set_row(at, row(&[(text, false, plain())]));
    }
    screen.history = History { generation: 1, end: 300, lines: 200 };
    all.push(("a scroll by one line", screen.clone()));
    screen.resize(Size::new(30, 2).unwrap());
    screen.modes = Modes {
        is_alternate: true,
        has_bracketed_paste: true,
        mouse: MouseReports::Drags,
        mouse_encoding: MouseEncoding::Sgr,
        ..Modes::default()
    };
    screen.set_row(1, row(&[("full", false, red)]));
    all.push(("another size and modes", screen));
    all
}

fn updates() -> Vec<Step> {
    let (mut sender, mut now) = (ScreenSender::new(), Duration::ZERO);
    let mut step = |(what, screen): (&str, Screen)| {
        now += Duration::from_secs(1);
        let messages = sender.poll_update(&screen, now).unwrap();
        sender.on_ack(u64::MAX, now);
        let drawn = |run: &Run| Drawn {
            column: run.column,
            columns: run.columns(),
            text: run.text.clone(),
            style: look(&run.style),
        };
        Step {
            what: what.to_owned(),
            messages: hexes(&messages),
            columns: screen.size().columns(),
            rows: screen.size().rows(),
            title: screen.title().to_owned(),
            cursor: cursor(screen.cursor),
            bells: screen.bells,
            history: [screen.history.generation.into(), screen.history.end, screen.history.lines.into()],
            modes: modes(screen.modes),
            drawn: screen.rows().iter().map(|row| row.runs().iter().map(drawn).collect()).collect(),
        }
    };
    screens().into_iter().map(&mut step).collect()
}

fn desk() -> Vec<Named> {
    let rows = vec![row(&[("old line", false, Style::default())])];
    let size_owner = |owner, may_type| DeskMessage::SizeOwner { owner, may_type };
    let messages = [
        (
            "Notice, title Build, text done",
            DeskMessage::Notice(Notice { title: "Build".into(), text: "done".into() }),
        ),
        (
            "Scrollback for request 7, generation 1, row 299: old line",
            DeskMessage::Scrollback(ScrollbackRows { request: 7, generation: 1, first: 299, rows }),
        ),
        ("SizeOwner, the desk, may type", size_owner(SizeOwner::Desk, true)),
        ("SizeOwner, Pixel, may not type", size_owner(SizeOwner::Other("Pixel".into()), false)),
        ("Ended with code 0", DeskMessage::Ended(Exit::Code(0))),
        ("Ended by signal 9", DeskMessage::Ended(Exit::Signal(9))),
    ];
    messages.iter().map(|(what, message)| named((*what).to_owned(), &encode_desk_message(message))).collect()
}

fn viewer() -> Vec<Named> {
    let mouse = Mouse {
        action: MouseAction::Press,
        button: MouseButton::WheelUp,
        modifiers: Modifiers::SHIFT,
        column: 299,
        row: 1,
    };
    let messages = [
        ("Ack 300", ViewerMessage::Ack { seq: 300 }),
        ("Text ls", ViewerMessage::Text("ls".into())),
        ("Key Ctrl-C", ViewerMessage::Key(Key::Char('c'), Modifiers::CTRL)),
        ("Key F5", ViewerMessage::Key(Key::Function(5), Modifiers::NONE)),
        ("Key Shift-Up", ViewerMessage::Key(Key::Up, Modifiers::SHIFT)),
        ("Paste a, line feed, b", ViewerMessage::Paste("a\nb".into())),
        ("Shift and wheel up at column 299, row 1", ViewerMessage::Mouse(mouse)),
        ("TakeSize 40 columns, 20 rows", ViewerMessage::TakeSize(Size::new(40, 20).unwrap())),
        ("GiveBack", ViewerMessage::GiveBack),
        (
            "Scrollback request 7, 100 lines from 200",
            ViewerMessage::Scrollback { request: 7, first: 200, count: 100 },
        ),
        ("Focus", ViewerMessage::Focus(true)),
    ];
    messages
        .iter()
        .map(|(what, message)| named((*what).to_owned(), &encode_viewer_message(message)))
        .collect()
}

fn named(what: String, messages: &[Vec<u8>]) -> Named {
    Named { what, messages: hexes(messages) }
}

fn keys() -> Vec<Pressed> {
    let application = Modes { has_application_cursor: true, ..Modes::default() };
    let pressed = |(name, key, modifiers): (&str, Key, Modifiers)| Pressed {
        key: name.to_owned(),
        bytes: hex(&key.bytes(modifiers, &Modes::default())),
        bytes_application_cursor: hex(&key.bytes(modifiers, &application)),
    };
    let all = [
        ("Up", Key::Up, Modifiers::NONE),
        ("Ctrl-Up", Key::Up, Modifiers::CTRL),
        ("Ctrl-C", Key::Char('c'), Modifiers::CTRL),
        ("Alt-Ctrl-D", Key::Char('d'), Modifiers::CTRL | Modifiers::ALT),
        ("Shift-Tab", Key::Tab, Modifiers::SHIFT),
        ("Shift-F5", Key::Function(5), Modifiers::SHIFT),
        ("Delete", Key::Delete, Modifiers::NONE),
        ("Enter", Key::Enter, Modifiers::NONE),
    ];
    all.map(pressed).into()
}

fn computed() -> Vectors {
    Vectors {
        about: "The kind terminal, version 1. Apply the messages of `updates` in order: after each step the \
                screen is as it says. `desk` and `viewer` are single messages of each side, `keys` what a \
                child reads. See docs/app-terminal.md."
            .to_owned(),
        updates: updates(),
        desk: desk(),
        viewer: viewer(),
        keys: keys(),
    }
}

#[test]
fn the_vectors_are_met() {
    let (file, computed) = (concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/terminal-1.json"), computed());
    if std::env::var_os("RELAY_APP_WRITE_VECTORS").is_some() {
        std::fs::write(file, sonic_rs::to_string_pretty(&computed).unwrap() + "\n").unwrap();
    }
    let written: Vectors = sonic_rs::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written, computed);
}

#[test]
fn the_vectors_draw_what_they_say() {
    let mut receiver = ScreenReceiver::new();
    for ((what, screen), step) in screens().iter().zip(updates()) {
        for message in step.messages {
            let bytes: Vec<u8> = (0..message.len() / 2)
                .map(|at| u8::from_str_radix(&message[at * 2..at * 2 + 2], 16).unwrap())
                .collect();
            assert!(receiver.on_message(&bytes).is_ok(), "{what}");
        }
        assert_eq!(receiver.screen(), screen, "{what}");
    }
}

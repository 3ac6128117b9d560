//! The example `phone` as a peer of the app protocol, with a desk that the case plays: pairs that are kept,
//! chat, and shared terminals, as text and in a window.

mod chat;
mod desk;
mod terminal;
mod window;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use protocol::ids::Role;
use relay_client::app::chat::{ChatMessage, ChatPart};
use relay_client::app::terminal::{
    DeskMessage, Row, RowBuilder, Screen, ScreenSender, Size, Style, ViewerInput, ViewerMessage,
    encode_desk_message,
};
use relay_client::app::{AppEvent, ChannelId, Kind, TerminalInfo};
use relay_client::engine::{EngineEvent, EngineSettings};
use relay_client::{LinkEvent, Stop};
use relay_tests::harness::Relay;
use relay_tests::harness::app::{LinkEnd, fresh_app_code, offer};
use relay_tests::harness::program::Program;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::tunnel::{Shelf, at, copy_of};

/// A phone's own folders, deleted with it.
pub(crate) struct Pocket(PathBuf);

impl Pocket {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("relay-pocket-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Pocket(path)
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("RELAY_PHONE_BIN", "examples/phone"));
        command.args(args).env("XDG_STATE_HOME", &self.0).env("TERM", "xterm");
        command
    }

    /// Started with pipes.
    pub(crate) fn phone(&self, args: &[&str]) -> Program {
        Program::start(&mut self.command(args))
    }

    /// Runs to the end, with an input that has ended: the exit code, and what was said.
    pub(crate) fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let (status, said) = self.phone(args).finish();
        (status.code(), said)
    }
}

impl Drop for Pocket {
    fn drop(&mut self) {
        // What is left is a temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The case's desk.
struct Desk {
    end: LinkEnd,
    shelf: Shelf,
    settings: EngineSettings,
}

impl Desk {
    /// A desk, and a phone in this pocket that is paired with it and was ended again.
    fn paired(relay: &Relay, pocket: &Pocket) -> Self {
        let code = fresh_app_code(relay.addr());
        let text = copy_of(&code).to_json();
        let (shelf, settings) = (Shelf::default(), at(Role::Workstation, relay.addr()));
        let end = LinkEnd::pair(Role::Workstation, code, &settings, Box::new(shelf.clone()));
        let phone = pocket.phone(&[&text]);
        let desk = Desk { end, shelf, settings };
        // Each phone opens a chat as soon as it can.
        desk.accept(Kind::Chat);
        let (status, said) = phone.finish();
        assert!(status.success(), "{said}");
        desk
    }

    /// Its process starts over.
    fn restart(&mut self) {
        self.end = LinkEnd::resume(Role::Workstation, &self.settings, &self.shelf);
    }

    /// How its engine ended.
    fn until_stopped(&self) -> Stop {
        self.end.until("end", |event| match event {
            LinkEvent::Engine(EngineEvent::Stopped { why, .. }) => Some(why.clone()),
            _ => None,
        })
    }

    /// Shares terminals of these names.
    fn share(&self, names: &[&str]) {
        let terminal =
            |name: &&str| TerminalInfo { name: (*name).into(), cols: 20, rows: 3, ..TerminalInfo::default() };
        let mut desk = offer("office");
        desk.terminals = names.iter().map(terminal).collect();
        self.end.link.set_desk(desk);
    }

    /// Accepts the next channel of this kind: it, and the parameters.
    fn accept(&self, kind: Kind) -> (ChannelId, String) {
        let opened = self.end.until("channel", |event| match event {
            LinkEvent::App(AppEvent::Opened { ch, kind: of, params }) if *of == kind => {
                Some((*ch, params.clone()))
            }
            _ => None,
        });
        self.end.link.accept(opened.0, "{}").unwrap();
        opened
    }

    fn say(&self, ch: ChannelId, id: &str, text: &str) {
        let message = ChatMessage { id: id.into(), at_ms: 1, text: text.into() };
        let bytes = ChatPart::Message(message).to_bytes().unwrap();
        self.end.link.try_send(ch, &bytes).unwrap();
    }

    /// The next part of the chat.
    fn heard(&self, ch: ChannelId) -> ChatPart {
        ChatPart::parse(&self.end.message(ch)).unwrap()
    }

    /// The text of the next message, which is confirmed.
    fn heard_text(&self, ch: ChannelId) -> String {
        loop {
            if let ChatPart::Message(message) = self.heard(ch) {
                let got = ChatPart::Got(message.id).to_bytes().unwrap();
                self.end.link.try_send(ch, &got).unwrap();
                return message.text;
            }
        }
    }
}

/// A terminal that the case's desk shares, and its one viewer.
struct Shared {
    ch: ChannelId,
    screen: Screen,
    sender: ScreenSender,
    input: ViewerInput,
}

impl Shared {
    /// Accepts the viewer that comes next: a screen of 20×3.
    fn accept(desk: &Desk) -> Self {
        let (ch, params) = desk.accept(Kind::Terminal);
        assert_eq!(params, r#"{"v":1,"name":"build"}"#);
        let screen = Screen::new(Size::new(20, 3).unwrap());
        Shared { ch, screen, sender: ScreenSender::new(), input: ViewerInput::new() }
    }

    /// Shows these rows, and waits until the viewer has drawn them.
    fn show(&mut self, desk: &Desk, rows: &[&str]) {
        rows.iter().enumerate().for_each(|(at, text)| self.screen.set_row(at, row(text)));
        self.update(desk);
    }

    fn update(&mut self, desk: &Desk) {
        let now = std::time::Duration::from_secs(1);
        self.sender = ScreenSender::new();
        for message in self.sender.poll_update(&self.screen, now).expect("a whole screen") {
            desk.end.link.try_send(self.ch, &message).unwrap();
        }
        assert_eq!(self.next(desk), ViewerMessage::Ack { seq: 1 });
    }

    fn tell(&self, desk: &Desk, message: &DeskMessage) {
        for message in encode_desk_message(message) {
            desk.end.link.try_send(self.ch, &message).unwrap();
        }
    }

    /// What the viewer says next.
    fn next(&mut self, desk: &Desk) -> ViewerMessage {
        loop {
            let bytes = desk.end.message(self.ch);
            if let Some(message) = self.input.on_message(&bytes).unwrap() {
                return message;
            }
        }
    }
}

fn row(text: &str) -> Row {
    let mut builder = RowBuilder::new();
    text.chars().for_each(|char| builder.push(&char.to_string(), !char.is_ascii(), &Style::default()));
    builder.finish(false)
}

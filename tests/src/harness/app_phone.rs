//! A phone that speaks the app protocol, as an app holds it.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::ids::Role;
use relay_client::app::chat::{ChatMessage, ChatPart};
use relay_client::app::{AppEvent, ChannelId, DeskInfo, Hello, Kind, Reason};
use relay_client::engine::{Engine, EngineEvent};
use relay_client::tunnel::Code;
use relay_client::{AppLink, LinkEvent, Stop};

use super::guard::GUARD;
use super::tunnel::{Shelf, at};

/// A phone.
pub struct AppPhone {
    /// The link itself.
    pub link: AppLink,
    /// What it keeps of the pair.
    pub shelf: Shelf,
    addr: SocketAddr,
    name: String,
    /// Events that came before the one that was wanted.
    passed: Vec<LinkEvent>,
}

impl AppPhone {
    /// A phone that has scanned `code`.
    pub fn pair(code: Code, addr: SocketAddr, name: &str) -> Self {
        let shelf = Shelf::default();
        let mut settings = at(Role::Phone, addr);
        settings.options.name = name.to_owned();
        let engine = Engine::pair(Role::Phone, code, &settings, Box::new(shelf.clone())).unwrap();
        Self::start(engine, shelf, addr, name)
    }

    /// The same phone after its process has ended.
    pub fn again(self) -> Self {
        let AppPhone { link, shelf, addr, name, .. } = self;
        drop(link);
        Self::resume(shelf, addr, &name)
    }

    /// A phone that goes on with what is kept.
    pub fn resume(shelf: Shelf, addr: SocketAddr, name: &str) -> Self {
        let engine = Engine::resume(&at(Role::Phone, addr), Box::new(shelf.clone())).unwrap();
        Self::start(engine, shelf, addr, name)
    }

    fn start(engine: Engine, shelf: Shelf, addr: SocketAddr, name: &str) -> Self {
        let link = AppLink::start(engine, Hello::new("test", name)).unwrap();
        AppPhone { link, shelf, addr, name: name.to_owned(), passed: Vec::new() }
    }

    /// Reads events until `pick` finds what it wants. The others are kept for a later call.
    pub fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&LinkEvent) -> Option<T>) -> T {
        for at in 0..self.passed.len() {
            if let Some(found) = pick(&self.passed[at]) {
                self.passed.remove(at);
                return found;
            }
        }
        loop {
            let event = self.link.next_events(1, GUARD).pop();
            let event = event
                .unwrap_or_else(|| panic!("{}: no {what} for {GUARD:?}, but {:?}", self.name, self.passed));
            if let Some(found) = pick(&event) {
                return found;
            }
            let has_stopped = matches!(event, LinkEvent::Engine(EngineEvent::Stopped { .. }));
            self.passed.push(event);
            assert!(!has_stopped, "{}: no {what}, but {:?}", self.name, self.passed);
        }
    }

    /// Reads until both ends have said hello.
    pub fn until_ready(&mut self) {
        self.until("hello of the desk", |event| {
            matches!(event, LinkEvent::App(AppEvent::Ready { .. })).then_some(())
        });
    }

    /// Reads until the desk offers what `pick` wants.
    pub fn until_desk<T>(&mut self, mut pick: impl FnMut(&DeskInfo) -> Option<T>) -> T {
        self.until("offer of the desk", |event| match event {
            LinkEvent::App(AppEvent::Desk(desk)) => pick(desk),
            _ => None,
        })
    }

    /// Reads until the end, and returns the reason.
    pub fn until_stopped(&mut self) -> Stop {
        self.until("end", |event| match event {
            LinkEvent::Engine(EngineEvent::Stopped { why, .. }) => Some(why.clone()),
            _ => None,
        })
    }

    /// Opens a channel.
    pub fn open(&mut self, kind: Kind, params: &str) -> Result<ChannelId, Reason> {
        let opened = self.link.open(kind, params).unwrap();
        self.until("answer to an open", |event| match event {
            LinkEvent::App(AppEvent::Accepted { ch, .. }) if *ch == opened => Some(Ok(*ch)),
            LinkEvent::App(AppEvent::Refused { ch, reason }) if *ch == opened => Some(Err(reason.clone())),
            _ => None,
        })
    }

    /// Opens the chat.
    pub fn open_chat(&mut self) -> ChannelId {
        self.open(Kind::Chat, "{}").unwrap()
    }

    /// Says something in the chat.
    pub fn say(&self, ch: ChannelId, id: &str, text: &str) {
        let message = ChatMessage { id: id.to_owned(), at_ms: 1, text: text.to_owned() };
        let bytes = ChatPart::Message(message).to_bytes().unwrap();
        self.link.send(ch, &bytes, GUARD).unwrap();
    }

    /// The next message of the chat, on any channel; it is not confirmed.
    pub fn hear_unconfirmed(&mut self) -> (ChannelId, ChatMessage) {
        self.until("chat message", |event| match event {
            LinkEvent::App(AppEvent::Data { ch, bytes }) => match ChatPart::parse(bytes) {
                Ok(ChatPart::Message(message)) => Some((*ch, message)),
                _ => None,
            },
            _ => None,
        })
    }

    /// The text of the next message of the chat, which is confirmed.
    pub fn hear(&mut self) -> String {
        let (ch, message) = self.hear_unconfirmed();
        let got = ChatPart::Got(message.id).to_bytes().unwrap();
        self.link.send(ch, &got, GUARD).unwrap();
        message.text
    }

    /// Waits until the desk has confirmed the message of this id.
    pub fn until_confirmed(&mut self, id: &str) {
        self.until("confirmation", |event| match event {
            LinkEvent::App(AppEvent::Data { bytes, .. }) => {
                (ChatPart::parse(bytes) == Ok(ChatPart::Got(id.to_owned()))).then_some(())
            }
            _ => None,
        });
    }

    /// Accepts the chat channel that the desk opens.
    pub fn accept_chat(&mut self) -> ChannelId {
        let ch = self.until("chat of the desk", |event| match event {
            LinkEvent::App(AppEvent::Opened { ch, kind: Kind::Chat, .. }) => Some(*ch),
            _ => None,
        });
        self.link.accept(ch, "{}").unwrap();
        ch
    }

    /// Everything that was said is at the desk.
    pub fn flush(&self) {
        self.link.flush(GUARD).unwrap();
    }

    /// Nothing comes for this long.
    pub fn expect_nothing_for(&self, time: Duration) {
        let events = self.link.next_events(1, time);
        assert!(events.is_empty(), "{events:?}");
    }
}

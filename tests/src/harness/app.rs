//! Both ends of the app protocol as apps hold them: links of the client library, through a real relay.

use std::net::SocketAddr;

use protocol::ids::Role;
use relay_client::app::{AppEvent, ChannelId, DeskInfo, Hello, Kind, Rights};
use relay_client::engine::{Engine, EngineEvent, EngineSettings, KeepNothing, Keeper};
use relay_client::tunnel::Code;
use relay_client::{AppLink, LinkEvent};

use super::guard::GUARD;
use super::tunnel::{Shelf, at, copy_of, fresh_code};

/// One end of the app protocol. Its user says yes to every phone.
pub struct LinkEnd {
    /// The link itself.
    pub link: AppLink,
    name: &'static str,
}

/// The code of a new session at the relay at `addr`, for the app protocol.
pub fn fresh_app_code(addr: SocketAddr) -> Code {
    Code { app: true, ..fresh_code(addr) }
}

/// What a desk of this name offers: everything but a shell, and no terminal.
pub fn offer(name: &str) -> DeskInfo {
    DeskInfo { name: name.into(), rights: Rights::default(), terminals: Vec::new() }
}

impl LinkEnd {
    /// An end that pairs by `code`.
    pub fn pair(role: Role, code: Code, settings: &EngineSettings, keeper: Box<dyn Keeper>) -> Self {
        Self::of(role, Engine::pair(role, code, settings, keeper).unwrap())
    }

    /// An end that goes on with what was kept.
    pub fn resume(role: Role, settings: &EngineSettings, keeper: &Shelf) -> Self {
        Self::of(role, Engine::resume(settings, Box::new(keeper.clone())).unwrap())
    }

    fn of(role: Role, engine: Engine) -> Self {
        let link = AppLink::start(engine, Hello::new(role.as_str(), role.as_str())).unwrap();
        if role == Role::Workstation {
            link.set_desk(offer("desk"));
        }
        LinkEnd { link, name: role.as_str() }
    }

    /// The next event. A question about a phone is answered with yes.
    pub fn event(&self) -> LinkEvent {
        let event = self.link.next_events(1, GUARD).pop();
        let event = event.unwrap_or_else(|| panic!("{}: no event for {GUARD:?}", self.name));
        if let LinkEvent::Engine(EngineEvent::Ask { question, .. }) = &event {
            self.link.engine().allow(*question).unwrap();
        }
        event
    }

    /// The next event of the app protocol.
    pub fn app_event(&self) -> AppEvent {
        loop {
            if let LinkEvent::App(event) = self.event() {
                return event;
            }
        }
    }

    /// Reads events until `pick` finds what it wants.
    pub fn until<T>(&self, what: &str, mut pick: impl FnMut(&LinkEvent) -> Option<T>) -> T {
        let mut seen = Vec::new();
        loop {
            let event = self.event();
            if let Some(found) = pick(&event) {
                return found;
            }
            let stops = matches!(event, LinkEvent::Engine(EngineEvent::Stopped { .. }));
            seen.push(format!("{event:?}"));
            assert!(!stops, "{} has no {what}, but {seen:?}", self.name);
        }
    }

    /// Reads events until both ends have said hello.
    pub fn until_ready(&self) {
        self.until("hello", |event| matches!(event, LinkEvent::App(AppEvent::Ready { .. })).then_some(()));
    }

    /// Opens a channel; the other end must accept it.
    pub fn open(&self, kind: Kind) -> ChannelId {
        let opened = self.link.open(kind, "{}").unwrap();
        self.until("answer", |event| match event {
            LinkEvent::App(AppEvent::Accepted { ch, .. }) if *ch == opened => Some(()),
            _ => None,
        });
        opened
    }

    /// Accepts the next channel that the other end opens.
    pub fn accept(&self) -> ChannelId {
        let ch = self.until("channel", |event| match event {
            LinkEvent::App(AppEvent::Opened { ch, .. }) => Some(*ch),
            _ => None,
        });
        self.link.accept(ch, "{}").unwrap();
        ch
    }

    /// The next message on a channel, which counts as consumed.
    pub fn message(&self, ch: ChannelId) -> Vec<u8> {
        let bytes = self.until("message", |event| match event {
            LinkEvent::App(AppEvent::Data { ch: at, bytes }) if *at == ch => Some(bytes.clone()),
            _ => None,
        });
        self.link.consumed(ch, bytes.len());
        bytes
    }
}

/// A desk and a phone.
pub struct Links {
    /// The desk.
    pub desk: LinkEnd,
    /// The phone.
    pub phone: LinkEnd,
}

impl Links {
    /// Pairs through the relay: each end by its own settings. Both have said hello.
    pub fn pair(code: Code, desk: &EngineSettings, phone: &EngineSettings) -> Self {
        Self::pair_keeping(code, (desk, Box::new(KeepNothing)), (phone, Box::new(KeepNothing)))
    }

    /// The same with keepers.
    pub fn pair_keeping(
        code: Code,
        (desk, shelf): (&EngineSettings, Box<dyn Keeper>),
        (phone, pocket): (&EngineSettings, Box<dyn Keeper>),
    ) -> Self {
        let scanned = copy_of(&code);
        let desk = LinkEnd::pair(Role::Workstation, code, desk, shelf);
        let phone = LinkEnd::pair(Role::Phone, scanned, phone, pocket);
        desk.until_ready();
        phone.until_ready();
        Links { desk, phone }
    }

    /// Pairs through the relay at this address.
    pub fn through(addr: SocketAddr) -> Self {
        Self::pair(fresh_app_code(addr), &at(Role::Workstation, addr), &at(Role::Phone, addr))
    }

    /// The phone opens a channel and the desk accepts it; the phone's id, then the desk's.
    pub fn open(&self, kind: Kind) -> (ChannelId, ChannelId) {
        let at_phone = self.phone.link.open(kind, "{}").unwrap();
        let at_desk = self.desk.accept();
        self.phone.until("answer", |event| match event {
            LinkEvent::App(AppEvent::Accepted { ch, .. }) if *ch == at_phone => Some(()),
            _ => None,
        });
        (at_phone, at_desk)
    }
}

//! Both ends of a tunnel as apps hold them: engines of the client library, through a real relay.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::ids::Role;
use protocol::qr::Pairing;
use relay_client::engine::{Engine, EngineEvent as Event, EngineSettings, KeepNothing, Keeper};
use relay_client::tunnel::{Code, CodeSecret, Credentials, PairingKey, SystemEntropy};
use relay_client::{Endpoint, Lost, Stop, http};

use super::guard::GUARD;
use super::session::Session;

/// One end, and its events that were read and not used yet.
pub struct End {
    /// The engine itself.
    pub engine: Engine,
    name: &'static str,
    /// Messages in the order in which they arrived.
    messages: Vec<Vec<u8>>,
    /// The last question of [`Event::Ask`].
    question: u64,
    /// Why this end ended connections, as far as events told it.
    pub faults: Vec<String>,
}

/// The code of a new session at the relay at `addr`.
pub fn fresh_code(addr: SocketAddr) -> Code {
    fresh_code_with(addr, None)
}

/// The same for a relay that requires a key.
pub fn fresh_code_with(addr: SocketAddr, register_key: Option<&str>) -> Code {
    let server = Endpoint::parse_http(&format!("http://{addr}")).unwrap();
    let registration = http::register(&server, register_key).unwrap();
    let ws = server.web_socket().to_string();
    let key = PairingKey::random(&mut SystemEntropy).unwrap();
    Code { pairing: Pairing { ws, ..registration.pairing }, key: Some(key), app: false }
}

/// A link of version 2 at the relay at `addr`, whose session is registered, and the code that it means.
pub fn fresh_link(addr: SocketAddr) -> (String, Code) {
    let server = Endpoint::parse_http(&format!("http://{addr}")).unwrap();
    let page = Endpoint::parse_http(&format!("http://{addr}/p")).unwrap();
    let secret = CodeSecret::random(&mut SystemEntropy).unwrap();
    let Credentials { session, token } = secret.credentials();
    http::register_own(&server, None, session, &token).unwrap();
    let link = secret.to_link(&page).expect("a link");
    (link.to_string(), secret.code(server.web_socket().to_string()))
}

/// The credentials of a code's session.
pub fn session_of(code: &Code) -> Session {
    let Pairing { session, token, .. } = &code.pairing;
    Session { id: session.to_string(), token: token.reveal().to_string() }
}

/// A copy of the code, as the other end reads it.
pub fn copy_of(code: &Code) -> Code {
    relay_client::tunnel::parse_pairing(&code.to_json()).unwrap()
}

/// The settings of an end that reaches the relay at this address.
pub fn at(role: Role, addr: SocketAddr) -> EngineSettings {
    let endpoint = Endpoint::parse_ws(&format!("ws://{addr}/ws")).unwrap();
    EngineSettings { endpoint: Some(endpoint), ..EngineSettings::new(role) }
}

impl End {
    /// An end that pairs by `code`.
    pub fn pair(role: Role, code: Code, settings: &EngineSettings) -> Self {
        Self::pair_keeping(role, code, settings, Box::new(KeepNothing))
    }

    /// The same with a keeper.
    pub fn pair_keeping(role: Role, code: Code, settings: &EngineSettings, keeper: Box<dyn Keeper>) -> Self {
        Self::of(role, Engine::pair(role, code, settings, keeper).unwrap())
    }

    /// An end that goes on with what was kept.
    pub fn resume(role: Role, settings: &EngineSettings, keeper: &Shelf) -> Self {
        Self::of(role, Engine::resume(settings, Box::new(keeper.clone())).unwrap())
    }

    fn of(role: Role, engine: Engine) -> Self {
        let name = role.as_str();
        End { engine, name, messages: Vec::new(), question: 0, faults: Vec::new() }
    }

    /// The next event that is not a message. Messages before it are kept for [`End::message`].
    pub fn event(&mut self) -> Event {
        loop {
            match self.next_event() {
                Event::Message(message) => self.messages.push(message.bytes),
                event => return event,
            }
        }
    }

    /// The next event, also a message.
    pub fn next_event(&mut self) -> Event {
        let event = self.engine.next_events(1, GUARD).pop();
        // The caller takes the event.
        self.engine.next_events(0, NOW);
        let event = event.unwrap_or_else(|| panic!("{}: no event for {GUARD:?}", self.name));
        if let Event::Reconnecting { why: Lost::Damaged(why), .. } = &event {
            self.faults.push(why.clone());
        }
        if let Event::Ask { question, .. } = event {
            self.question = question;
        }
        event
    }

    /// Reads events until `pick` finds what it wants.
    pub fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let mut seen = Vec::new();
        loop {
            let event = self.event();
            if let Some(found) = pick(&event) {
                return found;
            }
            seen.push(format!("{event:?}"));
            assert!(!matches!(event, Event::Stopped { .. }), "{} has no {what}, but {seen:?}", self.name);
        }
    }

    /// Reads events until the end, and returns the reason.
    pub fn until_stopped(&mut self) -> Stop {
        self.until("end", |event| match event {
            Event::Stopped { why, .. } => Some(why.clone()),
            _ => None,
        })
    }

    /// Reads events until the tunnel is open.
    pub fn until_open(&mut self) {
        self.until("opening", |event| matches!(event, Event::Opened { .. }).then_some(()));
    }

    /// The next message.
    pub fn message(&mut self) -> Vec<u8> {
        if !self.messages.is_empty() {
            return self.messages.remove(0);
        }
        loop {
            if let Event::Message(message) = self.next_event() {
                return message.bytes;
            }
        }
    }

    /// Reads events until the user is asked about a phone. Returns the question's number.
    pub fn until_asked(&mut self) -> u64 {
        self.until("question", |event| match event {
            Event::Ask { question, .. } => Some(*question),
            _ => None,
        })
    }

    /// The user says yes to the question that was read last.
    pub fn allow(&self) {
        self.engine.allow(self.question).unwrap();
    }

    /// The same without a fresh session.
    pub fn allow_here(&self) {
        self.engine.allow_here(self.question).unwrap();
    }

    /// The user says no to it.
    pub fn deny(&self) {
        self.engine.deny(self.question).unwrap();
    }

    /// Sends a message. Waits for room in the window.
    pub fn send(&self, message: &[u8]) -> u64 {
        self.engine.send(message, GUARD).unwrap()
    }

    /// Waits until the other app has everything. Something must read there.
    pub fn flush(&self) {
        self.engine.flush(GUARD).unwrap();
    }
}

/// A workstation and a phone.
pub struct Ends {
    /// The workstation.
    pub workstation: End,
    /// The phone.
    pub phone: End,
}

impl Ends {
    /// Pairs through the relay: the workstation by its settings, the phone by its own. Both are open.
    pub fn pair(code: Code, workstation: &EngineSettings, phone: &EngineSettings) -> Self {
        let scanned = copy_of(&code);
        let workstation = End::pair(Role::Workstation, code, workstation);
        let phone = End::pair(Role::Phone, scanned, phone);
        Self::introduce(workstation, phone)
    }

    /// As [`Ends::pair`], but both stay in the code's session, which a case may then break.
    pub fn pair_here(code: Code, workstation: &EngineSettings, phone: &EngineSettings) -> Self {
        let scanned = copy_of(&code);
        let workstation = End::pair(Role::Workstation, code, workstation);
        let phone = End::pair(Role::Phone, scanned, phone);
        Self::answer(workstation, phone, End::allow_here)
    }

    /// Lets the workstation's user say yes; then both are open, in a fresh session.
    pub fn introduce(workstation: End, phone: End) -> Self {
        Self::answer(workstation, phone, End::allow)
    }

    fn answer(mut workstation: End, mut phone: End, yes: impl FnOnce(&End)) -> Self {
        workstation.until_asked();
        yes(&workstation);
        workstation.until_open();
        phone.until_open();
        Ends { workstation, phone }
    }

    /// Pairs through the relay at this address.
    pub fn through(addr: SocketAddr) -> Self {
        Self::pair(fresh_code(addr), &at(Role::Workstation, addr), &at(Role::Phone, addr))
    }
}

/// A secret store in memory that outlives an engine.
#[derive(Clone, Debug, Default)]
pub struct Shelf(Arc<Mutex<Option<String>>>);

impl Shelf {
    /// What is kept.
    pub fn text(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, text: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

impl Keeper for Shelf {
    fn load(&mut self) -> io::Result<Option<zeroize::Zeroizing<String>>> {
        Ok(self.text().map(zeroize::Zeroizing::new))
    }

    fn store(&mut self, text: &str) -> io::Result<()> {
        self.put(Some(text.to_owned()));
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        self.put(None);
        Ok(())
    }
}

/// No wait at all.
pub const NOW: Duration = Duration::ZERO;

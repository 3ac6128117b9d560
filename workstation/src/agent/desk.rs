//! The commands that are connected to the agent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use relay_client::app::limits::DATA_HEADER_BYTES;

use super::lines::PhoneKey;
use crate::ipc::link::Link;
use crate::ipc::wire::{self, FromAgent, ToAgent, carry};

/// From the connection to the command's hello.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// Commands that may be connected at once.
const COMMANDS_MAX: usize = 256;

/// Reads of one command in one turn, and requests: each has its turn, and phones have theirs.
const READS_MAX: usize = 8;
const REQUESTS_MAX: usize = 64;

/// A command that leaves more unread gets no chat: it waits at the phone.
const UNREAD_CHAT_MAX: usize = 64 * 1024;

/// A command that leaves more unread has stopped. What phones send on its channels comes on top: it is
/// bounded by their credit.
const UNREAD_MAX: usize = 1024 * 1024;

/// The commands.
#[derive(Debug, Default)]
pub(super) struct Desk {
    commands: BTreeMap<Token, Command>,
}

#[derive(Debug)]
struct Command {
    link: Link,
    since: Instant,
    role: Role,
    /// Requests that it may make in this turn.
    left: usize,
    /// It has made that many, so there may be more.
    has_more: bool,
    /// The credit that phones have on its channels.
    carried: usize,
    /// The most of that since it had read everything.
    carried_max: usize,
    is_over: bool,
}

/// What came from a command.
#[derive(Debug)]
pub(super) enum Asked {
    Request(ToAgent),
    /// A message for a channel, by its handle; with room for the header that the channel puts before it.
    Data(u32, Vec<u8>),
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has not said hello.
    Unknown,
    /// It asks.
    Asking,
    /// It shows the chat with these phones; with all if none is named.
    Chat { to: Vec<String> },
    /// It takes what phones bring. With `shell`, they may open shells, each with its right to.
    Serve { shell: bool },
    /// It shows the code of this phone.
    Pairing(PhoneKey),
}

impl Desk {
    /// Takes a connection.
    ///
    /// # Errors
    /// There are too many, or it can't be polled.
    pub(super) fn admit(
        &mut self,
        mut stream: UnixStream,
        token: Token,
        registry: &Registry,
    ) -> std::io::Result<()> {
        if self.commands.len() >= COMMANDS_MAX {
            return Err(std::io::Error::other(format!("{COMMANDS_MAX} commands are connected already")));
        }
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let link = Link::new(stream);
        self.commands.insert(token, Command::new(link));
        Ok(())
    }

    pub(super) fn note_readable(&mut self, token: Token) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.link.note_readable();
        }
    }

    /// Reads once or a few times from each whose requests were all made, and begins a turn.
    pub(super) fn read(&mut self) {
        for command in self.commands.values_mut() {
            command.left = REQUESTS_MAX;
            if std::mem::take(&mut command.has_more) {
                continue;
            }
            for _ in 0..READS_MAX {
                if command.link.is_readable() {
                    command.link.read();
                }
            }
        }
    }

    /// True if commands may have more to say now.
    pub(super) fn has_more(&self) -> bool {
        self.commands.values().any(|command| command.has_more || command.link.is_readable())
    }

    /// The next request of this turn. Answers hello by itself.
    pub(super) fn next_request(&mut self) -> Option<(Token, Asked)> {
        self.commands.iter_mut().find_map(|(token, command)| Some((*token, command.next_request()?)))
    }

    pub(super) fn role(&self, token: Token) -> Option<&Role> {
        self.commands.get(&token).map(|command| &command.role)
    }

    pub(super) fn set_role(&mut self, token: Token, role: Role) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.role = role;
        }
    }

    /// The command that does this.
    pub(super) fn with_role(&self, role: &Role) -> Option<Token> {
        self.commands.iter().find(|(_, command)| command.role == *role).map(|(token, _)| *token)
    }

    /// Tells one command. None is there if it has just left.
    pub(super) fn tell(&mut self, token: Token, message: &FromAgent) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.tell(message);
        }
    }

    /// Passes a phone's message on to the command that has the channel of this handle.
    pub(super) fn pass(&mut self, token: Token, handle: u32, message: &[u8]) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.link.send(wire::DATA, &[&handle.to_be_bytes(), message].concat());
        }
    }

    /// A phone may send so much more to this command.
    pub(super) fn expect_carried(&mut self, token: Token, credit: usize) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.carried += credit;
            command.carried_max = command.carried_max.max(command.carried);
        }
    }

    /// A phone sends nothing more within this credit. What it has sent may lie here unread.
    pub(super) fn expect_carried_no_more(&mut self, token: Token, credit: usize) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.carried -= credit;
        }
    }

    /// The command does not keep to the rules.
    pub(super) fn give_up(&mut self, token: Token) {
        if let Some(command) = self.commands.get_mut(&token) {
            command.is_over = true;
        }
    }

    /// The chats that show this phone.
    pub(super) fn chats_of(&self, phone: &str) -> Vec<Token> {
        let shows = |(_, command): &(&Token, &Command)| command.role.shows(phone);
        self.commands.iter().filter(shows).map(|(token, _)| *token).collect()
    }

    /// True if a command lets phones open shells.
    pub(super) fn serves_shells(&self) -> bool {
        self.commands.values().any(|command| command.role == Role::Serve { shell: true })
    }

    /// Tells every chat that shows this phone, and all chats if none is named; and what serves phones.
    pub(super) fn tell_chats(&mut self, phone: Option<&str>, message: &FromAgent) {
        for command in self.commands.values_mut() {
            if phone.is_none_or(|phone| command.role.shows(phone))
                && matches!(command.role, Role::Chat { .. })
                || matches!(command.role, Role::Serve { .. })
            {
                command.tell(message);
            }
        }
    }

    /// True if a chat shows this phone and takes what it says.
    pub(super) fn hears(&self, phone: &str) -> bool {
        let takes = |command: &Command| command.role.shows(phone) && command.link.queued() < UNREAD_CHAT_MAX;
        self.commands.values().any(takes)
    }

    /// Sends what can be sent, and lets go of the commands that have ended: which they were.
    pub(super) fn flush(&mut self, now: Instant) -> Vec<(Token, Role)> {
        for command in self.commands.values_mut() {
            command.link.flush();
            let is_late = command.role == Role::Unknown && now > command.since + HELLO_WITHIN;
            if command.link.queued() == 0 {
                command.carried_max = command.carried;
            }
            let has_stopped = command.link.queued() > UNREAD_MAX + command.carried_max;
            let has_left = command.link.has_ended() && !command.has_more;
            command.is_over |= has_left || is_late || has_stopped;
        }
        let (over, going_on) =
            std::mem::take(&mut self.commands).into_iter().partition(|(_, command)| command.is_over);
        self.commands = going_on;
        let over: BTreeMap<Token, Command> = over;
        over.into_iter().map(|(token, command)| (token, command.role)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

impl Role {
    fn shows(&self, phone: &str) -> bool {
        matches!(self, Role::Chat { to } if to.is_empty() || to.iter().any(|name| name == phone))
    }
}

impl Command {
    fn new(link: Link) -> Self {
        Command {
            link,
            since: Instant::now(),
            role: Role::Unknown,
            left: 0,
            has_more: false,
            carried: 0,
            carried_max: 0,
            is_over: false,
        }
    }

    fn next_request(&mut self) -> Option<Asked> {
        while !self.is_over {
            if self.left == 0 {
                self.has_more = true;
                return None;
            }
            let frame = self.link.next_frame()?;
            self.left -= 1;
            if frame.kind == wire::DATA && self.role != Role::Unknown {
                if let Some((handle, message)) = carry::parsed_data(frame.payload) {
                    let room: &[u8] = &[0; DATA_HEADER_BYTES];
                    return Some(Asked::Data(handle, [room, message].concat()));
                }
                self.is_over = true;
                return None;
            }
            match wire::parsed::<ToAgent>(frame.payload).filter(|_| frame.kind == wire::JSON) {
                Some(ToAgent::Hello { .. }) => {
                    self.role = Role::Asking;
                    let program = env!("CARGO_PKG_VERSION").to_owned();
                    self.tell(&FromAgent::Hello { version: wire::VERSION, pid: std::process::id(), program });
                }
                Some(_) if self.role == Role::Unknown => self.is_over = true,
                Some(request) => return Some(Asked::Request(request)),
                None => {
                    let why = "the agent is of another version and does not know this request".to_owned();
                    self.tell(&FromAgent::Failed { why });
                }
            }
        }
        None
    }

    fn tell(&mut self, message: &FromAgent) {
        self.link.send(wire::JSON, &wire::payload(message));
    }
}
